// Package stats reads what containers use from their cgroups, of version 1, version 2 or
// both, and from /proc. It asks no engine.
//
// A file is read with one system call into one buffer, by a descriptor that is kept, and
// parsed without an allocation: that is a quarter of the time of os.ReadFile. The
// exception is /proc/PID/net/dev, which would keep the network of a dead container alive.
package stats

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"defib/engine"
	"defib/internal/transition"
	"defib/stats/internal/cgroup"
)

// shared is how long a reading is young enough for another scrape.
const shared = time.Second

// retryAfter is how long a cgroup is not looked for again that was not found twice.
const retryAfter = time.Minute

// readTimeout is how long a reading waits for another one. Both take milliseconds, unless
// what is below /proc is a file system of its own, such as lxcfs, which may hang.
const readTimeout = 2 * time.Second

// Options say where to read.
type Options struct {
	ProcFS   string // where the /proc of the engine's host is
	CgroupFS string // where its /sys/fs/cgroup is
	Local    bool   // the engine runs on this host
	Logger   *slog.Logger
}

// Reader reads what containers use. It may be used from anywhere.
type Reader struct {
	o                Options
	counters, limits []entry

	told   transition.States       // by kind of fault
	newest atomic.Pointer[Reading] // nil: there was none

	turn       chan struct{} // holds a token while somebody uses what follows
	last       *Reading
	containers map[string]*container // by ID: those that are up or paused, and those that have been since they were read
	files      files
	locator    *cgroup.Locator
	devices    devices
	names      names // of interfaces

	// Of the reading that is made.
	tally      tally
	sample     sample // of the container that is read
	disks      []Disk
	interfaces []Interface
}

// New returns a Reader that has read nothing yet.
func New(o Options) *Reader {
	r := &Reader{
		o: o, counters: countersV1, limits: limitsV1, turn: make(chan struct{}, 1),
		containers: map[string]*container{}, files: newFiles(), names: names{},
		locator: cgroup.NewLocator(o.ProcFS, cgroup.Find(o.CgroupFS)),
	}
	if r.locator.Tree.Main() == cgroup.Unified {
		r.counters, r.limits = countersV2, limitsV2
	}
	return r
}

// String tells which versions of cgroups there are to be read.
func (r *Reader) String() string { return r.locator.Tree.String() }

// Read returns what the containers of a snapshot use. Readings within a second of each
// other are one, unless a container has started since. What cannot be read is missing, and
// said in Faults; it is logged when that begins and when it ends. If a reading hangs, it
// alone does.
func (r *Reader) Read(now time.Time, p *engine.Snapshot) *Reading {
	if !r.take() {
		return r.hangs(now, p)
	}
	defer r.leave()
	if r.last != nil && now.Sub(r.last.At) < shared && r.knows(p) {
		return r.last
	}
	r.begin()
	reading := &Reading{At: now, Containers: make(map[string]*Usage, len(r.containers)), Last: map[string]Past{}}
	usages := make([]Usage, len(p.Named()))
	for i, c := range p.Named() {
		if c.Alive() {
			r.follow(now, p, c, &usages[i], reading)
		} else {
			r.keep(c, reading)
		}
	}
	for id, k := range r.containers {
		if c := p.Get(id); c == nil || p.Find(c.Name) != c { // removed, or another has its name
			r.release(k)
			delete(r.containers, id)
		}
	}
	reading.Unreadable = len(r.tally.missed)
	reading.Host = r.readHost()
	reading.Faults = r.report(r.faults())
	r.tell(hanging, "")
	r.last = reading
	r.newest.Store(reading)
	return reading
}

// Latest returns what a container was seen to use by the last reading, or when it was read
// last, if it has ended since; the zero value if neither is known. It reads nothing, and
// never waits.
func (r *Reader) Latest(id string) Past {
	last := r.newest.Load()
	switch {
	case last == nil:
		return Past{}
	case last.Containers[id] != nil:
		return Past{At: last.At, Usage: last.Containers[id]}
	}
	return last.Last[id]
}

