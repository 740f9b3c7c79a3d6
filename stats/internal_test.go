package stats

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"defib/engine"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// idOf makes an ID of a number.
func idOf(n int) string { return fmt.Sprintf("%064x", n) }

// crowd makes so many containers with cgroups of version 2.
func crowd(tb testing.TB, n int) (o Options, p *engine.Snapshot) {
	tb.Helper()
	root := tb.TempDir()
	o = Options{ProcFS: filepath.Join(root, "proc"), CgroupFS: filepath.Join(root, "cgroup"), Logger: slog.New(slog.DiscardHandler)}
	write := func(name, text string) {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	write("cgroup/cgroup.controllers", "cpu memory io\n")
	write("proc/partitions", "major minor  #blocks  name\n\n   8        0  104857600 sda\n")
	var cs []*engine.Container
	for i := range n {
		dir := "cgroup/docker/" + idOf(i)
		write(dir+"/cpu.stat", "usage_usec 12500000\nuser_usec 10000000\nsystem_usec 2500000\n")
		write(dir+"/memory.current", "314572800\n")
		write(dir+"/memory.stat", "anon 200\nfile 80\nfile_mapped 20\ninactive_file 50\n")
		write(dir+"/io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n")
		write(fmt.Sprintf("proc/%d/cgroup", i+1), "0::/docker/"+idOf(i)+"\n")
		write(fmt.Sprintf("proc/%d/net/dev", i+1), "a\nb\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
		cs = append(cs, &engine.Container{ID: idOf(i), Name: fmt.Sprintf("c%d", i), State: engine.Running, Inspected: true, PID: i + 1, Started: now})
	}
	return o, engine.NewSnapshot(cs, nil)
}

func TestNoFileCostsAnAllocation(t *testing.T) {
	o, p := crowd(t, 60)
	few := engine.NewSnapshot(p.Containers[:10], nil)
	for _, limit := range []int{1000, 0} { // kept descriptors; none of them
		allocations := func(p *engine.Snapshot) float64 {
			r := New(o)
			defer r.Close()
			r.files.limit = limit
			at := now
			return testing.AllocsPerRun(50, func() {
				at = at.Add(2 * time.Second)
				if n := len(r.Read(at, p).Containers); n != len(p.Containers) {
					t.Fatalf("%d of %d were read", n, len(p.Containers))
				}
			})
		}
		// What a reading itself takes grows a little: it holds a map.
		if of10, of60 := allocations(few), allocations(p); of60 > of10+10 {
			t.Errorf("with %d descriptors: %v allocations for 50 files, %v for 300", limit, of10, of60)
		}
	}
}

func TestDescriptorsAreKeptUpToTheLimitAndGivenBack(t *testing.T) {
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("there is no /proc/self/fd here:", err)
		}
		return len(fds)
	}
	o, p := crowd(t, 10)
	r := New(o)
	r.files.limit = 25 // of 40 files
	before := open()
	r.Read(now, p)
	if n := open() - before; n != 25 {
		t.Errorf("%d descriptors are kept, want 25", n)
	}
	r.Read(now.Add(time.Minute), engine.NewSnapshot(p.Containers[:1], nil)) // the others were removed
	if n := open() - before; n > 4 {
		t.Errorf("%d descriptors are kept of one container", n)
	}
	r.Close()
	if n := open() - before; n != 0 {
		t.Errorf("%d descriptors are open after the end", n)
	}
}

