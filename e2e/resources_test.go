package e2e

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
)

// awaitUsage waits until a scrape says of the container what is wanted.
func awaitUsage(d *harness.Defib, b *harness.Container, what string, ok func(harness.Usage) bool) (u harness.Usage) {
	d.Helper()
	defer func() {
		if d.Failed() {
			d.Logf("%s was last %v", b.Name, u)
		}
	}()
	harness.Eventually(d, b.Name+" to be shown "+what, func() bool {
		u = d.Usage(b)
		return ok(u)
	})
	return u
}

// isRead reports whether more is shown of a container than when it was last seen.
func isRead(u harness.Usage) bool {
	_, ok := u.Values["cpu_usage_seconds_total"]
	return ok
}

// swapLimit is how this version of cgroups tells a limit of memory and swap together: of
// both (version 1), or of swap alone.
func swapLimit(memory, both int64) float64 {
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err == nil {
		return float64(both)
	}
	return float64(both - memory)
}

func TestLimitsAreThoseOfTheEngine(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		set    container.Resources
		want   map[string]float64
		podman string // why not there
	}{
		"none": {
			set:  container.Resources{},
			want: map[string]float64{"memory_limit_bytes": 0, "memory_swap_limit_bytes": 0, "memory_reservation_limit_bytes": 0},
		},
		"memory, and no swap": {
			set:  container.Resources{Memory: 64 * mib, MemorySwap: 64 * mib},
			want: map[string]float64{"memory_limit_bytes": 64 * mib, "memory_swap_limit_bytes": swapLimit(64*mib, 64*mib)},
		},
		"memory, and as much swap": {
			set:  container.Resources{Memory: 64 * mib, MemorySwap: 128 * mib},
			want: map[string]float64{"memory_limit_bytes": 64 * mib, "memory_swap_limit_bytes": swapLimit(64*mib, 128*mib)},
		},
		"memory, and any swap": {
			set:    container.Resources{Memory: 64 * mib, MemorySwap: -1},
			want:   map[string]float64{"memory_limit_bytes": 64 * mib, "memory_swap_limit_bytes": 0},
			podman: harness.LimitsSwap,
		},
		"a reservation": {
			set:  container.Resources{MemoryReservation: 32 * mib},
			want: map[string]float64{"memory_limit_bytes": 0, "memory_reservation_limit_bytes": 32 * mib},
		},
		"processors": {
			set:  container.Resources{CPUPeriod: 50_000, CPUQuota: 75_000, CPUShares: 512},
			want: map[string]float64{"cpu_period": 50_000, "cpu_quota": 75_000, "cpu_shares": 512},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if row.podman != "" {
				harness.DockerOnly(t, row.podman)
			}
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			b := s.Run("web", harness.Spec{Host: func(h *container.HostConfig) { h.Resources = row.set }})
			d := s.Defib(harness.Resources)
			got := awaitUsage(d, b, "at all", isRead).Values
			for key, want := range row.want {
				// Version 2 has weights instead of shares, which are fewer.
				if v, there := got["spec_"+key]; !there || v != want && (key != "cpu_shares" || math.Abs(v-want) > 0.1*want) {
					t.Errorf("spec_%s is %s, want %v", key, harness.Written(v, there), want)
				}
			}
			if _, there := got["spec_cpu_quota"]; there != (row.set.CPUQuota > 0) {
				t.Errorf("a quota is shown: %t", there)
			}
		})
	}
}

func TestLimitFollowsDockerUpdate(t *testing.T) {
	harness.DockerOnly(t, harness.NoUpdates)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{Host: func(h *container.HostConfig) { h.Memory, h.MemorySwap = 64*mib, 128*mib }})
	d := s.Defib(harness.Resources)
	limited := func(to float64) func(harness.Usage) bool {
		return func(u harness.Usage) bool { return u.Values["spec_memory_limit_bytes"] == to }
	}
	awaitUsage(d, b, "with its limit", limited(64*mib))
	b.Must("docker update", func(ctx context.Context) error {
		_, err := s.Engine.ContainerUpdate(ctx, b.ID, container.UpdateConfig{Resources: container.Resources{Memory: 96 * mib}})
		return err
	})
	awaitUsage(d, b, "with its new limit", limited(96*mib)) // long before limits are read anew anyway
}

