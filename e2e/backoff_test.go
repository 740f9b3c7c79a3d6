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
	"github.com/docker/docker/api/types/mount"
)

// The waits of these tests, in full: doubling, then at their cap.
var (
	backOff  = []string{"--restart.backoff-initial=1s", "--restart.backoff-max=4s"}
	theWaits = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second}
)

func TestLaw4CrashLoopIsSlowedDown(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.create("loop", spec{args: []string{"-after=200ms", "-code=1"}})
	d := s.defib(append(backOff, whitelist(b), never)...)
	b.start()
	for n := range len(theWaits) + 1 {
		b.awaitEvents("start", n+1) // each has its own time
	}
	starts := b.awaitEvents("start", len(theWaits)+2)
	deaths := b.awaitEvents("die", len(theWaits)+1)
	for i, want := range theWaits {
		l := d.awaitLine(i+1, "container started", "container", b.name)
		if got := l.duration("next_wait"); got != want {
			t.Errorf("next_wait of attempt %d is %v, want %v: %s", i+1, got, want, l.text)
		}
		if !l.has("attempt", i+1) {
			t.Errorf("want attempt %d: %s", i+1, l.text)
		}
		// deaths[0] is the testapp's own, starts[1] the first attempt, so the
		// wait announced by attempt i+1 lies between deaths[i+1] and starts[i+2].
		if gap := starts[i+2].Sub(deaths[i+1]); gap < want {
			t.Errorf("attempt %d came %v after the death, want %v at least", i+2, gap, want)
		}
	}
	if streak, _ := d.now(series("defib_container_restart_streak", "name", b.name)); streak < float64(len(theWaits)+1) {
		t.Errorf("the streak of the crash loop is %v, want %d at least", streak, len(theWaits)+1)
	}
	d.logged(0, "start failed", "container", b.name)
}

func TestBackOffIsShownWhileItLasts(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("loop", spec{args: []string{"-code=1"}})
	d := s.defib(whitelist(b), never, "--restart.backoff-initial=5m")
	b.crash()
	b.awaitEvents("start", 2)
	b.crash()
	d.awaitHeld(b, "back_off")
	deaths := b.times("die")
	next, there := d.now(series("defib_container_next_attempt_timestamp_seconds", "name", b.name))
	at := time.UnixMicro(int64(next * 1e6))
	// Five minutes from what Defib saw, which is when it happened or later.
	if wait := at.Sub(deaths[len(deaths)-1]); !there || wait < 5*time.Minute-time.Second || wait > 6*time.Minute {
		t.Errorf("the next attempt is announced for %v after the death, want 5m", wait)
	}
	b.startedTimes(2)
}

// mounting gives a container a bind mount of dir, without which it cannot start.
func mounting(dir string) func(*container.HostConfig) {
	return func(h *container.HostConfig) {
		h.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: dir, Target: "/data"}}
	}
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
func (b *testContainer) startInVain() {
	b.Helper()
	b.must("starting "+b.name+" in vain", func(ctx context.Context) error {
		if err := b.engine.ContainerStart(ctx, b.id, container.StartOptions{}); err == nil {
			b.Errorf("starting %s worked, want an error", b.name)
		}
		return nil
	})
	if got := b.inspect(); got.Status != container.StateCreated || got.Error == "" {
		b.Fatalf("after a first start that failed %s is %s, error %q; want created with an error", b.name, got.Status, got.Error)
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
	dockerOnly(t, noStartError)
	t.Parallel()
	testapp, err := buildTestapp()
	if err != nil {
		t.Fatal(err)
	}
	for name, early := range map[string]bool{
		"before Defib came":       true,
		"under the eyes of Defib": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			dir := t.TempDir()
			b := s.create("stillborn", spec{host: mounting(dir), program: "/data/testapp"})
			args := append(backOff, whitelist(b), never, "--docker.resync-interval=1s")
			var d *defib
			if early {
				b.startInVain()
				d = s.defib(args...)
			} else {
				d = s.defib(args...)
				d.awaitHeld(b, "created")
				b.startInVain()
			}
			failed := d.awaitLine(2, "start failed", "container", b.name)
			if !strings.Contains(failed.str("err"), "/data/testapp") {
				t.Errorf("the log does not say why: %s", failed.text)
			}
			if err := copyInto(filepath.Join(dir, "testapp"), testapp); err != nil {
				t.Fatal(err)
			}
			b.awaitState(container.StateRunning)
			done := d.awaitLine(1, "container started", "container", b.name)
			if attempts := len(d.find("start failed", "container", b.name)) + 1; !done.has("attempt", attempts) {
				t.Errorf("want attempt %d: %s", attempts, done.text)
			}
			d.awaitValue(series("docker_container_up", "name", b.name), 1)
			b.startedTimes(1)
		})
	}
}

func TestCreatedContainerIsNobodysBusiness(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.create("unborn", spec{})
	d := s.defib(whitelist(b), "--restart.stopped-delay=1s")
	d.awaitHeld(b, "created")
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.leftAlone(b)
	b.mustBe(container.StateCreated)
}

func TestStartThatKeepsFailingIsNoHotLoop(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	dir := filepath.Join(t.TempDir(), "data")
	appear(t, dir)
	b := s.run("broken", spec{args: []string{"-code=1"}, host: mounting(dir)})
	p := newProxy(t, s.engine)
	d := startDefib(t, p.host(), append(backOff, whitelist(b), never)...)
	d.ready()
	vanish(t, dir)
	b.crash()

	for i, want := range theWaits {
		l := d.awaitLine(i+1, "start failed", "container", b.name)
		if got := l.duration("next_wait"); got != want || !l.has("attempt", i+1) {
			t.Errorf("want attempt %d and next_wait %v: %s", i+1, want, l.text)
		}
	}
	d.awaitHeld(b, "back_off")
	asked := p.starts(b.id)
	for i, want := range theWaits[:len(theWaits)-1] {
		if gap := asked[i+1].Sub(asked[i]); gap < want {
			t.Errorf("attempt %d came %v after the one before, want %v at least", i+2, gap, want)
		}
	}
	if lines := len(d.find("start failed", "container", b.name)); len(asked) > lines+1 {
		t.Errorf("%d start requests for %d attempts", len(asked), lines)
	}
	if counted := d.scrape()[restarts(b)]; counted < float64(len(theWaits)) {
		t.Errorf("%v attempts counted, want %d at least", counted, len(theWaits))
	}
	appear(t, dir)
	b.awaitState(container.StateRunning)
	d.awaitLine(1, "container started", "container", b.name)
}
