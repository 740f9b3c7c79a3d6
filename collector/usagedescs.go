package collector

import (
	"slices"

	"defib/internal/exposition"
)

// usageDescs are the descriptions of what containers use. The names, labels and units of
// container_* and machine_* are cAdvisor's, so that dashboards and rules for it go on
// working.
type usageDescs struct {
	lastSeen, startTime, healthState, oomEvents *exposition.Desc

	cpuUsage, cpuUser, cpuSystem         *exposition.Desc
	periods, throttledPeriods, throttled *exposition.Desc
	memoryUsage, workingSet              *exposition.Desc
	rss, cache, mapped, swap, peak       *exposition.Desc
	readBytes, writeBytes, reads, writes *exposition.Desc
	receive, transmit                    trafficDescs
	cpuPressure, memoryPressure          stallDescs
	ioPressure                           stallDescs

	memoryLimit, swapLimit, reservation *exposition.Desc
	cpuShares, cpuPeriod, cpuQuota      *exposition.Desc

	cores, memoryTotal, unreadable *exposition.Desc

	all []*exposition.Desc
}

type trafficDescs struct{ bytes, packets, errors, dropped *exposition.Desc }

type stallDescs struct{ waiting, stalled *exposition.Desc }

// describer describes metrics with the labels of a container, and keeps them in order.
type describer struct {
	labels []string
	all    []*exposition.Desc
}

func (d *describer) keep(one *exposition.Desc) *exposition.Desc {
	d.all = append(d.all, one)
	return one
}

func (d *describer) gauge(name, help string) *exposition.Desc {
	return d.keep(exposition.NewGauge(name, help, d.labels...).OmitEmpty())
}

func (d *describer) counter(name, help string, own ...string) *exposition.Desc {
	return d.keep(exposition.NewCounter(name, help, slices.Concat(d.labels, own)...).OmitEmpty())
}

// newUsageDescs describes metrics with the labels of a container, after which one of their
// own may come.
func newUsageDescs(labels []string) usageDescs {
	d := &describer{labels: labels}
	descs := usageDescs{
		lastSeen:    d.gauge("container_last_seen", "When the container was last seen to run, in Unix time."),
		startTime:   d.gauge("container_start_time_seconds", "When the container was started, in Unix time."),
		healthState: d.gauge("container_health_state", "Result of the health check: 1 is healthy, 0 is not, -1 is that of a container without one."),
		oomEvents:   d.counter("container_oom_events_total", "Out-of-memory kills in containers of this name since Defib started."),

		cpuUsage:         d.counter("container_cpu_usage_seconds_total", "Processor time used.", "cpu"),
		cpuUser:          d.counter("container_cpu_user_seconds_total", "Processor time used in user mode."),
		cpuSystem:        d.counter("container_cpu_system_seconds_total", "Processor time used in kernel mode."),
		periods:          d.counter("container_cpu_cfs_periods_total", "Periods of the CPU quota that have elapsed."),
		throttledPeriods: d.counter("container_cpu_cfs_throttled_periods_total", "Periods in which the container was throttled."),
		throttled:        d.counter("container_cpu_cfs_throttled_seconds_total", "How long the container was throttled."),

		memoryUsage: d.gauge("container_memory_usage_bytes", "Memory used, with the page cache."),
		workingSet:  d.gauge("container_memory_working_set_bytes", "Memory used, without page cache that has not been used recently."),
		rss:         d.gauge("container_memory_rss", "Anonymous memory, in bytes."),
		cache:       d.gauge("container_memory_cache", "Page cache, in bytes."),
		mapped:      d.gauge("container_memory_mapped_file", "Mapped files, in bytes."),
		swap:        d.gauge("container_memory_swap", "Swap used, in bytes."),
		peak:        d.gauge("container_memory_max_usage_bytes", "Highest memory usage so far, with the page cache."),

		readBytes:  d.counter("container_fs_reads_bytes_total", "Bytes read from the device.", "device"),
		writeBytes: d.counter("container_fs_writes_bytes_total", "Bytes written to the device.", "device"),
		reads:      d.counter("container_fs_reads_total", "Reads from the device.", "device"),
		writes:     d.counter("container_fs_writes_total", "Writes to the device.", "device"),

		receive:  d.traffic("receive", "received", "receiving"),
		transmit: d.traffic("transmit", "transmitted", "transmitting"),

		cpuPressure:    d.stall("cpu", "a processor"),
		memoryPressure: d.stall("memory", "memory"),
		ioPressure:     d.stall("io", "I/O"),

		memoryLimit: d.gauge("container_spec_memory_limit_bytes", "Memory limit; 0 is unlimited."),
		swapLimit:   d.gauge("container_spec_memory_swap_limit_bytes", "Swap limit; 0 is unlimited."),
		reservation: d.gauge("container_spec_memory_reservation_limit_bytes", "Memory reservation; 0 is none."),
		cpuShares:   d.gauge("container_spec_cpu_shares", "CPU shares."),
		cpuPeriod:   d.gauge("container_spec_cpu_period", "Period of the CPU quota, in microseconds."),
		cpuQuota:    d.gauge("container_spec_cpu_quota", "Processor time allowed in each period, in microseconds; absent if unlimited."),

		cores:       d.keep(exposition.NewGauge("machine_cpu_cores", "Logical processors of the host.")),
		memoryTotal: d.keep(exposition.NewGauge("machine_memory_bytes", "Memory of the host.")),
		unreadable:  d.keep(exposition.NewGauge("defib_resources_unreadable", "Running containers whose cgroup cannot be read.")),
	}
	descs.all = d.all
	return descs
}

// traffic describes one direction of a network interface.
func (d *describer) traffic(direction, was, while string) trafficDescs {
	name := "container_network_" + direction
	return trafficDescs{
		bytes:   d.counter(name+"_bytes_total", "Bytes "+was+".", "interface"),
		packets: d.counter(name+"_packets_total", "Packets "+was+".", "interface"),
		errors:  d.counter(name+"_errors_total", "Errors while "+while+".", "interface"),
		dropped: d.counter(name+"_packets_dropped_total", "Packets dropped while "+while+".", "interface"),
	}
}

// stall describes how long processes waited for a resource.
func (d *describer) stall(resource, what string) stallDescs {
	name := "container_pressure_" + resource
	return stallDescs{
		waiting: d.counter(name+"_waiting_seconds_total", "How long some process waited for "+what+"."),
		stalled: d.counter(name+"_stalled_seconds_total", "How long all processes waited for "+what+"."),
	}
}