func TestCountersBeginAnewWithARestart(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	d := s.Defib(harness.Resources)
	burned(b, 2*time.Second)
	before := awaitUsage(d, b, "with what it burned", func(u harness.Usage) bool { return u.Values["cpu_usage_seconds_total"] >= 2 })
	b.Restart()
	awaitUsage(d, b, "anew", func(u harness.Usage) bool {
		return isRead(u) && u.Values["start_time_seconds"] == math.Floor(float64(b.StartedAt().UnixNano())/1e9)
	})
	time.Sleep(afterReading) // the last one may be older than that
	after := d.Usage(b)
	if v := after.Values["cpu_usage_seconds_total"]; v >= 2 {
		t.Errorf("it used %v s of processor time before the restart and %v after it", before.Values["cpu_usage_seconds_total"], v)
	}
	series := func(u harness.Usage) []string {
		return slices.DeleteFunc(slices.Sorted(maps.Keys(u.Values)), func(name string) bool {
			return strings.HasPrefix(name, "fs_") // there are none of a disk from which nothing had to be read
		})
	}
	if d := cmp.Diff(series(before), series(after)); d != "" || after.ID != before.ID {
		t.Errorf("its series before a restart (-) and after it (+):\n%s", d)
	}
}

func TestPausedContainerGoesOnBeingRead(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	// Without a quota: what waits for its next period is not frozen in time.
	b := s.Run("frozen", harness.Spec{Args: []string{"-hold=20", "-busy"}})
	d := s.Defib(harness.Resources)
	b.Pause()
	d.AwaitValue(harness.Series("docker_container_state", "name", b.Name, "state", "paused"), 1)
	time.Sleep(afterReading)
	first := d.Usage(b).Values
	time.Sleep(afterReading)
	second := d.Usage(b).Values
	if first["cpu_usage_seconds_total"] != second["cpu_usage_seconds_total"] {
		t.Errorf("it uses processor time: %v, then %v", first["cpu_usage_seconds_total"], second["cpu_usage_seconds_total"])
	}
	if second["memory_rss"] < 20*mib || second["last_seen"] <= first["last_seen"] {
		t.Errorf("it is not read any more: %v", second)
	}
}

func TestNetworkSeriesAreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	owner := s.Run("owner", harness.Spec{Network: s.Network("net")})
	all := map[*harness.Container]bool{
		owner: true,
		s.Run("guest", harness.InNetworkOf(owner)):      false,
		s.Run("none", harness.Spec{Network: "none"}):    false, // it has the loopback alone
		s.Run("hosted", harness.Spec{Network: "host"}):  false,
		s.Run("another", harness.InNetworkOf(owner)):    false,
		s.Run("hosted2", harness.Spec{Network: "host"}): false,
	}
	d := s.Defib(harness.Resources)
	for b, want := range all {
		u := awaitUsage(d, b, "at all", isRead)
		var found []string
		for key := range u.Values {
			if strings.HasPrefix(key, "network_") {
				found = append(found, key)
			}
		}
		if len(found) > 0 != want {
			t.Errorf("%s has the series %v", b.Name, found)
		}
	}
}

// TestLaw8ContainersThatDieCostOnlyTheirOwnSeries scrapes without a pause while
// containers die and are removed.
func TestLaw8ContainersThatDieCostOnlyTheirOwnSeries(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	stays := s.Run("stays", harness.Spec{})
	var mortals []*harness.Container
	for i := range 6 {
		mortals = append(mortals, s.Run(fmt.Sprint("mortal", i), harness.Spec{}))
	}
	d := s.Defib(harness.Resources)
	for _, b := range append(mortals, stays) {
		awaitUsage(d, b, "at all", isRead)
	}
	scrapes, over := 0, make(chan struct{})
	var scraping sync.WaitGroup
	scraping.Go(func() {
		for !harness.Pause(over, 20*time.Millisecond) {
			status, text, err := d.Get("/metrics")
			found, perr := harness.Parse(text)
			if err != nil || status != 200 || perr != nil {
				t.Errorf("a scrape failed: status %d, %v, %v", status, err, perr)
				return
			}
			if found["docker_up"] == 1 && !isRead(found.UsageOf(stays.Name)) {
				t.Errorf("the one that stays is missing in scrape %d", scrapes)
			}
			scrapes++
		}
	})
	for i, b := range mortals {
		time.Sleep(afterReading / 2) // some die between two readings
		if i%2 == 0 {
			b.Remove()
		} else {
			b.Crash()
		}
	}
	for _, b := range mortals {
		awaitUsage(d, b, "no more", func(u harness.Usage) bool { return !isRead(u) })
	}
	close(over)
	scraping.Wait()
	t.Logf("%d scrapes", scrapes)
	d.AwaitValue("defib_resources_unreadable", 0)
	said := slices.DeleteFunc(d.Notices("resources of containers cannot be read"), func(line string) bool { return !strings.Contains(line, s.Prefix) })
	if len(said) > 0 && !harness.OnPodman() { // which tells of an end only when it has cleaned up
		t.Errorf("said of containers that only ended: %v", said)
	}
}

