package stats_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/stats"
)

// used is what the containers of host.v1 and host.v2 use, but for the pressure.
var used = stats.Usage{
	CPU: stats.CPU{
		Known: true, Total: 12.5, User: 10, System: 2.5,
		Quota: true, Periods: 100, ThrottledPeriods: 40, Throttled: 3.5,
	},
	Cores: -1,
	Memory: stats.Memory{
		Known: true, Usage: 300 * mib, WorkingSet: 250 * mib, RSS: 200 * mib, Cache: 80 * mib, Mapped: 20 * mib, Swap: 3 * mib,
		PeakIsKnown: true, Peak: 310 * mib,
	},
	Disks: []stats.Disk{
		{Device: "/dev/sda", ReadBytes: 4096, WriteBytes: 8192, Reads: 1, Writes: 2},
		{Device: "253:7", ReadBytes: 1, Reads: 1},
	},
	Interfaces: []stats.Interface{{Name: "eth0", Receive: stats.Traffic{Bytes: 2000, Packets: 20, Errors: 3, Dropped: 4}, Transmit: stats.Traffic{Bytes: 4000, Packets: 40, Errors: 5, Dropped: 6}}},
	Limits:     stats.Limits{Memory: 512 * mib, CPUKnown: true, CPUShares: 1024, CPUPeriod: 100_000, CPUQuota: 50_000},
}

func TestUsageIsReadFromEitherVersion(t *testing.T) {
	pressure := stats.Pressure{
		CPU:    stats.Stall{Known: true, Waiting: 1, Stalled: 0.1},
		Memory: stats.Stall{Known: true, Waiting: 2, Stalled: 0.2},
		IO:     stats.Stall{Known: true, Waiting: 3, Stalled: 0.3},
	}
	v1 := "13:hugetlb:/\n4:memory:/docker/%[1]s\n7:blkio:/docker/%[1]s\n2:cpu,cpuacct:/docker/%[1]s\n9:name=systemd:/docker/%[1]s\n"
	for name, test := range map[string]struct {
		prepare func(*host)
		want    func(*stats.Usage)
	}{
		"version 2": {func(h *host) {
			h.run(web, 7)
		}, func(u *stats.Usage) { u.Pressure, u.Limits.CPUShares = pressure, 2597 }},
		"version 1": {func(h *host) {
			h.v1("docker/" + web)
			h.process(7, fmt.Sprintf(v1, web)+"0::/\n")
		}, func(*stats.Usage) {}},
		"both": {func(h *host) {
			h.v2("cgroup/unified/docker/" + web)
			h.write("cgroup/unified/cgroup.controllers", "\n")
			h.remove("cgroup/cgroup.controllers")
			h.v1("docker/" + web)
			h.process(7, fmt.Sprintf(v1, web)+fmt.Sprintf("0::/docker/%s\n", web))
		}, func(u *stats.Usage) { u.Pressure = pressure }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			test.prepare(h)
			want := used
			want.Path = "/docker/" + web
			test.want(&want)
			r := h.reader().Read(began, snapshot(up(web, "web", 7)))
			if diff := cmp.Diff(&want, r.Containers[web]); diff != "" {
				t.Error(diff)
			}
			if r.Unreadable != 0 || len(r.Faults) > 0 {
				t.Errorf("unreadable: %d, %q", r.Unreadable, r.Faults)
			}
		})
	}
}

