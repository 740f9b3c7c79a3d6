package collector

import (
	"math"
	"time"

	"defib/engine"
	"defib/internal/exposition"
	"defib/stats"
)

// sample is a value of one container. Label is that of the processor, the device or the
// interface that it is about, if its metric has one.
type sample struct {
	desc  *exposition.Desc
	label string
	value float64
}

func (s sample) sameSeries(other sample) bool { return s.desc == other.desc && s.label == other.label }

type samples []sample

func (s *samples) add(d *exposition.Desc, v float64) { s.addFor(d, "", v) }

func (s *samples) addFor(d *exposition.Desc, label string, v float64) {
	*s = append(*s, sample{d, label, v})
}

// allProcessors is the value of the label cpu: there are no series for each processor.
const allProcessors = "total"

// container adds what is known of a container that runs. The first sample is the one that
// is left when it has ended.
func (d *usageDescs) container(s *samples, at time.Time, c *engine.Container, u *stats.Usage) {
	s.add(d.lastSeen, wholeSeconds(at))
	if !c.Started.IsZero() {
		s.add(d.startTime, wholeSeconds(c.Started))
	}
	s.add(d.healthState, healthState(c))
	s.add(d.oomEvents, float64(c.Events[engine.EventOOM]))
	d.cpu(s, u.CPU)
	d.memory(s, u.Memory)
	d.memoryInParts(s, u.Memory)
	for _, disk := range u.Disks {
		s.addFor(d.readBytes, disk.Device, float64(disk.ReadBytes))
		s.addFor(d.writeBytes, disk.Device, float64(disk.WriteBytes))
		s.addFor(d.reads, disk.Device, float64(disk.Reads))
		s.addFor(d.writes, disk.Device, float64(disk.Writes))
	}
	d.interfaces(s, u.Interfaces)
	d.cpuPressure.add(s, u.Pressure.CPU)
	d.memoryPressure.add(s, u.Pressure.Memory)
	d.ioPressure.add(s, u.Pressure.IO)
	d.limits(s, u.Limits, u.Memory.Known)
}

// host adds what is known of the host.
func (d *usageDescs) host(s *samples, h stats.Host) {
	d.cpu(s, h.CPU)
	d.memory(s, h.Memory)
	d.interfaces(s, h.Interfaces)
}

func (d *usageDescs) cpu(s *samples, c stats.CPU) {
	if !c.Known {
		return
	}
	s.addFor(d.cpuUsage, allProcessors, c.Total)
	s.add(d.cpuUser, c.User)
	s.add(d.cpuSystem, c.System)
	if c.Quota {
		s.add(d.periods, float64(c.Periods))
		s.add(d.throttledPeriods, float64(c.ThrottledPeriods))
		s.add(d.throttled, c.Throttled)
	}
}

func (d *usageDescs) memory(s *samples, m stats.Memory) {
	if m.Known {
		s.add(d.memoryUsage, float64(m.Usage))
		s.add(d.workingSet, float64(m.WorkingSet))
	}
}

func (d *usageDescs) memoryInParts(s *samples, m stats.Memory) {
	if !m.Known {
		return
	}
	s.add(d.rss, float64(m.RSS))
	s.add(d.cache, float64(m.Cache))
	s.add(d.mapped, float64(m.Mapped))
	s.add(d.swap, float64(m.Swap))
	if m.PeakIsKnown {
		s.add(d.peak, float64(m.Peak))
	}
}

func (d *usageDescs) interfaces(s *samples, all []stats.Interface) {
	for _, i := range all {
		d.receive.add(s, i.Name, i.Receive)
		d.transmit.add(s, i.Name, i.Transmit)
	}
}

func (d *trafficDescs) add(s *samples, name string, t stats.Traffic) {
	s.addFor(d.bytes, name, float64(t.Bytes))
	s.addFor(d.packets, name, float64(t.Packets))
	s.addFor(d.errors, name, float64(t.Errors))
	s.addFor(d.dropped, name, float64(t.Dropped))
}

func (d *stallDescs) add(s *samples, t stats.Stall) {
	if t.Known {
		s.add(d.waiting, t.Waiting)
		s.add(d.stalled, t.Stalled)
	}
}

func (d *usageDescs) limits(s *samples, l stats.Limits, memoryKnown bool) {
	if memoryKnown {
		s.add(d.memoryLimit, float64(l.Memory))
		s.add(d.swapLimit, float64(l.MemorySwap))
		s.add(d.reservation, float64(l.MemoryReservation))
	}
	if l.CPUKnown {
		s.add(d.cpuShares, float64(l.CPUShares))
		s.add(d.cpuPeriod, float64(l.CPUPeriod))
		if l.CPUQuota > 0 {
			s.add(d.cpuQuota, float64(l.CPUQuota))
		}
	}
}

// healthState is a result of the health check as cAdvisor writes it.
func healthState(c *engine.Container) float64 {
	switch {
	case !c.HealthCheck:
		return -1
	case c.Health == engine.Healthy:
		return 1
	}
	return 0
}

// wholeSeconds is a time as cAdvisor writes it.
func wholeSeconds(t time.Time) float64 { return math.Floor(seconds(t)) }
