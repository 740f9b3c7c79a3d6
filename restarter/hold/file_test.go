package hold

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"defib/restarter/policy"
)

func TestAHoldFileIsReadAsPeopleWriteIt(t *testing.T) {
	until := noon.Add(time.Hour)
	for text, want := range map[string][]string{
		"":                         nil,
		"\n  \n# x\n":              nil,
		"web 2026-01-02T13:00:00Z": {"web"},
		"label:team=core-* 2026-01-02T13:00:00Z # the team's":                   {"label:team=core-*"},
		"\ufeffweb 2026-01-02T13:00:00Z\r\nshop/*\t2026-01-02T13:00:00Z":        {"web", "shop/*"},
		"# backup\n web   2026-01-02T14:00:00+01:00 # until the backup is over": {"web"},
	} {
		holds, err := readHolds(file(t, text))
		if err != nil || len(holds) != len(want) {
			t.Errorf("%q: %v, %v", text, holds, err)
			continue
		}
		for i, h := range holds {
			if h.String() != want[i] || !h.Until.Equal(until) {
				t.Errorf("%q: %s until %s", text, h, h.Until)
			}
		}
	}
	for _, name := range []string{"", "/nonexistent/holds"} {
		if holds, err := readHolds(name); err != nil || len(holds) > 0 {
			t.Errorf("file %q: %v, %v", name, holds, err)
		}
	}
}

func TestABrokenLineIsNamedAndTheOthersHold(t *testing.T) {
	for line, want := range map[string]string{
		"web":                        `line 3: "web": must be a name and a time`,
		"web tomorrow":               `line 3: "web tomorrow": the time must be in the form 2026-01-02T15:04:05Z`,
		"web 2026-01-02T12:00:00":    "the time has no time zone: for UTC, write 2026-01-02T12:00:00Z",
		"web 2026-01-02T12:00:00Z x": "must be a name and a time",
		"[a 2026-01-02T12:00:00Z":    `"[a"`,
		", 2026-01-02T12:00:00Z":     "must be a single name",
		"a,b 2026-01-02T12:00:00Z":   "must be a single name",
	} {
		holds, err := readHolds(file(t, "# x\nok 2026-01-02T12:00:00Z\n"+line+"\nfine 2026-01-02T12:00:00Z\n"))
		if err == nil || !strings.Contains(err.Error(), want) || len(holds) != 2 {
			t.Errorf("%q: %v, %v, want two holds and an error that says %s", line, holds, err, want)
		}
	}
	_, err := readHolds(file(t, "a\nb\nc\n"))
	if err == nil || !strings.Contains(err.Error(), `line 1: "a": `) || !strings.Contains(err.Error(), "and 2 more invalid lines") {
		t.Errorf("several broken lines: %v", err)
	}
}

func TestWhatIsNoHoldFileIsAnError(t *testing.T) {
	unreadable := file(t, "web 2026-01-02T12:00:00Z")
	if err := os.Chmod(unreadable, 0); err != nil {
		t.Fatal(err)
	}
	huge := file(t, "web 2026-01-02T12:00:00Z\n"+strings.Repeat("#", 2*maxHoldFile))
	for name, holds := range map[string]int{t.TempDir(): 0, unreadable + "/holds": 0, huge: 1} {
		got, err := readHolds(name)
		if err == nil || len(got) != holds {
			t.Errorf("%s: %v, %v, want %d holds and an error", name, got, err, holds)
		}
		if _, err := Change(t.Context(), name, func(policy.Holds, error) (policy.Holds, error) { return nil, nil }); err == nil {
			t.Errorf("%s: it is overwritten, though it could not be read", name)
		}
	}
	if os.Geteuid() != 0 { // who may read everything
		if _, err := readHolds(unreadable); err == nil {
			t.Error("a file that may not be read holds nothing")
		}
	}
}

func TestAChangeLosesNothingThatItDoesNotUnderstand(t *testing.T) {
	path := file(t, "\ufeff# maintenance\r\nweb tomorrow\r\ndb 2026-01-02T13:00:00Z # backup\r\nold 2026-01-02T11:00:00Z\r\n")
	var told error
	_, err := Change(t.Context(), path, func(holds policy.Holds, broken error) (policy.Holds, error) {
		told = broken
		return holds.With(noon, noon.Add(time.Hour), patterns("cache")), nil
	})
	if err != nil || told == nil || !strings.Contains(told.Error(), `line 2: "web tomorrow"`) {
		t.Fatalf("error %v; it was told %v", err, told)
	}
	const want = "# maintenance\nweb tomorrow\ndb 2026-01-02T13:00:00Z # backup\ncache 2026-01-02T13:00:00Z\n"
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("the file is %q, %v, want %q", text, err, want)
	}
	refusal := errors.New("no")
	if _, err := Change(t.Context(), path, func(policy.Holds, error) (policy.Holds, error) { return nil, refusal }); !errors.Is(err, refusal) {
		t.Errorf("error %v, want %v", err, refusal)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("a change that was called off left %q, %v", text, err)
	}
}