// knows reports whether the last reading was made after all containers had started that
// are up: who asks since one of them has wants to see it.
func (r *Reader) knows(p *engine.Snapshot) bool {
	for _, c := range p.Named() {
		if k := r.containers[c.ID]; c.Alive() && c.Inspected && (k == nil || k.run != runOf(c)) {
			return false
		}
	}
	return true
}

// take waits for what a reading needs, and reports whether it can be had.
func (r *Reader) take() bool {
	select {
	case r.turn <- struct{}{}:
		return true
	case <-time.After(readTimeout):
		return false
	}
}

func (r *Reader) leave() { <-r.turn }

// hangs returns a reading of nothing, since another one does not end.
func (r *Reader) hangs(now time.Time, p *engine.Snapshot) *Reading {
	fault := faultf("a file below %s or %s has not been read for %s: the file system there hangs", r.o.ProcFS, r.o.CgroupFS, readTimeout)
	r.tell(hanging, fault)
	reading := &Reading{At: now, Faults: []Fault{fault}}
	for _, c := range p.Named() {
		if c.Alive() {
			reading.Unreadable++
		}
	}
	return reading
}

// begin makes ready for a reading: what it hands out is shared with no other.
func (r *Reader) begin() {
	r.tally = tally{}
	r.locator.Refresh()
	r.disks = make([]Disk, 0, len(r.disks)+8)
	r.interfaces = make([]Interface, 0, len(r.interfaces)+8)
}

// follow reads what a container uses that runs, or is paused.
func (r *Reader) follow(now time.Time, p *engine.Snapshot, c *engine.Container, u *Usage, reading *Reading) {
	if c.PID == 0 && !c.Inspected {
		return // nobody knows it yet
	}
	r.tally.alive++
	k := r.containers[c.ID]
	if this := runOf(c); k == nil || k.run != this {
		if k != nil {
			r.release(k)
		}
		k = &container{run: this}
		r.containers[c.ID] = k
	}
	if k.files == nil {
		again := k.tries == 0 || k.tries == 1 && now.Sub(k.tried) >= shared || now.Sub(k.tried) >= retryAfter
		if !again || !r.find(now, k, c, c.ID == p.Self) {
			r.tally.misses(now, k, c.Name)
			return
		}
	}
	if err := r.read(now, k, c, u); err != nil {
		r.release(k)
		if !errors.Is(err, errEnded) { // since, or ended and began
			r.tally.misses(now, k, c.Name)
		}
		return
	}
	k.last = Past{now, u}
	reading.Containers[c.ID] = u
	r.tally.count(now, k, c.Name, c.ID == p.Self)
}

// keep hands on what a container used that is down.
func (r *Reader) keep(c *engine.Container, reading *Reading) {
	k := r.containers[c.ID]
	if k == nil {
		return
	}
	r.release(k)
	if k.last.Usage != nil {
		reading.Last[c.ID] = k.last
	}
}

// clone returns a copy that shares nothing with the reading.
func (u *Usage) clone() *Usage {
	c := *u
	c.Disks, c.Interfaces = slices.Clone(u.Disks), slices.Clone(u.Interfaces)
	return &c
}

// Close gives back what is kept open between readings, unless one hangs. It may be read
// from again.
func (r *Reader) Close() {
	if !r.take() {
		return
	}
	defer r.leave()
	for _, k := range r.containers {
		r.release(k)
	}
}

// readHost reads what the host uses.
func (r *Reader) readHost() (h Host) {
	if !r.o.Local {
		return h
	}
	read := func(name string, take func([]byte)) {
		if data, err := r.files.readOnce(cPath(filepath.Join(r.o.ProcFS, name))); err == nil {
			take(data)
		}
	}
	h.Known = true
	read("stat", h.stat)
	read("meminfo", h.meminfo)
	if r.tally.processes > 0 { // else this /proc may show another network than the host's
		read("1/net/dev", func(data []byte) { h.Interfaces = netDev(data, nil, r.names) })
	}
	return h
}
