package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

const unhealthy = "--restart.triggers=exited,unhealthy"

func TestUnhealthyContainerIsRestarted(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	unhealthyContainerIsRestarted(t, harness.SharedEngine(t))
}

func unhealthyContainerIsRestarted(t *testing.T, e *harness.Engine) {
	s := harness.NewEnv(t, e)
	b, stranger := s.Run("web", harness.Checked()), s.Run("stranger", harness.Checked())
	d := s.Defib(harness.Whitelist(b), unhealthy)
	b.AwaitEvents("health_status: healthy", 1)
	stranger.MakeUnhealthy()
	b.MakeUnhealthy()
	b.AwaitEvents("health_status: healthy", 2)
	d.AwaitLine(1, "container restarted", "container", b.Name, "trigger", "unhealthy", "health_output", "testapp: sick")
	d.AwaitValue(harness.Series("docker_container_health", "name", b.Name, "status", "healthy"), 1)
	d.AwaitValue(harness.Series("defib_recovery_seconds_count", "trigger", "unhealthy"), 1)
	d.Shows(harness.Series("defib_restarts_total", "name", b.Name, "trigger", "unhealthy"), 1)
	b.StartedTimes(2)
	stranger.StartedTimes(1)
}

// TestSicknessThatComesDuringTheBackOffIsHealed: the engine announces it once.
func TestSicknessThatComesDuringTheBackOffIsHealed(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	const delay = 15 * time.Second
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Checked())
	d := s.Defib(harness.Whitelist(b), unhealthy, fmt.Sprint("--restart.backoff-initial=", delay))
	b.MakeUnhealthy()
	back := b.AwaitEvents("start", 2)[1]
	b.AwaitAlive()
	b.MakeUnhealthy()
	inTime(t, b.AwaitEvents("health_status: unhealthy", 2)[1].Sub(back), delay)
	d.AwaitReason(b, "back_off")
	if wait := b.AwaitEvents("start", 3)[2].Sub(back); wait < delay {
		t.Errorf("restarted again after %v, want %v at least", wait, delay)
	}
}

func TestUnhealthyContainerIsLeftAlone(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	off, soon, hopeless, frozen := s.Run("off", harness.Checked()), s.Run("soon", harness.Checked()), s.Run("hopeless", harness.Checked()), s.Run("frozen", harness.Checked())
	for _, b := range []*harness.Container{off, soon, frozen} {
		b.MakeUnhealthy()
	}
	frozen.Pause()
	usual := s.Defib(harness.Whitelist(off))
	testapp := s.Defib(harness.Whitelist(soon, frozen), unhealthy, "--restart.unhealthy-for=1h")
	resigned := s.Defib(harness.Whitelist(hopeless), unhealthy, "--restart.max-attempts=1")
	usual.AwaitHeld(off, "trigger_disabled")
	testapp.AwaitHeld(frozen, "paused")
	hopeless.MakeUnhealthy()
	hopeless.AwaitEvents("start", 2)
	hopeless.AwaitAlive()
	hopeless.MakeUnhealthy()
	resigned.AwaitHeld(hopeless, "gave_up")
	resigned.Shows(harness.Series("defib_container_gave_up", "name", hopeless.Name), 1)
	hopeless.StartedTimes(2)
	off.StartedTimes(1)
	soon.StartedTimes(1)
	frozen.MustBe(container.StatePaused)

	hopeless.Restart() // somebody has fixed it
	resigned.AwaitValue(harness.Series("defib_container_gave_up", "name", hopeless.Name), 0)
}