// fifo makes a file whose reader hangs until the test ends.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holds")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { letIn(path) })
	return path
}

// letIn ends the wait of those who open a FIFO to read it.
func letIn(fifo string) {
	if f, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil {
		_ = f.Close()
	}
}

func TestLaw12AFileSystemThatHangsIsNotWaitedForForEver(t *testing.T) {
	path := fifo(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Read(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("reading: %v, want an error that says that the time is over", err)
	}
	tooLate := errors.New("too late") // once it is let in
	_, err := Change(ctx, path, func(policy.Holds, error) (policy.Holds, error) { return nil, tooLate })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("changing: %v, want an error that says that the time is over", err)
	}
}

// What is renamed before it is on the disk may be lost with the power, and so may the
// rename.
func TestAHoldIsOnTheDiskBeforeItIsAnswered(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not on the PATH")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-e", "trace=fsync,rename,renameat,renameat2", self, "-test.run=^TestHoldsAreReadBackAsTheyWereWritten$")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("strace does not work here: %v\n%s", err, out)
	}
	var calls []string
	for _, m := range regexp.MustCompile(`(fsync|rename)(?:at2?)?\(.*/holds|(fsync)\(`).FindAllStringSubmatch(string(out), -1) {
		calls = append(calls, m[1]+m[2])
	}
	if d := cmp.Diff([]string{"fsync", "rename", "fsync"}, calls); d != "" {
		t.Errorf("%s\n%s", d, out)
	}
}

// write makes a hold file of these holds.
func write(t *testing.T, path string, holds policy.Holds) {
	t.Helper()
	if _, err := Change(t.Context(), path, func(policy.Holds, error) (policy.Holds, error) { return holds, nil }); err != nil {
		t.Fatal(err)
	}
}

func TestHoldsAreReadBackAsTheyWereWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holds")
	want := policy.Holds{}.With(noon, noon.Add(time.Hour), patterns("web,shop/*")).With(noon, noon.Add(2*time.Hour), nil)
	write(t, path, want)
	got, err := readHolds(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(policy.Pattern{})); diff != "" {
		t.Error(diff)
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
		t.Errorf("files left behind: %q", files)
	}
}

// In a bubble a disk that is slow uses up nobody's time for the lock.
// A Defib that reads the file itself sees what is held by a link to it.
func TestAHoldByALinkIsInTheFileThatItMeans(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "sub", "holds"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.Symlink("sub/holds", link)); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour)
	for n := range 2 { // the first time there is no such file
		if _, err := Change(t.Context(), link, func(holds policy.Holds, _ error) (policy.Holds, error) {
			return append(holds, policy.Hold{Pattern: patterns("web")[0], Until: until}), nil
		}); err != nil {
			t.Fatal(err)
		}
		if holds, err := Read(t.Context(), file); err != nil || len(holds) != n+1 {
			t.Errorf("the file holds %v, %v", holds, err)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
}

func TestHoldsThatAreSetAtTheSameTimeAllCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "holds")
		var g errgroup.Group
		for i := range 50 {
			g.Go(func() error {
				_, err := Change(t.Context(), path, func(holds policy.Holds, _ error) (policy.Holds, error) {
					return holds.With(noon, noon.Add(time.Hour), patterns(fmt.Sprint("web-", i))), nil
				})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if holds, err := readHolds(path); err != nil || len(holds) != 50 {
			t.Errorf("%d of 50 holds are left, %v", len(holds), err)
		}
	})
}

func TestAFolderThatStaysLockedIsAnErrorAndNoWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		folder, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer folder.Close()
		if err := lock(folder); err != nil {
			t.Fatal(err)
		}
		holds, err := Change(t.Context(), filepath.Join(dir, "holds"), func(holds policy.Holds, _ error) (policy.Holds, error) {
			return holds.With(noon, noon, nil), nil
		})
		if err == nil || !strings.Contains(err.Error(), "try again") || holds != nil {
			t.Errorf("%v, %v, want an error that says what to do", holds, err)
		}
	})
}

func TestAHoldDoesNotEndBeforeItsTime(t *testing.T) {
	for _, until := range []time.Time{noon, noon.Add(time.Nanosecond), noon.Add(999 * time.Millisecond)} {
		path := filepath.Join(t.TempDir(), "holds")
		write(t, path, policy.Holds{}.With(noon.Add(-time.Minute), until, nil))
		holds, err := readHolds(path)
		if err != nil || len(holds) != 1 {
			t.Fatal(holds, err)
		}
		if early := until.Sub(holds[0].Until); early > 0 || early <= -time.Second {
			t.Errorf("a hold until %v ends %v before", until, early)
		}
	}
}

func TestAHoldThatCanMatchNoNameIsABrokenLine(t *testing.T) {
	for _, entry := range []string{"^web$", "!web", "web-{a", "web|db", "-web", `web\d`, "web[$@]", "Shop/db", "a/b/c"} {
		if _, err := readHolds(file(t, entry+" 2026-01-02T12:00:00Z")); err == nil {
			t.Errorf("%q: a hold that can hold nothing is taken", entry)
		}
	}
}
