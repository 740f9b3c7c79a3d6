package stats

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"defib/engine"
	"defib/stats/internal/cgroup"
)

// entry is a file of a cgroup, and how it is read.
type entry struct {
	hierarchy cgroup.Hierarchy
	name      string
	take      func(u *sample, data []byte)
	instead   string // read if there is none of that name
	quota     bool   // only read if there is a quota
}

// sample is what is gathered of one container.
type sample struct {
	*Usage
	ios ios
}

// pressure is there for both versions: a hybrid tree has it beside version 1.
var pressure = []entry{
	{hierarchy: cgroup.Unified, name: "cpu.pressure", take: func(s *sample, data []byte) { s.Pressure.CPU.stall(data) }},
	{hierarchy: cgroup.Unified, name: "memory.pressure", take: func(s *sample, data []byte) { s.Pressure.Memory.stall(data) }},
	{hierarchy: cgroup.Unified, name: "io.pressure", take: func(s *sample, data []byte) { s.Pressure.IO.stall(data) }},
}

// Every container has the first of these, whatever controllers are on.
// Source: https://docs.kernel.org/admin-guide/cgroup-v2.html
var countersV2 = append([]entry{
	{hierarchy: cgroup.Unified, name: "cpu.stat", take: func(s *sample, data []byte) { s.CPU.cpuStat(data) }},
	{hierarchy: cgroup.Unified, name: "memory.current", take: func(s *sample, data []byte) { s.Memory.usage(data) }},
	{hierarchy: cgroup.Unified, name: "memory.stat", take: func(s *sample, data []byte) { s.Memory.stat(data) }},
	{hierarchy: cgroup.Unified, name: "memory.swap.current", take: func(s *sample, data []byte) { s.Memory.Swap = single(data) }},
	{hierarchy: cgroup.Unified, name: "memory.peak", take: func(s *sample, data []byte) { s.Memory.peak(data) }},
	{hierarchy: cgroup.Unified, name: "io.stat", take: func(s *sample, data []byte) { s.ios.stat(data) }},
}, pressure...)

// Source: https://docs.kernel.org/admin-guide/cgroup-v1/
var countersV1 = append([]entry{
	{hierarchy: cgroup.CPUAcct, name: "cpuacct.usage", take: func(s *sample, data []byte) { s.CPU.cpuacctUsage(data) }},
	{hierarchy: cgroup.CPUAcct, name: "cpuacct.stat", take: func(s *sample, data []byte) { s.CPU.cpuacctStat(data) }},
	{hierarchy: cgroup.CPU, name: "cpu.stat", take: func(s *sample, data []byte) { s.CPU.cpuStat(data) }, quota: true},
	{hierarchy: cgroup.Memory, name: "memory.usage_in_bytes", take: func(s *sample, data []byte) { s.Memory.usage(data) }},
	{hierarchy: cgroup.Memory, name: "memory.stat", take: func(s *sample, data []byte) { s.Memory.stat(data) }},
	{hierarchy: cgroup.Memory, name: "memory.max_usage_in_bytes", take: func(s *sample, data []byte) { s.Memory.peak(data) }},
	{
		hierarchy: cgroup.Blkio, name: "blkio.throttle.io_service_bytes_recursive", instead: "blkio.throttle.io_service_bytes",
		take: func(s *sample, data []byte) { s.ios.blkio(data, (*io).bytes) },
	},
	{
		hierarchy: cgroup.Blkio, name: "blkio.throttle.io_serviced_recursive", instead: "blkio.throttle.io_serviced",
		take: func(s *sample, data []byte) { s.ios.blkio(data, (*io).operations) },
	},
}, pressure...)

var limitsV2 = []entry{
	{hierarchy: cgroup.Unified, name: "memory.max", take: func(s *sample, data []byte) { s.Limits.Memory = single(data) }},
	{hierarchy: cgroup.Unified, name: "memory.swap.max", take: func(s *sample, data []byte) { s.Limits.MemorySwap = single(data) }},
	{hierarchy: cgroup.Unified, name: "memory.low", take: func(s *sample, data []byte) { s.Limits.MemoryReservation = single(data) }},
	{hierarchy: cgroup.Unified, name: "cpu.max", take: func(s *sample, data []byte) { s.Limits.cpuMax(data) }},
	{hierarchy: cgroup.Unified, name: "cpu.weight", take: func(s *sample, data []byte) { s.Limits.CPUShares = sharesOf(single(data)) }},
}

var limitsV1 = []entry{
	{hierarchy: cgroup.Memory, name: "memory.limit_in_bytes", take: func(s *sample, data []byte) { s.Limits.Memory = single(data) }},
	{hierarchy: cgroup.Memory, name: "memory.memsw.limit_in_bytes", take: func(s *sample, data []byte) { s.Limits.MemorySwap = single(data) }},
	{hierarchy: cgroup.Memory, name: "memory.soft_limit_in_bytes", take: func(s *sample, data []byte) { s.Limits.MemoryReservation = single(data) }},
	{hierarchy: cgroup.CPU, name: "cpu.cfs_period_us", take: func(s *sample, data []byte) { s.Limits.cpuPeriod(data) }},
	{hierarchy: cgroup.CPU, name: "cpu.cfs_quota_us", take: func(s *sample, data []byte) { s.Limits.CPUQuota = single(data) }},
	{hierarchy: cgroup.CPU, name: "cpu.shares", take: func(s *sample, data []byte) { s.Limits.CPUShares = single(data) }},
}

// limitsAge is how old limits may be. They are read anew after an event that tells of
// other ones; this is for the case that it was lost, or that systemd changed them, which
// makes none.
const limitsAge = 5 * time.Minute

