package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"defib/e2e/harness"
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
	events  []harness.Event
	orders  []harness.Mutation
	slowest time.Duration

	seen map[string][]harness.Event    // by container
	told map[string][]harness.Mutation // starts and restarts by container, in the order of their begin
}

// newJudge looks at what happened; slowest is how slow the engine has been.
func newJudge(l limits, book *actionLog, events []harness.Event, orders []harness.Mutation, slowest time.Duration) *judge {
	j := &judge{limits: l, book: book, events: events, orders: orders, slowest: slowest, seen: map[string][]harness.Event{}, told: map[string][]harness.Mutation{}}
	for _, e := range j.events {
		j.seen[e.ID] = append(j.seen[e.ID], e)
	}
	for _, o := range j.orders {
		if !recreates(o) {
			j.told[o.ID] = append(j.told[o.ID], o)
		}
	}
	j.adopt()
	return j
}

// grace is how long Defib may go by what was: this machine is slow.
func (j *judge) grace() time.Duration { return 5*time.Second + 3*j.slowest }

// unsaved reports whether no later life knows of an order: its Defib was killed before
// that was in the state file.
func (j *judge) unsaved(o harness.Mutation) bool {
	j.book.mu.Lock()
	defer j.book.mu.Unlock()
	saved, killed := j.book.saved[o.Life]
	return killed && o.Begun.After(saved)
}

// remembered are the orders for a container but those that no later life knows of.
func (j *judge) remembered(id string) []harness.Mutation {
	orders := j.told[id]
	return slices.DeleteFunc(slices.Clone(orders), func(o harness.Mutation) bool {
		return o.Life != orders[len(orders)-1].Life && j.unsaved(o)
	})
}

// violation notes a violation with the container's own story.
func (j *judge) violation(id, format string, args ...any) {
	j.book.violation("violation: %s: %s", fmt.Sprintf(format, args...), j.book.timeline(id, j.events, j.orders))
}

// check judges everything.
func (j *judge) check() {
	j.nothingUnlistedTouched()
	j.recreatesFollowers()
	j.noneDoubled()
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
		r := j.book.owner(o.ID)
		switch {
		case o.Kind == "create": // of nobody, before it comes about
		case o.Kind == "":
			j.book.violation("violation of law 1: %s %s at %s", o.Method, o.Path, o.Begun.Format("15:04:05.000"))
		case r == nil:
			j.violation(o.ID, "law 1: %s of a container that is none of the fleet", o.Kind)
		case !r.listed:
			j.violation(o.ID, "law 1: %s of %s, which is not listed", o.Kind, r.suffix)
		case r.stray && j.strayed(o):
			j.violation(o.ID, "law 1: %s of %s while it bore a name that is not listed", o.Kind, r.suffix)
		}
	}
}

// strayed reports whether the container had borne its other name for long when it
// was acted upon. It is made with its listed one.
func (j *judge) strayed(o harness.Mutation) bool {
	renames := 0
	var last time.Time
	for _, e := range j.seen[o.ID] {
		if e.Action == "rename" && e.At.Before(o.Begun) {
			renames++
			last = e.At
		}
	}
	return renames%2 == 1 && o.Begun.Sub(last) > j.grace() && j.book.clear(last, o.Begun) && j.book.announced(time.Time{}, o.Begun)
}

// oneActionAtATime is the first half of law 2.
func (j *judge) oneActionAtATime() {
	for id, orders := range j.told {
		for i, o := range orders[1:] {
			before := orders[i]
			if before.Life == o.Life && (before.Ended.IsZero() || o.Begun.Before(before.Ended)) {
				j.violation(id, "law 2: a %s was begun while a %s was under way", o.Kind, before.Kind)
			}
		}
	}
}

// hostLimitsHeld is law 2 for the host: how many at a time, how many in a minute.
func (j *judge) hostLimitsHeld() {
	exempt, undone := make([]bool, len(j.orders)), make([]bool, len(j.orders))
	for i, o := range j.orders {
		exempt[i] = j.followsParent(o)
		undone[i] = o.Kind == "remove" && j.lastStart(o.ID, o.Begun).IsZero()
		at, lately := 0, []string(nil)
		for k, b := range j.orders[:i+1] {
			if b.Kind != o.Kind || undone[k] != undone[i] || b.Life != o.Life && j.unsaved(b) {
				continue
			}
			if b.Life == o.Life && (b.Ended.IsZero() || b.Ended.After(o.Begun)) {
				at++
			}
			// They are counted when they are decided, and may be a little late here. One that
			// is refused is not one.
			if !exempt[k] && b.Status != http.StatusForbidden && o.Begun.Sub(b.Begun) < time.Minute-2*time.Second-j.slowest {
				lately = append(lately, fmt.Sprintf("%s %.8s of life %d", b.Begun.Format("15:04:05.000"), b.ID, b.Life))
			}
		}
		allowed := j.concurrency
		if undone[i] {
			allowed *= 2 // as part of a re-creation that is undone it has the place of a start
		}
		if at > allowed {
			j.violation(o.ID, "law 2: %d actions of the kind %s at a time, %d are allowed", at, o.Kind, allowed)
		}
		if o.Kind == "restart" && !exempt[i] && len(lately) > j.perMinute {
			j.violation(o.ID, "law 2: %d restarts within a minute, %d are allowed (%s)", len(lately), j.perMinute, strings.Join(lately, ", "))
		}
	}
}

