package e2e

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

func TestCrashIsStartedAtOnce(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{args: []string{"-code=3"}})
	d := s.defib(whitelist(b), never)
	d.shows(restarts(b), 0)
	d.hides(series("docker_container_exit_code", "name", b.name))

	b.crash()
	b.awaitEvents("start", 2)

	l := d.awaitLine(1, "container started", "container", b.name)
	for key, want := range map[string]string{"trigger": "exited", "exit_code": "3", "attempt": "1", "next_wait": "1s"} {
		if got := l.str(key); got != want {
			t.Errorf("%s is %q in the log, want %q: %s", key, got, want, l.text)
		}
	}
	for _, key := range []string{"took", "ran_for"} {
		if l.duration(key) <= 0 {
			t.Errorf("%s is no positive duration in the log: %s", key, l.text)
		}
	}
	d.awaitValue(series("docker_container_up", "name", b.name), 1)
	d.shows(series("docker_container_exited", "name", b.name), 0)
	d.shows(series("docker_container_exit_code", "name", b.name), 3)
	d.shows(series("docker_container_oom_killed", "name", b.name), 0)
	d.shows(series("docker_container_events_total", "name", b.name, "event", "die"), 1)
	d.shows(series("defib_container_restart_streak", "name", b.name), 1)
	d.awaitValue(series("defib_recovery_seconds_count", "trigger", "exited"), 1)
	d.shows(series("defib_restart_failures_total", "name", b.name, "trigger", "exited"), 0)
	d.shows(restarts(b), 1)
	b.startedTimes(2)
}

func TestOutOfMemoryIsADeathLikeAnyOtherAndShown(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.create("hungry", spec{args: []string{"-oom"}, host: func(h *container.HostConfig) {
		h.Memory, h.MemorySwap = 16<<20, 16<<20
	}})
	d := s.defib(whitelist(b), never, "--restart.backoff-initial=5m")
	b.start()
	b.awaitEvents("start", 2)
	b.awaitEvents("die", 2)
	d.awaitHeld(b, "back_off")
	d.shows(series("docker_container_exit_code", "name", b.name), 137)
	// Not every engine notices on every machine (containerd 1.6 with cgroup v1
	// now and then does not): then Defib cannot know it either.
	eventually(t, "what the engine says of its memory to be shown", func() bool {
		killed, announced := 0.0, float64(len(b.times("oom")))
		if b.inspect().OOMKilled {
			killed = 1
		}
		found := d.scrape()
		return found[series("docker_container_oom_killed", "name", b.name)] == killed &&
			found[series("docker_container_events_total", "name", b.name, "event", "oom")] == announced
	})
}

func TestExitCodeZero(t *testing.T) {
	t.Parallel()
	t.Run("is started again under always", func(t *testing.T) {
		t.Parallel()
		s := newEnv(t, sharedEngine(t))
		b := s.run("job", spec{})
		d := s.defib(whitelist(b), never, "--restart.policy=always")
		b.crash()
		b.awaitEvents("start", 2)
		d.awaitLine(1, "container started", "container", b.name, "exit_code", 0)
	})
	t.Run("is an end under on-failure", func(t *testing.T) {
		t.Parallel()
		s := newEnv(t, sharedEngine(t))
		b := s.run("job", spec{})
		d := s.defib(whitelist(b), "--restart.stopped-delay=1s", "--restart.policy=on-failure")
		b.crash()
		d.awaitHeld(b, "finished")
		watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
		d.leftAlone(b)
		b.startedTimes(1)
	})
	t.Run("is an end where the engine's own policy is on-failure", func(t *testing.T) {
		t.Parallel()
		s := newEnv(t, sharedEngine(t))
		b := s.run("job", spec{restart: container.RestartPolicyOnFailure})
		d := s.defib(whitelist(b), "--restart.stopped-delay=1s", "--restart.policy=always")
		b.crash()
		d.awaitHeld(b, "finished")
		watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
		d.leftAlone(b)
		b.startedTimes(1)
	})
}

