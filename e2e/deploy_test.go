package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// deployDelay is the stopped delay where somebody is in the middle of a deploy:
// far longer than an engine takes for a restart or for stop, rm, create, start.
const deployDelay = 10 * time.Second

// inTime skips a test on a machine so slow that what had to happen within the
// delay did not: then Defib was right to act.
func inTime(t *testing.T, took, delay time.Duration) {
	t.Helper()
	if took >= delay-time.Second {
		t.Skipf("this machine took %v for what must be done within %v", took, delay)
	}
}

func TestDockerRestartIsNotInterferedWith(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), "--restart.stopped-delay="+deployDelay.String())
	b.AwaitAlive()
	b.Restart()
	back := b.AwaitEvents("start", 2)[1]
	inTime(t, back.Sub(b.AwaitEvents("die", 1)[0]), deployDelay)
	harness.Watch(t, deployDelay+2*time.Second, "longer than the stopped delay, so one put off would show")
	d.LeftAlone(b)
	b.StartedTimes(2)
	b.MustBe(container.StateRunning)
	d.Shows(harness.Restarts(b), 0)
	d.Shows(harness.Series("docker_container_up", "name", b.Name), 1)
}

func TestRecreateWithinTheDelayIsNotInterferedWith(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	old := s.Run("web", harness.Spec{})
	d := s.Defib(harness.Whitelist(old), "--restart.stopped-delay="+deployDelay.String())
	begun := time.Now()
	old.Stop()
	d.AwaitReason(old, "stopped_delay")
	old.Remove()
	fresh := s.Run("web", harness.Spec{})
	inTime(t, time.Since(begun), deployDelay)
	harness.Watch(t, deployDelay+2*time.Second, "longer than the stopped delay, so one put off would show")
	d.LeftAlone(fresh)
	old.StartedTimes(1)
	fresh.StartedTimes(1)
	fresh.MustBe(container.StateRunning)
	d.Hides(harness.Series("defib_container_held", "name", old.Name, "reason", "stopped_delay"))
}

// stopBeside stops the container beside the test, whose goroutine alone may end it.
func stopBeside(b *harness.Container) {
	if err := b.Engine.ContainerStop(b.Context(), b.ID, container.StopOptions{}); err != nil {
		b.Error(err)
	}
}

// TestProjectGoingDownSlowlyIsNotFought is docker-compose down, which stops all
// first and removes them after the slowest: whatever came back in between would
// be left running.
func TestProjectGoingDownSlowlyIsNotFought(t *testing.T) {
	harness.DockerOnly(t, harness.NoKillEvents)
	t.Parallel()
	const delay, slowness = 4 * time.Second, 12
	s := harness.NewEnv(t, harness.SharedEngine(t))
	project := s.Prefix + "shop"
	service := func(name string) map[string]string {
		return map[string]string{
			"com.docker.compose.project": project,
			"com.docker.compose.service": name,
		}
	}
	boxes := []*harness.Container{
		s.Run("web", harness.Spec{Labels: service("web")}),
		s.Run("db", harness.Spec{Labels: service("db")}),
		s.Run("worker", harness.Spec{Labels: service("worker"), Args: []string{"-stubborn"}, StopTimeout: slowness}),
	}
	d := s.Defib("--restart.whitelist="+project+"/*", "--restart.stopped-delay="+delay.String())
	d.Shows(harness.Series("defib_whitelist_matches", "entry", project+"/*"), 3)

	var down sync.WaitGroup
	for _, b := range boxes {
		down.Go(func() { stopBeside(b) })
	}
	down.Wait()
	quick := boxes[0].AwaitEvents("die", 1)[0]
	last := boxes[2].AwaitEvents("die", 1)[0]
	if last.Sub(quick) < 2*delay {
		t.Skipf("on this machine what stops at once did so only %v before what does not", last.Sub(quick))
	}
	for _, b := range boxes {
		b.Remove()
	}
	inTime(t, boxes[2].AwaitEvents("destroy", 1)[0].Sub(last), delay)
	harness.Watch(t, delay+2*time.Second, "longer than the stopped delay, so one put off would show")
	for _, b := range boxes {
		d.LeftAlone(b)
		b.StartedTimes(1)
	}
}

// TestStoppedProjectComesBackOnceItIsQuiet is the other half: nobody removes it,
// so it is started, the delay counted from the last thing that happened to it.
func TestStoppedProjectComesBackOnceItIsQuiet(t *testing.T) {
	harness.DockerOnly(t, harness.NoKillEvents)
	t.Parallel()
	const delay = 3 * time.Second
	s := harness.NewEnv(t, harness.SharedEngine(t))
	labels := map[string]string{"com.docker.compose.project": s.Prefix + "shop", "com.docker.compose.service": "x"}
	quick := s.Run("quick", harness.Spec{Labels: labels})
	slow := s.Run("slow", harness.Spec{Labels: labels, Args: []string{"-stubborn"}, StopTimeout: 6})
	s.Defib(harness.Whitelist(quick, slow), "--restart.stopped-delay="+delay.String())
	var stopping sync.WaitGroup
	stopping.Go(func() { stopBeside(slow) })
	slow.AwaitEvents("kill", 1)
	quick.Stop()
	stopping.Wait()
	last := slow.AwaitEvents("die", 1)[0]
	if at := quick.AwaitEvents("die", 1)[0]; at.After(last) {
		last = at
	}
	for _, b := range []*harness.Container{quick, slow} {
		if gap := b.AwaitEvents("start", 2)[1].Sub(last); gap < delay {
			t.Errorf("%s was started %v after the last of its project had stopped, want %v at least", b.Name, gap, delay)
		}
	}
}

func TestPausedContainerIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("frozen", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), "--restart.stopped-delay=1s")
	b.Pause()
	d.AwaitHeld(b, "paused")
	d.Shows(harness.Series("docker_container_up", "name", b.Name), 0)
	d.Shows(harness.Series("docker_container_state", "name", b.Name, "state", "paused"), 1)
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	b.MustBe(container.StatePaused)
	b.Unpause()
	d.AwaitAbsent(harness.Series("defib_container_held", "name", b.Name, "reason", "paused"))
	d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
	d.LeftAlone(b)
	b.StartedTimes(1)
}