func TestCgroupIsFoundWhereverItIs(t *testing.T) {
	inner, self := id("b"), id("d")
	for name, test := range map[string]struct {
		id      string
		dir     string   // below the mounted tree
		told    string   // by the kernel
		path    string   // that is exposed
		without bool     // a process that can be seen
		others  []string // cgroups that there are too
	}{
		"below docker, by the driver cgroupfs": {dir: "/docker/" + web},
		"in a scope, by the driver systemd":    {dir: "/system.slice/docker-" + web + ".scope"},
		"below another parent":                 {dir: "/my.slice/my-own.slice/docker-" + web + ".scope"},
		"without root":                         {dir: "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + web + ".scope"},
		"of Podman, which makes one below":     {dir: "/machine.slice/libpod-" + web + ".scope", told: "/machine.slice/libpod-" + web + ".scope/container"},
		"of one with systemd in it":            {dir: "/docker/" + web, told: "/docker/" + web + "/init.scope"},
		"of an engine within a container":      {id: inner, dir: "/docker/" + web + "/docker/" + inner},
		"of such a one, seen from within":      {id: inner, dir: "/docker/" + inner, told: "/docker/" + web + "/docker/" + inner, path: "/docker/" + web + "/docker/" + inner},
		"in a namespace of cgroups":            {dir: "/system.slice/docker-" + web + ".scope", told: "/../docker-" + web + ".scope", path: "/system.slice/docker-" + web + ".scope"},
		"its own, in such a namespace":         {id: self, dir: "/docker/" + self, told: "/", path: "/docker/" + self},
		"of a process that is hidden":          {dir: "/docker/" + web, without: true},
		"beside units of systemd that bear its ID": {
			dir: "/user.slice/libpod-" + web + ".scope", without: true,
			others: []string{"/app.slice/" + web + ".service", "/app.slice/var-lib-docker-containers-" + web + "-mounts-shm.mount"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.id == "" {
				test.id = web
			}
			if test.told == "" {
				test.told = test.dir
			}
			if test.path == "" {
				test.path = test.dir
			}
			h := newHost(t)
			h.v2("cgroup" + test.dir)
			for _, other := range test.others {
				h.write("cgroup"+other+"/cpu.stat", "usage_usec 1\n")
			}
			if !test.without {
				h.process(7, "0::"+test.told+"\n")
			}
			p := snapshot(up(test.id, "web", 7))
			p.Self = self
			r := h.reader().Read(began, p)
			u := r.Containers[test.id]
			if u == nil {
				t.Fatalf("it is not found: %q", r.Faults)
			}
			if u.Path != test.path || u.Memory.Usage != 300*mib {
				t.Errorf("path %s, want %s; memory %d", u.Path, test.path, u.Memory.Usage)
			}
			if seen := len(u.Interfaces) > 0; seen == test.without {
				t.Errorf("network is known: %t", seen)
			}
		})
	}
}

// TestControllersThatShareAHierarchy has cpu and cpuacct where most hosts have them. A
// process that is hidden is found by a walk, which follows no symbolic link.
func TestControllersThatShareAHierarchy(t *testing.T) {
	for name, prepare := range map[string]func(*host){
		"linked": func(h *host) {
			for _, link := range []string{"cpu", "cpuacct"} {
				if err := os.Symlink("cpu,cpuacct", h.path("cgroup/"+link)); err != nil {
					t.Fatal(err)
				}
			}
		},
		"mounted under both names alone": func(*host) {},
	} {
		for _, hidden := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hidden: %t", name, hidden), func(t *testing.T) {
				h := newHost(t)
				h.v1("docker/" + web)
				if err := os.Rename(h.path("cgroup/cpuacct"), h.path("cgroup/cpu,cpuacct")); err != nil {
					t.Fatal(err)
				}
				files, err := filepath.Glob(h.path("cgroup/cpu/docker/*/*"))
				if err != nil || len(files) == 0 {
					t.Fatal(files, err)
				}
				for _, f := range files {
					if err := os.Rename(f, strings.Replace(f, "/cpu/", "/cpu,cpuacct/", 1)); err != nil {
						t.Fatal(err)
					}
				}
				h.remove("cgroup/cpu")
				prepare(h)
				if !hidden {
					h.process(7, fmt.Sprintf("4:memory:/docker/%[1]s\n7:blkio:/docker/%[1]s\n2:cpu,cpuacct:/docker/%[1]s\n", web))
				}
				r := h.reader().Read(began, snapshot(up(web, "web", 7)))
				u := r.Containers[web]
				if u == nil {
					t.Fatalf("it is not found: %q", r.Faults)
				}
				if u.Path != "/docker/"+web || u.CPU != used.CPU || u.Memory != used.Memory {
					t.Errorf("%+v", u)
				}
			})
		}
	}
}

