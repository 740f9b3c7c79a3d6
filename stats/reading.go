package stats

import "time"

// Reading is what all containers used at one moment. It is shared and never changed.
type Reading struct {
	At         time.Time
	Containers map[string]*Usage // by container ID: those that are up or paused, and whose cgroup can be read
	Unreadable int               // containers that are up or paused, and whose cgroup cannot
	Last       map[string]Past   // by container ID: of those that have ended since, until they are removed
	Host       Host
	Faults     []Fault // what keeps something from being read, each once
}

// Past is what a container used when it was last read.
type Past struct {
	At    time.Time
	Usage *Usage
}

// Fault is what keeps something from being read, and what to do about it, in a sentence
// or two.
type Fault string

// Usage is what one container uses, or has used since it was started. Sizes are in bytes,
// times in seconds of all processors together.
type Usage struct {
	Path       string // of its cgroup, as /docker/ID
	CPU        CPU
	Cores      float64 // processors that it used on average since an earlier reading; negative: there is none yet. Known as CPU is
	Memory     Memory
	Disks      []Disk      // that it read or wrote, as far as this bypassed the page cache or left it
	Interfaces []Interface // of its own network; none if that is the host's or another container's
	Pressure   Pressure
	Limits     Limits
}

// CPU is processor time.
type CPU struct {
	Known               bool
	Total, User, System float64

	Quota            bool // there is one; the rest is 0 without
	Periods          uint64
	ThrottledPeriods uint64
	Throttled        float64 // seconds
}

// Memory is what is charged to a cgroup. All is unknown where the kernel does not account
// for memory.
type Memory struct {
	Known       bool
	Usage       uint64 // with the page cache
	WorkingSet  uint64 // without what of the page cache was not used of late
	RSS         uint64 // anonymous memory
	Cache       uint64
	Mapped      uint64 // of files
	Swap        uint64
	Peak        uint64 // of Usage
	PeakIsKnown bool   // on cgroup v2 from kernel 5.19 on
}

// Disk is what was read from and written to a block device.
type Disk struct {
	Device                string // as /dev/sda; as 8:0 if its name is unknown
	ReadBytes, WriteBytes uint64
	Reads, Writes         uint64
}

// Interface is a network interface as its owner sees it.
type Interface struct {
	Name              string
	Receive, Transmit Traffic
}

// Traffic is what went through an interface in one direction.
type Traffic struct{ Bytes, Packets, Errors, Dropped uint64 }

// Pressure is how long processes waited for what they lack (pressure stall information).
// Known where there is cgroup v2, and the kernel keeps it.
type Pressure struct{ CPU, Memory, IO Stall }

// Stall is how long some process (Waiting) or all of them (Stalled) could not go on, in
// seconds.
type Stall struct {
	Known            bool
	Waiting, Stalled float64
}

// Limits are what a container may use.
type Limits struct {
	Memory, MemorySwap, MemoryReservation uint64 // 0: unlimited; Known as Usage.Memory is

	CPUKnown  bool
	CPUShares uint64
	CPUPeriod uint64 // microseconds
	CPUQuota  uint64 // microseconds of each period; 0: unlimited
}

// Host is what the host has and uses. The zero value is that of an engine on another one.
type Host struct {
	Known       bool
	Cores       int
	MemoryTotal uint64
	CPU         CPU
	Memory      Memory      // its Usage and WorkingSet
	Interfaces  []Interface // none if /proc shows those of another network namespace
}
