package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
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
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", spec{})
	d := s.defib(whitelist(b), "--restart.stopped-delay="+deployDelay.String())
	b.awaitAlive()
	b.restart()
	back := b.awaitEvents("start", 2)[1]
	inTime(t, back.Sub(b.awaitEvents("die", 1)[0]), deployDelay)
	watch(t, deployDelay+2*time.Second, "longer than the stopped delay, so one put off would show")
	d.leftAlone(b)
	b.startedTimes(2)
	b.mustBe(container.StateRunning)
	d.shows(restarts(b), 0)
	d.shows(series("docker_container_up", "name", b.name), 1)
}

func TestRecreateWithinTheDelayIsNotInterferedWith(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	old := s.run("web", spec{})
	d := s.defib(whitelist(old), "--restart.stopped-delay="+deployDelay.String())
	begun := time.Now()
	old.stop()
	d.awaitTold(old, "stopped_delay")
	old.remove()
	fresh := s.run("web", spec{})
	inTime(t, time.Since(begun), deployDelay)
	watch(t, deployDelay+2*time.Second, "longer than the stopped delay, so one put off would show")
	d.leftAlone(fresh)
	old.startedTimes(1)
	fresh.startedTimes(1)
	fresh.mustBe(container.StateRunning)
	d.hides(series("defib_container_held", "name", old.name, "reason", "stopped_delay"))
}

// stopBeside stops the container beside the test, whose goroutine alone may end it.
func (b *testContainer) stopBeside() {
	if err := b.engine.ContainerStop(b.Context(), b.id, container.StopOptions{}); err != nil {
		b.Error(err)
	}
}

// TestProjectGoingDownSlowlyIsNotFought is docker-compose down, which stops all
// first and removes them after the slowest: whatever came back in between would
// be left running.
func TestProjectGoingDownSlowlyIsNotFought(t *testing.T) {
	dockerOnly(t, noStopEvents)
	t.Parallel()
	const delay, slowness = 4 * time.Second, 12
	s := newEnv(t, sharedEngine(t))
	project := s.prefix + "shop"
	service := func(name string) map[string]string {
		return map[string]string{
			"com.docker.compose.project": project,
			"com.docker.compose.service": name,
		}
	}
	boxes := []*testContainer{
		s.run("web", spec{labels: service("web")}),
		s.run("db", spec{labels: service("db")}),
		s.run("worker", spec{labels: service("worker"), args: []string{"-stubborn"}, stopTimeout: slowness}),
	}
	d := s.defib("--restart.whitelist="+project+"/*", "--restart.stopped-delay="+delay.String())
	d.shows(series("defib_whitelist_matches", "entry", project+"/*"), 3)

	var down sync.WaitGroup
	for _, b := range boxes {
		down.Go(func() { b.stopBeside() })
	}
	down.Wait()
	quick := boxes[0].awaitEvents("die", 1)[0]
	last := boxes[2].awaitEvents("die", 1)[0]
	if last.Sub(quick) < 2*delay {
		t.Skipf("on this machine what stops at once did so only %v before what does not", last.Sub(quick))
	}
	for _, b := range boxes {
		b.remove()
	}
	inTime(t, boxes[2].awaitEvents("destroy", 1)[0].Sub(last), delay)
	watch(t, delay+2*time.Second, "longer than the stopped delay, so one put off would show")
	for _, b := range boxes {
		d.leftAlone(b)
		b.startedTimes(1)
	}
}

// TestStoppedProjectComesBackOnceItIsQuiet is the other half: nobody removes it,
// so it is started, the delay counted from the last thing that happened to it.
func TestStoppedProjectComesBackOnceItIsQuiet(t *testing.T) {
	dockerOnly(t, noStopEvents)
	t.Parallel()
	const delay = 3 * time.Second
	s := newEnv(t, sharedEngine(t))
	labels := map[string]string{"com.docker.compose.project": s.prefix + "shop", "com.docker.compose.service": "x"}
	quick := s.run("quick", spec{labels: labels})
	slow := s.run("slow", spec{labels: labels, args: []string{"-stubborn"}, stopTimeout: 6})
	s.defib(whitelist(quick, slow), "--restart.stopped-delay="+delay.String())
	var stopping sync.WaitGroup
	stopping.Go(func() { slow.stopBeside() })
	slow.awaitEvents("kill", 1)
	quick.stop()
	stopping.Wait()
	last := slow.awaitEvents("die", 1)[0]
	if at := quick.awaitEvents("die", 1)[0]; at.After(last) {
		last = at
	}
	for _, b := range []*testContainer{quick, slow} {
		if gap := b.awaitEvents("start", 2)[1].Sub(last); gap < delay {
			t.Errorf("%s was started %v after the last of its project had stopped, want %v at least", b.name, gap, delay)
		}
	}
}

func TestPausedContainerIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("frozen", spec{})
	d := s.defib(whitelist(b), "--restart.stopped-delay=1s")
	b.pause()
	d.awaitHeld(b, "paused")
	d.shows(series("docker_container_up", "name", b.name), 0)
	d.shows(series("docker_container_state", "name", b.name, "state", "paused"), 1)
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	b.mustBe(container.StatePaused)
	b.unpause()
	d.awaitAbsent(series("defib_container_held", "name", b.name, "reason", "paused"))
	d.awaitValue(series("docker_container_up", "name", b.name), 1)
	d.leftAlone(b)
	b.startedTimes(1)
}
