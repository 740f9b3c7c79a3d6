package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"defib/e2e/harness"
)

// hold asks the contained Defib for a hold, by docker exec.
func hold(c *harness.Contained, args ...string) {
	c.Helper()
	code, said := c.Exec(append([]string{"/defib", "hold"}, args...)...)
	if code != 0 || !strings.Contains(said, "on hold until") {
		c.Fatalf("defib hold: exit code %d, %s", code, said)
	}
}

func TestHoldByDockerExec(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
	d := s.Contain(nil, harness.Whitelist(b), "--docker.resync-interval=1s")
	hold(d, b.Name, "--for", "2h")
	b.Crash()
	d.AwaitHeld(b, "on_hold")
	d.AwaitValue("defib_on_hold", 1)
	if next, _ := d.Sample(harness.Series("defib_container_next_attempt_timestamp_seconds", "name", b.Name)); next < float64(time.Now().Add(time.Hour).Unix()) {
		t.Errorf("the hold of 2h is shown until %v", next)
	}

	d.Container.Restart()
	d.Container.AwaitEvents("start", 2)
	d.Attend() // the same Defib in a new life
	d.AwaitHeld(b, "on_hold")
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	b.StartedTimes(1)

	if code, said := d.Exec("/defib", "release", b.Name); code != 0 || !strings.Contains(said, "Nothing is on hold") {
		t.Errorf("defib release: exit code %d, %s", code, said)
	}
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "container started", "container", b.Name)
	d.Shows("defib_on_hold", 0)

	began := time.Now()
	hold(d, "--for", "5s") // everybody
	b.Crash()
	b.AwaitEvents("start", 3)
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("it was started %v after a hold of 5s began", took)
	}
}

// The container has the file under a path of its own.
func TestHoldSaysIfNoRunningDefibReadsItsFile(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	d := s.Contain(nil, "--docker.resync-interval=1s")
	here := filepath.Join(d.Holds, "holds")
	const sentence = "No running Defib on this host reads "
	onHost := func(file string) string {
		t.Helper()
		h := harness.Spawn(t, nil, "hold", "--for=1h", "--restart.hold-file="+file)
		code, said := h.ExitCode(), h.Tail(9)
		if code != 0 || !strings.Contains(said, "on hold until") {
			t.Fatalf("defib hold: exit code %d, %s", code, said)
		}
		return said
	}
	harness.Eventually(t, "defib hold to find the running Defib", func() bool { return !strings.Contains(onHost(here), sentence) })
	if code, said := d.Exec("/defib", "hold", "--for", "1h"); code != 0 || strings.Contains(said, sentence) {
		t.Errorf("by docker exec: exit code %d, %s", code, said)
	}
	if code, said := d.Exec("/defib", "hold", "--for", "1h", "--restart.hold-file=/holds/hold"); code != 0 || !strings.Contains(said, sentence+"/holds/hold: ") {
		t.Errorf("by docker exec, of another file: exit code %d, %s", code, said)
	}
	elsewhere := filepath.Join(t.TempDir(), "holds")
	if said := onHost(elsewhere); !strings.Contains(said, sentence+elsewhere+": ") {
		t.Errorf("of another directory: %s", said)
	}
	d.Container.StopAtOnce()
	d.Container.AwaitState("exited")
	if said := onHost(here); !strings.Contains(said, sentence+here+": ") {
		t.Errorf("after Defib has ended: %s", said)
	}
}

func TestLaw11BrokenHoldFileReleasesNothingAndHoldsNothingForEver(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	held, free := s.Run("held", harness.Spec{Args: []string{"-code=1"}}), s.Run("free", harness.Spec{Args: []string{"-code=1"}})
	d := s.Contain(nil, harness.Whitelist(held, free), "--docker.resync-interval=1s")
	hold(d, held.Name, "--for", "30s")
	held.Crash()
	d.AwaitReason(held, "on_hold")

	file := filepath.Join(d.Holds, "holds")
	if err := os.WriteFile(file, []byte("everything, please\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	told := d.AwaitLine(1, "cannot read the hold file: what was on hold stays on hold until it expires")
	if !strings.Contains(told.Str("err"), "everything, please") || !told.Has("level", "WARN") {
		t.Errorf("it is not said what is wrong: %s", told.Text)
	}
	d.Shows("defib_hold_file_broken", 1)
	if code, said := d.Exec("/defib", "release", held.Name); code == 0 || !strings.Contains(said, "line 1") || !strings.Contains(said, "everything, please") {
		t.Errorf("defib release: exit code %d, %s", code, said)
	}
	free.Crash()
	free.AwaitEvents("start", 2)
	held.AwaitEvents("start", 2) // its hold has ended, with the file as it is
	d.Logged(1, "cannot read the hold file: what was on hold stays on hold until it expires")

	// An emergency does not wait for whoever corrects it.
	if code, said := d.Exec("/defib", "hold", free.Name, "--for", "1h"); code == 0 || !strings.Contains(said, free.Name+" is on hold until") || !strings.Contains(said, "everything, please") {
		t.Errorf("defib hold: exit code %d, %s", code, said)
	}
	free.Crash()
	d.AwaitHeld(free, "on_hold")
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "everything, please\n") {
		t.Errorf("the broken line is lost: %q, %v", text, err)
	}

	d.Container.Restart() // and now nothing is known but that
	d.Container.AwaitEvents("start", 2)
	d.Attend()
	d.AwaitLine(1, "cannot read the hold file: everything is on hold until it is fixed")
	held.Crash()
	d.AwaitHeld(held, "on_hold")
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	held.StartedTimes(2)

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	d.AwaitLine(1, "hold file is valid again")
	held.AwaitEvents("start", 3)
	free.AwaitEvents("start", 3)
	d.Shows("defib_hold_file_broken", 0)
	hold(d, held.Name, "--for", "1h")
	held.Crash()
	d.AwaitHeld(held, "on_hold")
}

// A FIFO that nobody writes is as silent as a network file system that hangs.
func TestLaw12HoldFileThatHangsOpensNothingAndStopsNothing(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
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
	d := s.Defib(harness.Whitelist(b), "--restart.hold-file="+file, "--docker.resync-interval=1s", "--restart.backoff-max=1s", "--restart.stopped-delay=1s")
	d.AwaitLine(1, "cannot read the hold file: everything is on hold until it is fixed")
	b.Crash()
	d.AwaitHeld(b, "on_hold")
	d.Shows("defib_hold_file_broken", 1)
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	b.StartedTimes(1)
	answer()
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "hold file is valid again")
	d.Shows("defib_hold_file_broken", 0)

	hang()
	d.AwaitLine(1, "cannot read the hold file: what was on hold stays on hold until it expires")
	b.Crash()
	b.AwaitEvents("start", 3)
	d.Shows("defib_hold_file_broken", 1)
	answer()
	d.AwaitLine(2, "hold file is valid again")
}
