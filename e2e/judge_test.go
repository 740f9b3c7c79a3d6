package e2e

import (
	"fmt"
	"slices"
	"time"
)

// limits are what Defib is told to keep, and is held to.
type limits struct {
	stoppedDelay, first, most, reset time.Duration
	attempts, concurrency, perMinute int
}

// after is the wait before the next attempt, after so many.
func (l limits) after(attempts int) time.Duration {
	if attempts == 0 {
		return 0
	}
	return min(l.first<<min(attempts-1, 20), l.most)
}

// judge holds what Defib did against the laws, by what the engine announced and
// what passed on the wire. It never asks Defib.
type judge struct {
	limits
	book    *actionLog
	events  []event
	orders  []order
	slowest time.Duration

	seen map[string][]event // by container
	told map[string][]order // by container, in the order of their begin
}

// newJudge looks at what happened; slowest is how slow the engine has been.
func newJudge(l limits, book *actionLog, events []event, orders []order, slowest time.Duration) *judge {
	j := &judge{limits: l, book: book, events: events, orders: orders, slowest: slowest, seen: map[string][]event{}, told: map[string][]order{}}
	for _, e := range j.events {
		j.seen[e.id] = append(j.seen[e.id], e)
	}
	for _, o := range j.orders {
		j.told[o.id] = append(j.told[o.id], o)
	}
	return j
}

// grace is how long Defib may go by what was: this machine is slow.
func (j *judge) grace() time.Duration { return 5*time.Second + 3*j.slowest }

// violation notes a violation with the container's own story.
func (j *judge) violation(id, format string, args ...any) {
	j.book.wrong("violation: %s: %s", fmt.Sprintf(format, args...), j.book.timeline(id, j.events, j.orders))
}

// hold judges everything.
func (j *judge) hold() {
	j.nothingUnlistedTouched()
	j.oneActionAtATime()
	j.hostLimitsHeld()
	j.backOffHeld()
	j.restartsGivenUp()
	j.nothingInVain()
	j.stopsRespected()
	j.nothingAfterTerm()
	j.deathsHealed(time.Now())
}

// nothingUnlistedTouched is law 1.
func (j *judge) nothingUnlistedTouched() {
	for _, o := range j.orders {
		r := j.book.owner(o.id)
		switch {
		case o.kind == "":
			j.book.wrong("violation of law 1: %s %s at %s", o.method, o.path, o.begun.Format("15:04:05.000"))
		case r == nil:
			j.violation(o.id, "law 1: %s of a container that is none of the fleet", o.kind)
		case !r.listed:
			j.violation(o.id, "law 1: %s of %s, which is not listed", o.kind, r.suffix)
		case r.stray && j.strayed(o):
			j.violation(o.id, "law 1: %s of %s while it bore a name that is not listed", o.kind, r.suffix)
		}
	}
}

// strayed reports whether the container had borne its other name for long when it
// was acted upon. It is made with its listed one.
func (j *judge) strayed(o order) bool {
	renames := 0
	var last time.Time
	for _, e := range j.seen[o.id] {
		if e.action == "rename" && e.at.Before(o.begun) {
			renames++
			last = e.at
		}
	}
	return renames%2 == 1 && o.begun.Sub(last) > j.grace() && j.book.clear(last, o.begun) && j.book.announced(time.Time{}, o.begun)
}

// oneActionAtATime is the first half of law 2.
func (j *judge) oneActionAtATime() {
	for id, orders := range j.told {
		for i, o := range orders[1:] {
			before := orders[i]
			if before.life == o.life && (before.ended.IsZero() || o.begun.Before(before.ended)) {
				j.violation(id, "law 2: a %s was begun while a %s was under way", o.kind, before.kind)
			}
		}
	}
}

// hostLimitsHeld is law 2 for the host: how many at a time, how many in a minute.
func (j *judge) hostLimitsHeld() {
	exempt := make([]bool, len(j.orders))
	for i, o := range j.orders {
		exempt[i] = j.followsParent(o)
		at, lately := 0, 0
		for k, b := range j.orders[:i+1] {
			if b.life != o.life || b.kind != o.kind {
				continue
			}
			if b.ended.IsZero() || b.ended.After(o.begun) {
				at++
			}
			// They are counted when they are decided, and may be a little late here.
			if !exempt[k] && o.begun.Sub(b.begun) < time.Minute-2*time.Second-j.slowest {
				lately++
			}
		}
		if at > j.concurrency {
			j.violation(o.id, "law 2: %d actions of the kind %s at a time, %d are allowed", at, o.kind, j.concurrency)
		}
		if o.kind == "restart" && !exempt[i] && lately > j.perMinute {
			j.violation(o.id, "law 2: %d restarts within a minute, %d are allowed", lately, j.perMinute)
		}
	}
}

// followsParent reports whether a child is restarted that has not been started since its
// parent was: that counts for no limit but the places. Once it has been, it does not
// follow any more, so that this is once per run of the parent.
func (j *judge) followsParent(o order) bool {
	r := j.book.owner(o.id)
	if o.kind != "restart" || r == nil || r.parent == nil {
		return false
	}
	own := j.lastStart(o.id, o.begun)
	for id := range j.seen {
		if j.book.owner(id) == r.parent && j.lastStart(id, o.begun).After(own) {
			return true
		}
	}
	return false
}

