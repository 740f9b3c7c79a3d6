package harness

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Daemon is a dockerd of our own: its own directories, its own containerd, no
// network, so that it disturbs nothing else on the machine; or a Podman, see
// podman.go.
type Daemon struct {
	Dir  string
	Cmd  *exec.Cmd
	gone chan struct{} // closed once cmd has been waited for; nil before the first start

	kind Kind
}

func newDaemon(k Kind) (*Daemon, error) {
	dir, err := os.MkdirTemp(workdir, "e") // short: Podman takes a path of at most 50 bytes for its --runroot
	if err != nil {
		return nil, err
	}
	config := "{}" // empty, else the machine's own would apply
	if onPodman {
		config = podmanConfig()
	}
	return &Daemon{Dir: dir, kind: k}, os.WriteFile(filepath.Join(dir, "config"), []byte(cmp.Or(k.Config, config)), 0o600)
}

func (d *Daemon) host() string { return "unix://" + filepath.Join(d.Dir, "docker.sock") }

// start outlives ctx: a daemon ends when it is told to.
func (d *Daemon) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(d.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d.Cmd = d.program(context.WithoutCancel(ctx))
	d.Cmd.Stdout, d.Cmd.Stderr = log, log
	d.Cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:  syscall.SIGTERM,      // a test binary that ends without cleaning up must not leave an engine
		Cloneflags: syscall.CLONE_NEWNET, // --bridge=none removes docker0, which is the machine's own engine's
	}
	if err := d.Cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", d.Cmd.Path, err)
	}
	gone := make(chan struct{})
	d.gone = gone
	go func() {
		// How it ended is in its log.
		_ = d.Cmd.Wait()
		close(gone)
	}()
	return nil
}

// program is what serves the API.
func (d *Daemon) program(ctx context.Context) *exec.Cmd {
	engine := d.dockerd
	if onPodman {
		engine = d.podman
	}
	cmd := d.kind.prepared(ctx, engine(ctx))
	cmd.Env = append(cmd.Environ(), d.variable())
	return cmd
}

// variable is in the environment of the daemon.
func (d *Daemon) variable() string { return "DIR=" + d.Dir }

func (d *Daemon) dockerd(ctx context.Context) *exec.Cmd {
	program := "dockerd"
	if d.kind.Rootless {
		program = "dockerd-rootless.sh"
	}
	return exec.CommandContext(ctx, program,
		"--config-file="+filepath.Join(d.Dir, "config"),
		"--host="+d.host(),
		"--data-root="+filepath.Join(d.Dir, "data"),
		"--exec-root="+filepath.Join(d.Dir, "exec"),
		"--pidfile="+filepath.Join(d.Dir, "pid"),
		"--bridge=none", "--iptables=false", "--ip6tables=false",
	)
}

// mountCgroups mounts what lacks of version 1 of cgroups.
const mountCgroups = `while read -r name id count on; do
	dir=/sys/fs/cgroup/$name
	[ "$on" != 1 ] || [ ! -d "$dir" ] || mountpoint -q "$dir" || mount -t cgroup -o "$name" cgroup "$dir"
done </proc/cgroups
`

// await polls until answers holds or the daemon ended.
func (d *Daemon) await(ctx context.Context, answers func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !answers() {
		select {
		case <-tick.C:
		case <-d.gone:
			return fmt.Errorf("the engine ended while starting:\n%s", d.log())
		case <-ctx.Done():
			return fmt.Errorf("waiting for the engine: %w\n%s", ctx.Err(), d.log())
		}
	}
	return nil
}

func (d *Daemon) log() []byte {
	b, err := os.ReadFile(filepath.Join(d.Dir, "log"))
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-4000):]
}

func (d *Daemon) running() bool {
	if d.gone == nil {
		return false
	}
	select {
	case <-d.gone:
		return false
	default:
		return true
	}
}

// Signal sends a signal to the daemon.
func (d *Daemon) Signal(s syscall.Signal) error { return d.Cmd.Process.Signal(s) }

// Frozen reports whether it stands still, some time after a SIGSTOP.
func (d *Daemon) Frozen() bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.Cmd.Process.Pid))
	// pid (comm) state …, where comm may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return len(fields) > 0 && fields[0] == "T"
}

// End sends a signal and waits until the daemon has gone.
func (d *Daemon) End(ctx context.Context, s syscall.Signal) error {
	if err := d.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.gone:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the engine to end: %w\n%s", ctx.Err(), d.log())
	}
	d.buryContainerd()
	return nil
}

// LosePower ends the daemon and all that it has started at once, as a host that loses its
// power, and takes away what a reboot does: what is mounted, and the files of containerd.
func (d *Daemon) LosePower(ctx context.Context) error {
	err := d.Signal(syscall.SIGKILL)
	<-d.gone
	return errors.Join(err, d.killProcesses(ctx), d.unmount(), os.RemoveAll(filepath.Join(d.Dir, "exec")), os.RemoveAll(filepath.Join(d.Dir, "pid")))
}

// buryContainerd waits until the containerd of a killed daemon has left the
// process table too, where init may let it lie for some seconds: a new dockerd
// would take it for alive, wait for it and give up. Where it really lives on,
// the new one takes it over.
func (d *Daemon) buryContainerd() {
	pid, err := os.ReadFile(filepath.Join(d.Dir, "exec/containerd/containerd.pid"))
	if err != nil {
		return // it ended in order and took its pid file along
	}
	deadline := time.Now().Add(Limit / 2)
	for time.Now().Before(deadline) {
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// close stops the daemon, ends what a killed one left behind and removes every
// trace: processes, mounts, directories.
func (d *Daemon) close(ctx context.Context) error {
	var errs []error
	if d.running() {
		errs = append(errs, d.Signal(syscall.SIGCONT))
		stop, cancel := context.WithTimeout(ctx, Limit)
		if err := d.End(stop, syscall.SIGTERM); err != nil {
			errs = append(errs, err, d.End(ctx, syscall.SIGKILL))
		}
		cancel()
	}
	errs = append(errs, d.killProcesses(ctx), d.unmount(), os.RemoveAll(d.Dir))
	return errors.Join(errs...)
}

func (d *Daemon) killProcesses(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		pids := d.processes()
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			// One that has just gone is what we want.
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("processes %v of %s would not end", pids, d.Dir)
		}
	}
}

// processes lists what the daemon has started, youngest first: the containers of a shim end
// before it. That are the processes with its directory on their command line or, as what a
// Podman without root leaves to hold its namespaces, its variable in their environment, and
// the children of those.
func (d *Daemon) processes() []int {
	type process struct{ pid, parent int }
	var all []process
	ours := map[int]bool{}
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range entries {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		// pid (comm) state ppid …, where comm may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		all = append(all, process{pid, parent})
		ours[pid] = bytes.Contains(cmdline, []byte(filepath.Join(d.Dir, "exec"))) ||
			bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+d.variable()+"\x00"))
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if ours[p.parent] && !ours[p.pid] {
				ours[p.pid], grown = true, true
			}
		}
	}
	var pids []int
	for pid, is := range ours {
		if is {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	slices.Reverse(pids)
	return pids
}

// unmount takes away what a killed daemon left mounted, innermost first.
func (d *Daemon) unmount() error {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var errs []error
	lines := strings.Split(string(info), "\n")
	slices.Reverse(lines)
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], d.Dir+"/") {
			errs = append(errs, syscall.Unmount(fields[4], syscall.MNT_DETACH))
		}
	}
	return errors.Join(errs...)
}
