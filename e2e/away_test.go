package e2e

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// unhurried is for a test that counts what is said of an engine: while one starts that
// is slow, it would be said that it does not answer.
const unhurried = "--docker.timeout=60s"

func TestContainersComeBackAfterAnEngineShutdown(t *testing.T) {
	harness.DockerOnly(t, harness.NoDaemon)
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	worker := s.Run("worker", harness.Spec{})
	idle := s.Run("stopped-on-purpose", harness.Spec{})
	d := s.Defib(harness.Whitelist(worker, idle), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s", unhurried)
	idle.Stop()
	d.AwaitHeld(idle, "stopped")
	connected := len(d.Find("engine connected"))
	harness.Watch(t, 12*time.Second, "what was stopped less than 10 s before the others were counts as stopped by the shutdown")

	s.EndEngine(syscall.SIGTERM)
	d.AwaitUnavailable()
	d.AwaitLine(1, "engine unavailable")
	s.Boot()

	worker.AwaitState(container.StateRunning)
	d.AwaitLine(1, "container started", "container", worker.Name)
	d.AwaitLine(connected+1, "engine connected")
	d.AwaitValue("docker_up", 1)
	d.AwaitHeld(idle, "stopped")
	d.LeftAlone(idle)
	idle.MustBe(container.StateExited)
	d.Logged(1, "engine unavailable")
	d.Shows("defib_engine_drift_total", 0)
}

func TestContainersComeBackAfterTheEngineWasKilled(t *testing.T) {
	harness.DockerOnly(t, harness.NoDaemon)
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	b := s.Run("worker", harness.Spec{})
	before := b.Inspect().StartedAt
	d := s.Defib(harness.Whitelist(b), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s", unhurried)

	s.EndEngine(syscall.SIGKILL)
	d.AwaitUnavailable()
	s.Boot()

	harness.Eventually(t, b.Name+" to run a new life", func() bool {
		now := b.Inspect()
		return now.Status == container.StateRunning && now.StartedAt != before
	})
	d.AwaitLine(1, "container started", "container", b.Name)
	d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
	d.Logged(1, "engine unavailable")
}

func TestDefibThatCameBackKnowsWhatWasStoppedOnPurpose(t *testing.T) {
	harness.DockerOnly(t, harness.NoStopEvents)
	t.Parallel()
	for name, awake := range map[string]bool{
		"stopped under its eyes":    true,
		"stopped while it was gone": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// An engine of its own, since the replay reaches back 256 events.
			s := harness.NewEnv(t, harness.PrivateEngine(t))
			b := s.Run("purpose", harness.Spec{})
			crashed := s.Run("crashed", harness.Spec{Args: []string{"-code=1"}})
			args := []string{harness.Whitelist(b, crashed), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s"}
			d := s.Defib(args...)
			if awake {
				b.Stop()
				d.AwaitHeld(b, "stopped")
			}
			d.Kill()
			if !awake {
				b.Stop()
			}
			crashed.Crash()
			harness.Watch(t, 2*time.Second, "longer than the stopped delay, which counts from the end, seen or not")

			d = s.Defib(args...)
			crashed.AwaitEvents("start", 2)
			d.AwaitHeld(b, "stopped")
			d.Logged(1, "container state", "container", b.Name)
			d.Logged(1, "container state", "container", b.Name, "reason", "stopped")
			// It must never be taken for a crash, not for the moment until the
			// replay is read either: several lives make that moment show.
			for range 5 {
				d.Kill()
				d = s.Defib(args...)
				d.AwaitHeld(b, "stopped")
			}
			harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
			d.LeftAlone(b)
			b.StartedTimes(1)
		})
	}
}

func TestDefibStartsWithoutAnEngine(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.UnstartedEngine(t))
	d := harness.StartDefib(t, s.Engine.Host, "--restart.whitelist=nobody", unhurried)
	d.AwaitUnavailable()
	d.AwaitStatus("/", http.StatusOK)
	said := d.AwaitLine(1, "engine unavailable")
	if !strings.Contains(said.Str("err"), s.Engine.Daemon.Dir) {
		t.Errorf("the log does not say which socket is missing: %s", said.Text)
	}
	harness.Watch(t, 3*time.Second, "long enough for several attempts, which are not worth a line each")
	d.Logged(1, "engine unavailable")

	s.Boot()
	b := s.Run("first", harness.Spec{})
	d.AwaitValue("docker_up", 1)
	d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
	d.Ready()
	d.Logged(1, "engine connected")
	d.Logged(1, "engine unavailable")
}

