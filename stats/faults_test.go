package stats

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"defib/engine"
)

// TestTheOnlyContainerThatEndsIsNoFault has its process gone before its cgroup, and both
// before the engine has told of it.
func TestTheOnlyContainerThatEndsIsNoFault(t *testing.T) {
	root, id := t.TempDir(), strings.Repeat("a", 64)
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cgroup/cgroup.controllers", "cpu memory\n")
	write("cgroup/docker/"+id+"/cpu.stat", "usage_usec 1\n")
	write("cgroup/docker/"+id+"/memory.current", "1\n")
	write("proc/7/cgroup", "0::/docker/"+id+"\n")
	write("proc/7/net/dev", "a\nb\n")
	var log bytes.Buffer
	r := New(Options{ProcFS: filepath.Join(root, "proc"), CgroupFS: filepath.Join(root, "cgroup"), Local: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	t.Cleanup(r.Close)
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	alive := func(pid int) *engine.Snapshot {
		return engine.NewSnapshot([]*engine.Container{{ID: id, Name: "web", State: engine.Running, Inspected: true, PID: pid, Started: at}}, nil)
	}
	remove := func(name string) {
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(p *engine.Snapshot, unread int) {
		t.Helper()
		at = at.Add(2 * lasting)
		if got := r.Read(at, p); len(got.Containers)+unread != len(p.Containers) {
			t.Errorf("%d of %d were read", len(got.Containers), len(p.Containers))
		}
	}
	web := alive(7)
	read(web, 0)
	remove("proc/7")
	read(web, 0) // without its network
	remove("cgroup/docker")
	read(engine.NewSnapshot(nil, nil), 0)
	read(alive(8), 1) // another run, which has ended as soon as it had begun
	read(engine.NewSnapshot(nil, nil), 0)
	if log.Len() > 0 {
		t.Errorf("it is said that something is wrong:\n%s", &log)
	}
	lasting := alive(9)
	read(lasting, 1)
	read(lasting, 1)
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("what lasts is said %d times:\n%s", n, &log)
	}
}
