package stats

import (
	"fmt"
	"strings"
	"time"
)

// The kinds of faults. A reading that hangs is not among those that it finds itself.
const (
	noCgroups      = "cgroups"
	noContainers   = "containers"
	someContainers = "some_containers"
	noMemory       = "memory"
	noNetwork      = "network"
	hanging        = "hanging"
)

// tally is what a reading found, in numbers of containers.
type tally struct {
	alive     int      // up or paused
	missed    []string // the names of those whose cgroup was not found
	read      int      // the others, but for those that have just ended
	processes int      // of these, whose process this /proc shows
	noMemory  int      // of these, of whose memory nothing is known
	networks  int      // of these, that have a network of their own
	noNetwork []string // the names of these, of whose network nothing is known
	hidden    int      // of these, whose process this /proc does not show
	lasting   bool     // some of those that are not to be read have been so for long enough
}

// lasting is how long something of a run of a container is unreadable before that is
// logged: one that ends is so for a moment, until the engine tells.
const lasting = 5 * time.Second

// fails notes that something of a container cannot be read.
func (t *tally) fails(now time.Time, k *container) {
	if k.failing.IsZero() {
		k.failing = now
	}
	t.lasting = t.lasting || now.Sub(k.failing) >= lasting
}

// misses counts a container whose cgroup is not to be read.
func (t *tally) misses(now time.Time, k *container, name string) {
	t.fails(now, k)
	t.missed = append(t.missed, name)
}

// count counts a container that was read.
func (t *tally) count(now time.Time, k *container, name string, self bool) {
	t.read++
	if k.place.Proc && !self { // which sees itself in any /proc
		t.processes++
	}
	if !k.last.Usage.Memory.Known {
		t.noMemory++
	}
	if k.network {
		t.networks++
	}
	if !k.network || k.seen {
		k.failing = time.Time{}
		return
	}
	t.fails(now, k)
	t.noNetwork = append(t.noNetwork, name)
	if !k.place.Proc {
		t.hidden++
	}
}

// faults says what keeps things from being read, by kind.
func (r *Reader) faults() map[string]Fault {
	t, all := &r.tally, map[string]Fault{}
	if t.alive > 0 {
		if kind, f := r.cgroupFault(); kind != "" {
			all[kind] = f
		}
	}
	if t.read > 0 && t.noMemory == t.read {
		all[noMemory] = "the kernel does not account for the memory of containers: add cgroup_enable=memory to its command line (on a Raspberry Pi in /boot/firmware/cmdline.txt) and reboot; for rootless containers, have systemd delegate the controller memory"
	}
	// One that has just ended has none either. With hidepid Defib sees itself, and what
	// else has its user.
	if t.hidden > 0 || len(t.noNetwork) > 0 && len(t.noNetwork) == t.networks {
		all[noNetwork] = faultf("the network of %s cannot be read below %s: mount /proc of the host there (in a container, at /host/proc, read-only); if it is mounted with hidepid, give Defib the group of its option gid", some(t.noNetwork), r.o.ProcFS)
	}
	return all
}

// cgroupFault says why cgroups are not found; it is of no kind if all are.
func (r *Reader) cgroupFault() (kind string, f Fault) {
	t, tree := &r.tally, &r.locator.Tree
	switch none := t.read == 0; {
	case tree[tree.Main()] == "":
		return noCgroups, faultf("no cgroups are mounted at %s: mount /sys/fs/cgroup of the host there, read-only (in a container, at /host/sys/fs/cgroup), or set --path.cgroupfs", r.o.CgroupFS)
	case len(t.missed) == 0:
		return "", ""
	case none && !r.o.Local:
		return noContainers, faultf("no container of this engine has its cgroup below %s: it seems to run on another host, and resources are read on the host of the containers only; run a Defib there", r.o.CgroupFS)
	case none:
		return noContainers, faultf("no container has its cgroup below %s: mount /proc and /sys/fs/cgroup of the host, read-only (in a container, at /host/proc and /host/sys/fs/cgroup), or set --path.procfs and --path.cgroupfs; those of a rootless engine have none unless systemd delegates them to its user", r.o.CgroupFS)
	}
	return someContainers, faultf("the cgroups of %s cannot be found or read below %s", some(t.missed), r.o.CgroupFS)
}

func faultf(format string, args ...any) Fault { return Fault(fmt.Sprintf(format, args...)) }

// some lists a few names.
func some(names []string) string {
	if more := len(names) - 3; more > 0 {
		return fmt.Sprintf("%s and %d more containers", strings.Join(names[:3], ", "), more)
	}
	return strings.Join(names, ", ")
}

// report logs faults when they begin and when they end, and returns all, in the order of
// their kinds. What every container that ends may cause for a moment has to last before it
// is logged.
func (r *Reader) report(faults map[string]Fault) (all []Fault) {
	for _, kind := range []string{noCgroups, noContainers, someContainers, noMemory, noNetwork} {
		f := faults[kind]
		if f != "" {
			all = append(all, f)
		}
		fleeting := kind != noCgroups && kind != noMemory && !r.tally.lasting
		if f == "" || !fleeting || r.told.Last(kind) != "" {
			r.tell(kind, f)
		}
	}
	return all
}

// tell logs a fault if it is new, or, if there is none of its kind, that it is over.
func (r *Reader) tell(kind string, f Fault) {
	switch {
	case f == "" && r.told.Changed(kind, ""):
		r.o.Logger.Info("resources of containers can be read again", "fault", kind)
	case f != "" && r.told.Changed(kind, "told"):
		r.o.Logger.Warn("resources of containers cannot be read", "fault", kind, "err", string(f))
	}
}
