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

// newUsageDescs describes metrics with the labels of a container, after which one of their
// own may come.
func newUsageDescs(labels []string) usageDescs {
	var all []*exposition.Desc
	keep := func(d *exposition.Desc) *exposition.Desc {
		all = append(all, d)
		return d
	}
	gauge := func(name, help string) *exposition.Desc {
		return keep(exposition.NewGauge(name, help, labels...).OmitEmpty())
	}
	counter := func(name, help string, own ...string) *exposition.Desc {
		return keep(exposition.NewCounter(name, help, slices.Concat(labels, own)...).OmitEmpty())
	}
	d := usageDescs{
		lastSeen:    gauge("container_last_seen", "When the container was last seen to run, in Unix time."),
		startTime:   gauge("container_start_time_seconds", "When the container was started, in Unix time."),
		healthState: gauge("container_health_state", "Result of the health check: 1 is healthy, 0 is not, -1 is that of a container without one."),
		oomEvents:   counter("container_oom_events_total", "Out-of-memory kills in containers of this name since Defib started."),

		cpuUsage:         counter("container_cpu_usage_seconds_total", "Processor time used.", "cpu"),
		cpuUser:          counter("container_cpu_user_seconds_total", "Processor time used in user mode."),
		cpuSystem:        counter("container_cpu_system_seconds_total", "Processor time used in kernel mode."),
		periods:          counter("container_cpu_cfs_periods_total", "Periods of the CPU quota that have elapsed."),
		throttledPeriods: counter("container_cpu_cfs_throttled_periods_total", "Periods in which the container was throttled."),
		throttled:        counter("container_cpu_cfs_throttled_seconds_total", "How long the container was throttled."),

		memoryUsage: gauge("container_memory_usage_bytes", "Memory used, with the page cache."),
		workingSet:  gauge("container_memory_working_set_bytes", "Memory used, without page cache that has not been used recently."),
		rss:         gauge("container_memory_rss", "Anonymous memory, in bytes."),
		cache:       gauge("container_memory_cache", "Page cache, in bytes."),
		mapped:      gauge("container_memory_mapped_file", "Mapped files, in bytes."),
		swap:        gauge("container_memory_swap", "Swap used, in bytes."),
		peak:        gauge("container_memory_max_usage_bytes", "Highest memory usage so far, with the page cache."),

		readBytes:  counter("container_fs_reads_bytes_total", "Bytes read from the device.", "device"),
		writeBytes: counter("container_fs_writes_bytes_total", "Bytes written to the device.", "device"),
		reads:      counter("container_fs_reads_total", "Reads from the device.", "device"),
		writes:     counter("container_fs_writes_total", "Writes to the device.", "device"),

		receive: trafficDescs{
			bytes:   counter("container_network_receive_bytes_total", "Bytes received.", "interface"),
			packets: counter("container_network_receive_packets_total", "Packets received.", "interface"),
			errors:  counter("container_network_receive_errors_total", "Errors while receiving.", "interface"),
			dropped: counter("container_network_receive_packets_dropped_total", "Packets dropped while receiving.", "interface"),
		},
		transmit: trafficDescs{
			bytes:   counter("container_network_transmit_bytes_total", "Bytes transmitted.", "interface"),
			packets: counter("container_network_transmit_packets_total", "Packets transmitted.", "interface"),
			errors:  counter("container_network_transmit_errors_total", "Errors while transmitting.", "interface"),
			dropped: counter("container_network_transmit_packets_dropped_total", "Packets dropped while transmitting.", "interface"),
		},

		cpuPressure: stallDescs{
			waiting: counter("container_pressure_cpu_waiting_seconds_total", "How long some process waited for a processor."),
			stalled: counter("container_pressure_cpu_stalled_seconds_total", "How long all processes waited for a processor."),
		},
		memoryPressure: stallDescs{
			waiting: counter("container_pressure_memory_waiting_seconds_total", "How long some process waited for memory."),
			stalled: counter("container_pressure_memory_stalled_seconds_total", "How long all processes waited for memory."),
		},
		ioPressure: stallDescs{
			waiting: counter("container_pressure_io_waiting_seconds_total", "How long some process waited for I/O."),
			stalled: counter("container_pressure_io_stalled_seconds_total", "How long all processes waited for I/O."),
		},

		memoryLimit: gauge("container_spec_memory_limit_bytes", "Memory limit; 0 is unlimited."),
		swapLimit:   gauge("container_spec_memory_swap_limit_bytes", "Swap limit; 0 is unlimited."),
		reservation: gauge("container_spec_memory_reservation_limit_bytes", "Memory reservation; 0 is none."),
		cpuShares:   gauge("container_spec_cpu_shares", "CPU shares."),
		cpuPeriod:   gauge("container_spec_cpu_period", "Period of the CPU quota, in microseconds."),
		cpuQuota:    gauge("container_spec_cpu_quota", "Processor time allowed in each period, in microseconds; absent if unlimited."),

		cores:       keep(exposition.NewGauge("machine_cpu_cores", "Logical processors of the host.")),
		memoryTotal: keep(exposition.NewGauge("machine_memory_bytes", "Memory of the host.")),
		unreadable:  keep(exposition.NewGauge("defib_resources_unreadable", "Running containers whose cgroup cannot be read.")),
	}
	d.all = all
	return d
}
