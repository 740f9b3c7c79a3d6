package hold

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"defib/restarter/policy"
)

// announced announces a file until it is ended, which waits for the end.
func announced(t *testing.T, file string, logger *slog.Logger) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Announce(ctx, file, logger)
	}()
	synctest.Wait()
	return func() { cancel(); <-done }
}

func wantRead(t *testing.T, when, file string, want bool) {
	t.Helper()
	if got, err := IsRead(t.Context(), file); got != want || err != nil {
		t.Errorf("%s: %s is read: %v, %v, want %v", when, file, got, err, want)
	}
}

func TestAHoldFileIsReadAsLongAsAProcessAnnouncesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "holds")
		wantRead(t, "nobody announces it", file, false)
		one := announced(t, file, slog.New(slog.DiscardHandler))
		two := announced(t, dir+"/./holds", slog.New(slog.DiscardHandler))
		wantRead(t, "two announce it", file, true)
		wantRead(t, "another file of the directory is announced", filepath.Join(dir, "others"), false)
		wantRead(t, "a file of that name is announced in another directory", filepath.Join(t.TempDir(), "holds"), false)
		one()
		wantRead(t, "one of two has ended", file, true)
		time.Sleep(3 * announceInterval)
		wantRead(t, "much later", file, true)
		two()
		wantRead(t, "both have ended", file, false)
	})
}

func TestChangesAndAnnouncementsDoNotLockEachOtherOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "holds")
		_, err := Change(t.Context(), file, func(policy.Holds, error) (policy.Holds, error) {
			defer announced(t, file, slog.New(slog.DiscardHandler))()
			wantRead(t, "announced during a change", file, true)
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer announced(t, file, slog.New(slog.DiscardHandler))()
		write(t, file, policy.Holds{}.With(noon, noon.Add(time.Hour), nil))
		wantRead(t, "replaced by a change", file, true)
		write(t, file, nil) // and the question locks nothing either
	})
}

func TestADirectoryThatIsMadeOrReplacedIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "later")
		file, old := filepath.Join(dir, "holds"), filepath.Join(dir+"-old", "holds")
		var log bytes.Buffer
		defer announced(t, file, slog.New(slog.NewTextHandler(&log, nil)))()
		create := func() {
			t.Helper()
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			time.Sleep(announceInterval)
			synctest.Wait()
		}
		create()
		wantRead(t, "made later", file, true)
		if err := os.Rename(dir, filepath.Dir(old)); err != nil {
			t.Fatal(err)
		}
		create()
		wantRead(t, "replaced", file, true)
		wantRead(t, "the one that was replaced", old, false)
		if log.Len() > 0 {
			t.Errorf("it is logged that there was no directory, though a file that does not exist holds nothing:\n%s", log.String())
		}
	})
}

func TestADirectoryThatCannotBeLockedIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inTheWay := file(t, "")
		path := filepath.Join(inTheWay, "dir", "holds")
		var log bytes.Buffer
		defer announced(t, path, slog.New(slog.NewTextHandler(&log, nil)))()
		time.Sleep(3 * announceInterval)
		if err := errors.Join(os.Remove(inTheWay), os.MkdirAll(filepath.Dir(path), 0o700)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * announceInterval)
		synctest.Wait()
		wantRead(t, "once it can be locked", path, true)
		if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "not a directory") || strings.Count(text, "level=INFO") != 1 {
			t.Errorf("it is not logged once when it begins and once when it ends:\n%s", text)
		}
	})
}

func TestNoHoldFileIsNotAnnounced(t *testing.T) {
	t.Chdir(t.TempDir())
	Announce(t.Context(), "", nil) // returns at once
	wantRead(t, "none is given", "", false)
}

func TestWhatCannotBeAskedIsNotTakenForAnAnswer(t *testing.T) {
	if read, err := IsRead(t.Context(), "/nonexistent/holds"); read || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, %v, want an error", read, err)
	}
}

// A FIFO in place of the directory is as silent as a network file system that hangs.
func TestLaw12ADirectoryThatHangsDelaysNeitherTheEndNorTheAnswer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := syscall.Mkfifo(dir, 0o600); err != nil {
		t.Fatal(err)
	}
	defer letIn(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := IsRead(ctx, filepath.Join(dir, "holds")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want one that says that the time is over", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Announce(ctx, filepath.Join(dir, "holds"), slog.New(slog.DiscardHandler))
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("it does not end")
	}
}
