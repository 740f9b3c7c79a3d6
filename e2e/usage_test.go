package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/blkiodev"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"defib/e2e/harness"
)

const mib = 1 << 20

// afterReading is how long a test waits for a scrape that reads anew: those within a
// second of each other share a reading.
const afterReading = 1100 * time.Millisecond

// bounds are what a value may be.
type bounds struct{ least, most float64 }

func (b bounds) hold(v float64) bool { return b.least <= v && v <= b.most }

func (b bounds) String() string { return fmt.Sprintf("%.9g to %.9g", b.least, b.most) }

// beside holds one scrape to what the engine says of the container right before and right
// after it: a counter lies between, anything else about there. It returns what Defib says.
func beside(d *harness.Defib, b *harness.Container) harness.Usage {
	d.Helper()
	time.Sleep(afterReading)
	before := b.EngineUsage().Values
	got := d.Usage(b)
	after := b.EngineUsage().Values
	for _, key := range slices.Sorted(maps.Keys(before)) {
		want := bounds{min(before[key], after[key]), max(before[key], after[key])}
		if strings.Contains(key, "_total") {
			const rounding = 1e-6 // the engine tells nanoseconds
			want.least, want.most = want.least-rounding, want.most+rounding
		} else {
			const breath = mib / 2 // what a program has it gives back now and then
			want.least, want.most = want.least-breath, want.most+breath
		}
		v, there := got.Values[key]
		if !there || !want.hold(v) {
			d.Errorf("%s of %s is %s; the engine says %v", key, b.Name, harness.Written(v, there), want)
		}
	}
	return got
}

// doing is what a container does, and what shall be seen of it.
type doing struct {
	spec  harness.Spec
	work  func(b *harness.Container) map[string]bounds // returns by how much each has grown
	holds map[string]bounds                            // what is so all the time
}

// TestUsageIsWhatWasDoneAndWhatTheEngineSays has containers do what is known, and holds
// Defib to it, and to the engine's own API at the same moment.
func TestUsageIsWhatWasDoneAndWhatTheEngineSays(t *testing.T) {
	t.Parallel()
	e := harness.MeasuringEngine(t)
	for name, make := range map[string]func(*harness.Env) doing{
		"one processor for 5 seconds":                  burning,
		"100 MiB that are held":                        holding,
		"50 MiB written to a disk, past the cache":     writing,
		"32 MiB written through the cache":             caching,
		"0.4 seconds at a twentieth of a processor":    throttled,
		"10 MiB sent over a veth":                      sending,
		"10 MiB received over a veth":                  receiving,
		"10 MiB sent by one in another's network, too": sendingForAnother,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, e)
			does := make(s)
			b := s.Run("worker", does.spec)
			d := s.Defib(harness.Resources)
			before := beside(d, b).Values
			grown := does.work(b)
			after := beside(d, b).Values
			for _, key := range slices.Sorted(maps.Keys(grown)) {
				got := after[key] - before[key]
				t.Logf("%s has grown by %.9g; done: %v", key, got, grown[key])
				if _, there := after[key]; !there || !grown[key].hold(got) {
					t.Errorf("%s has grown by %.9g, from %v to %v; want %v", key, got, before[key], after[key], grown[key])
				}
			}
			for _, key := range slices.Sorted(maps.Keys(does.holds)) {
				got, there := after[key]
				t.Logf("%s is %.9g; done: %v", key, got, does.holds[key])
				if !there || !does.holds[key].hold(got) {
					t.Errorf("%s is %s, want %v", key, harness.Written(got, there), does.holds[key])
				}
			}
		})
	}
}

// burned reads how much processor time a testapp says that it used.
func burned(b *harness.Container, d time.Duration) float64 {
	b.Helper()
	said := b.Work(fmt.Sprint("-burn=", d))
	_, seconds, _ := strings.Cut(strings.TrimSpace(said), "used ")
	used, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		b.Fatalf("testapp said %q: %v", said, err)
	}
	return used
}

// The start of a program in a container is charged to it: some tens of milliseconds. The
// first few of the program's own are not, since it enters the container only then.
const (
	execCosts = 0.5
	entering  = 0.1
)

func burning(*harness.Env) doing {
	return doing{work: func(b *harness.Container) map[string]bounds {
		used := burned(b, 5*time.Second)
		return map[string]bounds{
			"cpu_usage_seconds_total":  {used - entering, used + execCosts},
			"cpu_user_seconds_total":   {0.9 * used, used + execCosts},
			"cpu_system_seconds_total": {0, 0.1*used + execCosts},
		}
	}}
}

