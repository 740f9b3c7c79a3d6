package stats

import (
	"bytes"
	"math"
)

// The parsers of this file and of procfs.go allocate nothing, take any bytes, and leave out
// what they do not understand.

// cut returns the first line of data, or the first word of a line, and what follows it.
func cut(data []byte, at byte) (first, rest []byte) {
	if i := bytes.IndexByte(data, at); i >= 0 {
		return data[:i], data[i+1:]
	}
	return data, nil
}

// word returns the next word of a line, without the blanks around it.
func word(line []byte) (first, rest []byte) { return cut(bytes.TrimLeft(line, " \t"), ' ') }

// number reads a decimal number; what is none is not ok.
func number(digits []byte) (n uint64, ok bool) {
	for _, d := range digits {
		if d < '0' || d > '9' || n > (math.MaxUint64-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	return n, len(digits) > 0
}

// single reads a file that holds one number. "max", and what is unlimited in cgroup v1
// (pages that fill 63 bits), is 0.
func single(data []byte) uint64 {
	n, _ := number(bytes.TrimSpace(data))
	if n > 1<<62 {
		return 0
	}
	return n
}

// pairs calls f with each line that is a key and a number.
func pairs(data []byte, f func(key []byte, n uint64)) {
	for len(data) > 0 {
		var line []byte
		line, data = cut(data, '\n')
		key, rest := word(line)
		if n, ok := number(bytes.TrimSpace(rest)); ok {
			f(key, n)
		}
	}
}

// assignment reads "rbytes=512".
func assignment(w []byte) (key []byte, n uint64, ok bool) {
	key, value := cut(w, '=')
	n, ok = number(value)
	return key, n, ok
}

// device reads "8:0".
func device(w []byte) (d devno, ok bool) {
	major, minor := cut(w, ':')
	a, ok1 := number(major)
	b, ok2 := number(minor)
	if !ok1 || !ok2 {
		return devno{}, false
	}
	return devno{a, b}, true
}

// The units of times, in parts of a second. That of /proc and of cpuacct.stat is the same
// on all architectures that Go knows; source: time(7), "The software clock, HZ, and jiffies".
const (
	micro  = 1e6
	nano   = 1e9
	userHZ = 100
)

// cpuStat reads cpu.stat, of cgroup v2 or v1: the latter has the periods alone.
func (c *CPU) cpuStat(data []byte) {
	pairs(data, func(key []byte, n uint64) {
		switch string(key) {
		case "usage_usec":
			c.Known, c.Total = true, float64(n)/micro
		case "user_usec":
			c.User = float64(n) / micro
		case "system_usec":
			c.System = float64(n) / micro
		case "nr_periods":
			c.Periods = n
		case "nr_throttled":
			c.ThrottledPeriods = n
		case "throttled_usec": // v2
			c.Throttled = float64(n) / micro
		case "throttled_time": // v1
			c.Throttled = float64(n) / nano
		}
	})
}

// cpuacctUsage reads cpuacct.usage.
func (c *CPU) cpuacctUsage(data []byte) { c.Known, c.Total = true, float64(single(data))/nano }

// cpuacctStat reads cpuacct.stat of cgroup v1.
func (c *CPU) cpuacctStat(data []byte) {
	pairs(data, func(key []byte, n uint64) {
		switch string(key) {
		case "user":
			c.User = float64(n) / userHZ
		case "system":
			c.System = float64(n) / userHZ
		}
	})
}

// usage reads memory.current, or memory.usage_in_bytes.
func (m *Memory) usage(data []byte) { m.Known, m.Usage = true, single(data) }

// peak reads memory.peak, or memory.max_usage_in_bytes.
func (m *Memory) peak(data []byte) { m.PeakIsKnown, m.Peak = true, single(data) }

// stat reads memory.stat, of cgroup v2 or v1. Usage has to be known.
func (m *Memory) stat(data []byte) {
	var inactive uint64
	pairs(data, func(key []byte, n uint64) {
		switch string(key) {
		case "anon", "total_rss":
			m.RSS = n
		case "file", "total_cache":
			m.Cache = n
		case "file_mapped", "total_mapped_file":
			m.Mapped = n
		case "total_swap": // v2 has a file for it
			m.Swap = n
		case "inactive_file", "total_inactive_file": // v1 has both, the total after the other
			inactive = n
		}
	})
	m.WorkingSet = m.Usage - min(inactive, m.Usage)
}

// stall reads a file of pressure stall information.
// Source: https://docs.kernel.org/accounting/psi.html
func (s *Stall) stall(data []byte) {
	for len(data) > 0 {
		var line, w []byte
		line, data = cut(data, '\n')
		kind, line := word(line)
		for len(line) > 0 {
			w, line = word(line)
			key, n, ok := assignment(w)
			switch {
			case !ok || string(key) != "total":
			case string(kind) == "some":
				s.Known, s.Waiting = true, float64(n)/micro
			case string(kind) == "full":
				s.Stalled = float64(n) / micro
			}
		}
	}
}

// cpuMax reads cpu.max: a quota or "max", and a period, both in microseconds.
func (l *Limits) cpuMax(data []byte) {
	quota, rest := word(bytes.TrimSpace(data))
	l.CPUKnown, l.CPUQuota, l.CPUPeriod = true, single(quota), single(rest)
}

// cpuPeriod reads cpu.cfs_period_us.
func (l *Limits) cpuPeriod(data []byte) { l.CPUKnown, l.CPUPeriod = true, single(data) }

// sharesOf is what a weight of cgroup v2 stands for in the units of v1.
// Source: https://github.com/opencontainers/cgroups, ConvertCPUSharesToCgroupV2Value as
// it was until 2025, turned round; cAdvisor does the same.
func sharesOf(weight uint64) uint64 {
	if weight == 0 {
		return 0
	}
	return 2 + (min(weight, 10000)-1)*262142/9999
}

// devno is the number of a block device.
type devno struct{ major, minor uint64 }

// io is what was read from and written to one block device.
type io struct {
	device                               devno
	readBytes, writeBytes, reads, writes uint64
}

// ios are those of one container, each device once.
type ios []io

func (d *ios) of(n devno) *io {
	for i := range *d {
		if (*d)[i].device == n {
			return &(*d)[i]
		}
	}
	*d = append(*d, io{device: n})
	return &(*d)[len(*d)-1]
}

// stat reads io.stat of cgroup v2. Some kernels end no line of a device of which they tell
// nothing, so that the next device follows on the same.
// Source: https://github.com/canonical/lxd/issues/10052
func (d *ios) stat(data []byte) {
	for len(data) > 0 {
		var line, w []byte
		line, data = cut(data, '\n')
		w, line = word(line)
		of, ok := device(w)
		for ok && len(line) > 0 {
			w, line = word(line)
			if next, another := device(w); another {
				of = next
				continue
			}
			key, n, counted := assignment(w)
			switch {
			case !counted:
			case string(key) == "rbytes":
				d.of(of).readBytes = n
			case string(key) == "wbytes":
				d.of(of).writeBytes = n
			case string(key) == "rios":
				d.of(of).reads = n
			case string(key) == "wios":
				d.of(of).writes = n
			}
		}
	}
}

// blkio reads a file of the controller blkio of cgroup v1: what is read and what is
// written, in bytes or in operations, goes where to says.
func (d *ios) blkio(data []byte, to func(*io) (read, write *uint64)) {
	for len(data) > 0 {
		var line, w []byte
		line, data = cut(data, '\n')
		w, line = word(line)
		of, ok := device(w)
		if !ok {
			continue // the sum of all
		}
		kind, rest := word(line)
		n, ok := number(bytes.TrimSpace(rest))
		read, write := to(d.of(of))
		switch {
		case !ok:
		case string(kind) == "Read":
			*read = n
		case string(kind) == "Write":
			*write = n
		}
	}
}

func (i *io) bytes() (read, write *uint64)      { return &i.readBytes, &i.writeBytes }
func (i *io) operations() (read, write *uint64) { return &i.reads, &i.writes }