func TestCgroupThatBearsAnotherIDIsNeverTaken(t *testing.T) {
	h := newHost(t)
	h.v2("cgroup/docker/" + id("b"))
	h.process(7, "0::/docker/"+id("b")+"\n") // which has the process ID that another engine told
	for local, want := range map[bool]string{true: "mount /proc and /sys/fs/cgroup of the host, read-only (in a container, at /host/proc and /host/sys/fs/cgroup), or set --path.procfs and --path.cgroupfs; those of a rootless engine have none unless systemd delegates them to its user", false: "another host"} {
		r := h.readerOf(stats.Options{Local: local}).Read(began, snapshot(up(web, "web", 7)))
		if len(r.Containers) > 0 || r.Unreadable != 1 {
			t.Errorf("read: %d, unreadable: %d", len(r.Containers), r.Unreadable)
		}
		if len(r.Faults) != 1 || !strings.Contains(string(r.Faults[0]), want) {
			t.Errorf("faults %q, want one with %q", r.Faults, want)
		}
		if r.Host.Known != local {
			t.Errorf("the host is known: %t", r.Host.Known)
		}
	}
}

func TestReadingsWithinASecondAreOne(t *testing.T) {
	h := newHost(t)
	h.run(web, 7)
	r, p := h.reader(), snapshot(up(web, "web", 7))
	first := r.Read(began, p)
	h.write("cgroup/docker/"+web+"/cpu.stat", "usage_usec 15500000\n")
	if again := r.Read(began.Add(999*time.Millisecond), p); again != first {
		t.Error("it was read again")
	}
	second := r.Read(began.Add(2*time.Second), p)
	if got := second.Containers[web]; got.CPU.Total != 15.5 || got.Cores != 1.5 {
		t.Errorf("processor time %v, cores %v, want 15.5 and 1.5", got.CPU.Total, got.Cores)
	}
	if got := first.Containers[web]; got.CPU.Total != 12.5 {
		t.Errorf("the reading that was handed out has changed: %v", got.CPU.Total)
	}
}

func TestContainerThatHasJustStartedIsReadAtOnce(t *testing.T) {
	h := newHost(t)
	db := id("b")
	for i, of := range []string{web, db} {
		h.run(of, 7+i)
	}
	r, one := h.reader(), up(web, "web", 7)
	r.Read(began, snapshot(one))
	r.Read(began.Add(2*time.Second), snapshot(one))
	reading := r.Read(began.Add(2100*time.Millisecond), snapshot(one, up(db, "db", 8)))
	if reading.Containers[db] == nil {
		t.Error("it is missing from a reading right after another")
	}
	if got := reading.Containers[web].Cores; got != 0 {
		t.Errorf("%v cores of the other, want those of before", got)
	}
}

func TestReadingIsForAnybody(t *testing.T) {
	h := newHost(t)
	h.run(web, 7)
	r, p := h.reader(), snapshot(up(web, "web", 7))
	var readers sync.WaitGroup
	for i := range 8 {
		readers.Go(func() {
			for j := range 50 {
				u := r.Read(began.Add(time.Duration(j*8+i)*2*time.Second), p).Containers[web]
				if u.CPU.Total != 12.5 || len(u.Disks) != 2 {
					t.Errorf("%v", u)
				}
			}
		})
	}
	readers.Wait()
}

