package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit bounds every wait: machines are slow and busy.
const limit = time.Minute

// newEngine starts an engine with a network of its own, so that a port that is published
// there is in nobody's way. It returns the path of its socket.
func newEngine(t *testing.T) (socket string) {
	t.Helper()
	if testing.Short() {
		t.Skip("an engine is slow: leave out -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("starting an engine takes root")
	}
	for program, pkg := range map[string]string{"dockerd": "docker.io", "docker": "docker-cli", "ip": "iproute2", "unshare": "util-linux"} {
		need(t, pkg, program)
	}
	dir, err := os.MkdirTemp("", "deploy")
	if err != nil {
		t.Fatal(err)
	}
	config, socket := filepath.Join(dir, "config"), filepath.Join(dir, "docker.sock")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil { // not the machine's own
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "unshare", "--net", "sh", "-c", `ip link set lo up && exec "$@"`, "engine",
		"dockerd", "--config-file="+config, "--host=unix://"+socket, "--data-root="+filepath.Join(dir, "data"),
		"--exec-root="+filepath.Join(dir, "exec"), "--pidfile="+filepath.Join(dir, "pid"))
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is not for it
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the engine: %v\n%s", err, log.String())
		}
		_ = os.RemoveAll(dir)
	})
	await(t, "the engine", func() bool {
		return exec.CommandContext(t.Context(), "docker", "-H", "unix://"+socket, "version").Run() == nil
	})
	return socket
}

func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !there(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

// image makes an image of a program of this repository, FROM nothing.
func image(t *testing.T, host, pkg, name string, changes ...string) {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", filepath.Join(dir, "program"), pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	load := []string{"-H", host, "import", "-c", `ENTRYPOINT ["/program"]`}
	for _, c := range changes {
		load = append(load, "-c", c)
	}
	tarball := filepath.Join(dir, "tar")
	for _, cmd := range []*exec.Cmd{
		build,
		exec.CommandContext(t.Context(), "tar", "-C", dir, "-cf", tarball, "program"),
		exec.CommandContext(t.Context(), "docker", append(load, tarball, name)...),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
}

// TestReadmeOnAnEngine does what the README says: the file, the group, what containers use
// can be read, and a container that dies comes back. Only the path of the socket and what
// is in the image nginx differ.
func TestReadmeOnAnEngine(t *testing.T) {
	t.Parallel()
	socket := newEngine(t)
	host := "unix://" + socket
	if err := os.Chown(socket, 0, 4711); err != nil {
		t.Fatal(err)
	}
	image(t, host, "defib", "defib", "USER 65534:65534")
	image(t, host, "defib/e2e/testapp", "nginx")

	all := blocks(t, "../README.md")
	b := all[slices.IndexFunc(all, block.compose)]
	b.text = strings.Replace(b.text, "- /var/run/docker.sock:", "- "+socket+":", 1)
	file := b.file(t, "compose.yaml")
	program, args := composeProgram(t)
	up := exec.CommandContext(t.Context(), program, append(args, "-f", file, "up", "-d")...)
	up.Env = append(os.Environ(), "DOCKER_HOST="+host, "DOCKER_GID=4711")
	if out, err := up.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", up, err, out)
	}

	// ask returns what the docker command prints; "" if it fails.
	ask := func(args ...string) string {
		out, _ := exec.CommandContext(t.Context(), "docker", append([]string{"-H", host}, args...)...).Output()
		return strings.TrimSpace(string(out))
	}
	of := func(service string) string {
		return ask("ps", "-aq", "--filter", "label=com.docker.compose.service="+service)
	}
	pid := func() int {
		n, _ := strconv.Atoi(ask("inspect", "--format", "{{.State.Pid}}", of("web")))
		return n
	}
	await(t, "Defib", func() bool { return ask("exec", of("defib"), "/program", "healthcheck") != "" })
	old := pid()
	if old == 0 {
		t.Fatal("web does not run")
	}
	// As user 65534, with two mounts.
	resources := ask("exec", of("defib"), "/program", "check", "--collector.resources")
	if !strings.Contains(resources, " 2 running containers can be read under /host/proc and /host/sys/fs/cgroup") || strings.Contains(resources, "mount /") {
		t.Errorf("what containers use cannot be read as the README has it:\n%s", resources)
	}
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "web to be back", func() bool { now := pid(); return now != 0 && now != old })
}