func TestLastSeenStaysWhenAContainerHasEnded(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	stopped, removed, renewed := s.Run("stopped", harness.Spec{}), s.Run("removed", harness.Spec{}), s.Run("renewed", harness.Spec{})
	d := s.Defib(harness.Resources)
	ids := map[string]string{}
	for _, b := range []*harness.Container{stopped, removed, renewed} {
		ids[b.Name] = awaitUsage(d, b, "at all", isRead).ID
	}
	stopped.Stop()
	removed.Remove()
	renewed.Remove()
	renewed = s.Run("renewed", harness.Spec{})

	onlySeen := func(u harness.Usage) bool { return len(u.Values) == 1 && u.Values["last_seen"] > 0 }
	seen := map[string]float64{}
	for _, b := range []*harness.Container{stopped, removed} {
		seen[b.Name] = awaitUsage(d, b, "when it was last seen and no more", onlySeen).Values["last_seen"]
	}
	live := awaitUsage(d, renewed, "with its new ID alone", func(u harness.Usage) bool { return isRead(u) && strings.Contains(u.ID, renewed.ID) })
	if live.ID == ids[renewed.Name] {
		t.Errorf("its path is still %s", live.ID)
	}
	harness.Watch(t, 3*time.Second, "longer than a reading is shared, so what is not frozen would move")
	for _, b := range []*harness.Container{stopped, removed} {
		u := d.Usage(b)
		if !onlySeen(u) || u.Values["last_seen"] != seen[b.Name] || u.ID != ids[b.Name] {
			t.Errorf("%s: %v, want it last seen at %v, with the path %s", b.Name, u, seen[b.Name], ids[b.Name])
		}
	}
	if u := d.Usage(renewed); u.Values["last_seen"] <= live.Values["last_seen"] || strings.Contains(string(d.Exposition()), ids[renewed.Name]) {
		t.Errorf("the one that was made anew: %v, and there may be series of its predecessor", u)
	}

	stopped.Start()
	awaitUsage(d, stopped, "anew", isRead)
}

