package collector_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"defib/collector"
	"defib/engine"
	"defib/stats"
)

// reader reads what the function says. It implements collector.Stats.
type reader func(now time.Time, p *engine.Snapshot) *stats.Reading

func (r reader) Read(now time.Time, p *engine.Snapshot) *stats.Reading { return r(now, p) }

// reading returns a reader of the same at any time.
func reading(r stats.Reading) reader {
	return func(now time.Time, _ *engine.Snapshot) *stats.Reading {
		r.At = now
		return &r
	}
}

// using returns a reader of what containers use, by ID.
func using(usages map[string]*stats.Usage) reader { return reading(stats.Reading{Containers: usages}) }

func newUsageCollector(t testing.TB, up func() (*engine.Snapshot, error), usage collector.Stats, labels ...string) *collector.Collector {
	t.Helper()
	c, err := collector.New(up, usage, labels)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ofResources returns the metrics of what is used, as text without their help.
func ofResources(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	var lines strings.Builder
	for line := range strings.Lines(text(t, g)) {
		_, name, isType := strings.Cut(line, "# TYPE ")
		if !isType {
			name = line
		}
		if strings.HasPrefix(name, "container_") || strings.HasPrefix(name, "machine_") || strings.HasPrefix(name, "defib_resources_") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// seriesOf returns the series of some metrics of what is used, all if none is named.
func seriesOf(t *testing.T, g prometheus.Gatherer, names ...string) string {
	t.Helper()
	var lines strings.Builder
	for line := range strings.Lines(ofResources(t, g)) {
		wanted := len(names) == 0
		for _, name := range names {
			wanted = wanted || strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ")
		}
		if wanted && !strings.HasPrefix(line, "#") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// unordered compares lines in any order.
var unordered = cmpopts.SortSlices(strings.Compare)

// full is what a container with limits uses, on cgroup v2 and a kernel before 5.19.
func full() *stats.Usage {
	return &stats.Usage{
		Path: "/system.slice/docker-4f1d.scope",
		CPU: stats.CPU{
			Known: true, Total: 12.5, User: 10.25, System: 2.25,
			Quota: true, Periods: 900, ThrottledPeriods: 30, Throttled: 1.5,
		},
		Cores:  0.5,
		Memory: stats.Memory{Known: true, Usage: 104857600, WorkingSet: 94371840, RSS: 73400320, Cache: 31457280, Mapped: 4194304, Swap: 1048576},
		Disks: []stats.Disk{
			{Device: "/dev/sda", ReadBytes: 4096, WriteBytes: 52428800, Reads: 1, Writes: 50},
			{Device: "8:16", ReadBytes: 8192, Reads: 2},
		},
		Interfaces: []stats.Interface{{
			Name:    "eth0",
			Receive: stats.Traffic{Bytes: 1000, Packets: 10, Errors: 1, Dropped: 2}, Transmit: stats.Traffic{Bytes: 2000, Packets: 20, Errors: 3, Dropped: 4},
		}},
		Pressure: stats.Pressure{
			CPU:    stats.Stall{Known: true, Waiting: 0.25},
			Memory: stats.Stall{Known: true, Waiting: 0.5, Stalled: 0.125},
			IO:     stats.Stall{Known: true, Waiting: 0.75, Stalled: 0.625},
		},
		Limits: stats.Limits{
			Memory: 536870912, MemorySwap: 268435456, MemoryReservation: 134217728,
			CPUKnown: true, CPUShares: 1024, CPUPeriod: 100000, CPUQuota: 50000,
		},
	}
}

// plain is what a container without limits uses, on cgroup v1.
func plain() *stats.Usage {
	return &stats.Usage{
		Path:   "/docker/4f1d",
		CPU:    stats.CPU{Known: true, Total: 1.5, User: 1, System: 0.5},
		Cores:  -1,
		Memory: stats.Memory{Known: true, Usage: 2048, WorkingSet: 1024, RSS: 512, Cache: 1536, Peak: 4096, PeakIsKnown: true},
		Limits: stats.Limits{CPUKnown: true, CPUShares: 1024, CPUPeriod: 100000},
	}
}

// unlabelled is a container without labels that are exposed.
func unlabelled() *engine.Container {
	return alter(func(c *engine.Container) { c.Labels = nil })
}

const goldenV2 = `# TYPE container_cpu_cfs_periods_total counter
container_cpu_cfs_periods_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 900
# TYPE container_cpu_cfs_throttled_periods_total counter
container_cpu_cfs_throttled_periods_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 30
# TYPE container_cpu_cfs_throttled_seconds_total counter
container_cpu_cfs_throttled_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1.5
# TYPE container_cpu_system_seconds_total counter
container_cpu_system_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 2.25
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{cpu="total",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 12.5
# TYPE container_cpu_user_seconds_total counter
container_cpu_user_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 10.25
# TYPE container_fs_reads_bytes_total counter
container_fs_reads_bytes_total{device="/dev/sda",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 4096
container_fs_reads_bytes_total{device="8:16",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 8192
# TYPE container_fs_reads_total counter
container_fs_reads_total{device="/dev/sda",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1
container_fs_reads_total{device="8:16",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 2
# TYPE container_fs_writes_bytes_total counter
container_fs_writes_bytes_total{device="/dev/sda",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 5.24288e+07
container_fs_writes_bytes_total{device="8:16",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 0
# TYPE container_fs_writes_total counter
container_fs_writes_total{device="/dev/sda",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 50
container_fs_writes_total{device="8:16",id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 0
# TYPE container_health_state gauge
container_health_state{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1
# TYPE container_last_seen gauge
container_last_seen{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 9.466848e+08
# TYPE container_memory_cache gauge
container_memory_cache{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 3.145728e+07
# TYPE container_memory_mapped_file gauge
container_memory_mapped_file{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 4.194304e+06
# TYPE container_memory_rss gauge
container_memory_rss{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 7.340032e+07
# TYPE container_memory_swap gauge
container_memory_swap{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1.048576e+06
# TYPE container_memory_usage_bytes gauge
container_memory_usage_bytes{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1.048576e+08
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 9.437184e+07
# TYPE container_network_receive_bytes_total counter
container_network_receive_bytes_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",interface="eth0",name="token"} 1000
# TYPE container_network_receive_errors_total counter
container_network_receive_errors_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",interface="eth0",name="token"} 1
# TYPE container_network_receive_packets_dropped_total counter
container_network_receive_packets_dropped_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",interface="eth0",name="token"} 2
# TYPE container_network_receive_packets_total counter
container_network_receive_packets_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",interface="eth0",name="token"} 10
# TYPE container_network_transmit_bytes_total counter
container_network_transmit_bytes_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",interface="eth0",name="token"} 2000
# TYPE container_network_transmit_errors_total counter
container_network_transmit_errors_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",interface="eth0",name="token"} 3
# TYPE container_network_transmit_packets_dropped_total counter
container_network_transmit_packets_dropped_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",interface="eth0",name="token"} 4
# TYPE container_network_transmit_packets_total counter
container_network_transmit_packets_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",interface="eth0",name="token"} 20
# TYPE container_oom_events_total counter
container_oom_events_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1
# TYPE container_pressure_cpu_stalled_seconds_total counter
container_pressure_cpu_stalled_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 0
# TYPE container_pressure_cpu_waiting_seconds_total counter
container_pressure_cpu_waiting_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 0.25
# TYPE container_pressure_io_stalled_seconds_total counter
container_pressure_io_stalled_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 0.625
# TYPE container_pressure_io_waiting_seconds_total counter
container_pressure_io_waiting_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 0.75
# TYPE container_pressure_memory_stalled_seconds_total counter
container_pressure_memory_stalled_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 0.125
# TYPE container_pressure_memory_waiting_seconds_total counter
container_pressure_memory_waiting_seconds_total{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 0.5
# TYPE container_spec_cpu_period gauge
container_spec_cpu_period{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 100000
# TYPE container_spec_cpu_quota gauge
container_spec_cpu_quota{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 50000
# TYPE container_spec_cpu_shares gauge
container_spec_cpu_shares{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1024
# TYPE container_spec_memory_limit_bytes gauge
container_spec_memory_limit_bytes{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 5.36870912e+08
# TYPE container_spec_memory_reservation_limit_bytes gauge
container_spec_memory_reservation_limit_bytes{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1.34217728e+08
# TYPE container_spec_memory_swap_limit_bytes gauge
container_spec_memory_swap_limit_bytes{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 2.68435456e+08
# TYPE container_start_time_seconds gauge
container_start_time_seconds{id="/system.slice/docker-4f1d.scope",image="shop/token:2",name="token"} 1.7000003e+09
# TYPE defib_resources_unreadable gauge
defib_resources_unreadable 0
`

const goldenV1 = `# TYPE container_cpu_system_seconds_total counter
container_cpu_system_seconds_total{id="/docker/4f1d",image="shop/token:2",name="token"} 0.5
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{cpu="total",id="/docker/4f1d",image="shop/token:2",name="token"} 1.5
# TYPE container_cpu_user_seconds_total counter
container_cpu_user_seconds_total{id="/docker/4f1d",image="shop/token:2",name="token"} 1
# TYPE container_health_state gauge
container_health_state{id="/docker/4f1d",image="shop/token:2",name="token"} 1
# TYPE container_last_seen gauge
container_last_seen{id="/docker/4f1d",image="shop/token:2",name="token"} 9.466848e+08
# TYPE container_memory_cache gauge
container_memory_cache{id="/docker/4f1d",image="shop/token:2",name="token"} 1536
# TYPE container_memory_mapped_file gauge
container_memory_mapped_file{id="/docker/4f1d",image="shop/token:2",name="token"} 0
# TYPE container_memory_max_usage_bytes gauge
container_memory_max_usage_bytes{id="/docker/4f1d",image="shop/token:2",name="token"} 4096
# TYPE container_memory_rss gauge
container_memory_rss{id="/docker/4f1d",image="shop/token:2",name="token"} 512
# TYPE container_memory_swap gauge
container_memory_swap{id="/docker/4f1d",image="shop/token:2",name="token"} 0
# TYPE container_memory_usage_bytes gauge
container_memory_usage_bytes{id="/docker/4f1d",image="shop/token:2",name="token"} 2048
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{id="/docker/4f1d",image="shop/token:2",name="token"} 1024
# TYPE container_oom_events_total counter
container_oom_events_total{id="/docker/4f1d",image="shop/token:2",name="token"} 1
# TYPE container_spec_cpu_period gauge
container_spec_cpu_period{id="/docker/4f1d",image="shop/token:2",name="token"} 100000
# TYPE container_spec_cpu_shares gauge
container_spec_cpu_shares{id="/docker/4f1d",image="shop/token:2",name="token"} 1024
# TYPE container_spec_memory_limit_bytes gauge
container_spec_memory_limit_bytes{id="/docker/4f1d",image="shop/token:2",name="token"} 0
# TYPE container_spec_memory_reservation_limit_bytes gauge
container_spec_memory_reservation_limit_bytes{id="/docker/4f1d",image="shop/token:2",name="token"} 0
# TYPE container_spec_memory_swap_limit_bytes gauge
container_spec_memory_swap_limit_bytes{id="/docker/4f1d",image="shop/token:2",name="token"} 0
# TYPE container_start_time_seconds gauge
container_start_time_seconds{id="/docker/4f1d",image="shop/token:2",name="token"} 1.7000003e+09
# TYPE defib_resources_unreadable gauge
defib_resources_unreadable 0
`

const goldenHost = `# TYPE container_cpu_system_seconds_total counter
container_cpu_system_seconds_total{id="/"} 40
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{cpu="total",id="/"} 100
# TYPE container_cpu_user_seconds_total counter
container_cpu_user_seconds_total{id="/"} 60
# TYPE container_memory_usage_bytes gauge
container_memory_usage_bytes{id="/"} 6.442450944e+09
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{id="/"} 4.294967296e+09
# TYPE container_network_receive_bytes_total counter
container_network_receive_bytes_total{id="/",interface="eno1"} 1
# TYPE container_network_receive_errors_total counter
container_network_receive_errors_total{id="/",interface="eno1"} 3
# TYPE container_network_receive_packets_dropped_total counter
container_network_receive_packets_dropped_total{id="/",interface="eno1"} 4
# TYPE container_network_receive_packets_total counter
container_network_receive_packets_total{id="/",interface="eno1"} 2
# TYPE container_network_transmit_bytes_total counter
container_network_transmit_bytes_total{id="/",interface="eno1"} 5
# TYPE container_network_transmit_errors_total counter
container_network_transmit_errors_total{id="/",interface="eno1"} 7
# TYPE container_network_transmit_packets_dropped_total counter
container_network_transmit_packets_dropped_total{id="/",interface="eno1"} 8
# TYPE container_network_transmit_packets_total counter
container_network_transmit_packets_total{id="/",interface="eno1"} 6
# TYPE defib_resources_unreadable gauge
defib_resources_unreadable 2
# TYPE machine_cpu_cores gauge
machine_cpu_cores 4
# TYPE machine_memory_bytes gauge
machine_memory_bytes 8.589934592e+09
`

// host is what a host has and uses.
func host() stats.Host {
	return stats.Host{
		Known: true, Cores: 4, MemoryTotal: 8 << 30,
		CPU:    stats.CPU{Known: true, Total: 100, User: 60, System: 40},
		Memory: stats.Memory{Known: true, Usage: 6 << 30, WorkingSet: 4 << 30},
		Interfaces: []stats.Interface{{
			Name:    "eno1",
			Receive: stats.Traffic{Bytes: 1, Packets: 2, Errors: 3, Dropped: 4}, Transmit: stats.Traffic{Bytes: 5, Packets: 6, Errors: 7, Dropped: 8},
		}},
	}
}

func TestWhatIsUsedIsExposedUnderTheNamesOfCAdvisor(t *testing.T) {
	for name, row := range map[string]struct {
		snapshot *engine.Snapshot
		usage    collector.Stats
		want     string
	}{
		"a container on cgroup v2": {snapshot(unlabelled()), using(map[string]*stats.Usage{"4f1d": full()}), goldenV2},
		"a container on cgroup v1": {snapshot(unlabelled()), using(map[string]*stats.Usage{"4f1d": plain()}), goldenV1},
		"a host, and containers that cannot be read": {
			snapshot(unlabelled()), reading(stats.Reading{Host: host(), Unreadable: 2}), goldenHost,
		},
		"nothing, without a reader": {snapshot(unlabelled()), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newUsageCollector(t, showing(row.snapshot), row.usage)
				for range 2 { // the second time, from labels that are kept
					if diff := cmp.Diff(row.want, ofResources(t, c)); diff != "" {
						t.Error(diff)
					}
					if diff := cmp.Diff(row.want, ofResources(t, registryOf(c))); diff != "" {
						t.Error("from a plain registry:", diff)
					}
				}
			})
		})
	}
}

func TestOnlyWhatIsKnownIsExposed(t *testing.T) {
	for name, row := range map[string]struct {
		container *engine.Container
		usage     func(u *stats.Usage)
		metrics   []string // those whose names begin so
		want      string
	}{
		"no memory where the kernel does not account for it, nor its limits": {
			unlabelled(), func(u *stats.Usage) { u.Memory.Known = false }, []string{"container_memory_", "container_spec_memory_"}, "",
		},
		"no processor time that cannot be read": {
			unlabelled(), func(u *stats.Usage) { u.CPU.Known = false }, []string{"container_cpu_"}, "",
		},
		"no periods without a quota": {
			unlabelled(), func(u *stats.Usage) { u.CPU.Quota = false }, []string{"container_cpu_cfs_"}, "",
		},
		"no shares that cannot be read": {
			unlabelled(), func(u *stats.Usage) { u.Limits.CPUKnown = false }, []string{"container_spec_cpu_"}, "",
		},
		"the pressure that the kernel keeps": {
			unlabelled(), func(u *stats.Usage) { u.Pressure.CPU.Known, u.Pressure.IO.Known = false, false },
			[]string{"container_pressure_"},
			`container_pressure_memory_stalled_seconds_total 0.125
container_pressure_memory_waiting_seconds_total 0.5
`,
		},
		"no start without one": {
			alter(func(c *engine.Container) { c.Started = time.Time{} }), func(*stats.Usage) {}, []string{"container_start_time_seconds"}, "",
		},
		"a container that is unhealthy": {
			alter(func(c *engine.Container) { c.Health = engine.Unhealthy }), func(*stats.Usage) {},
			[]string{"container_health_state"},
			"container_health_state 0\n",
		},
		"a container whose health check has not ended yet": {
			alter(func(c *engine.Container) { c.Health = engine.Starting }), func(*stats.Usage) {},
			[]string{"container_health_state"},
			"container_health_state 0\n",
		},
		"a container without a health check": {
			alter(func(c *engine.Container) { c.HealthCheck, c.Health = false, engine.NoHealth }), func(*stats.Usage) {},
			[]string{"container_health_state"},
			"container_health_state -1\n",
		},
		"a container that is paused": {
			alter(func(c *engine.Container) { c.State = engine.Paused }), func(*stats.Usage) {},
			[]string{"container_memory_rss"},
			"container_memory_rss 7.340032e+07\n",
		},
		"nothing of a container that is down": {
			alter(func(c *engine.Container) { c.State = engine.Exited }), func(*stats.Usage) {}, []string{"container_"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := full()
			row.usage(u)
			var got strings.Builder
			for line := range strings.Lines(seriesOf(t, newUsageCollector(t, showing(snapshot(row.container)), using(map[string]*stats.Usage{"4f1d": u})))) {
				before, labels, _ := strings.Cut(line, "{")
				for _, beginning := range row.metrics {
					if strings.HasPrefix(line, beginning) {
						got.WriteString(before + labels[strings.LastIndex(labels, " "):])
					}
				}
			}
			if diff := cmp.Diff(row.want, got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestContainerLabelsAreThoseOfComposeAndSwarmAndThoseThatAreSelected(t *testing.T) {
	task := alter(func(c *engine.Container) {
		c.ID, c.Name, c.Image = "5a", "shop_web.1.x9", ""
		c.Labels = map[string]string{
			"com.docker.stack.namespace": "shop", "com.docker.swarm.node.id": "n1", "com.docker.swarm.service.id": "s1",
			"com.docker.swarm.service.name": "shop_web", "com.docker.swarm.task.name": "shop_web.1.x9", "com.docker.swarm.task": "", "maintainer": "x",
		}
	})
	c := newUsageCollector(t, showing(snapshot(token(), task)), using(map[string]*stats.Usage{
		"4f1d": plain(), "5a": {Path: "/docker/5a", Memory: stats.Memory{Known: true}},
	}), "team", engine.LabelProject, "a.b/c")
	want := `container_memory_rss{container_label_a_b_c="é\"\n\\",container_label_com_docker_compose_project="shop",container_label_com_docker_compose_service="auth",container_label_team="core",id="/docker/4f1d",image="shop/token:2",name="token"} 512
container_memory_rss{container_label_com_docker_stack_namespace="shop",container_label_com_docker_swarm_node_id="n1",container_label_com_docker_swarm_service_id="s1",container_label_com_docker_swarm_service_name="shop_web",container_label_com_docker_swarm_task_name="shop_web.1.x9",id="/docker/5a",name="shop_web.1.x9"} 0
`
	// An empty label equals an absent one.
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(seriesOf(t, c, "container_memory_rss"), "\n"), unordered); diff != "" {
		t.Error(diff)
	}
}

func TestLaw6NothingThatIsUsedWithoutACurrentSnapshot(t *testing.T) {
	var err error
	c := newUsageCollector(t, func() (*engine.Snapshot, error) { return snapshot(token()), err },
		reading(stats.Reading{Containers: map[string]*stats.Usage{"4f1d": full()}, Host: host()}))
	if got := seriesOf(t, c); !strings.Contains(got, `name="token"`) || !strings.Contains(got, `id="/"`) {
		t.Error(got)
	}
	err = errAway
	if got := seriesOf(t, c); got != "" {
		t.Error(got)
	}
}

func TestLaw8OddContainersFailNoScrapeOfWhatTheyUse(t *testing.T) {
	odd := alter(func(c *engine.Container) {
		c.ID, c.Name, c.Image, c.Labels = "aa", "odd\xff", "\xc3", map[string]string{engine.LabelProject: "\x80", "team": "🚑\n\""}
	})
	nameless := alter(func(c *engine.Container) { c.ID, c.Name = "bb", "" })
	older := alter(func(c *engine.Container) { c.ID, c.Created = "cc", time.Unix(1, 0) })
	vanished := alter(func(c *engine.Container) { c.ID, c.Name = "dd", "vanished" })
	used := func(path string) *stats.Usage {
		return &stats.Usage{Path: path, Memory: stats.Memory{Known: true, RSS: 1}, Interfaces: []stats.Interface{{Name: "\xfe"}}}
	}
	c := newUsageCollector(t, showing(snapshot(token(), odd, nameless, older, vanished)), using(map[string]*stats.Usage{
		"4f1d": used("/docker/4f1d"), "aa": used("/docker/\xff"), "bb": used("/docker/bb"), "cc": used("/docker/cc"), "ee": used("/docker/ee"),
	}), "team")
	want := `container_memory_rss{container_label_com_docker_compose_project="shop",container_label_com_docker_compose_service="auth",container_label_team="core",id="/docker/4f1d",image="shop/token:2",name="token"} 1
container_memory_rss{container_label_com_docker_compose_project="�",container_label_team="🚑\n\"",id="/docker/�",image="�",name="odd�"} 1
`
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(seriesOf(t, c, "container_memory_rss"), "\n"), unordered); diff != "" {
		t.Error(diff)
	}
}

func TestNamesOfWhatIsUsedAreAsPromlintWantsThem(t *testing.T) {
	u := full()
	u.Memory.PeakIsKnown = true
	c := newUsageCollector(t, showing(snapshot(token())), reading(stats.Reading{Containers: map[string]*stats.Usage{"4f1d": u}, Host: host()}))
	problems, err := testutil.GatherAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestLabelsAreMadeOnceAndValuesForEachReading(t *testing.T) {
	u := full()
	var readings int
	// A change of health makes another Container, and no other series.
	up := func() (*engine.Snapshot, error) {
		return snapshot(alter(func(c *engine.Container) { c.Health = engine.Healths[readings%len(engine.Healths)] })), nil
	}
	c := newUsageCollector(t, up, reader(func(now time.Time, _ *engine.Snapshot) *stats.Reading {
		readings++
		next := *u
		next.CPU.User = float64(readings)
		return &stats.Reading{At: now.Add(time.Duration(readings) * time.Second), Containers: map[string]*stats.Usage{"4f1d": &next}}
	}))
	type gathered struct {
		label any
		value float64
	}
	scrape := func() (g gathered) {
		families, err := c.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "container_cpu_user_seconds_total" {
				g = gathered{f.GetMetric()[0].GetLabel()[0], f.GetMetric()[0].GetCounter().GetValue()}
			}
		}
		return g
	}
	first, second := scrape(), scrape()
	if first.value != 1 || second.value != 2 {
		t.Errorf("values %v and %v, want 1 and 2", first.value, second.value)
	}
	if first.label == nil || first.label != second.label {
		t.Error("the labels were made anew")
	}
	u.Interfaces = nil // as when its network is taken from it
	if third := scrape(); third.value != 3 {
		t.Errorf("value %v after other series came, want 3", third.value)
	}
	if got := seriesOf(t, c, "container_network_receive_bytes_total"); got != "" {
		t.Error("series that are gone:", got)
	}
}

func TestLabelsOfWhatIsUsedFollowTheContainer(t *testing.T) {
	running := func(id, image, team string) *engine.Container {
		return alter(func(c *engine.Container) { c.ID, c.Image, c.Labels = id, image, map[string]string{"team": team} })
	}
	var p *engine.Snapshot
	usages := map[string]*stats.Usage{}
	c := newUsageCollector(t, func() (*engine.Snapshot, error) { return p, nil }, using(usages), "team")
	for _, row := range []struct {
		what, path string
		container  *engine.Container
		want       string
	}{
		{"at first", "/a", running("aa", "x", "core"), `container_label_team="core",id="/a",image="x",name="token"`},
		{"of another image name", "/a", running("aa", "y", "core"), `container_label_team="core",id="/a",image="y",name="token"`},
		{"in another cgroup", "/b", running("aa", "y", "core"), `container_label_team="core",id="/b",image="y",name="token"`},
		{"of another one of its name", "/b", running("bb", "y", "web"), `container_label_team="web",id="/b",image="y",name="token"`},
	} {
		p = snapshot(row.container)
		usages[row.container.ID] = &stats.Usage{Path: row.path, Memory: stats.Memory{Known: true}}
		if diff := cmp.Diff("container_memory_rss{"+row.want+"} 0\n", seriesOf(t, c, "container_memory_rss")); diff != "" {
			t.Errorf("%s: %s", row.what, diff)
		}
	}
}

func TestScrapeOfNewValuesAllocatesLittleForEachContainer(t *testing.T) {
	const n = 100
	c := crowdOf(t, n, newReadings(n))
	series := 0
	allocations := testing.AllocsPerRun(10, func() {
		families, err := c.Gather()
		if err != nil {
			t.Error(err)
		}
		series = 0
		for _, f := range families {
			series += len(f.GetMetric())
		}
	})
	if most := float64(series / 4); allocations > most {
		t.Errorf("%v allocations for %d series, want %v at most", allocations, series, most)
	}
}

// TestValuesOfAReadingAreNotMixedWithThoseOfAnother has scrapes encode while others read
// anew. It is for the race detector, too.
func TestValuesOfAReadingAreNotMixedWithThoseOfAnother(t *testing.T) {
	p := snapshot(token(), alter(func(c *engine.Container) { c.ID, c.Name = "5a", "other" }))
	var readings atomic.Int64
	c := newUsageCollector(t, showing(p), reader(func(time.Time, *engine.Snapshot) *stats.Reading {
		n := readings.Add(1)
		used := func(path string) *stats.Usage {
			return &stats.Usage{Path: path, CPU: stats.CPU{Known: true, Total: float64(n), User: float64(n), System: float64(n)}}
		}
		return &stats.Reading{At: time.Unix(n, 0), Containers: map[string]*stats.Usage{"4f1d": used("/docker/4f1d"), "5a": used("/docker/5a")}}
	}))
	var scrapes sync.WaitGroup
	for range 8 {
		scrapes.Go(func() {
			for range 50 {
				families, err := c.Gather()
				if err != nil {
					t.Error(err)
				}
				values := map[float64]bool{}
				for _, f := range families {
					if _, err := expfmt.MetricFamilyToText(io.Discard, f); err != nil {
						t.Error(err)
					}
					for _, m := range f.GetMetric() {
						if strings.HasPrefix(f.GetName(), "container_cpu_") {
							values[m.GetCounter().GetValue()] = true
						}
					}
				}
				if len(values) != 1 {
					t.Errorf("one scrape has values of the readings %v", values)
				}
			}
		})
	}
	scrapes.Wait()
}

// newReadings returns a reader that reads something new of n containers each time.
func newReadings(n int) reader {
	var both [2]map[string]*stats.Usage
	for i := range both {
		both[i] = map[string]*stats.Usage{}
		for j := range n {
			u := full()
			u.Path = fmt.Sprintf("/docker/%064x", j)
			u.CPU.Total += float64(i)
			both[i][fmt.Sprintf("%064x", j)] = u
		}
	}
	var readings atomic.Int64
	return func(time.Time, *engine.Snapshot) *stats.Reading {
		i := readings.Add(1)
		return &stats.Reading{At: time.Unix(i, 0), Containers: both[i%2]}
	}
}
