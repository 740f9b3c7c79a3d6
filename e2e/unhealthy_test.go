package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

const unhealthy = "--restart.triggers=exited,unhealthy"

func TestUnhealthyContainerIsRestarted(t *testing.T) {
	dockerOnly(t, noHealthTimer)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b, stranger := s.run("web", checked()), s.run("stranger", checked())
	d := s.defib(whitelist(b), unhealthy)
	b.awaitEvents("health_status: healthy", 1)
	stranger.makeUnhealthy()
	b.makeUnhealthy()
	b.awaitEvents("health_status: healthy", 2)
	d.awaitLine(1, "container restarted", "container", b.name, "trigger", "unhealthy", "health_output", "testapp: sick")
	d.awaitValue(series("docker_container_health", "name", b.name, "status", "healthy"), 1)
	d.awaitValue(series("defib_recovery_seconds_count", "trigger", "unhealthy"), 1)
	d.shows(series("defib_restarts_total", "name", b.name, "trigger", "unhealthy"), 1)
	b.startedTimes(2)
	stranger.startedTimes(1)
}

// TestSicknessThatComesDuringTheBackOffIsHealed: the engine announces it once.
func TestSicknessThatComesDuringTheBackOffIsHealed(t *testing.T) {
	dockerOnly(t, noHealthTimer)
	t.Parallel()
	const delay = 15 * time.Second
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", checked())
	d := s.defib(whitelist(b), unhealthy, fmt.Sprint("--restart.backoff-initial=", delay))
	b.makeUnhealthy()
	back := b.awaitEvents("start", 2)[1]
	b.awaitAlive()
	b.makeUnhealthy()
	inTime(t, b.awaitEvents("health_status: unhealthy", 2)[1].Sub(back), delay)
	d.awaitTold(b, "back_off")
	if wait := b.awaitEvents("start", 3)[2].Sub(back); wait < delay {
		t.Errorf("restarted again after %v, want %v at least", wait, delay)
	}
}

func TestUnhealthyContainerIsLeftAlone(t *testing.T) {
	dockerOnly(t, noHealthTimer)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	off, soon, hopeless, frozen := s.run("off", checked()), s.run("soon", checked()), s.run("hopeless", checked()), s.run("frozen", checked())
	for _, b := range []*testContainer{off, soon, frozen} {
		b.makeUnhealthy()
	}
	frozen.pause()
	usual := s.defib(whitelist(off))
	testapp := s.defib(whitelist(soon, frozen), unhealthy, "--restart.unhealthy-for=1h")
	resigned := s.defib(whitelist(hopeless), unhealthy, "--restart.max-attempts=1")
	usual.awaitHeld(off, "trigger_disabled")
	testapp.awaitHeld(frozen, "paused")
	hopeless.makeUnhealthy()
	hopeless.awaitEvents("start", 2)
	hopeless.awaitAlive()
	hopeless.makeUnhealthy()
	resigned.awaitHeld(hopeless, "gave_up")
	resigned.shows(series("defib_container_gave_up", "name", hopeless.name), 1)
	hopeless.startedTimes(2)
	off.startedTimes(1)
	soon.startedTimes(1)
	frozen.mustBe(container.StatePaused)

	hopeless.restart() // somebody has mended it
	resigned.awaitValue(series("defib_container_gave_up", "name", hopeless.name), 0)
}
