package e2e

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

func TestEveryEndOnOldPodmanIsHealedAfterTheDelay(t *testing.T) {
	harness.PodmanBefore(t, "4.7")
	for name, end := range map[string]func(*harness.Container){
		"a crash":     (*harness.Container).Crash,
		"docker stop": (*harness.Container).Stop,
		"docker kill": func(b *harness.Container) { b.Kill("KILL") },
	} {
		t.Run(name, func(t *testing.T) {
			const delay = 3 * time.Second
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
			d := s.Defib(harness.Whitelist(b), "--restart.stopped-delay="+delay.String())
			end(b)
			died := b.AwaitEvents("die", 1)[0]
			comesBackAfter(d, b, died, delay)
			if said := d.Notices("podman before 4.7 does not report whether a container was stopped or crashed"); len(said) != 1 {
				t.Errorf("said %d times what Podman does not tell", len(said))
			}
		})
	}
}

func TestKillOnOldPodmanIsHealedUnderEveryPolicy(t *testing.T) {
	harness.PodmanBefore(t, "4.7")
	for _, policy := range []string{"unless-stopped", "on-failure"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			b := s.Run("token", harness.Spec{})
			d := s.Defib(harness.Whitelist(b), harness.Never, "--restart.policy="+policy)
			b.Kill("KILL")
			b.AwaitEvents("start", 2)
			d.AwaitLine(1, "container started", "container", b.Name, "exit_code", 137)
		})
	}
}

// Whoever stops a container by Podman's own commands is believed, and a crash is healed at
// once.
func TestWhatPodmanStopsStaysDownAndACrashIsHealedAtOnce(t *testing.T) {
	harness.PodmanSince(t, "4.7")
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	stopped, killed, restarted, crashed := s.Run("stopped", harness.Spec{}), s.Run("killed", harness.Spec{}), s.Run("restarted", harness.Spec{}), s.Run("crashed", harness.Spec{Args: []string{"-code=1"}})
	patient := s.Defib(harness.Whitelist(crashed), "--restart.stopped-delay=10m")
	d := s.Defib(harness.Whitelist(stopped, killed, restarted), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s")
	stopped.Podman("stop")
	killed.Podman("kill")
	restarted.Podman("restart")
	crashed.Crash()
	crashed.AwaitEvents("start", 2)
	patient.AwaitLine(1, "container started", "container", crashed.Name)
	d.AwaitHeld(stopped, "stopped")
	d.AwaitHeld(killed, "stopped")
	restarted.AwaitEvents("start", 2)
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	for _, b := range []*harness.Container{stopped, killed, restarted} {
		d.LeftAlone(b)
	}
	stopped.StartedTimes(1)
	killed.StartedTimes(1)
	restarted.StartedTimes(2)
	if said := d.Notices("podman before 4.7"); len(said) != 0 {
		t.Errorf("said of a Podman that tells: %v", said)
	}
}

// Podman itself restarts what has a policy always, unless it was stopped.
func TestStopOnPodmanIsToldByItsOwnPolicy(t *testing.T) {
	harness.PodmanOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{Restart: container.RestartPolicyAlways})
	d := s.Defib(harness.Whitelist(b), harness.Never, "--restart.policy=unless-stopped")
	b.Stop()
	d.AwaitHeld(b, "stopped")
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.LeftAlone(b)
	b.StartedTimes(1)
}

func TestHeldContainerOnPodmanStaysDown(t *testing.T) {
	harness.PodmanOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{})
	holds := "--restart.hold-file=" + filepath.Join(t.TempDir(), "holds")
	if code := harness.Spawn(t, nil, "hold", b.Name, "--for=1h", holds).ExitCode(); code != 0 {
		t.Fatalf("exit code %d of defib hold", code)
	}
	d := s.Defib(harness.Whitelist(b), harness.Never, holds)
	b.Stop()
	d.AwaitHeld(b, "on_hold")
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.LeftAlone(b)
}

func TestOutdatedImageOnPodmanIsShown(t *testing.T) {
	harness.PodmanOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	name := s.Prefix + "web"
	named(s, name, "1")
	b := s.Run("old", harness.Spec{Image: name})
	d := s.Defib()
	outdated := harness.Series("docker_container_image_outdated", "name", b.Name)
	d.AwaitValue(outdated, 0)
	named(s, name, "2")
	d.AwaitValue(outdated, 1)
}

func TestContainersOutliveAPodmanThatEnds(t *testing.T) {
	harness.PodmanOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
	d := s.Defib(harness.Whitelist(b), harness.Never)
	s.EndEngine(syscall.SIGTERM)
	d.AwaitUnavailable()
	s.Boot()
	d.AwaitValue("docker_up", 1)
	b.MustBe(container.StateRunning)
	b.StartedTimes(1)
	b.Crash()
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "container started", "container", b.Name)
	d.Shows("defib_engine_drift_total", 0)
}