// container is one of which usage is read, in one run of it.
type container struct {
	run      run
	place    cgroup.Place
	files    []file // of Reader.counters
	network  bool   // it has one of its own
	netDev   []byte // the path of what went through it; nil: it has none, or its process cannot be seen
	seen     bool   // it was read the last time
	limits   Limits
	limitsAt time.Time
	updates  int // as of the limits

	tries int       // in vain, to find its cgroup
	tried time.Time // the last of these

	failing time.Time // since when something of this run cannot be read; zero: all can

	last Past // the zero value: it was not read yet
}

// run tells one run of a container from its others.
type run struct {
	pid     int
	started time.Time
}

func runOf(c *engine.Container) run { return run{c.PID, c.Started} }

// find looks for the cgroup of a container.
func (r *Reader) find(now time.Time, k *container, c *engine.Container, self bool) bool {
	at, ok := r.locator.Locate(c.ID, c.PID, self)
	if !ok {
		k.tries, k.tried = k.tries+1, now
		return false
	}
	k.tries, k.place = 0, at
	k.files = make([]file, len(r.counters))
	for i, e := range r.counters {
		k.files[i] = e.in(at)
	}
	k.network = !c.HostNetwork && c.Shares(engine.Network) == ""
	if k.network && at.Proc {
		k.netDev = cPath(filepath.Join(r.o.ProcFS, strconv.Itoa(c.PID), "net/dev"))
	}
	return true
}

// in returns the file in a container's cgroup.
func (e *entry) in(at cgroup.Place) file {
	dir := at.Dirs[e.hierarchy]
	if dir == "" {
		return file{missing: true, fd: -1}
	}
	name := filepath.Join(dir, e.name)
	if _, err := os.Stat(name); err != nil && e.instead != "" {
		name = filepath.Join(dir, e.instead)
	}
	return file{path: cPath(name), fd: -1}
}

// errEnded says that a container ended since the snapshot was made.
var errEnded = errors.New("the cgroup is gone")

// passes reports whether an error says nothing of a file: this process, or the host, is
// short of descriptors or memory.
func passes(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// read reads what a container uses now.
func (r *Reader) read(now time.Time, k *container, c *engine.Container, u *Usage) error {
	s := &r.sample // no local: it would escape
	s.Usage, s.ios = u, s.ios[:0]
	u.Path = k.place.Path
	if k.limitsAt.IsZero() || k.updates != c.Updates || now.Sub(k.limitsAt) >= limitsAge || k.nearsLimit() {
		r.readLimits(now, k, c)
	}
	u.Limits = k.limits
	u.CPU.Quota = u.Limits.CPUQuota > 0
	// Before the cgroup: while that exists, the process is the container's.
	r.readNetwork(k, u)
	if err := r.readCounters(k, s); err != nil {
		return err
	}
	if !u.CPU.Quota { // version 2 counts without one, too
		u.CPU.Periods, u.CPU.ThrottledPeriods, u.CPU.Throttled = 0, 0, 0
	}
	u.Cores = k.cores(now, u.CPU.Total)
	u.Disks = r.disksOf(now, s.ios)
	return nil
}

// readCounters reads the files of a container's cgroup.
func (r *Reader) readCounters(k *container, s *sample) error {
	for i := range r.counters {
		e, f := &r.counters[i], &k.files[i]
		if f.missing || e.quota && !s.CPU.Quota {
			continue
		}
		data, err := r.files.read(f)
		switch {
		case err == nil:
			e.take(s, data)
		case passes(err):
			return err
		case i == 0 && errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV):
			return errEnded
		case i == 0:
			return err
		default: // the kernel or a controller does not have it
			r.files.close(f)
			f.missing = true
		}
	}
	return nil
}

// cores is how many processors a container has used since it was last read, by the
// processor time of now. What is too short to measure goes by the last one.
func (k *container) cores(now time.Time, total float64) float64 {
	since := now.Sub(k.last.At)
	switch before := k.last.Usage; {
	case before == nil:
		return -1
	case since < shared:
		return before.Cores
	default:
		return max(0, total-before.CPU.Total) / since.Seconds()
	}
}

// nearsLimit reports whether a container used most of the memory that it may have when it
// was last read. A limit that somebody has raised since would have it restarted.
func (k *container) nearsLimit() bool {
	limit := k.limits.Memory
	return limit > 0 && k.last.Usage != nil && k.last.Usage.Memory.WorkingSet > limit/10*8
}

// readLimits reads the limits of a container.
func (r *Reader) readLimits(now time.Time, k *container, c *engine.Container) {
	var u Usage
	for i := range r.limits {
		e := &r.limits[i]
		f := e.in(k.place)
		if f.missing {
			continue
		}
		switch data, err := r.files.readOnce(f.path); {
		case err == nil:
			e.take(&sample{Usage: &u}, data)
		case passes(err):
			return // the next reading tries again
		}
	}
	k.limits, k.limitsAt, k.updates = u.Limits, now, c.Updates
}

// readNetwork reads the interfaces of a container.
func (r *Reader) readNetwork(k *container, u *Usage) {
	k.seen = false
	if k.netDev == nil {
		return
	}
	data, err := r.files.readOnce(k.netDev)
	if err != nil {
		return
	}
	k.seen = true
	first := len(r.interfaces)
	r.interfaces = netDev(data, r.interfaces, r.names)
	u.Interfaces = r.interfaces[first:len(r.interfaces):len(r.interfaces)]
}

// release gives back what is open of a container, and all of the reading that its last
// usage is a part of.
func (r *Reader) release(k *container) {
	if k.files != nil && k.last.Usage != nil {
		k.last.Usage = k.last.Usage.clone()
	}
	for i := range k.files {
		r.files.close(&k.files[i])
	}
	k.files, k.netDev = nil, nil
}
