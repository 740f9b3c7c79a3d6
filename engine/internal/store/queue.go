package store

import (
	"cmp"
	"slices"
	"time"
)

// queue holds which containers to inspect, now or later. Of one that is in it more than
// once, one inspect is made; of one whose inspect is under way, none until that is done.
type queue struct {
	order    []*item         // to be inspected, the oldest news first
	later    map[*item]bool  // those that have a time when to be added
	inFlight map[string]bool // by id, begun and not done: whether the inspect before it failed
	nextDue  time.Time       // nothing in later is due before; zero: it is empty
}

// item is a container's place in the queue.
type item struct {
	id      string
	queued  bool          // it is in order
	due     time.Time     // when to add it; zero: never
	backoff time.Duration // before due
	failed  bool          // its last inspect was not answered
}

func newQueue() queue {
	return queue{later: map[*item]bool{}, inFlight: map[string]bool{}}
}

// add has a container inspected.
func (q *queue) add(it *item) {
	if !it.queued {
		it.queued = true
		q.order = append(q.order, it)
	}
}

// addAfter has it inspected after 0.5, 1, 2, … 30 s, by how often that was asked for
// since it was forgotten. Failed: its inspect was not answered.
func (q *queue) addAfter(now time.Time, it *item, failed bool) {
	it.failed = failed
	it.backoff = min(max(2*it.backoff, RecheckFirst), RecheckMax)
	it.due = now.Add(it.backoff)
	q.later[it] = true
	if q.nextDue.IsZero() || it.due.Before(q.nextDue) {
		q.nextDue = it.due
	}
}

// forget ends the back-off of a container that needs no other look. What was added
// stays.
func (q *queue) forget(it *item) {
	due := it.due
	it.due, it.backoff, it.failed = time.Time{}, 0, false
	if due.IsZero() {
		return
	}
	delete(q.later, it)
	if !due.After(q.nextDue) {
		q.findNextDue()
	}
}

// remove forgets a container that is gone, and what was added.
func (q *queue) remove(it *item) {
	q.forget(it)
	if it.queued {
		it.queued = false
		q.order = slices.DeleteFunc(q.order, func(other *item) bool { return other == it })
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
	for _, it := range q.order {
		if len(ids) >= free {
			break
		}
		seen++
		if _, busy := q.inFlight[it.id]; busy || it.failed && failed >= Inspectors/2 {
			rest = append(rest, it)
			continue
		}
		if it.failed {
			failed++
		}
		q.inFlight[it.id] = it.failed
		it.queued = false
		ids = append(ids, it.id)
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
func (q *queue) waiting(it *item) bool {
	_, busy := q.inFlight[it.id]
	return busy || it.queued
}

// retrying reports whether the last inspect of a container failed, and another follows.
func (it *item) retrying() bool { return it.failed && !it.due.IsZero() }

// reset empties the queue. Its items remember which inspects failed.
func (q *queue) reset() {
	for _, it := range q.order {
		it.queued = false
	}
	for it := range q.later {
		it.due = time.Time{}
	}
	clear(q.later)
	clear(q.inFlight)
	q.order, q.nextDue = nil, time.Time{}
}

// addDue adds what is due, in the order of that.
func (q *queue) addDue(now time.Time) {
	if q.nextDue.IsZero() || now.Before(q.nextDue) {
		return
	}
	var due []*item
	for it := range q.later {
		if !now.Before(it.due) {
			due = append(due, it)
		}
	}
	slices.SortFunc(due, func(a, b *item) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.id, b.id)) })
	for _, it := range due {
		delete(q.later, it)
		it.due = time.Time{}
		q.add(it)
	}
	q.findNextDue()
}

func (q *queue) findNextDue() {
	q.nextDue = time.Time{}
	for it := range q.later {
		if q.nextDue.IsZero() || it.due.Before(q.nextDue) {
			q.nextDue = it.due
		}
	}
}