func TestRestartedContainerIsReadAnew(t *testing.T) {
	h := newHost(t)
	h.run(web, 7)
	r, c := h.reader(), up(web, "web", 7)
	r.Read(began, snapshot(c))
	h.remove("cgroup/docker/" + web)
	h.remove("proc/7")
	h.v2("cgroup/docker/" + web)
	h.write("cgroup/docker/"+web+"/cpu.stat", "usage_usec 1000\n")
	h.process(8, "0::/docker/"+web+"\n")
	later := began.Add(time.Minute)
	got := r.Read(later, snapshot(with(c, func(c *engine.Container) { c.PID, c.Started = 8, later }))).Containers[web]
	if got == nil || got.CPU.Total != 0.001 || got.Cores != -1 {
		t.Errorf("%+v, want 1 ms and no cores yet", got)
	}
}

func TestLimitsAreReadAfterUpdatesAndNowAndThen(t *testing.T) {
	h := newHost(t)
	h.run(web, 7)
	r, c := h.reader(), up(web, "web", 7)
	now := began
	limit := func(c *engine.Container, after time.Duration) uint64 {
		now = now.Add(after)
		return r.Read(now, snapshot(c)).Containers[web].Limits.Memory / mib
	}
	got := []uint64{limit(c, 0)}
	h.write("cgroup/docker/"+web+"/memory.max", fmt.Sprintln(768*mib))
	got = append(got, limit(c, time.Minute)) // no event told of it
	c = with(c, func(c *engine.Container) { c.Updates++ })
	got = append(got, limit(c, time.Minute))
	h.write("cgroup/docker/"+web+"/memory.max", "max\n") // of this the event is lost
	got = append(got, limit(c, time.Minute), limit(c, 5*time.Minute))
	h.write("cgroup/docker/"+web+"/memory.max", fmt.Sprintln(300*mib)) // of which it uses 250
	got = append(got, limit(c, 5*time.Minute))
	h.write("cgroup/docker/"+web+"/memory.max", fmt.Sprintln(600*mib))
	got = append(got, limit(c, 15*time.Second))
	if diff := cmp.Diff([]uint64{512, 512, 768, 768, 0, 300, 600}, got); diff != "" {
		t.Error(diff)
	}
}

func TestLastUsageIsKeptWhileTheContainerIsDown(t *testing.T) {
	h := newHost(t)
	h.run(web, 7)
	r, c := h.reader(), up(web, "web", 7)
	if latest := r.Latest(web); latest.Usage != nil {
		t.Errorf("before it was ever read: %+v", latest)
	}
	u := r.Read(began, snapshot(c)).Containers[web]
	if latest := r.Latest(web); latest.Usage != u || !latest.At.Equal(began) {
		t.Errorf("while it is up: %+v", latest)
	}
	h.remove("cgroup/docker/" + web)
	down := with(c, func(c *engine.Container) { c.State, c.PID = engine.Exited, 0 })
	for i := range 2 {
		reading := r.Read(began.Add(time.Duration(i+1)*time.Minute), snapshot(down))
		past, ok := reading.Last[web]
		if !ok || !past.At.Equal(began) || past.Usage.Memory.Usage != 300*mib || len(past.Usage.Disks) != 2 {
			t.Errorf("reading %d: %+v", i, past)
		}
		if latest := r.Latest(web); latest != past {
			t.Errorf("reading %d: the latest is %+v, want %+v", i, latest, past)
		}
		if len(reading.Containers) > 0 || reading.Unreadable > 0 {
			t.Errorf("reading %d: read %d, unreadable %d", i, len(reading.Containers), reading.Unreadable)
		}
	}
	if reading := r.Read(began.Add(time.Hour), snapshot()); len(reading.Last) > 0 {
		t.Error("it is kept of one that was removed")
	}
}

