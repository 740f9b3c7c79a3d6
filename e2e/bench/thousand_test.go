package bench

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"defib/e2e/harness"
)

// quiet is the logger of what is measured in this process.
var quiet = slog.New(slog.DiscardHandler)

// thousand containers are more than an engine could run here.
const thousand = 1000

// measureThousand scrapes a thousand containers: a replayed engine tells of them, each is
// a process that sleeps, in cgroups of its own that the kernel keeps as it keeps those of
// containers, and in a network with one interface that all share.
func measureThousand(b *testing.B, t *table) {
	r := harness.NewReplay(b, thousand)
	standIns(b, r)
	d := harness.StartDefib(b, r.Host(), "--restart.whitelist=*", harness.Resources, "--docker.resync-interval=1h", "--log.level=info")
	d.Ready()
	awaitAllRead(d, thousand)
	besideParts(b, t, d, "1000 stand-ins with resources", 20)
	*t = append(*t, row{what: "memory with 1000 containers and resources, at most so far", measured: float64(d.Memory("VmHWM")) / 1024, unit: "MB", budget: budget{text: "96 MB", more: 96}})
	d.Terminate()
}

// standIns starts a process for each container of a replay, in cgroups that bear its ID.
func standIns(b *testing.B, r *harness.Replay) {
	b.Helper()
	var trees []string
	for _, tree := range []string{"cpuacct", "cpu", "memory", "blkio", "unified", "."} {
		name := "cgroup.procs"
		if tree == "." {
			name = "cgroup.controllers" // else this is no hierarchy
		}
		if dir := filepath.Join(cgroupFS, tree); unix.Access(filepath.Join(dir, name), unix.F_OK) == nil {
			trees = append(trees, dir)
		}
	}
	parent := fmt.Sprint("defib-bench-", os.Getpid())
	var sleeping []*exec.Cmd
	b.Cleanup(func() {
		for _, cmd := range sleeping {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		for _, tree := range trees {
			dirs, _ := filepath.Glob(filepath.Join(tree, parent, "*"))
			for _, dir := range append(dirs, filepath.Join(tree, parent)) {
				removeCgroup(b, dir)
			}
		}
	})
	start := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(b.Context(), args[0], args[1:]...)
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		sleeping = append(sleeping, cmd)
		return cmd
	}
	owner := start("unshare", "--net", "sh", "-c", harness.Program(b, "iproute2", "ip")+" link add eth0 type veth peer name vethpeer && exec sleep infinity")
	network := fmt.Sprintf("/proc/%d/", owner.Process.Pid)
	harness.Eventually(b, "the network of all", func() bool {
		interfaces, err := os.ReadFile(network + "net/dev")
		return err == nil && strings.Contains(string(interfaces), "vethpeer:")
	})
	for _, id := range r.IDs {
		cmd := start("nsenter", "--net="+network+"ns/net", "sleep", "infinity")
		for _, tree := range trees {
			dir := filepath.Join(tree, parent, id)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				harness.Unavailable(b, "no cgroups can be made: "+err.Error())
			}
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(fmt.Sprint(cmd.Process.Pid)), 0o600); err != nil {
				b.Fatal(err)
			}
		}
		r.SetPID(id, cmd.Process.Pid)
	}
}

// removeCgroup removes a cgroup, once the process that was killed has left it.
func removeCgroup(b *testing.B, dir string) {
	b.Helper()
	deadline := time.Now().Add(harness.Limit)
	for {
		err := unix.Rmdir(dir)
		switch {
		case !errors.Is(err, unix.EBUSY): // gone, or one of the kernel's own files
			return
		case time.Now().After(deadline):
			b.Errorf("removing %s: %v", dir, err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