// TestWantOfDescriptorsPasses has it cost a reading, and neither a part of one nor the
// series until the container is restarted.
func TestWantOfDescriptorsPasses(t *testing.T) {
	next, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(next)
	var all unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &all); err != nil {
		t.Fatal(err)
	}
	may := func(l unix.Rlimit) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { may(all) })
	for left := range uint64(4) { // of which a container takes four
		o, p := crowd(t, 1)
		if err := os.WriteFile(filepath.Join(o.CgroupFS, "docker", idOf(0), "memory.max"), []byte("500\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := New(o)
		may(unix.Rlimit{Cur: uint64(next) + left, Max: all.Max})
		short := r.Read(now, p)
		may(all)
		if len(short.Containers) > 0 || short.Unreadable != 1 {
			t.Errorf("%d left: %d were read, %d not", left, len(short.Containers), short.Unreadable)
		}
		if u := r.Read(now.Add(time.Minute), p).Containers[idOf(0)]; u == nil || u.Memory.RSS != 200 || u.Disks[0].Device != "/dev/sda" || u.Limits.Memory != 500 {
			t.Errorf("%d left, and then enough: %+v", left, u)
		}
		// Later, with descriptors that are kept.
		may(unix.Rlimit{Cur: uint64(next), Max: all.Max})
		u := r.Read(now.Add(time.Hour), p).Containers[idOf(0)]
		may(all)
		if u == nil || u.Memory.RSS != 200 || u.Limits.Memory != 500 {
			t.Errorf("with kept ones, %d left: %+v", left, u)
		}
		r.Close()
	}
}

// TestReadingThatHangsHoldsUpNoOther has /proc/stat hang, as that of lxcfs may.
func TestReadingThatHangsHoldsUpNoOther(t *testing.T) {
	o, p := crowd(t, 3)
	var log bytes.Buffer
	o.Local, o.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
	pipe := filepath.Join(o.ProcFS, "stat")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	r := New(o)
	first := make(chan *Reading)
	go func() { first <- r.Read(now, p) }()
	for len(r.turn) == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 2 {
		if reading := r.Read(now.Add(time.Minute), p); len(reading.Containers) > 0 || reading.Unreadable != 3 || len(reading.Faults) != 1 {
			t.Errorf("%+v", reading)
		}
	}
	r.Close()
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
	if n := len((<-first).Containers); n != 3 {
		t.Errorf("%d of 3 were read in the end", n)
	}
	if hangs, over := strings.Count(log.String(), "hangs"), strings.Count(log.String(), "again"); hangs != 1 || over != 1 {
		t.Errorf("the log says that it hangs %d times, and the end %d times:\n%s", hangs, over, &log)
	}
	r.Close()
}

// TestLaw10EndedContainersKeepNoReading has them gone before the engine says so.
func TestLaw10EndedContainersKeepNoReading(t *testing.T) {
	o, p := crowd(t, 10)
	r := New(o)
	defer r.Close()
	read := r.Read(now, p).Containers[idOf(0)]
	if err := os.RemoveAll(filepath.Join(o.CgroupFS, "docker", idOf(0))); err != nil {
		t.Fatal(err)
	}
	for fd := range r.containers[idOf(0)].files { // as the kernel has them fail
		r.files.close(&r.containers[idOf(0)].files[fd])
	}
	r.Read(now.Add(time.Minute), p)
	c := *p.Get(idOf(0))
	c.State = engine.Exited
	reading := r.Read(now.Add(2*time.Minute), engine.NewSnapshot([]*engine.Container{&c}, nil))
	if past := reading.Last[c.ID].Usage; past == nil || past == read || past.CPU != read.CPU {
		t.Errorf("%p %+v, want a copy of %p %+v", past, past, read, read)
	}
}

func TestLaw10NamesAreNotKeptForEver(t *testing.T) {
	names := names{}
	for i := range 10_000 { // as of the bridge of each network that ever was
		name := fmt.Sprintf("br-%012x", i)
		if got := names.of([]byte(name)); got != name {
			t.Fatalf("%s for %s", got, name)
		}
	}
	if len(names) > maxNames {
		t.Errorf("%d names are kept", len(names))
	}
}

func TestLongFilesAreReadWhole(t *testing.T) {
	fs := newFiles()
	text := strings.Repeat("0123456789", 5000)
	name := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := file{path: cPath(name), fd: -1}
	defer fs.close(&f)
	if data, err := fs.read(&f); err != nil || string(data) != text {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	fs.buffer = make([]byte, 16)
	if data, err := fs.readOnce(f.path); err != nil || string(data) != text {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// FuzzParsers reads anything with each parser. None may panic, and no counter of a
// container may be more than its file can say.
func FuzzParsers(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "max\n", "max 100000\n", "50000 100000\n", "18446744073709551615\n", "99999999999999999999999\n", "-1\n",
		"usage_usec 12\nuser_usec 10\nnr_periods 3\n", "total_rss 4\ninactive_file\nanon x\n",
		"some avg10=0.00 total=12\nfull total=\n", "8:0 rbytes=1 wbytes=2 rios= wios=4\n7:0 \n: x=1\n8:0 Read 1\nTotal 5\n",
		"Inter-| \n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\nlo:1\n:\n",
		"cpu  1 2 3 4\ncpu0 1\n", "MemTotal: 5 kB\nMemFree: 7 kB\nMemAvailable:\n", "major minor  #blocks  name\n 8 0 1 sda\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, entries := range [][]entry{countersV1, countersV2, limitsV1, limitsV2} {
			s := sample{Usage: &Usage{}}
			for _, e := range entries {
				e.take(&s, data)
			}
			if m := s.Memory; m.WorkingSet > m.Usage {
				t.Errorf("working set %d of %d", m.WorkingSet, m.Usage)
			}
			for i, io := range s.ios {
				for _, other := range s.ios[:i] {
					if io.device == other.device {
						t.Errorf("%v twice", io.device)
					}
				}
			}
		}
		var h Host
		h.stat(data)
		h.meminfo(data)
		if h.Memory.Usage > h.MemoryTotal || h.Memory.WorkingSet > h.MemoryTotal {
			t.Errorf("%+v of %d", h.Memory, h.MemoryTotal)
		}
		for _, i := range netDev(data, nil, names{}) {
			if i.Name == "" || strings.ContainsAny(i.Name, "\n:") {
				t.Errorf("an interface called %q", i.Name)
			}
		}
		partitions(data)
	})
}
