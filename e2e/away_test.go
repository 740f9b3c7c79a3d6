package e2e

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// boot starts the scene's engine again.
func (s *env) boot() {
	s.Helper()
	if err := s.engine.boot(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// endEngine ends the scene's engine by a signal.
func (s *env) endEngine(signal syscall.Signal) {
	s.Helper()
	if err := s.engine.daemon.end(s.Context(), signal); err != nil {
		s.Fatal(err)
	}
}

// unhurried is for a test that counts what is said of an engine: while one starts that
// is slow, it would be said that it does not answer.
const unhurried = "--docker.timeout=60s"

// awaitAway waits until Defib shows that there is no engine, and nothing that it
// only remembers.
func (d *defib) awaitAway() {
	d.Helper()
	d.awaitValue("docker_up", 0)
	found := d.scrape()
	for _, prefix := range []string{"docker_container_", "defib_container_", "defib_whitelist_matches"} {
		if stale := found.with(prefix); len(stale) > 0 {
			d.Errorf("shown without an engine: %v", stale)
		}
	}
	d.awaitStatus("/-/ready", http.StatusServiceUnavailable)
	d.awaitStatus("/-/healthy", http.StatusOK)
}

func TestContainersComeBackAfterAnEngineShutdown(t *testing.T) {
	dockerOnly(t, noDaemon)
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	worker := s.run("worker", spec{})
	idle := s.run("stopped-on-purpose", spec{})
	d := s.defib(whitelist(worker, idle), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s", unhurried)
	idle.stop()
	d.awaitHeld(idle, "stopped")
	connected := len(d.find("engine connected"))
	watch(t, 61*time.Second, "what was stopped within 60 s before a shutdown counts as stopped by it")

	s.endEngine(syscall.SIGTERM)
	d.awaitAway()
	d.awaitLine(1, "engine unavailable")
	s.boot()

	worker.awaitState(container.StateRunning)
	d.awaitLine(1, "container started", "container", worker.name)
	d.awaitLine(connected+1, "engine connected")
	d.awaitValue("docker_up", 1)
	d.awaitHeld(idle, "stopped")
	d.leftAlone(idle)
	idle.mustBe(container.StateExited)
	d.logged(1, "engine unavailable")
	d.shows("defib_engine_drift_total", 0)
}

func TestContainersComeBackAfterTheEngineWasKilled(t *testing.T) {
	dockerOnly(t, noDaemon)
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	b := s.run("worker", spec{})
	before := b.inspect().StartedAt
	d := s.defib(whitelist(b), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s", unhurried)

	s.endEngine(syscall.SIGKILL)
	d.awaitAway()
	s.boot()

	eventually(t, b.name+" to run a new life", func() bool {
		now := b.inspect()
		return now.Status == container.StateRunning && now.StartedAt != before
	})
	d.awaitLine(1, "container started", "container", b.name)
	d.awaitValue(series("docker_container_up", "name", b.name), 1)
	d.logged(1, "engine unavailable")
}

func TestDefibThatCameBackKnowsWhatWasStoppedOnPurpose(t *testing.T) {
	dockerOnly(t, noStopEvents)
	t.Parallel()
	for name, awake := range map[string]bool{
		"stopped under its eyes":    true,
		"stopped while it was gone": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// An engine of its own, since the replay reaches back 256 events.
			s := newEnv(t, privateEngine(t))
			b := s.run("purpose", spec{})
			crashed := s.run("crashed", spec{args: []string{"-code=1"}})
			args := []string{whitelist(b, crashed), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s"}
			d := s.defib(args...)
			if awake {
				b.stop()
				d.awaitHeld(b, "stopped")
			}
			d.kill()
			if !awake {
				b.stop()
			}
			crashed.crash()
			watch(t, 2*time.Second, "longer than the stopped delay, which counts from the end, seen or not")

			d = s.defib(args...)
			crashed.awaitEvents("start", 2)
			d.awaitHeld(b, "stopped")
			d.logged(1, "container state", "container", b.name)
			d.logged(1, "container state", "container", b.name, "reason", "stopped")
			// It must never be taken for a crash, not for the moment until the
			// replay is read either: several lives make that moment show.
			for range 5 {
				d.kill()
				d = s.defib(args...)
				d.awaitHeld(b, "stopped")
			}
			watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
			d.leftAlone(b)
			b.startedTimes(1)
		})
	}
}

func TestDefibStartsWithoutAnEngine(t *testing.T) {
	t.Parallel()
	s := newEnv(t, unbornEngine(t))
	d := startDefib(t, s.engine.host, "--restart.whitelist=nobody", unhurried)
	d.awaitAway()
	d.awaitStatus("/", http.StatusOK)
	said := d.awaitLine(1, "engine unavailable")
	if !strings.Contains(said.str("err"), s.engine.daemon.dir) {
		t.Errorf("the log does not say which socket is missing: %s", said.text)
	}
	watch(t, 3*time.Second, "long enough for several attempts, which are not worth a line each")
	d.logged(1, "engine unavailable")

	s.boot()
	b := s.run("first", spec{})
	d.awaitValue("docker_up", 1)
	d.awaitValue(series("docker_container_up", "name", b.name), 1)
	d.ready()
	d.logged(1, "engine connected")
	d.logged(1, "engine unavailable")
}

func TestHungEngineDoesNotHangAScrape(t *testing.T) {
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	b := s.run("token", spec{})
	d := s.defib(whitelist(b), never, unhurried)
	pid := b.inspect().Pid
	d.awaitValue("docker_up", 1)
	if err := s.engine.daemon.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine to stand still", s.engine.daemon.frozen)
	begun := time.Now()
	found := d.scrape()
	// The ping has 1 s, everything else a minute; the rest is for a slow machine.
	if took := time.Since(begun); took > 40*time.Second {
		t.Errorf("a scrape took %v while the engine hung", took)
	}
	if up, there := found["docker_up"]; !there || up != 0 {
		t.Errorf("docker_up is %s while the engine hangs, want 0", written(up, there))
	}
	if stale := found.with("docker_container_"); len(stale) > 0 {
		t.Errorf("shown while the engine hangs: %v", stale)
	}
	// It dies unseen, by no hand that the engine knows of.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.engine.daemon.signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	d.awaitValue("docker_up", 1)
	b.awaitEvents("start", 2)
	d.awaitLine(1, "container started", "container", b.name, "exit_code", 137)
	d.awaitValue(series("docker_container_up", "name", b.name), 1)
}

func TestCutStreamHealsItself(t *testing.T) {
	t.Parallel()
	crash := (*testContainer).crash
	stop := (*testContainer).stop
	for name, row := range map[string]struct {
		do   func(*testContainer)
		back bool
	}{
		"a crash in the gap is made good":  {do: crash, back: true},
		"a stop in the gap is still known": {do: stop},
	} {
		t.Run(name, func(t *testing.T) {
			if !row.back {
				dockerOnly(t, noStopEvents)
			}
			t.Parallel()
			// An engine of its own, since the replay reaches back 256 events.
			s := newEnv(t, privateEngine(t))
			b := s.run("token", spec{args: []string{"-code=1"}})
			p := newProxy(t, s.engine)
			d := startDefib(t, p.host(), whitelist(b), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s")
			d.ready()
			connected := d.scrape()["defib_engine_reconnects_total"]

			p.refuse(true)
			row.do(b)
			b.mustBe(container.StateExited)
			p.refuse(false)

			if row.back {
				b.awaitEvents("start", 2)
				d.awaitLine(1, "container started", "container", b.name, "exit_code", 1)
				d.awaitValue(series("docker_container_up", "name", b.name), 1)
			} else {
				d.awaitHeld(b, "stopped")
				d.leftAlone(b)
			}
			d.awaitValue("docker_up", 1)
			found := d.scrape()
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
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{})
	p := newProxy(t, s.engine)
	d := startDefib(t, p.host(), whitelist(b))
	d.ready()
	d.shows("defib_engine_watch_connected", 1)
	p.refuse(true)
	d.awaitAway()
	d.awaitValue("defib_engine_watch_connected", 0)
	p.refuse(false)
	d.awaitValue(series("docker_container_up", "name", b.name), 1)
	d.ready()
	d.leftAlone(b)
	b.startedTimes(1)
}
