package e2e

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

func TestCrashIsStartedAtOnce(t *testing.T) {
	t.Parallel()
	crashIsStartedAtOnce(t, harness.SharedEngine(t))
}

func crashIsStartedAtOnce(t *testing.T, e *harness.Engine) {
	s := harness.NewEnv(t, e)
	b := s.Run("token", harness.Spec{Args: []string{"-code=3"}})
	d := s.Defib(harness.Whitelist(b), harness.Never)
	d.Shows(harness.Restarts(b), 0)
	d.Hides(harness.Series("docker_container_exit_code", "name", b.Name))

	b.Crash()
	b.AwaitEvents("start", 2)

	l := d.AwaitLine(1, "container started", "container", b.Name)
	for key, want := range map[string]string{"trigger": "exited", "exit_code": "3", "attempt": "1", "next_wait": "1s"} {
		if got := l.Str(key); got != want {
			t.Errorf("%s is %q in the log, want %q: %s", key, got, want, l.Text)
		}
	}
	for _, key := range []string{"took", "ran_for"} {
		if l.Duration(key) <= 0 {
			t.Errorf("%s is no positive duration in the log: %s", key, l.Text)
		}
	}
	d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
	d.Shows(harness.Series("docker_container_exited", "name", b.Name), 0)
	d.Shows(harness.Series("docker_container_exit_code", "name", b.Name), 3)
	d.Shows(harness.Series("docker_container_oom_killed", "name", b.Name), 0)
	d.Shows(harness.Series("docker_container_events_total", "name", b.Name, "event", "die"), 1)
	d.Shows(harness.Series("defib_container_restart_streak", "name", b.Name), 1)
	d.AwaitValue(harness.Series("defib_recovery_seconds_count", "trigger", "exited"), 1)
	d.Shows(harness.Series("defib_restart_failures_total", "name", b.Name, "trigger", "exited"), 0)
	d.Shows(harness.Restarts(b), 1)
	b.StartedTimes(2)
}

func TestOutOfMemoryIsADeathLikeAnyOtherAndShown(t *testing.T) {
	t.Parallel()
	outOfMemoryIsADeathLikeAnyOther(t, harness.SharedEngine(t))
}

func outOfMemoryIsADeathLikeAnyOther(t *testing.T, e *harness.Engine) {
	s := harness.NewEnv(t, e)
	b := s.Create("hungry", harness.Spec{Args: []string{"-oom"}, Host: func(h *container.HostConfig) {
		h.Memory, h.MemorySwap = 16<<20, 16<<20
	}})
	d := s.Defib(harness.Whitelist(b), harness.Never, "--restart.backoff-initial=5m")
	b.Start()
	b.AwaitEvents("start", 2)
	b.AwaitEvents("die", 2)
	d.AwaitHeld(b, "back_off")
	d.Shows(harness.Series("docker_container_exit_code", "name", b.Name), 137)
	// Not every engine notices on every machine (containerd 1.6 with cgroup v1
	// now and then does not): then Defib cannot know it either.
	harness.Eventually(t, "what the engine says of its memory to be shown", func() bool {
		killed, announced := 0.0, float64(len(b.Times("oom")))
		if b.Inspect().OOMKilled {
			killed = 1
		}
		found := d.Exposition()
		shown, _ := found.Value(harness.Series("docker_container_oom_killed", "name", b.Name))
		counted, _ := found.Value(harness.Series("docker_container_events_total", "name", b.Name, "event", "oom"))
		return shown == killed && counted == announced
	})
}

func TestExitCodeZero(t *testing.T) {
	t.Parallel()
	t.Run("is started again under always", func(t *testing.T) {
		t.Parallel()
		s := harness.NewEnv(t, harness.SharedEngine(t))
		b := s.Run("job", harness.Spec{})
		d := s.Defib(harness.Whitelist(b), harness.Never, "--restart.policy=always")
		b.Crash()
		b.AwaitEvents("start", 2)
		d.AwaitLine(1, "container started", "container", b.Name, "exit_code", 0)
	})
	t.Run("is an end under on-failure", func(t *testing.T) {
		t.Parallel()
		s := harness.NewEnv(t, harness.SharedEngine(t))
		b := s.Run("job", harness.Spec{})
		d := s.Defib(harness.Whitelist(b), "--restart.stopped-delay=1s", "--restart.policy=on-failure")
		b.Crash()
		d.AwaitHeld(b, "finished")
		harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
		d.LeftAlone(b)
		b.StartedTimes(1)
	})
	t.Run("is an end where the engine's own policy is on-failure", func(t *testing.T) {
		t.Parallel()
		s := harness.NewEnv(t, harness.SharedEngine(t))
		b := s.Run("job", harness.Spec{Restart: container.RestartPolicyOnFailure})
		d := s.Defib(harness.Whitelist(b), "--restart.stopped-delay=1s", "--restart.policy=always")
		b.Crash()
		d.AwaitHeld(b, "finished")
		harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
		d.LeftAlone(b)
		b.StartedTimes(1)
	})
}

