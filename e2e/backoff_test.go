package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// The waits of these tests, in full: doubling, then at their cap.
var (
	backOff  = []string{"--restart.backoff-initial=1s", "--restart.backoff-max=4s"}
	theWaits = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second}
)

func TestLaw4CrashLoopIsSlowedDown(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Create("loop", harness.Spec{Args: []string{"-after=200ms", "-code=1"}})
	d := s.Defib(append(backOff, harness.Whitelist(b), harness.Never)...)
	b.Start()
	for n := range len(theWaits) + 1 {
		b.AwaitEvents("start", n+1) // each has its own time
	}
	starts := b.AwaitEvents("start", len(theWaits)+2)
	deaths := b.AwaitEvents("die", len(theWaits)+1)
	for i, want := range theWaits {
		l := d.AwaitLine(i+1, "container started", "container", b.Name)
		if got := l.Duration("next_wait"); got != want {
			t.Errorf("next_wait of attempt %d is %v, want %v: %s", i+1, got, want, l.Text)
		}
		if !l.Has("attempt", i+1) {
			t.Errorf("want attempt %d: %s", i+1, l.Text)
		}
		// deaths[0] is the testapp's own, starts[1] the first attempt, so the
		// wait announced by attempt i+1 lies between deaths[i+1] and starts[i+2].
		if gap := starts[i+2].Sub(deaths[i+1]); gap < want {
			t.Errorf("attempt %d came %v after the death, want %v at least", i+2, gap, want)
		}
	}
	if streak, _ := d.Sample(harness.Series("defib_container_restart_streak", "name", b.Name)); streak < float64(len(theWaits)+1) {
		t.Errorf("the streak of the crash loop is %v, want %d at least", streak, len(theWaits)+1)
	}
	d.Logged(0, "start failed", "container", b.Name)
}

func TestBackOffIsShownWhileItLasts(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("loop", harness.Spec{Args: []string{"-code=1"}})
	d := s.Defib(harness.Whitelist(b), harness.Never, "--restart.backoff-initial=5m")
	b.Crash()
	b.AwaitEvents("start", 2)
	b.Crash()
	d.AwaitHeld(b, "back_off")
	deaths := b.Times("die")
	next, there := d.Sample(harness.Series("defib_container_next_attempt_timestamp_seconds", "name", b.Name))
	at := time.UnixMicro(int64(next * 1e6))
	// Five minutes from what Defib saw, which is when it happened or later.
	if wait := at.Sub(deaths[len(deaths)-1]); !there || wait < 5*time.Minute-time.Second || wait > 6*time.Minute {
		t.Errorf("the next attempt is announced for %v after the death, want 5m", wait)
	}
	b.StartedTimes(2)
}

func vanish(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
}

func appear(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// startInVain is a first start by somebody that fails.
func startInVain(b *harness.Container) {
	b.Helper()
	b.Must("starting "+b.Name+" in vain", func(ctx context.Context) error {
		if err := b.Engine.ContainerStart(ctx, b.ID, container.StartOptions{}); err == nil {
			b.Errorf("starting %s worked, want an error", b.Name)
		}
		return nil
	})
	if got := b.Inspect(); got.Status != container.StateCreated || got.Error == "" {
		b.Fatalf("after a first start that failed %s is %s, error %q; want created with an error", b.Name, got.Status, got.Error)
	}
}

// copyInto makes a program appear complete or not at all, lest half of one be
// started.
func copyInto(path, program string) error {
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	half := path + ".half"
	return errors.Join(os.WriteFile(half, text, 0o755), os.Rename(half, path))
}

// TestContainerWhoseFirstStartFailedIsStarted has the program on a volume that
// comes late. (A bind mount whose source is missing will not do: Docker 20.10
// refuses the start before it takes note of the failure.)
func TestContainerWhoseFirstStartFailedIsStarted(t *testing.T) {
	harness.DockerOnly(t, harness.NoStartError)
	t.Parallel()
	testapp, err := harness.BuildTestapp()
	if err != nil {
		t.Fatal(err)
	}
	for name, early := range map[string]bool{
		"before Defib came":       true,
		"under the eyes of Defib": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			dir := t.TempDir()
			b := s.Create("stillborn", harness.Spec{Host: harness.Mounting(dir), Program: "/data/testapp"})
			args := append(backOff, harness.Whitelist(b), harness.Never, "--docker.resync-interval=1s")
			var d *harness.Defib
			if early {
				startInVain(b)
				d = s.Defib(args...)
			} else {
				d = s.Defib(args...)
				d.AwaitHeld(b, "created")
				startInVain(b)
			}
			failed := d.AwaitLine(2, "start failed", "container", b.Name)
			if !strings.Contains(failed.Str("err"), "/data/testapp") {
				t.Errorf("the log does not say why: %s", failed.Text)
			}
			if err := copyInto(filepath.Join(dir, "testapp"), testapp); err != nil {
				t.Fatal(err)
			}
			b.AwaitState(container.StateRunning)
			done := d.AwaitLine(1, "container started", "container", b.Name)
			if attempts := len(d.Find("start failed", "container", b.Name)) + 1; !done.Has("attempt", attempts) {
				t.Errorf("want attempt %d: %s", attempts, done.Text)
			}
			d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
			b.AwaitEvents("start", 1)
			b.StartedTimes(1)
		})
	}
}

func TestCreatedContainerIsNobodysBusiness(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Create("unborn", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), "--restart.stopped-delay=1s")
	d.AwaitHeld(b, "created")
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.LeftAlone(b)
	b.MustBe(container.StateCreated)
}

func TestStartThatKeepsFailingIsNoHotLoop(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	dir := filepath.Join(t.TempDir(), "data")
	appear(t, dir)
	b := s.Run("broken", harness.Spec{Args: []string{"-code=1"}, Host: harness.Mounting(dir)})
	p := harness.NewProxy(t, s.Engine)
	d := harness.StartDefib(t, p.Host(), append(backOff, harness.Whitelist(b), harness.Never)...)
	d.Ready()
	vanish(t, dir)
	b.Crash()

	for i, want := range theWaits {
		l := d.AwaitLine(i+1, "start failed", "container", b.Name)
		if got := l.Duration("next_wait"); got != want || !l.Has("attempt", i+1) {
			t.Errorf("want attempt %d and next_wait %v: %s", i+1, want, l.Text)
		}
	}
	d.AwaitHeld(b, "back_off")
	asked := p.Starts(b.ID)
	for i, want := range theWaits[:len(theWaits)-1] {
		if gap := asked[i+1].Sub(asked[i]); gap < want {
			t.Errorf("attempt %d came %v after the one before, want %v at least", i+2, gap, want)
		}
	}
	if lines := len(d.Find("start failed", "container", b.Name)); len(asked) > lines+1 {
		t.Errorf("%d start requests for %d attempts", len(asked), lines)
	}
	if counted := d.Scrape()[harness.Restarts(b)]; counted < float64(len(theWaits)) {
		t.Errorf("%v attempts counted, want %d at least", counted, len(theWaits))
	}
	appear(t, dir)
	b.AwaitState(container.StateRunning)
	d.AwaitLine(1, "container started", "container", b.Name)
}