func TestNetworkIsItsOwnersAlone(t *testing.T) {
	for name, change := range map[string]func(*engine.Container){
		"the host's":          func(c *engine.Container) { c.HostNetwork = true },
		"another container's": func(c *engine.Container) { c.Parents = []engine.Parent{{Namespace: engine.Network, Container: "vpn"}} },
	} {
		h := newHost(t)
		h.run(web, 7)
		r := h.reader().Read(began, snapshot(with(up(web, "web", 7), change)))
		if u := r.Containers[web]; u == nil || u.Interfaces != nil || len(r.Faults) > 0 {
			t.Errorf("%s: %+v, %q", name, u, r.Faults)
		}
	}
}

func TestHost(t *testing.T) {
	h := newHost(t)
	h.run(web, 7)
	const kib = 1024
	want := stats.Host{
		Known: true, Cores: 2, MemoryTotal: 16_000_000 * kib,
		CPU:        stats.CPU{Known: true, Total: 15.35, User: 12, System: 3.3},
		Memory:     stats.Memory{Known: true, Usage: 15_000_000 * kib, WorkingSet: 7_000_000 * kib},
		Interfaces: []stats.Interface{{Name: "eth0", Receive: stats.Traffic{Bytes: 9000, Packets: 90, Errors: 10, Dropped: 11}, Transmit: stats.Traffic{Bytes: 18000, Packets: 180, Errors: 12, Dropped: 13}}},
	}
	r := h.reader()
	if diff := cmp.Diff(want, r.Read(began, snapshot(up(web, "web", 7))).Host); diff != "" {
		t.Error(diff)
	}
	want.Interfaces = nil // since it is not known whose this /proc is
	if diff := cmp.Diff(want, r.Read(began.Add(time.Minute), snapshot()).Host); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeReadIsSaidOnce(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*host)
		want    string // in the fault
		fixed   func(*host)
		over    bool // by that
	}{
		"no cgroups": {func(h *host) { h.remove("cgroup") }, "no cgroups are mounted", nil, false},
		"no memory accounting": {func(h *host) {
			h.v2("cgroup/docker/" + web)
			h.remove("cgroup/docker/" + web + "/memory.current")
			h.process(7, "0::/docker/"+web+"\n")
		}, "cgroup_enable=memory", nil, false},
		"processes that are hidden": {func(h *host) {
			h.v2("cgroup/docker/" + web)
		}, "hidepid", nil, false},
		"containers elsewhere, for a while": {func(h *host) {
			h.v2("cgroup/docker/" + id("c"))
		}, "mount /proc", func(h *host) {
			h.run(web, 7)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			test.prepare(h)
			r, p := h.reader(), snapshot(up(web, "web", 7))
			for i := range 3 {
				reading := r.Read(began.Add(time.Duration(i)*time.Minute), p)
				if len(reading.Faults) != 1 || !strings.Contains(string(reading.Faults[0]), test.want) {
					t.Errorf("faults %q, want one with %q", reading.Faults, test.want)
				}
			}
			if n := strings.Count(h.log.String(), test.want); n != 1 {
				t.Errorf("it is logged %d times:\n%s", n, &h.log)
			}
			if test.fixed != nil {
				test.fixed(h)
				r.Read(began.Add(time.Hour), p)
			}
			if over := strings.Contains(h.log.String(), "can be read again"); over != test.over {
				t.Errorf("the log tells of the end: %t\n%s", over, &h.log)
			}
		})
	}
}

// TestHiddenProcessesAreSaidThoughSomeAreSeen has hidepid show Defib itself, and what else
// has its user.
func TestHiddenProcessesAreSaidThoughSomeAreSeen(t *testing.T) {
	self, prometheus := id("d"), id("e")
	for _, seen := range [][]string{{self}, {self, prometheus}} {
		h := newHost(t)
		all := []*engine.Container{up(web, "web", 7), up(self, "defib", 8), up(prometheus, "prometheus", 9)}
		for _, c := range all {
			h.v2("cgroup/docker/" + c.ID)
			if slices.Contains(seen, c.ID) {
				h.process(c.PID, "0::/docker/"+c.ID+"\n")
			}
		}
		p := snapshot(all...)
		p.Self = self
		r := h.reader()
		for i := range 2 {
			reading := r.Read(began.Add(time.Duration(i)*time.Minute), p)
			if len(reading.Faults) != 1 || !strings.Contains(string(reading.Faults[0]), "web cannot be read") || !strings.Contains(string(reading.Faults[0]), "hidepid") {
				t.Errorf("%d are seen, faults %q", len(seen), reading.Faults)
			}
		}
		if n := strings.Count(h.log.String(), "hidepid"); n != 1 {
			t.Errorf("it is logged %d times:\n%s", n, &h.log)
		}
	}
}

