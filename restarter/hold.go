package restarter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"defib/engine"
)

// Everything is the entry of a hold that names nobody.
const Everything = "*"

// Hold keeps containers from being acted upon until it ends, which it always
// does by itself.
type Hold struct {
	Pattern
	Until time.Time
}

// Holds are the holds of a file, one a line: an entry as in a whitelist and the
// moment when it ends, as RFC 3339 has it.
type Holds []Hold

// ReadHolds reads a file of holds. One that does not exist, or no file at all,
// holds nothing. One that has a mistake is an error that names it.
func ReadHolds(file string) (Holds, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var holds Holds
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		h, err := parseHold(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", file, strings.TrimSpace(line), err)
		}
		holds = append(holds, h)
	}
	return holds, nil
}

func parseHold(fields []string) (Hold, error) {
	if len(fields) != 2 {
		return Hold{}, errors.New("want a name and a time")
	}
	until, err := time.Parse(time.RFC3339, fields[1])
	if err != nil {
		return Hold{}, errors.New("want a time such as 2026-01-02T15:04:05Z")
	}
	patterns, err := ParsePatterns(fields[:1])
	if err != nil || len(patterns) != 1 {
		return Hold{}, errors.Join(errors.New("want one name"), err)
	}
	return Hold{Pattern: patterns[0], Until: until}, nil
}

// Until is when the last hold of the container ends; zero if there is none.
func (hs Holds) Until(c *engine.Container) time.Time {
	var until time.Time
	for _, h := range hs {
		if h.Matches(c) {
			until = later(until, h.Until)
		}
	}
	return until
}

// Active counts the holds that have not ended.
func (hs Holds) Active(now time.Time) int {
	return len(hs.after(now))
}

func (hs Holds) after(now time.Time) Holds {
	return slices.DeleteFunc(slices.Clone(hs), func(h Hold) bool { return !h.Until.After(now) })
}

// With returns the holds that have not ended, and one for each of these names
// until the given moment; none means everything. A name has one hold, the newest.
// The file knows whole seconds: a hold does not end before its time.
func (hs Holds) With(now, until time.Time, names []Pattern) Holds {
	if len(names) == 0 {
		names = []Pattern{{text: Everything, name: Everything, glob: true}}
	}
	hs = hs.Without(now, names)
	until = until.Add(time.Second - 1).Truncate(time.Second)
	for _, name := range names {
		hs = append(hs, Hold{Pattern: name, Until: until})
	}
	return hs
}

// Without returns the holds that have not ended and are not of these names; none
// means everything.
func (hs Holds) Without(now time.Time, names []Pattern) Holds {
	if len(names) == 0 {
		return nil
	}
	return slices.DeleteFunc(hs.after(now), func(h Hold) bool {
		return slices.ContainsFunc(names, func(n Pattern) bool { return n.text == h.text })
	})
}

// lockPatience is how long a change waits for those of others.
const lockPatience = 5 * time.Second

// ChangeHolds makes of the holds of a file what change says, and returns these.
// Callers take turns, also those in other processes: meanwhile they lock the
// folder, which must be there, readable and writable.
func ChangeHolds(file string, change func(Holds) Holds) (Holds, error) {
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("the folder of the hold file: %w", err)
	}
	defer folder.Close() // which ends the lock
	if err := lock(folder); err != nil {
		return nil, fmt.Errorf("locking %s: %w", folder.Name(), err)
	}
	holds, err := ReadHolds(file)
	if err != nil {
		return nil, err
	}
	holds = change(holds)
	if err := holds.write(file); err != nil {
		return nil, fmt.Errorf("writing %s, whose folder must be writable: %w", file, err)
	}
	return holds, nil
}

// lock never waits for ever: whoever may read the folder can lock it.
func lock(folder *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("another process has kept it locked; try again")
		}
	}
}

// write replaces the file at once, so that nobody reads half of it.
func (hs Holds) write(file string) error {
	var text strings.Builder
	for _, h := range hs {
		fmt.Fprintf(&text, "%s %s\n", h, h.Until.UTC().Format(time.RFC3339))
	}
	fresh, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name())
	_, err = fresh.WriteString(text.String())
	if err := errors.Join(err, fresh.Chmod(0o644), fresh.Close()); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), file)
}
