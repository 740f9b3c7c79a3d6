package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// diskSize is that of a SmallDisk.
const diskSize = 4 << 20

// SmallDisk is a file system of 4 MiB.
func SmallDisk(tb testing.TB) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	if err := unix.Mount("defib-e2e", dir, "tmpfs", 0, fmt.Sprint("size=", diskSize)); err != nil {
		Unavailable(tb, "a tmpfs cannot be mounted: "+err.Error())
	}
	tb.Cleanup(func() { unmount(tb, dir) })
	return dir
}

// Fill writes a file until its file system is full, and returns what frees it.
func Fill(tb testing.TB, dir string) (free func()) {
	tb.Helper()
	path := filepath.Join(dir, "full")
	if err := os.WriteFile(path, make([]byte, diskSize), 0o600); err == nil {
		tb.Fatalf("%s has room for %d bytes", dir, diskSize)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			tb.Fatal(err)
		}
	}
}

// SlowDisk is a file system that hangs while its process is stopped.
type SlowDisk struct {
	testing.TB
	Dir    string
	server *exec.Cmd
}

// NewSlowDisk mounts one, which answers.
func NewSlowDisk(tb testing.TB) *SlowDisk {
	tb.Helper()
	path, err := exec.LookPath("fuse-overlayfs")
	if err != nil {
		Unavailable(tb, err.Error())
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		tb.Skip("this kernel has no FUSE: " + err.Error())
	}
	layers, d := tb.TempDir(), &SlowDisk{TB: tb, Dir: tb.TempDir()}
	var options []string
	for _, layer := range []string{"lowerdir", "upperdir", "workdir"} {
		if err := os.Mkdir(filepath.Join(layers, layer), 0o700); err != nil {
			tb.Fatal(err)
		}
		options = append(options, layer+"="+filepath.Join(layers, layer))
	}
	d.server = exec.Command(path, "-f", "-o", strings.Join(options, ","), d.Dir) //nolint:noctx // it is ended below
	d.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.server.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		d.Answers()
		unmount(tb, d.Dir)
		_ = d.server.Process.Kill()
		_ = d.server.Wait()
	})
	Eventually(tb, "the file system to be mounted", func() bool {
		var fs unix.Statfs_t
		return unix.Statfs(d.Dir, &fs) == nil && fs.Type == unix.FUSE_SUPER_MAGIC
	})
	return d
}

// Hangs has whoever reads or writes there wait.
func (d *SlowDisk) Hangs() { d.signal(syscall.SIGSTOP) }

// Answers ends that.
func (d *SlowDisk) Answers() { d.signal(syscall.SIGCONT) }

func (d *SlowDisk) signal(s syscall.Signal) {
	d.Helper()
	if err := d.server.Process.Signal(s); err != nil {
		d.Fatal(err)
	}
}

func unmount(tb testing.TB, dir string) {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		tb.Error(err)
	}
}
