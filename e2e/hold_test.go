package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hold asks the contained Defib for a hold, by docker exec.
func (c *contained) hold(args ...string) {
	c.Helper()
	code, said := c.exec(append([]string{"/defib", "hold"}, args...)...)
	if code != 0 || !strings.Contains(said, "on hold until") {
		c.Fatalf("defib hold: exit code %d, %s", code, said)
	}
}

func TestHoldByDockerExec(t *testing.T) {
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	b := s.run("token", spec{args: []string{"-code=1"}})
	d := s.contain(nil, whitelist(b), "--docker.resync-interval=1s")
	d.hold(b.name, "--for", "2h")
	b.crash()
	d.awaitHeld(b, "on_hold")
	d.awaitValue("defib_on_hold", 1)
	if next, _ := d.now(series("defib_container_next_attempt_timestamp_seconds", "name", b.name)); next < float64(time.Now().Add(time.Hour).Unix()) {
		t.Errorf("the hold of 2h is shown until %v", next)
	}

	d.box.restart()
	d.box.awaitEvents("start", 2)
	d.attend() // the same Defib in a new life
	d.awaitHeld(b, "on_hold")
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	b.startedTimes(1)

	if code, said := d.exec("/defib", "release", b.name); code != 0 || !strings.Contains(said, "Nothing is on hold") {
		t.Errorf("defib release: exit code %d, %s", code, said)
	}
	b.awaitEvents("start", 2)
	d.awaitLine(1, "container started", "container", b.name)
	d.shows("defib_on_hold", 0)

	began := time.Now()
	d.hold("--for", "5s") // everybody
	b.crash()
	b.awaitEvents("start", 3)
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("it was started %v after a hold of 5s began", took)
	}
}

func TestLaw11BrokenHoldFileReleasesNothingAndHoldsNothingForEver(t *testing.T) {
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	held, free := s.run("held", spec{args: []string{"-code=1"}}), s.run("free", spec{args: []string{"-code=1"}})
	d := s.contain(nil, whitelist(held, free), "--docker.resync-interval=1s")
	d.hold(held.name, "--for", "30s")
	held.crash()
	d.awaitTold(held, "on_hold")

	file := filepath.Join(d.holds, "holds")
	if err := os.WriteFile(file, []byte("everything, please\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	told := d.awaitLine(1, "the hold file cannot be read: what was on hold stays so until it expires")
	if !strings.Contains(told.str("err"), "everything, please") || !told.has("level", "WARN") {
		t.Errorf("it is not said what is wrong: %s", told.text)
	}
	d.shows("defib_hold_file_broken", 1)
	if code, said := d.exec("/defib", "release", held.name); code == 0 || !strings.Contains(said, "line 1") || !strings.Contains(said, "everything, please") {
		t.Errorf("defib release: exit code %d, %s", code, said)
	}
	free.crash()
	free.awaitEvents("start", 2)
	held.awaitEvents("start", 2) // its hold has ended, with the file as it is
	d.logged(1, "the hold file cannot be read: what was on hold stays so until it expires")

	// An emergency does not wait for whoever corrects it.
	if code, said := d.exec("/defib", "hold", free.name, "--for", "1h"); code == 0 || !strings.Contains(said, free.name+" is on hold until") || !strings.Contains(said, "everything, please") {
		t.Errorf("defib hold: exit code %d, %s", code, said)
	}
	free.crash()
	d.awaitHeld(free, "on_hold")
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "everything, please\n") {
		t.Errorf("the broken line is lost: %q, %v", text, err)
	}

	d.box.restart() // and now nothing is known but that
	d.box.awaitEvents("start", 2)
	d.attend()
	d.awaitLine(1, "the hold file cannot be read: everything is on hold until it can")
	held.crash()
	d.awaitHeld(held, "on_hold")
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	held.startedTimes(2)

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	d.awaitLine(1, "the hold file can be read again")
	held.awaitEvents("start", 3)
	free.awaitEvents("start", 3)
	d.shows("defib_hold_file_broken", 0)
	d.hold(held.name, "--for", "1h")
	held.crash()
	d.awaitHeld(held, "on_hold")
}

// A FIFO that nobody writes is as silent as a network file system that hangs.
func TestLaw12HoldFileThatHangsOpensNothingAndStopsNothing(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{args: []string{"-code=1"}})
	file := filepath.Join(t.TempDir(), "holds")
	hang := func() {
		t.Helper()
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The reader is let in only once there is another file to be read.
	answer := func() {
		t.Helper()
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err := errors.Join(err, os.Remove(file), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	hang()
	d := s.defib(whitelist(b), "--restart.hold-file="+file, "--docker.resync-interval=1s", "--restart.backoff-max=1s", "--restart.stopped-delay=1s")
	d.awaitLine(1, "the hold file cannot be read: everything is on hold until it can")
	b.crash()
	d.awaitHeld(b, "on_hold")
	d.shows("defib_hold_file_broken", 1)
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	b.startedTimes(1)
	answer()
	b.awaitEvents("start", 2)
	d.awaitLine(1, "the hold file can be read again")
	d.shows("defib_hold_file_broken", 0)

	hang()
	d.awaitLine(1, "the hold file cannot be read: what was on hold stays so until it expires")
	b.crash()
	b.awaitEvents("start", 3)
	d.shows("defib_hold_file_broken", 1)
	answer()
	d.awaitLine(2, "the hold file can be read again")
}