func TestContainerThatEndsCostsItselfAlone(t *testing.T) {
	h := newHost(t)
	db := id("b")
	for i, of := range []string{web, db} {
		h.run(of, 7+i)
	}
	r, p := h.reader(), snapshot(up(web, "web", 7), up(db, "db", 8))
	h.remove("cgroup/docker/" + db)
	h.remove("proc/8")
	for i := range 2 {
		reading := r.Read(began.Add(time.Duration(i)*15*time.Second), p)
		if reading.Containers[web] == nil || reading.Containers[db] != nil || reading.Unreadable != 1 {
			t.Errorf("web %v, db %v, unreadable %d", reading.Containers[web], reading.Containers[db], reading.Unreadable)
		}
		if logged := strings.Contains(h.log.String(), "the cgroups of db cannot be found"); logged != (i > 0) {
			t.Errorf("after reading %d it is logged: %t", i, logged)
		}
	}
}

// TestCgroupThatMayNotBeReadIsAFault has a folder in place of the first file, which root may
// not read either.
func TestCgroupThatMayNotBeReadIsAFault(t *testing.T) {
	h := newHost(t)
	db := id("b")
	for i, of := range []string{web, db} {
		h.run(of, 7+i)
	}
	first := filepath.Join("cgroup/docker", db, "cpu.stat")
	h.remove(first)
	h.write(filepath.Join(first, "x"), "")
	r, p := h.reader(), snapshot(up(web, "web", 7), up(db, "db", 8))
	for i := range 3 {
		reading := r.Read(began.Add(time.Duration(i)*15*time.Second), p)
		if reading.Containers[web] == nil || reading.Containers[db] != nil || reading.Unreadable != 1 || len(reading.Faults) != 1 {
			t.Errorf("web %v, db %v, unreadable %d, faults %q", reading.Containers[web], reading.Containers[db], reading.Unreadable, reading.Faults)
		}
	}
	if n := strings.Count(h.log.String(), "the cgroups of db cannot be found or read"); n != 1 {
		t.Errorf("it is logged %d times:\n%s", n, &h.log)
	}
}

// TestTheOnlyContainerThatEndsIsNoFault has its process gone before its cgroup, and both
// before the engine has told of it.
func TestTheOnlyContainerThatEndsIsNoFault(t *testing.T) {
	h := newHost(t)
	h.run(web, 7)
	r, at := h.reader(), began
	read := func(unread int, cs ...*engine.Container) {
		t.Helper()
		at = at.Add(10 * time.Second)
		if got := r.Read(at, snapshot(cs...)); len(got.Containers)+unread != len(cs) {
			t.Errorf("%d of %d were read", len(got.Containers), len(cs))
		}
	}
	read(0, up(web, "web", 7))
	h.remove("proc/7")
	read(0, up(web, "web", 7)) // without its network
	h.remove("cgroup/docker")
	read(0)
	read(1, up(web, "web", 8)) // another run, which has ended as soon as it had begun
	read(0)
	if h.log.Len() > 0 {
		t.Errorf("it is said that something is wrong:\n%s", &h.log)
	}
	lasting := up(web, "web", 9)
	read(1, lasting)
	read(1, lasting)
	if n := strings.Count(h.log.String(), "cannot be read"); n != 1 {
		t.Errorf("what lasts is said %d times:\n%s", n, &h.log)
	}
}
