package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// onPodman says that the engines of this run are Podmans, which serve Docker's
// API, and differ from Docker as dockerOnly says.
var onPodman = os.Getenv(engineEnv) == "podman"

// engineEnv chooses the engines: docker, which is the default, or podman.
const engineEnv = "DEFIB_E2E_ENGINE"

// never is a stopped delay that no test lives to see: what comes back in spite
// of it was not taken for stopped. On Podman, which does not tell, everything
// comes back after it.
var never = stoppedDelay("10m", "1s")

// ownRestart is a stopped delay within which an engine restarts a container by a
// policy of its own. Podman takes longer, and meanwhile calls it exited.
var ownRestart = stoppedDelay("1s", "10m")

func stoppedDelay(onDocker, elsewhere string) string {
	if onPodman {
		return "--restart.stopped-delay=" + elsewhere
	}
	return "--restart.stopped-delay=" + onDocker
}

// allowance gives Podman time to tell its version, for which it asks the package
// manager: on a machine with much to do that takes long.
func allowance() []string {
	if onPodman {
		return []string{"--docker.timeout=" + limit.String()}
	}
	return nil
}

// podmanConfig is for a machine without systemd: its own cgroups, a file for the
// events. Locks in shared memory would be every Podman's on the machine, and the
// default limits are more than a container in a container may have.
const podmanConfig = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
`

// podman serves the API of a Podman of our own: the directories hold all that it
// knows. Its containers are children of nobody, and live on when it ends.
func (d *daemon) podman(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "podman",
		"--root="+filepath.Join(d.dir, "data"),
		"--runroot="+filepath.Join(d.dir, "exec"),
		"--tmpdir="+filepath.Join(d.dir, "exec/tmp"),
		"--storage-driver=vfs",
		"system", "service", "--time=0", d.host())
	cmd.Dir = d.dir // its conmon leaves a file there when memory runs out
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+filepath.Join(d.dir, "config"))
	return cmd
}

// stopOptions are those of docker stop, with the patience that Docker has of
// itself: Podman kills at once unless told otherwise.
func (b *testContainer) stopOptions() container.StopOptions {
	if !onPodman {
		return container.StopOptions{}
	}
	return container.StopOptions{Timeout: new(max(b.stopTimeout, 10))}
}

// What Podman 4.3 lacks or does otherwise, for dockerOnly.
const (
	noStopEvents  = "it does not announce a stop, nor with which signal it kills: every end looks like a death"
	noKillEvents  = "it announces no kill of docker stop and docker restart, which the test waits for"
	noDaemon      = "it has no daemon whose end stops containers"
	noSwarm       = "it has no Swarm"
	noHealthTimer = "its health checks are run by systemd, which test machines do not have"
	noStartError  = "it records no error of a start that failed, and calls the container created"
	keepsParents  = "it does not remove a container that others share a namespace of"
	namesByID     = "it names an image for a container that was created by the image's ID, too"
	checksDevices = "it does not create a container with a device that does not exist"
)

// dockerOnly skips a test on Podman, for what that lacks or does otherwise. What
// Defib does there instead has tests of its own, see podmanOnly.
func dockerOnly(tb testing.TB, why string) {
	tb.Helper()
	if onPodman {
		tb.Skip("not on Podman: ", why)
	}
}

// engineIndependent skips a test on Podman that tests nothing of the engine, such as
// the webhook's callers, Alertmanager's retries, the page and the flags: it runs on
// Docker.
func engineIndependent(tb testing.TB) {
	tb.Helper()
	if onPodman {
		tb.Skip("does not depend on the engine: it runs on Docker")
	}
}

// podmanOnly skips a test of what is different on Podman where there is none.
func podmanOnly(tb testing.TB) {
	tb.Helper()
	if !onPodman {
		tb.Skip("about Podman: set " + engineEnv + "=podman")
	}
}

func TestEveryEndOnPodmanIsHealedAfterTheDelay(t *testing.T) {
	podmanOnly(t)
	for name, end := range map[string]func(*testContainer){
		"a crash":     (*testContainer).crash,
		"docker stop": (*testContainer).stop,
		"docker kill": func(b *testContainer) { b.kill("KILL") },
	} {
		t.Run(name, func(t *testing.T) {
			const delay = 3 * time.Second
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			b := s.run("token", spec{args: []string{"-code=1"}})
			d := s.defib(whitelist(b), "--restart.stopped-delay="+delay.String())
			end(b)
			died := b.awaitEvents("die", 1)[0]
			d.awaitTold(b, "stopped_delay")
			if gap := b.awaitEvents("start", 2)[1].Sub(died); gap < delay {
				t.Errorf("came back after %v, sooner than the delay of %v", gap, delay)
			}
			d.awaitLine(1, "container started", "container", b.name, "attempt", 1)
			if said := d.told("podman does not tell a stop from a death"); len(said) != 1 {
				t.Errorf("said %d times what Podman does not tell", len(said))
			}
		})
	}
}

func TestKillOnPodmanIsHealedUnderEveryPolicy(t *testing.T) {
	podmanOnly(t)
	for _, policy := range []string{"unless-stopped", "on-failure"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			b := s.run("token", spec{})
			d := s.defib(whitelist(b), never, "--restart.policy="+policy)
			b.kill("KILL")
			b.awaitEvents("start", 2)
			d.awaitLine(1, "container started", "container", b.name, "exit_code", 137)
		})
	}
}

// Podman itself restarts what has a policy always, unless it was stopped.
func TestStopOnPodmanIsToldByItsOwnPolicy(t *testing.T) {
	podmanOnly(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{restart: container.RestartPolicyAlways})
	d := s.defib(whitelist(b), never, "--restart.policy=unless-stopped")
	b.stop()
	d.awaitHeld(b, "stopped")
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.leftAlone(b)
	b.startedTimes(1)
}

func TestHeldContainerOnPodmanStaysDown(t *testing.T) {
	podmanOnly(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{})
	holds := "--restart.hold-file=" + filepath.Join(t.TempDir(), "holds")
	if code := spawn(t, nil, "hold", b.name, "--for=1h", holds).exitCode(); code != 0 {
		t.Fatalf("exit code %d of defib hold", code)
	}
	d := s.defib(whitelist(b), never, holds)
	b.stop()
	d.awaitHeld(b, "on_hold")
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.leftAlone(b)
}

func TestOutdatedImageOnPodmanIsShown(t *testing.T) {
	podmanOnly(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	name := s.prefix + "web"
	s.named(name, "1")
	b := s.run("old", spec{image: name})
	d := s.defib()
	outdated := series("docker_container_image_outdated", "name", b.name)
	d.awaitValue(outdated, 0)
	s.named(name, "2")
	d.awaitValue(outdated, 1)
}

func TestContainersOutliveAPodmanThatEnds(t *testing.T) {
	podmanOnly(t)
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	b := s.run("token", spec{args: []string{"-code=1"}})
	d := s.defib(whitelist(b), never)
	s.endEngine(syscall.SIGTERM)
	d.awaitAway()
	s.boot()
	d.awaitValue("docker_up", 1)
	b.mustBe(container.StateRunning)
	b.startedTimes(1)
	b.crash()
	b.awaitEvents("start", 2)
	d.awaitLine(1, "container started", "container", b.name)
	d.shows("defib_engine_drift_total", 0)
}