// followsParent reports whether a child is restarted that has not been started since its
// parent was: that counts for no limit but the places. Once it has been, it does not
// follow any more, so that this is once per run of the parent.
func (j *judge) followsParent(o harness.Mutation) bool {
	r := j.book.owner(o.ID)
	if o.Kind != "restart" || r == nil || r.parent == nil {
		return false
	}
	own := j.lastStart(o.ID, o.Begun)
	for id := range j.seen {
		if j.book.owner(id) == r.parent && j.lastStart(id, o.Begun).After(own) {
			return true
		}
	}
	return false
}

// lastStart is when a container was last started before a moment; zero: never.
func (j *judge) lastStart(id string, before time.Time) (at time.Time) {
	for _, e := range j.seen[id] {
		if e.Action == "start" && e.At.Before(before) {
			at = e.At
		}
	}
	return at
}

// backOffHeld is law 2 for one container, and law 4: the waits double whatever
// the attempts came to. After a stay they start over; between attempts so far
// apart there may have been one.
func (j *judge) backOffHeld() {
	for id := range j.told {
		orders, attempts := j.remembered(id), 0
		for i, o := range orders {
			if i == 0 {
				attempts = 1
				continue
			}
			ended := orders[i-1].Ended
			wait, gap := j.after(attempts), o.Begun.Sub(ended)
			if j.apart(orders[i-1], o) {
				attempts = 1
				continue
			}
			attempts++
			if gap < wait {
				j.violation(id, "laws 2 and 4: attempt %d came %v after the one before, want %v at least", attempts, gap, wait)
			}
			died, found := j.first(id, "die", ended, o.Begun)
			if _, others := j.first(id, "start", ended, died); others && j.book.faultAt(died) {
				continue // of a run that others began nobody may have told Defib
			}
			if found && o.Kind == "start" && o.Begun.Sub(died) < wait-20*time.Millisecond {
				j.violation(id, "laws 2 and 4: attempt %d came %v after the death, want %v at least", attempts, o.Begun.Sub(died), wait)
			}
		}
	}
}

// apart reports whether the container may have stayed up for long enough between
// two orders for all to be forgotten.
func (j *judge) apart(before, o harness.Mutation) bool {
	return o.Begun.Sub(before.Begun) >= j.reset-time.Second/2
}

// first finds the first event of a kind in a time.
func (j *judge) first(id, action string, from, to time.Time) (time.Time, bool) {
	for _, e := range j.seen[id] {
		if e.Action == action && e.At.After(from) && e.At.Before(to) {
			return e.At, true
		}
	}
	return time.Time{}, false
}

// restartsGivenUp is law 2 for restarts that do not help.
func (j *judge) restartsGivenUp() {
	for id := range j.told {
		orders, restarts := j.remembered(id), 0
		for i, o := range orders {
			if i == 0 || j.apart(orders[i-1], o) || j.helped(id, orders[i-1], o) {
				restarts = 0
			}
			if o.Kind == "restart" && o.Status == 204 && !j.followsParent(o) {
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
func (j *judge) helped(id string, before, o harness.Mutation) bool {
	_, found := j.first(id, "start", before.Ended.Add(-time.Millisecond), o.Begun)
	return found
}

// nothingInVain: what is down is not restarted, what runs is not started, and what
// is paused or gone is left alone.
func (j *judge) nothingInVain() {
	for _, o := range j.orders {
		state, since := j.state(o.ID, o.Begun)
		if since.IsZero() || o.Begun.Sub(since) < j.grace() || !j.book.announced(since, o.Begun) || !j.book.clear(o.Begun.Add(-j.grace()), o.Begun) {
			continue
		}
		switch {
		case o.Kind == "restart" && state == "down", o.Kind == "start" && state == "up", state == "paused", state == "gone":
			j.violation(o.ID, "a %s of what has been %s for %v", o.Kind, state, o.Begun.Sub(since))
		}
	}
}

// state is what a container was at a moment, and since when, by the engine's
// events.
func (j *judge) state(id string, at time.Time) (state string, since time.Time) {
	for _, e := range j.seen[id] {
		if e.At.After(at) {
			break
		}
		switch e.Action {
		case "start", "unpause":
			state, since = "up", e.At
		case "die":
			state, since = "down", e.At
		case "pause":
			state, since = "paused", e.At
		case "destroy":
			state, since = "gone", e.At
		}
	}
	return state, since
}

// stopsRespected: under unless-stopped what somebody stopped stays down.
func (j *judge) stopsRespected() {
	for id, orders := range j.told {
		if r := j.book.owner(id); r == nil || r.spec.Labels["defib.policy"] != "unless-stopped" {
			continue
		}
		for _, o := range orders {
			state, died := j.state(id, o.Begun)
			if state == "down" && j.stopped(id, died) && j.book.clear(died.Add(-j.grace()), o.Begun) && j.book.announced(died.Add(-j.grace()), o.Begun) {
				j.violation(id, "a %s of what somebody had stopped", o.Kind)
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
		bound := 2 * time.Second
		if r := j.book.owner(o.ID); recreates(o) || r != nil && r.follows {
			bound = 9 * time.Second // what was begun is undone, or goes on
		}
		if term, told := terms[o.Life]; told && o.Begun.Sub(term) > bound+j.slowest {
			j.violation(o.ID, "law 9: a %s begun %v after SIGTERM", o.Kind, o.Begun.Sub(term))
		}
	}
}