func TestCgroupIsFoundBelowAnotherParent(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	parent := "/" + s.Prefix + "parent"
	info, err := s.Engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.CgroupDriver == "systemd" { // which makes a path of a slice's name
		parent = s.Prefix + "parent.slice"
	}
	usual := s.Run("usual", harness.Spec{})
	b := s.Run("web", harness.Spec{Args: []string{"-hold=20"}, Host: func(h *container.HostConfig) { h.CgroupParent = parent }})
	s.Cleanup(func() {
		s.CleanUp()
		dirs, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup/*", parent))
		for _, dir := range dirs {
			_ = os.Remove(dir) // an engine may have done so
		}
	})
	d := s.Defib(harness.Resources)
	for b, within := range map[*harness.Container]string{b: parent, usual: ""} {
		u := awaitUsage(d, b, "at all", isRead)
		if !strings.Contains(u.ID, within+"/") || !strings.Contains(u.ID, b.ID) {
			t.Errorf("the path of %s is %s, want one below %s/ with %s", b.Name, u.ID, within, b.ID)
		}
	}
	if v := d.Usage(b).Values["memory_rss"]; v < 20*mib {
		t.Errorf("it holds %v bytes, want 20 MiB at least", v)
	}
}

func TestHostIsShownAsTheCgroupOfAll(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{Args: []string{"-hold=50"}})
	d := s.Defib(harness.Resources)
	awaitUsage(d, b, "at all", isRead)
	found := d.Current()
	host := found.UsageOf("")
	if host.ID != "/" {
		t.Fatalf("the path of what has no name is %q", host.ID)
	}
	if got := found["machine_cpu_cores"]; got != float64(runtime.NumCPU()) {
		t.Errorf("machine_cpu_cores is %v, want %d", got, runtime.NumCPU())
	}
	uptime := uptime(t)
	total := found["machine_memory_bytes"]
	for key, want := range map[string]bounds{
		"cpu_usage_seconds_total":  {1, uptime * float64(runtime.NumCPU())},
		"cpu_user_seconds_total":   {0.1, uptime * float64(runtime.NumCPU())},
		"memory_usage_bytes":       {50 * mib, total},
		"memory_working_set_bytes": {50 * mib, total},
	} {
		if v, there := host.Values[key]; !there || !want.hold(v) {
			t.Errorf("%s of the host is %s, want %v", key, harness.Written(v, there), want)
		}
	}
	one := found.UsageOf(b.Name).Values
	if host.Values["memory_working_set_bytes"] < one["memory_working_set_bytes"] || host.Values["cpu_usage_seconds_total"] < one["cpu_usage_seconds_total"] {
		t.Errorf("the host uses less than one of its containers: %v, %v", host, one)
	}
}

// uptime is for how many seconds the machine has been up.
func uptime(t *testing.T) (seconds float64) {
	t.Helper()
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &seconds); err != nil {
		t.Fatal(err)
	}
	return seconds
}

// seesHost is the two mounts that the documentation has for resources.
func seesHost(h *container.HostConfig) {
	for _, dir := range []string{"/proc", "/sys/fs/cgroup"} {
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: dir, Target: "/host" + dir, ReadOnly: true})
	}
}

// TestContainedDefibReadsWithoutRights has a Defib that is nobody, without a capability,
// read by those mounts, whatever cgroups it sees itself.
func TestContainedDefibReadsWithoutRights(t *testing.T) {
	t.Parallel()
	for _, mode := range []container.CgroupnsMode{container.CgroupnsModeHost, container.CgroupnsModePrivate} {
		t.Run("cgroupns="+string(mode), func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.PrivateEngine(t))
			b := s.Run("web", harness.Spec{Args: []string{"-hold=30"}, Network: s.Network("net")})
			d := s.Contain(func(h *container.HostConfig) {
				h.CgroupnsMode = mode
				seesHost(h)
			}, harness.Resources)
			u := awaitUsage(d.Defib, b, "at all", isRead)
			if _, there := u.Values["network_receive_bytes_total eth0"]; !there || u.Values["memory_rss"] < 30*mib || !strings.Contains(u.ID, b.ID) {
				t.Errorf("read: %v", u)
			}
			awaitUsage(d.Defib, d.Container, "itself", isRead)
			d.Shows("defib_resources_unreadable", 0)
			if said := d.Notices("cannot be read"); len(said) > 0 {
				t.Errorf("said: %v", said)
			}
		})
	}
}

// Without the mounts all else goes on, and it is said once what to do.
func TestContainedDefibWithoutMountsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	b := s.Run("web", harness.Spec{})
	d := s.Contain(func(h *container.HostConfig) { h.CgroupnsMode = container.CgroupnsModePrivate }, harness.Resources)
	d.AwaitValue(harness.Series("docker_container_up", "name", b.Name), 1)
	time.Sleep(6 * time.Second)
	d.AwaitValue("docker_up", 1) // what has lasted for 5 seconds is said
	said := d.AwaitLine(1, "resources of containers cannot be read")
	if !strings.Contains(said.Str("err"), "/host/sys/fs/cgroup") {
		t.Errorf("it is not said what to do: %s", said.Text)
	}
	if u := d.Usage(b); isRead(u) {
		t.Errorf("it is read: %v", u)
	}
	if n, _ := d.Sample("defib_resources_unreadable"); n < 1 {
		t.Errorf("defib_resources_unreadable is %v", n)
	}
}

func TestNothingIsReadUnlessAskedFor(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	s.Run("web", harness.Spec{})
	d := s.Defib()
	found := d.Current()
	if series := slices.Concat(found.WithPrefix("container_"), found.WithPrefix("machine_"), found.WithPrefix("defib_resources")); len(series) > 0 {
		t.Errorf("exposed without %s: %v", harness.Resources, series)
	}
}
