package history

import (
	"slices"
	"strings"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// ReplacedWithin is how long the replacement of a task that has ended is awaited on this
// engine: Swarm's own delay, and the start. After that it is taken for one of another node.
const ReplacedWithin = time.Minute

// slotOf is the slot of a task that may be ended; "" of any other container.
func slotOf(c *engine.Container, rule policy.Rule) string {
	if !rule.Ends {
		return ""
	}
	return c.Slot()
}

// recallTasks recalls the tasks whose containers have been removed since an earlier life.
func (h *History) recallTasks(now time.Time) {
	for id, m := range h.recalled {
		if m.Slot != "" && h.Records[id] == nil {
			rec := h.restore(now, m, m.Started)
			rec.gone = now
			h.Records[id] = rec
		}
	}
	h.recalled = nil
}

// handOver has what was done to a task count on for the newest in its slot, of these that
// there are, and reports recoveries by that.
func (h *History) handOver(now time.Time, reset time.Duration, tasks []*engine.Container) (found []Recovery) {
	newest := NewestBySlot(tasks)
	h.Awaited = time.Time{}
	former := map[string][]*Record{} // by slot
	for id, rec := range h.Records {
		switch heir := newest[rec.slot]; {
		case rec.slot == "" || rec.Acting || rec.blank():
		case heir != nil && heir.ID != id:
			former[rec.slot] = append(former[rec.slot], rec)
		case heir == nil || !heir.Up():
			h.await(now, rec)
			if !rec.LastEnd.IsZero() && now.Sub(rec.LastEnd) >= reset { // Swarm keeps some containers for good
				rec.clear()
				h.Changes++
			}
		}
	}
	for slot, old := range former {
		rec, c := h.Records[newest[slot].ID], newest[slot]
		rec.inherit(now, reset, old, c)
		if one, ok := rec.recovery(now, c); ok {
			found = append(found, one)
		} else if !c.Up() {
			h.await(now, rec)
		}
		h.Changes++
	}
	return found
}

// NewestBySlot returns the task that has each slot now. The engine's clock may have been set
// back since the one before it was created.
func NewestBySlot(tasks []*engine.Container) map[string]*engine.Container {
	newest := map[string]*engine.Container{}
	for _, c := range tasks {
		o := newest[c.Slot()]
		switch {
		case !c.Inspected:
		case o == nil || c.Up() && !o.Up(), c.Up() == o.Up() && c.Created.After(o.Created):
			newest[c.Slot()] = c
		}
	}
	return newest
}

// await waits a while longer for the replacement of a task that was ended.
func (h *History) await(now time.Time, rec *Record) {
	until := rec.LastEnd.Add(ReplacedWithin)
	switch {
	case rec.Healing == "":
	case !until.After(now):
		rec.Healing = ""
		h.Changes++
	case h.Awaited.IsZero() || until.Before(h.Awaited):
		h.Awaited = until
	}
}

// inherit has what was done last to other tasks of the slot count on for this one, unless that
// has been acted on itself. Of the others nothing remains.
func (r *Record) inherit(now time.Time, reset time.Duration, others []*Record, c *engine.Container) {
	old := slices.MaxFunc(others, func(a, b *Record) int { return a.LastEnd.Compare(b.LastEnd) })
	if r.Attempts == 0 && r.Streak == 0 && r.LastEnd.IsZero() {
		r.Attempts, r.Restarts, r.Streak, r.LastEnd, r.Declined = old.Attempts, old.Restarts, old.Streak, old.LastEnd, old.Declined
		r.Healing, r.cause, r.from = old.Healing, old.cause, old.from
		r.Late = !c.Up() // Swarm creates it some seconds before it starts it: that start is our doing
		r.observe(now, c, reset)
	}
	for _, one := range others {
		one.clear()
	}
}

// clear forgets what was done to a task.
func (r *Record) clear() {
	*r = Record{rule: r.rule, ruled: r.ruled, last: r.last, slot: r.slot, gone: r.gone}
}

// Awaits counts the tasks of a Swarm service that were ended, whose containers are gone, and
// whose replacements are awaited.
func (h History) Awaits(service string) int {
	n := 0
	for _, rec := range h.Records {
		if of, _, _ := strings.Cut(rec.slot, "."); of == service && !rec.gone.IsZero() && rec.Healing != "" {
			n++
		}
	}
	return n
}
