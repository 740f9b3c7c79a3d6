// Package history is what Defib did to each container, and what alerts asked for. It is
// pure: it does no I/O, has no goroutines, and is told the time.
package history

import (
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// perMinute is the time per which restarts of running containers are limited.
const perMinute = time.Minute

// History is what Defib did, and what it was asked. One goroutine owns it. The zero value
// knows nothing, and may only be read.
type History struct {
	Began          time.Time          // when this life of Defib did, on our clock
	Since          time.Time          // how far back it goes, on our clock: beyond that with a memory of earlier lives
	Records        map[string]*Record // by container ID: one that is created anew starts afresh
	RecentRestarts []time.Time        // when running containers were restarted in the last minute, oldest first
	Firings        Firings            // what alerts asked for
	Awaited        time.Time          // when the replacement of a task is no longer awaited, the soonest of all; zero: none is
	Changes        int                // counts the changes that are to outlive Defib even if it is killed a moment later

	gap      time.Time             // since when there is none until Began; zero: there is no gap
	recalled map[string]Remembered // by container ID, until the first snapshot
}

// New returns a history that begins now.
func New(now time.Time) History {
	return History{Began: now, Since: now, Records: map[string]*Record{}, Firings: Firings{}}
}

var blank = &Record{}

// At returns the record of a container, to be read only; it is blank if there
// is none.
func (h History) At(id string) *Record {
	if r := h.Records[id]; r != nil {
		return r
	}
	return blank
}

// Acting reports whether an action on the container is under way.
func (h History) Acting(id string) bool { return h.At(id).Acting }

// Rule is what the policy means for a container.
func (h History) Rule(pol policy.Policy, c *engine.Container) policy.Rule {
	return h.At(c.ID).Rule(pol, c)
}

// ForgetRules has the rules worked out anew: the policy has changed.
func (h History) ForgetRules() {
	for _, r := range h.Records {
		r.ruled = nil
	}
}

// Active counts the actions under way that take a place. One that hangs keeps its
// container, but not its place: a few of them must not keep all others down.
func (h History) Active(now time.Time) (n Places) {
	for _, r := range h.Records {
		if r.Acting && r.SlotUntil.After(now) {
			n[r.Kind]++
		}
	}
	return n
}

// UnderWay counts all actions under way.
func (h History) UnderWay() Places { return h.Active(time.Time{}) }

// Changes is what Sync found.
type Changes struct {
	New       []*engine.Container // seen for the first time
	Removed   []string            // IDs of those that are gone
	Recovered []Recovery
}

// Recovery is a container that an attempt has brought back.
type Recovery struct {
	Trigger policy.Trigger
	Took    time.Duration // since there was something to heal
}

// Sync brings the records up to date with a snapshot that is current.
func (h *History) Sync(now time.Time, pol policy.Policy, p *engine.Snapshot) (found Changes) {
	var tasks []*engine.Container
	for _, c := range p.Containers {
		rec := h.Records[c.ID]
		if rec == nil {
			rec = h.recall(now, c)
			h.Records[c.ID] = rec
			found.New = append(found.New, c)
		}
		before := rec.mark()
		if one, ok := rec.sync(now, pol, c); ok {
			found.Recovered = append(found.Recovered, one)
		}
		if rec.noteParent(p, c, rec.Rule(pol, c)) || rec.mark() != before {
			h.Changes++
		}
		if rec.slot = slotOf(c, rec.rule); rec.slot != "" {
			tasks = append(tasks, c)
		}
	}
	h.recallTasks(now)
	if len(tasks) > 0 || len(h.Records) > len(p.Containers) {
		found.Recovered = append(found.Recovered, h.handOver(now, pol.Backoff.Reset, tasks)...)
	}
	h.RecentRestarts = slices.DeleteFunc(h.RecentRestarts, func(at time.Time) bool { return now.Sub(at) >= perMinute })
	found.Removed = h.drop(now, pol.Backoff.Reset, p)
	return found
}

// NotHealthy takes note that somebody says that the container, though it may run, needs to
// be restarted.
func (h *History) NotHealthy(now time.Time, id string) {
	if rec := h.Records[id]; rec != nil && !rec.Acting {
		before := rec.mark()
		rec.notHealthy(now)
		if rec.mark() != before {
			h.Changes++
		}
	}
}

// sync brings the record up to date with its container, and reports a recovery.
func (r *Record) sync(now time.Time, pol policy.Policy, c *engine.Container) (one Recovery, ok bool) {
	if r.ruled != c {
		r.rule, r.ruled = pol.For(c), c
	}
	if c == r.last && r.Attempts == 0 && r.Streak == 0 || !c.Inspected {
		return Recovery{}, false
	}
	r.observe(now, c, pol.Backoff.Reset)
	return r.recovery(now, c)
}

// recovery reports what an attempt has healed, once.
func (r *Record) recovery(now time.Time, c *engine.Container) (one Recovery, ok bool) {
	if !r.recovered(c) {
		return Recovery{}, false
	}
	one = Recovery{r.Healing, now.Sub(r.cause)}
	r.Healing = ""
	return one, true
}

// drop forgets the containers that are gone, and returns their IDs, once. What was done to a
// task outlives its container for a while: another one may yet get its slot.
func (h *History) drop(now time.Time, reset time.Duration, p *engine.Snapshot) (ids []string) {
	if len(h.Records) == len(p.Containers) { // each of these has one
		return nil
	}
	for id, rec := range h.Records {
		if p.Get(id) != nil || rec.Acting {
			continue
		}
		if rec.gone.IsZero() {
			rec.gone = now
			ids = append(ids, id)
		}
		if rec.slot == "" || rec.blank() || now.Sub(rec.gone) >= reset {
			delete(h.Records, id)
		}
	}
	return ids
}
