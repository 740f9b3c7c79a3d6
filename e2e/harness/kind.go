package harness

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// Kind is how an engine of a test's own is set up. The zero value is as PrivateEngine.
type Kind struct {
	Config   string                // the configuration file; "": the least that makes it run here
	Prepare  string                // a script that is run as root before the engine, with mounts of its own
	Network  container.NetworkMode // of containers that ask for none; "": the host's
	Remapped bool                  // root in a container is an ordinary user outside of it
	Rootless bool                  // so is the engine
	Refusals []string              // words with which it, or its first container, does not start on a machine that cannot have it
	Lacks    []string              // the same, where a program is missing that could be installed
}

// lendIDs has subordinate user and group IDs for nobody, whom every machine knows, as an
// engine without root needs them, or one that remaps users.
const lendIDs = `for file in subuid subgid; do
	printf '%s:231072:65536\n' nobody nogroup >"$DIR/$file"
	mount --bind "$DIR/$file" "/etc/$file"
done
`

// openDevices has everybody open the devices that they need, as udev does where it runs.
const openDevices = `for device in net/tun fuse; do
	if [ -e "/dev/$device" ]; then
		cp -a "/dev/$device" "$DIR/${device#*/}"
		chmod 666 "$DIR/${device#*/}"
		mount --bind "$DIR/${device#*/}" "/dev/$device"
	fi
done
`

// becomeNobody has the engine started by that user, to whom all is given that the engine
// writes.
const becomeNobody = `chown -R nobody:nogroup "$DIR"
set -- setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME="$DIR" TMPDIR="$DIR" \
	XDG_RUNTIME_DIR="$DIR" PATH="$PATH:/usr/sbin:/sbin:/usr/share/docker.io/contrib" "$@"
`

func (k Kind) script() string {
	script := k.Prepare
	if k.Remapped || k.Rootless {
		script += lendIDs
	}
	if k.Rootless {
		script += openDevices + becomeNobody
	}
	return script
}

// RootVariable says below which directory the engines' programs and their files are, if that
// is a root of their own.
const RootVariable = "DEFIB_E2E_ROOT"

// prepared has the engine's program started by the script of its kind, if it has one.
func (k Kind) prepared(ctx context.Context, engine *exec.Cmd) *exec.Cmd {
	script := k.script()
	if script == "" {
		return engine
	}
	shell := []string{"unshare", "--mount", "--propagation=private", "sh"}
	if root := os.Getenv(RootVariable); root != "" {
		shell = []string{Repository("scripts/in-root.sh"), root, "sh"}
	}
	args := slices.Concat(shell, []string{"-ec", script + `exec "$@"`, "sh"}, engine.Args)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = engine.Dir, engine.Env
	return cmd
}

// EngineOfKind starts an engine of this kind.
func EngineOfKind(tb testing.TB, k Kind) *Engine {
	tb.Helper()
	e := unstarted(tb, k)
	for _, dir := range []string{workdir, e.Daemon.Dir} { // for other users on their way
		if err := os.Chmod(dir, 0o711); err != nil {
			tb.Fatal(err)
		}
	}
	err := e.boot(tb.Context())
	if err == nil && len(k.Refusals)+len(k.Lacks) > 0 {
		err = e.startOne(tb.Context())
	}
	if err == nil {
		return e
	}
	for line := range strings.Lines(err.Error()) {
		says := func(words string) bool { return strings.Contains(line, words) }
		if slices.ContainsFunc(k.Refusals, says) {
			tb.Skip("not on this machine: ", line)
		}
		if slices.ContainsFunc(k.Lacks, says) {
			Unavailable(tb, line)
		}
	}
	tb.Fatal(err)
	return nil
}

// startOne starts a container, and removes it: only then some engines find out what they lack.
func (e *Engine) startOne(ctx context.Context) error {
	id, err := e.CreateTestapp(ctx, "e2e-first", Spec{})
	if err != nil {
		return err
	}
	return errors.Join(e.ContainerStart(ctx, id, container.StartOptions{}), e.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}))
}