func TestStoppedContainer(t *testing.T) {
	t.Parallel()
	stop := (*testContainer).stop
	kill := func(b *testContainer) { b.kill("KILL") }
	terminate := func(b *testContainer) { b.kill("TERM") }
	for name, row := range map[string]struct {
		do     func(*testContainer)
		policy string
		label  string
		back   bool
	}{
		"docker stop, always: comes back after the delay":              {do: stop, policy: "always", back: true},
		"docker kill, always: comes back after the delay":              {do: kill, policy: "always", back: true},
		"docker stop, unless-stopped: stays down":                      {do: stop, policy: "unless-stopped"},
		"docker kill, unless-stopped: stays down":                      {do: kill, policy: "unless-stopped"},
		"docker kill -s TERM, unless-stopped: stays down":              {do: terminate, policy: "unless-stopped"},
		"docker stop, on-failure: stays down":                          {do: stop, policy: "on-failure"},
		"docker kill, on-failure: stays down for all its code of 137":  {do: kill, policy: "on-failure"},
		"docker stop, unless-stopped by its label: stays down":         {do: stop, policy: "always", label: "unless-stopped"},
		"docker stop, always by its label: comes back after the delay": {do: stop, policy: "unless-stopped", label: "always", back: true},
	} {
		t.Run(name, func(t *testing.T) {
			if !row.back {
				dockerOnly(t, noStopEvents)
			}
			t.Parallel()
			const delay = 3 * time.Second
			s := newEnv(t, sharedEngine(t))
			p := spec{args: []string{"-code=1"}}
			if row.label != "" {
				p.labels = map[string]string{"defib.policy": row.label}
			}
			b := s.run("testapp", p)
			d := s.defib(whitelist(b), "--restart.policy="+row.policy, "--restart.stopped-delay="+delay.String())
			row.do(b)
			died := b.awaitEvents("die", 1)[0]
			if !row.back {
				d.awaitHeld(b, "stopped")
				watch(t, delay+2*time.Second, "longer than the stopped delay, so one put off would show")
				d.leftAlone(b)
				b.startedTimes(1)
				return
			}
			d.awaitTold(b, "stopped_delay")
			back := b.awaitEvents("start", 2)[1]
			if gap := back.Sub(died); gap < delay {
				t.Errorf("came back %v after it was stopped, sooner than the delay of %v", gap, delay)
			}
			d.awaitLine(1, "container started", "container", b.name, "attempt", 1)
			d.awaitAbsent(series("defib_container_held", "name", b.name, "reason", "stopped_delay"))
		})
	}
}

// A stop waits for the start that is under way, and follows it at once: before
// Defib knows that what it asked for has been done.
func TestStopDuringOurOwnActionIsAStop(t *testing.T) {
	dockerOnly(t, noStopEvents)
	t.Parallel()
	for name, ask := range map[string]func(*testContainer, *defib){
		"a start":   func(b *testContainer, _ *defib) { b.crash() },
		"a restart": func(b *testContainer, d *defib) { go d.post(b.alarm()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			b := s.run("token", spec{args: []string{"-code=1"}, stopTimeout: 1})
			m := newMeddler(t, s.engine, 1)
			d := startDefib(t, m.host(), whitelist(b), "--restart.policy=unless-stopped", hasty)
			d.knows(s)
			end := m.begin(faultDelay, 1, "inspect")
			ask(b, d)
			b.awaitEvents("start", 2)
			b.stopAtOnce()
			end()
			d.awaitHeld(b, "stopped")
			b.startedTimes(2)
		})
	}
}

func TestStoppedContainerIsMindedAgainOnceSomebodyStartsIt(t *testing.T) {
	dockerOnly(t, noStopEvents)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{args: []string{"-code=1"}})
	d := s.defib(whitelist(b), never, "--restart.policy=unless-stopped")
	b.stop()
	d.awaitHeld(b, "stopped")
	b.start()
	b.awaitEvents("start", 2)
	b.crash()
	b.awaitEvents("start", 3)
	d.awaitLine(1, "container started", "container", b.name)
}

func TestCrashAfterAHangupIsACrash(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("logger", spec{args: []string{"-code=1"}})
	d := s.defib(whitelist(b), never, "--restart.policy=unless-stopped")
	b.kill("HUP")
	watch(t, 1500*time.Millisecond, "a signal is taken for the cause of a death within 1 s")
	b.mustBe(container.StateRunning)
	b.crash()
	b.awaitEvents("start", 2)
	d.awaitLine(1, "container started", "container", b.name)
}

func TestContainerThatDiedBeforeDefibCameIsStarted(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("early", spec{args: []string{"-code=4"}})
	b.crash()
	d := s.defib(whitelist(b), "--restart.stopped-delay=1s")
	b.awaitEvents("start", 2)
	d.awaitLine(1, "container started", "container", b.name, "exit_code", 4)
}

func TestEnginesOwnRestartsAreLeftToIt(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("own", spec{args: []string{"-code=1"}, restart: container.RestartPolicyAlways})
	d := s.defib(whitelist(b), ownRestart)
	b.crash()
	b.awaitEvents("start", 2)
	b.crash()
	b.awaitEvents("start", 3)
	d.awaitValue(series("docker_container_restarts_total", "name", b.name), 2)
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.leftAlone(b)
	b.startedTimes(3)
}