func holding(*harness.Env) doing {
	// The program itself, and page tables, come on top.
	held := bounds{100 * mib, 110 * mib}
	return doing{
		spec: harness.Spec{Args: []string{"-hold=100"}},
		work: func(*harness.Container) map[string]bounds { return nil },
		holds: map[string]bounds{
			"memory_rss": held, "memory_usage_bytes": held, "memory_working_set_bytes": held,
			"memory_swap": {0, 0}, "spec_memory_limit_bytes": {0, 0},
		},
	}
}

// withVolume gives a container /data on a disk, which it returns.
func withVolume(s *harness.Env) (spec harness.Spec, device string) {
	s.Helper()
	dir, device := harness.Volume(s)
	return harness.Spec{Host: func(h *container.HostConfig) {
		h.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: dir, Target: "/data"}}
		// Newer kernels (seen on 6.18) count for cgroups of version 1 only once there
		// is a limit for the disk. This one limits nothing.
		h.BlkioDeviceWriteBps = []*blkiodev.ThrottleDevice{{Path: device, Rate: 1 << 40}}
	}}, device
}

func writing(s *harness.Env) doing {
	spec, device := withVolume(s)
	return doing{spec: spec, work: func(b *harness.Container) map[string]bounds {
		b.Work("-write=50")
		return map[string]bounds{
			"fs_writes_bytes_total " + device: {50 * mib, 51 * mib}, // and what the file system notes
			"fs_writes_total " + device:       {50, 1000},           // a MiB may take several
		}
	}}
}

func caching(s *harness.Env) doing {
	spec, _ := withVolume(s)
	return doing{spec: spec, work: func(b *harness.Container) map[string]bounds {
		b.Work("-cache=32")
		return map[string]bounds{
			"memory_cache":             {31 * mib, 36 * mib},
			"memory_usage_bytes":       {31 * mib, 40 * mib},
			"memory_working_set_bytes": {-4 * mib, 8 * mib},
		}
	}}
}

func throttled(*harness.Env) doing {
	return doing{
		spec: harness.Spec{Host: func(h *container.HostConfig) { h.NanoCPUs = 50_000_000 }},
		work: func(b *harness.Container) map[string]bounds {
			begun := time.Now()
			used := burned(b, 400*time.Millisecond)
			// At most 5 ms in each period of 100 ms: so little that even on a busy machine
			// it would get more at times, and is throttled.
			periods, passed := (used-entering)/0.005, time.Since(begun).Seconds()/0.1
			return map[string]bounds{
				"cpu_usage_seconds_total":         {used - entering, used + execCosts},
				"cpu_cfs_periods_total":           {periods, passed + 20},
				"cpu_cfs_throttled_periods_total": {1, passed + 20},
				"cpu_cfs_throttled_seconds_total": {0.001, 8 * passed * 0.1},
			}
		},
		holds: map[string]bounds{"spec_cpu_quota": {5_000, 5_000}, "spec_cpu_period": {100_000, 100_000}},
	}
}

// transfer is what 10 MiB are in bytes on a veth, with headers, and in packets, of which
// the kernel makes larger ones.
func transfer(direction string) map[string]bounds {
	return map[string]bounds{
		"network_" + direction + "_bytes_total eth0":           {10 * mib, 11 * mib},
		"network_" + direction + "_packets_total eth0":         {10 * mib / 65536, 10 * mib / 1000},
		"network_" + direction + "_errors_total eth0":          {0, 0},
		"network_" + direction + "_packets_dropped_total eth0": {0, 0},
	}
}

// listening runs a container that takes what is sent to it, and returns where.
func listening(s *harness.Env, network container.NetworkMode) (address string) {
	s.Helper()
	return s.Run("receiver", harness.Spec{Network: network, Args: []string{"-receive=:9000"}}).Address() + ":9000"
}

func sending(s *harness.Env) doing {
	network := s.Network("net")
	address := listening(s, network)
	return doing{spec: harness.Spec{Network: network}, work: func(b *harness.Container) map[string]bounds {
		b.Work("-send="+address, "-size=10")
		return transfer("transmit")
	}}
}

func receiving(s *harness.Env) doing {
	network := s.Network("net")
	return doing{spec: harness.Spec{Network: network, Args: []string{"-receive=:9000"}}, work: func(b *harness.Container) map[string]bounds {
		s.Run("sender", harness.Spec{Network: network}).Work("-send="+b.Address()+":9000", "-size=10")
		return transfer("receive")
	}}
}

// What goes through the network of a container is charged to its owner, whoever sent it.
func sendingForAnother(s *harness.Env) doing {
	network := s.Network("net")
	address := listening(s, network)
	return doing{spec: harness.Spec{Network: network}, work: func(b *harness.Container) map[string]bounds {
		guest := s.Run("guest", harness.InNetworkOf(b))
		guest.Work("-send="+address, "-size=10")
		return transfer("transmit")
	}}
}
