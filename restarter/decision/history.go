package decision

import (
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// History is what Defib did, and what it was asked. It lives as long as Defib does, and
// one goroutine owns it. The zero value knows nothing, and may only be read.
type History struct {
	began          time.Time          // when it did, on our clock
	records        map[string]*record // by container ID: one that is created anew starts afresh
	recentRestarts []time.Time        // when running containers were restarted in the last minute, oldest first
	firings        firings
}

// NewHistory returns one that begins now.
func NewHistory(now time.Time) History {
	return History{began: now, records: map[string]*record{}, firings: firings{}}
}

// Began returns when the history did, on our clock.
func (h History) Began() time.Time { return h.began }

var blank = &record{}

// at returns the record of a container, to be read only; it is blank if there
// is none.
func (h History) at(id string) *record {
	if r := h.records[id]; r != nil {
		return r
	}
	return blank
}

// Acting reports whether an action on the container is under way.
func (h History) Acting(id string) bool { return h.at(id).acting }

// Streak is how often the container was started and restarted, by us and by the engine,
// since it last stayed up and well, without the times after its parent was.
func (h History) Streak(id string) int { return h.at(id).streak }

// GaveUp reports whether restarts did not help the container: it gets no more.
func (h History) GaveUp(pol policy.Policy, id string) bool {
	return h.at(id).restarts >= pol.MaxAttempts
}

// Rule is what the policy means for a container. It is worked out once, since it costs
// as much as there are entries in the whitelist.
func (h History) Rule(pol policy.Policy, c *engine.Container) policy.Rule {
	if r := h.at(c.ID); r.ruled == c {
		return r.rule
	}
	return pol.For(c)
}

// ForgetRules has the rules worked out anew: the policy has changed.
func (h History) ForgetRules() {
	for _, r := range h.records {
		r.ruled = nil
	}
}

// active counts the starts and the restarts under way that take a place. One that
// hangs keeps its container, but not its place: a few of them must not keep all
// others down.
func (h History) active(now time.Time) (starts, restarts int) {
	for _, r := range h.records {
		switch {
		case !r.acting || !r.slotUntil.After(now):
		case r.restarting:
			restarts++
		default:
			starts++
		}
	}
	return starts, restarts
}

// UnderWay counts all actions under way.
func (h History) UnderWay() (starts, restarts int) { return h.active(time.Time{}) }

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

// Sync brings the records up to date with a snapshot that is current, and with what is
// asked for.
func (h *History) Sync(now time.Time, pol policy.Policy, p *engine.Snapshot, requests []*Request) (found Changes) {
	for _, c := range p.Containers {
		rec := h.records[c.ID]
		if rec == nil {
			rec = &record{}
			h.records[c.ID] = rec
			found.New = append(found.New, c)
		}
		if one, ok := rec.sync(now, pol, c); ok {
			found.Recovered = append(found.Recovered, one)
		}
	}
	for _, q := range requests {
		if rec := h.records[q.Container]; rec != nil && !rec.acting && !q.Start && !q.Withdrawn {
			rec.notHealthy(now)
		}
	}
	h.recentRestarts = slices.DeleteFunc(h.recentRestarts, func(at time.Time) bool { return now.Sub(at) >= perMinute })
	found.Removed = h.drop(p)
	return found
}

// sync brings the record up to date with its container, and reports a recovery.
func (r *record) sync(now time.Time, pol policy.Policy, c *engine.Container) (one Recovery, ok bool) {
	if r.ruled != c {
		r.rule, r.ruled = pol.For(c), c
	}
	if c == r.last && r.attempts == 0 && r.streak == 0 || !c.Inspected {
		return Recovery{}, false
	}
	r.observe(now, c, pol.Backoff.Reset)
	if !r.recovered(c) {
		return Recovery{}, false
	}
	one = Recovery{r.healing, now.Sub(r.cause)}
	r.healing = ""
	return one, true
}

// drop forgets the containers that are gone, and returns their IDs.
func (h *History) drop(p *engine.Snapshot) (ids []string) {
	if len(h.records) == len(p.Containers) { // each of these has one
		return nil
	}
	for id, rec := range h.records {
		if p.Get(id) == nil && !rec.acting {
			delete(h.records, id)
			ids = append(ids, id)
		}
	}
	return ids
}

// Forget drops what is no longer worth remembering of the alerts that came.
func (h *History) Forget(now time.Time) { h.firings.forget(now) }
