package harness

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
)

// onPodman says that the engines of this run are Podmans, which serve Docker's
// API, and differ from Docker as DockerOnly says.
var onPodman = os.Getenv(EngineVariable) == "podman"

// EngineVariable chooses the engines: docker, which is the default, or podman.
const EngineVariable = "DEFIB_E2E_ENGINE"

// Never is a stopped delay that no test lives to see: what comes back in spite
// of it was not taken for stopped. On Podman, which does not tell, everything
// comes back after it.
var Never = stoppedDelay("10m", "1s")

// OwnRestart is a stopped delay within which an engine restarts a container by a
// policy of its own. Podman takes longer, and meanwhile calls it exited.
var OwnRestart = stoppedDelay("1s", "10m")

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
		return []string{"--docker.timeout=" + Limit.String()}
	}
	return nil
}

// podmanConfig is for a machine without systemd: its own cgroups, a file for the
// events. Locks in shared memory would be every Podman's on the machine, and the
// default limits are more than a container in a container may have. Podman's usual runtime,
// crun, refuses cgroups of version 1 beside those of version 2.
func podmanConfig() string {
	config := `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
`
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err != nil {
		config += "runtime = \"runc\"\n"
	}
	return config
}

// podman serves the API of a Podman of our own: the directories hold all that it
// knows. Its containers are children of nobody, and live on when it ends.
func (d *Daemon) podman(ctx context.Context) *exec.Cmd {
	return d.podmanCommand(ctx, "system", "service", "--time=0", d.host())
}

func (d *Daemon) podmanCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "podman", append([]string{
		"--root=" + filepath.Join(d.Dir, "data"),
		"--runroot=" + filepath.Join(d.Dir, "exec"),
		"--tmpdir=" + filepath.Join(d.Dir, "exec/tmp"),
		"--storage-driver=vfs",
	}, args...)...)
	cmd.Dir = d.Dir // its conmon leaves a file there when memory runs out
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+filepath.Join(d.Dir, "config"))
	return cmd
}

// Podman has a command of Podman's own do something to the container: people do not go by
// Docker's API.
func (b *Container) Podman(command string, args ...string) {
	b.Helper()
	args = append(append([]string{command}, args...), b.ID)
	ctx, cancel := context.WithTimeout(b.Context(), Limit)
	defer cancel()
	if out, err := b.Engine.Daemon.podmanCommand(ctx, args...).CombinedOutput(); err != nil {
		b.Fatalf("podman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// stopOptions are those of docker stop, with Docker's own default timeout: Podman kills at once unless told otherwise.
func (b *Container) stopOptions() container.StopOptions {
	if !onPodman {
		return container.StopOptions{}
	}
	return container.StopOptions{Timeout: new(max(b.stopTimeout, 10))}
}

// podmanVersion is that of the Podman of this run. If it does not tell, which tests to skip
// is not known.
func podmanVersion() string {
	version := releaseOf("podman")
	if version == unknownRelease {
		panic("podman --version does not tell its version")
	}
	return version
}

// podmanIs reports whether the Podman of this run is of that version or newer.
func podmanIs(version string) bool { return !versions.LessThan(podmanVersion(), version) }

// What Podman lacks or does otherwise, for DockerOnly.
const (
	NoStopEvents  = "it does not announce a stop, nor with which signal it kills: every end looks like a death"
	NoKillEvents  = "it announces no kill of docker stop and docker restart, which the test waits for"
	NoDaemon      = "it has no daemon whose end stops containers"
	NoSwarm       = "it has no Swarm"
	NoHealthTimer = "its health checks are run by systemd, which test machines do not have"
	NoStartError  = "it records no error of a start that failed, and calls the container created"
	KeepsParents  = "it does not remove a container that others share a namespace of"
	NamesByID     = "it names an image for a container that was created by the image's ID, too, or keeps the name of an image in use"
	LimitsSwap    = "it limits swap to as much as memory where none is said, or any"
	NoUpdates     = "it has no docker update"
	BuildsByOther = "it builds images by a program of its own"
	StampsSeconds = "it stamps lines of logs by the second: of runs that end and begin in the same one, nobody can tell whose a line is"
	MixesParts    = "where it counts lines from the end of a log, it puts the parts of a long line to another"
	HasOwnAPI     = "from 4.7 on its own API is asked, too, whose paths Tecnativa's proxy cannot let through"
	ChecksDevices = "it does not create a container with a device that does not exist"
)

// lacksUntil is from which version on Podman has what 4.3 lacks. Tried are 4.3, 5.4 and
// 5.8.
var lacksUntil = map[string]string{
	NoStopEvents: "4.7", NoStartError: "5.4", NoUpdates: "5.4", StampsSeconds: "5.8",
}

// DockerOnly skips a test on Podman, for what that lacks or does otherwise. What
// Defib does there instead has tests of its own, see PodmanOnly.
func DockerOnly(tb testing.TB, why string) {
	tb.Helper()
	if until := lacksUntil[why]; onPodman && (until == "" || !podmanIs(until)) {
		tb.Skip("not on Podman: " + why)
	}
}

// PodmanOnly skips a test of what is different on Podman where there is none.
func PodmanOnly(tb testing.TB) {
	tb.Helper()
	if !onPodman {
		tb.Skip("about Podman: set " + EngineVariable + "=podman")
	}
}

// OnPodman is for a test that is about how engines are set up.
func OnPodman() bool { return onPodman }

// PodmanSince is PodmanOnly of this version and newer.
func PodmanSince(tb testing.TB, version string) {
	tb.Helper()
	PodmanOnly(tb)
	if !podmanIs(version) {
		tb.Skip("about Podman " + version + " and newer: this one is " + podmanVersion())
	}
}

// PodmanBefore is PodmanOnly of older versions than this.
func PodmanBefore(tb testing.TB, version string) {
	tb.Helper()
	PodmanOnly(tb)
	if podmanIs(version) {
		tb.Skip("about Podman before " + version + ": this one is " + podmanVersion())
	}
}