func TestStoppedContainer(t *testing.T) {
	t.Parallel()
	stop := (*harness.Container).Stop
	kill := func(b *harness.Container) { b.Kill("KILL") }
	terminate := func(b *harness.Container) { b.Kill("TERM") }
	for name, row := range map[string]struct {
		do     func(*harness.Container)
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
				harness.DockerOnly(t, harness.NoStopEvents)
			}
			t.Parallel()
			const delay = 3 * time.Second
			s := harness.NewEnv(t, harness.SharedEngine(t))
			p := harness.Spec{Args: []string{"-code=1"}}
			if row.label != "" {
				p.Labels = map[string]string{"defib.policy": row.label}
			}
			b := s.Run("testapp", p)
			d := s.Defib(harness.Whitelist(b), "--restart.policy="+row.policy, "--restart.stopped-delay="+delay.String())
			row.do(b)
			died := b.AwaitEvents("die", 1)[0]
			if !row.back {
				d.AwaitHeld(b, "stopped")
				harness.Watch(t, delay+2*time.Second, "longer than the stopped delay, so one put off would show")
				d.LeftAlone(b)
				b.StartedTimes(1)
				return
			}
			comesBackAfter(d, b, died, delay)
			d.AwaitAbsent(harness.Series("defib_container_held", "name", b.Name, "reason", "stopped_delay"))
		})
	}
}

// comesBackAfter waits until a container that ended is started, and checks that Defib
// put that off. On a machine so slow that it heard of the end only after the delay, it
// had nothing to put off.
func comesBackAfter(d *harness.Defib, b *harness.Container, died time.Time, delay time.Duration) {
	d.Helper()
	if gap := b.AwaitEvents("start", 2)[1].Sub(died); gap < delay {
		d.Errorf("came back %v after it ended, sooner than the delay of %v", gap, delay)
	}
	d.AwaitLine(1, "container started", "container", b.Name, "attempt", 1)
	seen := d.AwaitLine(1, "container state", "container", b.Name, "state", "exited")
	if seen.Time().Sub(died) < delay-time.Second {
		d.AwaitReason(b, "stopped_delay")
	}
}

// A stop waits for the start that is under way, and follows it at once: before
// Defib knows that what it asked for has been done.
func TestStopDuringOurOwnActionIsAStop(t *testing.T) {
	harness.DockerOnly(t, harness.NoStopEvents)
	t.Parallel()
	for name, ask := range map[string]func(*harness.Container, *harness.Defib){
		"a start":   func(b *harness.Container, _ *harness.Defib) { b.Crash() },
		"a restart": func(b *harness.Container, d *harness.Defib) { go d.Post(b.Alert()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			b := s.Run("token", harness.Spec{Args: []string{"-code=1"}, StopTimeout: 1})
			m := harness.NewFaultProxy(t, s.Engine, 1)
			d := harness.StartDefib(t, m.Host(), harness.Whitelist(b), "--restart.policy=unless-stopped", hasty)
			d.Knows(s)
			end := m.Begin(harness.FaultDelay, 1, "inspect")
			ask(b, d)
			b.AwaitEvents("start", 2)
			b.StopAtOnce()
			end()
			d.AwaitHeld(b, "stopped")
			b.StartedTimes(2)
		})
	}
}

func TestStoppedContainerIsMindedAgainOnceSomebodyStartsIt(t *testing.T) {
	harness.DockerOnly(t, harness.NoStopEvents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
	d := s.Defib(harness.Whitelist(b), harness.Never, "--restart.policy=unless-stopped")
	b.Stop()
	d.AwaitHeld(b, "stopped")
	b.Start()
	b.AwaitEvents("start", 2)
	b.Crash()
	b.AwaitEvents("start", 3)
	d.AwaitLine(1, "container started", "container", b.Name)
}

func TestCrashAfterAHangupIsACrash(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("logger", harness.Spec{Args: []string{"-code=1"}})
	d := s.Defib(harness.Whitelist(b), harness.Never, "--restart.policy=unless-stopped")
	b.Kill("HUP")
	harness.Watch(t, 1500*time.Millisecond, "a signal is taken for the cause of a death within 1 s")
	b.MustBe(container.StateRunning)
	b.Crash()
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "container started", "container", b.Name)
}

func TestContainerThatDiedBeforeDefibCameIsStarted(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("early", harness.Spec{Args: []string{"-code=4"}})
	b.Crash()
	d := s.Defib(harness.Whitelist(b), "--restart.stopped-delay=1s")
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "container started", "container", b.Name, "exit_code", 4)
}

func TestEnginesOwnRestartsAreLeftToIt(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("own", harness.Spec{Args: []string{"-code=1"}, Restart: container.RestartPolicyAlways})
	d := s.Defib(harness.Whitelist(b), harness.OwnRestart)
	b.Crash()
	b.AwaitEvents("start", 2)
	b.Crash()
	b.AwaitEvents("start", 3)
	d.AwaitValue(harness.Series("docker_container_restarts_total", "name", b.Name), 2)
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.LeftAlone(b)
	b.StartedTimes(3)
}
