package stats

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"defib/engine"
	"defib/stats/internal/cgroup"
)

const (
	// cgroupFS is where the kernel's own cgroups are.
	cgroupFS = "/sys/fs/cgroup"
	// parent is that of the cgroups of these tests: an engine may run beside them.
	parent = "defib-stats-test"
)

// kernelTree returns what the kernel has mounted below root, if cgroups can be made there.
func kernelTree(tb testing.TB, root string) cgroup.Tree {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("making cgroups takes root")
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(root, &fs); err != nil {
		tb.Skip("no cgroups:", err)
	}
	t := cgroup.Find(root)
	if main := t[t.Main()]; main == "" || unix.Access(main, unix.W_OK) != nil {
		tb.Skip("no cgroups that can be written to below ", root)
	}
	return t
}

// newCgroup makes a cgroup as an engine does for a container, in each hierarchy, until the
// end of the test, and returns the container's ID.
func newCgroup(tb testing.TB, t cgroup.Tree) (id string) {
	tb.Helper()
	var random [32]byte
	_, _ = rand.Read(random[:])
	id = hex.EncodeToString(random[:])
	for _, root := range t {
		if root == "" {
			continue
		}
		dir := filepath.Join(root, parent, id)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			tb.Skip("no cgroup can be made:", err)
		}
		tb.Cleanup(func() { removeCgroup(tb, dir) })
	}
	return id
}

