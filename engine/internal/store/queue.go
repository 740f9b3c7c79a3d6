package store

import (
	"cmp"
	"slices"
	"time"
)

// queue holds which containers to inspect, now or later. Of one that is in it more than
// once, one inspect is made; of one whose inspect is under way, none until that is done.
type queue struct {
	order    []string        // to be inspected, the oldest news first
	items    map[string]item // of those to be inspected, now or later
	inFlight map[string]bool // begun and not done: whether the inspect before it failed
	nextDue  time.Time       // no item is due before; zero: none is due ever
}

type item struct {
	queued  bool          // it is in order
	due     time.Time     // when to add it; zero: never
	backoff time.Duration // before due
	failed  bool          // its last inspect was not answered
}

func newQueue() queue {
	return queue{items: map[string]item{}, inFlight: map[string]bool{}}
}

func (q *queue) set(id string, it item) {
	if it == (item{}) {
		delete(q.items, id)
	} else {
		q.items[id] = it
	}
}

// add has a container inspected.
func (q *queue) add(id string) {
	it := q.items[id]
	if it.queued {
		return
	}
	it.queued = true
	q.set(id, it)
	q.order = append(q.order, id)
}

// addAfter has it inspected after 0.5, 1, 2, … 30 s, by how often that was asked for
// since it was forgotten. Failed: its inspect was not answered.
func (q *queue) addAfter(now time.Time, id string, failed bool) {
	it := q.items[id]
	it.failed = failed
	it.backoff = min(max(2*it.backoff, RecheckFirst), RecheckMax)
	it.due = now.Add(it.backoff)
	q.set(id, it)
	if q.nextDue.IsZero() || it.due.Before(q.nextDue) {
		q.nextDue = it.due
	}
}

// forget ends the back-off of a container that needs no other look. What was added
// stays.
func (q *queue) forget(id string) {
	it := q.items[id]
	q.set(id, item{queued: it.queued})
	if !it.due.IsZero() && !it.due.After(q.nextDue) {
		q.findNextDue()
	}
}

// remove forgets a container that is gone, and what was added.
func (q *queue) remove(id string) {
	q.forget(id)
	if q.items[id].queued {
		q.set(id, item{})
		q.order = slices.DeleteFunc(q.order, func(other string) bool { return other == id })
	}
}

// take begins inspects, at most free of them: each has to be done. Of containers whose
// last inspect failed no more are under way than half of what may be.
func (q *queue) take(now time.Time, free int) (ids []string) {
	q.addDue(now)
	failed := 0
	for _, retry := range q.inFlight {
		if retry {
			failed++
		}
	}
	rest, seen := q.order[:0], 0
	for _, id := range q.order {
		if len(ids) >= free {
			break
		}
		seen++
		it := q.items[id]
		if _, busy := q.inFlight[id]; busy || it.failed && failed >= Inspectors/2 {
			rest = append(rest, id)
			continue
		}
		if it.failed {
			failed++
		}
		q.inFlight[id] = it.failed
		it.queued = false
		q.set(id, it)
		ids = append(ids, id)
	}
	if q.order = q.order[seen:]; len(rest) > 0 {
		q.order = append(rest, q.order...)
	}
	return ids
}

// done ends an inspect, whatever came of it.
func (q *queue) done(id string) { delete(q.inFlight, id) }

// idle reports whether no inspect is to be made or under way, but for later ones.
func (q *queue) idle() bool { return len(q.order) == 0 && len(q.inFlight) == 0 }

// waiting reports whether an inspect of a container is to be made or under way.
func (q *queue) waiting(id string) bool {
	_, busy := q.inFlight[id]
	return busy || q.items[id].queued
}

// retrying reports whether the last inspect of a container failed, and another follows.
func (q *queue) retrying(id string) bool {
	it := q.items[id]
	return it.failed && !it.due.IsZero()
}

// reset empties the queue, and remembers which inspects failed.
func (q *queue) reset() {
	q.order, q.nextDue = nil, time.Time{}
	clear(q.inFlight)
	for id, it := range q.items {
		it.queued, it.due = false, time.Time{}
		q.set(id, it)
	}
}

// addDue adds what is due, in the order of that.
func (q *queue) addDue(now time.Time) {
	if q.nextDue.IsZero() || now.Before(q.nextDue) {
		return
	}
	var due []string
	for id, it := range q.items {
		if !it.due.IsZero() && !now.Before(it.due) {
			due = append(due, id)
		}
	}
	slices.SortFunc(due, func(a, b string) int {
		return cmp.Or(q.items[a].due.Compare(q.items[b].due), cmp.Compare(a, b))
	})
	for _, id := range due {
		it := q.items[id]
		it.due = time.Time{}
		q.set(id, it)
		q.add(id)
	}
	q.findNextDue()
}

func (q *queue) findNextDue() {
	q.nextDue = time.Time{}
	for _, it := range q.items {
		if !it.due.IsZero() && (q.nextDue.IsZero() || it.due.Before(q.nextDue)) {
			q.nextDue = it.due
		}
	}
}