// lastStart is when a container was last started before a moment; zero: never.
func (j *judge) lastStart(id string, before time.Time) (at time.Time) {
	for _, e := range j.seen[id] {
		if e.action == "start" && e.at.Before(before) {
			at = e.at
		}
	}
	return at
}

// backOffHeld is law 2 for one container, and law 4: the waits double whatever
// the attempts came to. After a stay they start over; between attempts so far
// apart there may have been one.
func (j *judge) backOffHeld() {
	for id, orders := range j.told {
		attempts := 0
		for i, o := range orders {
			if i == 0 || o.life != orders[i-1].life {
				attempts = 1
				continue
			}
			ended := orders[i-1].ended
			wait, gap := j.after(attempts), o.begun.Sub(ended)
			if j.apart(orders[i-1], o) {
				attempts = 1
				continue
			}
			attempts++
			if gap < wait {
				j.violation(id, "laws 2 and 4: attempt %d came %v after the one before, want %v at least", attempts, gap, wait)
			}
			died, found := j.first(id, "die", ended, o.begun)
			if found && o.kind == "start" && o.begun.Sub(died) < wait-20*time.Millisecond {
				j.violation(id, "laws 2 and 4: attempt %d came %v after the death, want %v at least", attempts, o.begun.Sub(died), wait)
			}
		}
	}
}

// apart reports whether the container may have stayed up for long enough between
// two orders for all to be forgotten.
func (j *judge) apart(before, o order) bool {
	return o.begun.Sub(before.begun) >= j.reset-time.Second/2
}

// first finds the first event of a kind in a time.
func (j *judge) first(id, action string, from, to time.Time) (time.Time, bool) {
	for _, e := range j.seen[id] {
		if e.action == action && e.at.After(from) && e.at.Before(to) {
			return e.at, true
		}
	}
	return time.Time{}, false
}

// restartsGivenUp is law 2 for restarts that do not help.
func (j *judge) restartsGivenUp() {
	for id, orders := range j.told {
		restarts := 0
		for i, o := range orders {
			if i == 0 || o.life != orders[i-1].life || j.apart(orders[i-1], o) || j.helped(id, orders[i-1], o) {
				restarts = 0
			}
			if o.kind == "restart" && o.status == 204 && !j.followsParent(o) {
				restarts++
			}
			if restarts > j.attempts {
				j.violation(id, "law 2: restart %d in a row of what runs, %d are allowed", restarts, j.attempts)
			}
		}
	}
}

// helped reports whether somebody else started the container between two orders.
// What an order set going may come after its end.
func (j *judge) helped(id string, before, o order) bool {
	_, found := j.first(id, "start", before.ended.Add(-time.Millisecond), o.begun)
	return found
}

// nothingInVain: what is down is not restarted, what runs is not started, and what
// is paused or gone is left alone.
func (j *judge) nothingInVain() {
	for _, o := range j.orders {
		state, since := j.state(o.id, o.begun)
		if since.IsZero() || o.begun.Sub(since) < j.grace() || !j.book.announced(since, o.begun) || !j.book.clear(o.begun.Add(-j.grace()), o.begun) {
			continue
		}
		switch {
		case o.kind == "restart" && state == "down", o.kind == "start" && state == "up", state == "paused", state == "gone":
			j.violation(o.id, "a %s of what has been %s for %v", o.kind, state, o.begun.Sub(since))
		}
	}
}

// state is what a container was at a moment, and since when, by the engine's
// events.
func (j *judge) state(id string, at time.Time) (state string, since time.Time) {
	for _, e := range j.seen[id] {
		if e.at.After(at) {
			break
		}
		switch e.action {
		case "start", "unpause":
			state, since = "up", e.at
		case "die":
			state, since = "down", e.at
		case "pause":
			state, since = "paused", e.at
		case "destroy":
			state, since = "gone", e.at
		}
	}
	return state, since
}

// stopsRespected: under unless-stopped what somebody stopped stays down.
func (j *judge) stopsRespected() {
	for id, orders := range j.told {
		if r := j.book.owner(id); r == nil || r.spec.labels["defib.policy"] != "unless-stopped" {
			continue
		}
		for _, o := range orders {
			state, died := j.state(id, o.begun)
			if state == "down" && j.stopped(id, died) && j.book.clear(died.Add(-j.grace()), o.begun) && j.book.announced(died.Add(-j.grace()), o.begun) {
				j.violation(id, "a %s of what somebody had stopped", o.kind)
			}
		}
	}
}

// stopped reports whether the death was the doing of the test.
func (j *judge) stopped(id string, died time.Time) bool {
	j.book.mu.Lock()
	defer j.book.mu.Unlock()
	return slices.ContainsFunc(j.book.actions, func(d action) bool {
		_, told := j.first(id, "kill", d.begun, died)
		return d.id == id && (d.what == "stop" || d.what == "kill") && d.err == nil && told && died.Before(d.end.Add(time.Second))
	})
}

// nothingAfterTerm is law 9.
func (j *judge) nothingAfterTerm() {
	j.book.mu.Lock()
	terms := j.book.terms
	j.book.mu.Unlock()
	for _, o := range j.orders {
		if term, told := terms[o.life]; told && o.begun.Sub(term) > 2*time.Second+j.slowest {
			j.violation(o.id, "law 9: a %s begun %v after SIGTERM", o.kind, o.begun.Sub(term))
		}
	}
}
