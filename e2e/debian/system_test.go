package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"defib/e2e/harness"
)

// system is a Debian that has been booted. What it writes is kept in memory only.
type system struct {
	testing.TB
	cmd    *exec.Cmd
	gone   chan struct{} // closed once cmd has ended
	leader int           // the process ID of its systemd
}

// mounts are version 2 of cgroups alone, whatever the machine has: the systemd of Debian 13 wants
// no other; and a /run for what systemd-nspawn would leave in that of the machine.
const mounts = `set -eu
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs none /run
group=/sys/fs/cgroup/$1
shift
`

// name is that of the system, and of its control group.
var name = fmt.Sprint("defib-e2e-", os.Getpid())

// container is the command that runs what is installed in a root, with a network of its own that
// has loopback only. More are the arguments of systemd-nspawn.
func container(ctx context.Context, root string, more ...string) *exec.Cmd {
	args := append([]string{
		"--mount", "--propagation", "private", "sh", "-c", mounts + `mkdir -p "$group" && echo $$ >"$group/cgroup.procs" && exec "$@"`, "sh", name,
		"systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--volatile=overlay", "--setenv=DEBIAN_FRONTEND=noninteractive", "--setenv=LC_ALL=C", "--machine=" + name, "--directory=" + root,
	}, more...)
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// removeGroups takes away the control groups of a container.
func removeGroups(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), harness.Limit)
	defer cancel()
	const remove = mounts + `for try in 1 2 3 4 5 6 7 8 9 10; do
		[ -d "$group" ] || exit 0
		find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
	done
	exit 1`
	if out, err := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "sh", "-c", remove, "sh", name).CombinedOutput(); err != nil {
		tb.Errorf("removing its control groups: %v\n%s", err, out)
	}
}

// boot boots what is installed in a root. Binds are as for systemd-nspawn.
func boot(t *testing.T, root string, binds ...string) *system {
	t.Helper()
	s := &system{TB: t, cmd: container(context.WithoutCancel(t.Context()), root, append(binds, "--boot")...), gone: make(chan struct{})}
	var console bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &console, &console
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is on its console
		close(s.gone)
	}()
	t.Cleanup(func() {
		s.halt()
		if t.Failed() {
			t.Logf("the console:\n%s", console.String())
		}
	})
	harness.Eventually(t, "systemd to have booted", func() bool {
		select {
		case <-s.gone:
			t.Fatal("it ended while it booted")
		default:
		}
		if s.leader = s.findLeader(); s.leader == 0 {
			return false
		}
		out, _ := s.ask("systemctl is-system-running")
		return out == "running" || out == "degraded"
	})
	return s
}

// findLeader returns the child of systemd-nspawn that is a systemd, 0 if there is none yet.
func (s *system) findLeader() int {
	pid := s.cmd.Process.Pid
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for child := range strings.FieldsSeq(string(children)) {
		if name, _ := os.ReadFile("/proc/" + child + "/comm"); string(name) == "systemd\n" {
			leader, _ := strconv.Atoi(child)
			return leader
		}
	}
	return 0
}

// halt ends it as a machine that is turned off.
func (s *system) halt() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.gone:
	case <-time.After(harness.Limit / 2):
		s.Error("it does not shut down")
		_ = s.cmd.Process.Kill()
		<-s.gone
	}
	removeGroups(s)
}

// ask runs a script in it, as root in a shell, and returns what that wrote.
func (s *system) ask(script string) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), harness.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", fmt.Sprint("--target=", s.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "bash", "-c", script)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	return plain(out), err
}

// plain is what a program wrote, without the progress of dpkg, which overwrites its line.
func plain(out []byte) string {
	text := regexp.MustCompile(`\r+\n`).ReplaceAllString(string(out), "\n")
	return strings.TrimSpace(regexp.MustCompile(`[^\n]*\r`).ReplaceAllString(text, ""))
}

// do is ask for what must succeed, and is logged.
func (s *system) do(script string) string {
	s.Helper()
	out, err := s.ask(script)
	if err != nil {
		s.Fatalf("# %s\n%s\n%v", script, out, err)
	}
	s.Logf("# %s\n%s", script, out)
	return out
}

// await waits until a script succeeds.
func (s *system) await(script string) {
	s.Helper()
	s.Logf("# until %s", script)
	harness.Eventually(s, script, func() bool {
		_, err := s.ask(script)
		return err == nil
	})
}

// serviceIs checks the state of the service, as systemctl tells it.
func (s *system) serviceIs(want string) {
	s.Helper()
	out, _ := s.ask("systemctl is-active defib") // it ends with an error if it is not active
	s.Logf("# systemctl is-active defib\n%s", out)
	if out != want {
		status, _ := s.ask("systemctl status defib --no-pager; journalctl -u defib --no-pager | tail -n 30")
		s.Fatalf("the service is %s, want %s\n%s", out, want, status)
	}
}

// scrape returns the metrics of the service that begin so. A bare Debian has no curl.
func (s *system) scrape(beginning string) string {
	out, _ := s.ask(`exec 3<>/dev/tcp/127.0.0.1/10911; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3`)
	var found []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, beginning) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return strings.Join(found, "\n")
}

// makeRoot returns a bare root of this machine's own Debian, which is kept for the next test.
func makeRoot(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		harness.Unavailable(t, "a Debian of one's own takes root")
	}
	for _, program := range []string{"debootstrap", "systemd-nspawn"} {
		if _, err := exec.LookPath(program); err != nil {
			harness.Unavailable(t, program+" is not on the PATH")
		}
	}
	suite, err := exec.CommandContext(t.Context(), "sh", "-c", `. /etc/os-release && [ "$ID" = debian ] && printf %s "$VERSION_CODENAME"`).Output()
	if err != nil {
		harness.Unavailable(t, "this machine is no Debian")
	}
	root := filepath.Join("/var/cache/defib-test-debian", string(suite))
	if out, err := exec.CommandContext(t.Context(), harness.Repository("scripts/make-root.sh"), string(suite), root, "systemd-sysv").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Nobody makes it anew while it is in use.
	lock, err := os.Open(root + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	return root
}