// removeCgroup removes a cgroup, once its processes have left it, and the parent after the
// last.
func removeCgroup(tb testing.TB, dir string) {
	tb.Helper()
	err := unix.EBUSY
	for range 200 {
		if e := unix.Rmdir(dir); !errors.Is(e, unix.EBUSY) {
			err = 0
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != 0 {
		tb.Errorf("%s cannot be removed: %v", dir, err)
	}
	_ = unix.Rmdir(filepath.Dir(dir))
}

// begin starts a program within a cgroup of version 2.
func begin(t *testing.T, dir string, script string) *exec.Cmd {
	t.Helper()
	cgroup, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer cgroup.Close()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestKernelsOwnCgroupsOfVersion2 reads what the kernel writes, of whatever controllers it
// has in version 2: a hybrid tree has none there, but processor time and pressure all the
// same.
func TestKernelsOwnCgroupsOfVersion2(t *testing.T) {
	root := cgroupFS
	if dir := filepath.Join(cgroupFS, "unified"); unix.Access(dir, unix.F_OK) == nil {
		root = dir
	}
	tree := kernelTree(t, root)
	if tree.Main() != cgroup.Unified {
		t.Skip("no version 2 of cgroups")
	}
	id := newCgroup(t, tree)
	dir := filepath.Join(root, parent, id)
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("controllers in %s: %q", root, strings.TrimSpace(string(controllers)))

	// More than there are processors, so that some wait, each until the kernel ends it
	// after a second of processor time.
	var working []*exec.Cmd
	for range 2 * runtime.NumCPU() {
		working = append(working, begin(t, dir, "ulimit -t 1; while :; do :; done"))
	}
	c := &engine.Container{
		ID: id, Name: "web", State: engine.Running, Inspected: true, HostNetwork: true,
		PID: working[0].Process.Pid, Started: time.Now(),
	}
	snapshot := engine.NewSnapshot([]*engine.Container{c}, nil)
	r := New(Options{ProcFS: "/proc", CgroupFS: root, Local: true, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(r.Close)

	at := time.Now()
	first := r.Read(at, snapshot)
	if u := first.Containers[id]; u == nil || u.Path != "/"+parent+"/"+id || !u.CPU.Known {
		t.Fatalf("read: %+v, %q", u, first.Faults)
	}
	var used time.Duration // as the kernel tells the parent of a process
	for _, cmd := range working {
		_ = cmd.Wait() // it is killed
		used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	at = at.Add(2 * shared)
	u := r.Read(at, snapshot).Containers[id]
	if u == nil {
		t.Fatal("it is not read any more")
	}
	t.Logf("processes used %.3f s; the cgroup: %.3f s, of which user %.3f s and system %.3f s; waited for a processor: some %.3f s, all %.3f s",
		used.Seconds(), u.CPU.Total, u.CPU.User, u.CPU.System, u.Pressure.CPU.Waiting, u.Pressure.CPU.Stalled)
	// What a process is charged for after it has told its parent is some milliseconds.
	if off := u.CPU.Total - used.Seconds(); off < -0.02 || off > 0.2 {
		t.Errorf("processor time %v, want that of the processes: %v", u.CPU.Total, used)
	}
	if off := u.CPU.Total - u.CPU.User - u.CPU.System; off < -0.02 || off > 0.02 {
		t.Errorf("user %v and system %v are not the total of %v", u.CPU.User, u.CPU.System, u.CPU.Total)
	}
	sameAsFiles(t, dir, u)
	if _, err := os.Stat(filepath.Join(dir, "cpu.pressure")); err == nil {
		// Twice as many processes as processors: for about half of the time some waited.
		if u.Pressure.CPU.Waiting <= 0 || u.Pressure.CPU.Waiting > time.Since(c.Started).Seconds() {
			t.Errorf("processes waited for %v s", u.Pressure.CPU.Waiting)
		}
	}

	removeCgroup(t, dir)
	at = at.Add(2 * shared)
	last := r.Read(at, snapshot)
	if last.Containers[id] != nil {
		t.Errorf("a cgroup that is gone was read: %+v", last.Containers[id])
	}
	if r.files.kept != 0 {
		t.Errorf("%d descriptors of it are kept", r.files.kept)
	}
}

// sameAsFiles compares what was read of a cgroup in which nothing runs any more with its
// files: what they hold is known, and what they hold not is not.
func sameAsFiles(t *testing.T, dir string, u *Usage) {
	t.Helper()
	line := func(file, key string) (n uint64, there bool) {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return 0, false
		}
		for l := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(l, key); ok {
				fields := strings.Fields(rest)
				_, err := fmt.Sscan(strings.TrimPrefix(fields[len(fields)-1], "total="), &n)
				return n, err == nil
			}
		}
		return 0, false
	}
	for _, row := range []struct {
		file, key string
		known     bool
		got       float64
		unit      float64
	}{
		{"cpu.stat", "usage_usec ", u.CPU.Known, u.CPU.Total, 1e6},
		{"cpu.pressure", "some ", u.Pressure.CPU.Known, u.Pressure.CPU.Waiting, 1e6},
		{"memory.pressure", "some ", u.Pressure.Memory.Known, u.Pressure.Memory.Waiting, 1e6},
		{"io.pressure", "full ", u.Pressure.IO.Known, u.Pressure.IO.Stalled, 1e6},
		{"memory.current", "", u.Memory.Known, float64(u.Memory.Usage), 1},
		{"memory.peak", "", u.Memory.PeakIsKnown, float64(u.Memory.Peak), 1},
	} {
		n, there := line(row.file, row.key)
		if there != row.known {
			t.Errorf("%s is there: %t; it is known: %t", row.file, there, row.known)
		}
		if want := float64(n) / row.unit; there && (row.got < want-0.001 || row.got > want+0.001) {
			t.Errorf("%s: %v, want %v", row.file, row.got, want)
		}
	}
}

// BenchmarkRead reads cgroups that the kernel has made for nobody, with descriptors that
// are kept and without, beside the system calls alone for the same files, and beside what
// the standard library needs for them.
func BenchmarkRead(b *testing.B) {
	const containers = 100
	t := kernelTree(b, cgroupFS)
	var all []*engine.Container
	for i := range containers {
		all = append(all, &engine.Container{ID: newCgroup(b, t), Name: fmt.Sprint("c", i), State: engine.Running, Inspected: true, PID: os.Getpid(), Started: time.Now()})
	}
	slices.SortFunc(all, func(a, b *engine.Container) int { return strings.Compare(a.ID, b.ID) })
	snapshot := engine.NewSnapshot(all, nil)
	reader := func(b *testing.B, limit int) (r *Reader, read func()) {
		b.Helper()
		r = New(Options{ProcFS: "/proc", CgroupFS: cgroupFS, Local: true, Logger: slog.New(slog.DiscardHandler)})
		b.Cleanup(r.Close)
		r.files.limit = limit
		at := time.Now()
		read = func() {
			at = at.Add(2 * shared)
			if n := len(r.Read(at, snapshot).Containers); n != containers {
				b.Fatalf("%d of %d were read", n, containers)
			}
		}
		read() // opens them
		return r, read
	}
	for name, limit := range map[string]int{"kept": 1 << 20, "openat": 0} {
		b.Run(name, func(b *testing.B) {
			_, read := reader(b, limit)
			b.ReportAllocs()
			for b.Loop() {
				read()
			}
		})
	}
	var paths []string // of what is read each time
	r, _ := reader(b, 1<<20)
	for _, k := range r.containers {
		for _, f := range k.files {
			if f.fd >= 0 {
				paths = append(paths, string(f.path[:len(f.path)-1]))
			}
		}
	}
	b.Run("bare/pread", func(b *testing.B) {
		var fds []int
		for _, path := range paths {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer unix.Close(fd)
			fds = append(fds, fd)
		}
		buffer := make([]byte, 16<<10)
		b.ReportAllocs()
		for b.Loop() {
			for _, fd := range fds {
				if _, err := unix.Pread(fd, buffer, 0); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(len(fds)), "files/op")
	})
	b.Run("bare/os.ReadFile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, path := range paths {
				if _, err := os.ReadFile(path); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(len(paths)), "files/op")
	})
}
