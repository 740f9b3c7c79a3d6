// Package hold reads and changes the file of holds for maintenance, which outlives the
// process. No file system that hangs stops its callers for longer than they allow.
package hold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"defib/internal/atomicfile"
	"defib/internal/beside"
	"defib/restarter/policy"
)

// maxHoldFile is how much of a hold file is read: nobody writes so many holds.
const maxHoldFile = 1 << 20

// holdLine is one line of a hold file. A change keeps it as it is, unless its hold
// has ended or is released.
type holdLine struct {
	text string
	hold policy.Hold
	kind lineKind
	err  error // what is wrong with one that is broken
}

type lineKind int

const (
	lineHold   lineKind = iota
	lineEmpty           // or a comment
	lineBroken          // it says something that is not understood
)

// Read reads a file of holds: one a line, and comments after a #. A file that
// does not exist, or no file at all, holds nothing. Whatever of it is not understood
// is an error, beside the holds that are. A file system that hangs is waited for as
// long as the context lasts.
func Read(ctx context.Context, file string) (policy.Holds, error) {
	return beside.Run(ctx, func() (policy.Holds, error) { return readHolds(file) }, hangs)
}

// hangs says that the file system did not answer before the context ended.
func hangs(ctx context.Context) error {
	return fmt.Errorf("the file system of the hold file does not respond: %w", ctx.Err())
}

func readHolds(file string) (policy.Holds, error) { return FileReader(file)() }

// FileReader returns a function that reads a file of holds as Read does, and parses it
// only if it has changed. It is for one caller at a time.
func FileReader(file string) func() (policy.Holds, error) {
	var last string
	var holds policy.Holds
	var fault error
	return func() (policy.Holds, error) {
		text, err := readHoldText(file)
		if text != last {
			lines := parseHolds(text)
			last, holds, fault = text, holdsOf(lines), brokenLines(file, lines)
		}
		return holds, errors.Join(err, fault)
	}
}

// readHoldText returns the text of a file, and an error if that is not all of it.
func readHoldText(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHoldFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxHoldFile {
		whole := text[:bytes.LastIndexByte(text, '\n')+1] // without a line that is cut off
		return string(whole), fmt.Errorf("%s: larger than 1 MiB: delete what is not a hold", file)
	}
	return string(text), nil
}

func parseHolds(text string) []holdLine {
	var lines []holdLine
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		l := holdLine{text: strings.TrimRight(line, "\r\n")}
		says, _, _ := strings.Cut(l.text, "#")
		if fields := strings.Fields(says); len(fields) == 0 {
			l.kind = lineEmpty
		} else if l.hold, l.err = parseHold(fields); l.err != nil {
			l.kind = lineBroken
		}
		lines = append(lines, l)
	}
	return lines
}

func parseHold(fields []string) (policy.Hold, error) {
	if len(fields) != 2 {
		return policy.Hold{}, errors.New("must be a name and a time")
	}
	until, err := time.Parse(time.RFC3339, fields[1])
	if err != nil {
		if _, err := time.Parse("2006-01-02T15:04:05", fields[1]); err == nil {
			return policy.Hold{}, fmt.Errorf("the time has no time zone: for UTC, write %sZ", fields[1])
		}
		return policy.Hold{}, errors.New("the time must be in the form 2026-01-02T15:04:05Z")
	}
	patterns, err := policy.ParsePatterns(fields[:1])
	if err != nil {
		return policy.Hold{}, err
	}
	if len(patterns) != 1 {
		return policy.Hold{}, errors.New("must be a single name")
	}
	return policy.Hold{Pattern: patterns[0], Until: until.UTC()}, nil
}

func holdsOf(lines []holdLine) policy.Holds {
	var holds policy.Holds
	for _, l := range lines {
		if l.kind == lineHold {
			holds = append(holds, l.hold)
		}
	}
	return holds
}

// brokenLines names the first line that is broken, and counts the others.
func brokenLines(file string, lines []holdLine) error {
	var first error
	more := 0
	for i, l := range lines {
		switch {
		case l.kind != lineBroken:
		case first == nil:
			first = fmt.Errorf("%s: line %d: %.100q: %w", file, i+1, strings.TrimSpace(l.text), l.err)
		default:
			more++
		}
	}
	if more > 0 {
		return fmt.Errorf("%w (and %d more invalid lines)", first, more)
	}
	return first
}

// lockTimeout is how long a change waits for those of others.
const lockTimeout = 5 * time.Second

// Change makes of the holds of a file what change says, and returns these. An
// error of change leaves the file alone; broken is what change is told of lines that
// are not understood. These stay as they are, as comments do. Callers take turns, also
// those in other processes: meanwhile they lock the folder, which must be there,
// readable and writable. A file system that hangs is waited for as long as the context
// lasts.
func Change(ctx context.Context, file string, change func(holds policy.Holds, broken error) (policy.Holds, error)) (policy.Holds, error) {
	return beside.Run(ctx, func() (policy.Holds, error) { return changeHolds(file, change) }, hangs)
}

func changeHolds(file string, change func(policy.Holds, error) (policy.Holds, error)) (policy.Holds, error) {
	file = target(file) // one in the place of a link would be none that others read
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("open the directory of the hold file: %w", err)
	}
	defer folder.Close() // which ends the lock
	if err := lock(folder); err != nil {
		return nil, fmt.Errorf("lock %s: %w", folder.Name(), err)
	}
	text, err := readHoldText(file)
	if err != nil {
		return nil, fmt.Errorf("read the hold file: %w", err) // what is not known would be lost
	}
	lines := parseHolds(text)
	holds, err := change(holdsOf(lines), brokenLines(file, lines))
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Replace(file, []byte(render(holds, lines)), 0o644); err != nil {
		return nil, fmt.Errorf("write %s (its directory must be writable): %w", file, err)
	}
	return holds, nil
}

// target is the file that a path means, also if that is a link to what does not exist yet.
func target(file string) string {
	if path, err := filepath.EvalSymlinks(file); err == nil {
		return path
	}
	path, err := os.Readlink(file)
	switch {
	case err != nil:
		return file
	case !filepath.IsAbs(path):
		path = filepath.Join(filepath.Dir(file), path)
	}
	return path
}

// render returns the text of a file that has these holds, and what else these lines say.
func render(hs policy.Holds, lines []holdLine) string {
	var text strings.Builder
	fresh := slices.Clone(hs)
	for _, l := range lines {
		if l.kind == lineHold {
			i := slices.Index(fresh, l.hold)
			if i < 0 {
				continue
			}
			fresh = slices.Delete(fresh, i, i+1)
		}
		fmt.Fprintln(&text, l.text)
	}
	for _, h := range fresh {
		fmt.Fprintf(&text, "%s %s\n", h, h.Until.Format(time.RFC3339))
	}
	return text.String()
}

// lock does not wait indefinitely: whoever may read the folder can lock it.
func lock(folder *os.File) error {
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("locked by another process: try again")
		}
	}
}