func TestHungEngineDoesNotHangAScrape(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	b := s.Run("token", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), harness.Never, unhurried)
	pid := b.Inspect().Pid
	d.AwaitValue("docker_up", 1)
	if err := s.Engine.Daemon.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, "the engine to stand still", s.Engine.Daemon.Frozen)
	begun := time.Now()
	found := d.Scrape()
	// The ping has 1 s, everything else a minute; the rest is for a slow machine.
	if took := time.Since(begun); took > 40*time.Second {
		t.Errorf("a scrape took %v while the engine hung", took)
	}
	if up, there := found["docker_up"]; !there || up != 0 {
		t.Errorf("docker_up is %s while the engine hangs, want 0", harness.Written(up, there))
	}
	if stale := found.WithPrefix("docker_container_"); len(stale) > 0 {
		t.Errorf("shown while the engine hangs: %v", stale)
	}
	// It dies unseen, by no hand that the engine knows of.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.Engine.Daemon.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	d.AwaitValue("docker_up", 1)
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "container started", "container", b.Name, "exit_code", 137)
	d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
}

func TestCutStreamHealsItself(t *testing.T) {
	t.Parallel()
	crash := (*harness.Container).Crash
	stop := (*harness.Container).Stop
	for name, row := range map[string]struct {
		do   func(*harness.Container)
		back bool
	}{
		"a crash in the gap is made good":  {do: crash, back: true},
		"a stop in the gap is still known": {do: stop},
	} {
		t.Run(name, func(t *testing.T) {
			if !row.back {
				harness.DockerOnly(t, harness.NoStopEvents)
			}
			t.Parallel()
			// An engine of its own, since the replay reaches back 256 events.
			s := harness.NewEnv(t, harness.PrivateEngine(t))
			b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
			p := harness.NewProxy(t, s.Engine)
			d := harness.StartDefib(t, p.Host(), harness.Whitelist(b), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s")
			d.Ready()
			connected := d.Scrape()["defib_engine_reconnects_total"]

			p.Refuse(true)
			row.do(b)
			b.MustBe(container.StateExited)
			p.Refuse(false)

			if row.back {
				b.AwaitEvents("start", 2)
				d.AwaitLine(1, "container started", "container", b.Name, "exit_code", 1)
				d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
			} else {
				d.AwaitHeld(b, "stopped")
				d.LeftAlone(b)
			}
			d.AwaitValue("docker_up", 1)
			found := d.Scrape()
			if found["defib_engine_reconnects_total"] <= connected {
				t.Error("defib_engine_reconnects_total does not show the cut")
			}
			if drift := found["defib_engine_drift_total"]; drift != 0 {
				t.Errorf("a gap was counted as drift: %v", drift)
			}
		})
	}
}

func TestLaw6CutOfALongTimeHidesThePictureUntilItIsOver(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{})
	p := harness.NewProxy(t, s.Engine)
	d := harness.StartDefib(t, p.Host(), harness.Whitelist(b))
	d.Ready()
	d.Shows("defib_engine_watch_connected", 1)
	p.Refuse(true)
	d.AwaitUnavailable()
	d.AwaitValue("defib_engine_watch_connected", 0)
	p.Refuse(false)
	d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
	d.Ready()
	d.LeftAlone(b)
	b.StartedTimes(1)
}
