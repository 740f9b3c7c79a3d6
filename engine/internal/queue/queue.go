// Package queue keeps which containers to inspect, now or later. It is pure, told the time.
package queue

import (
	"cmp"
	"slices"
	"time"
)

const (
	// Inspectors is how many inspects may be under way at a time. One of them may hang on
	// a wedged container.
	Inspectors = 8
	// RecheckFirst is the first wait before what passes without an event, or gave no
	// answer, is inspected again. It doubles each time.
	RecheckFirst = 500 * time.Millisecond
	// RecheckMax is the longest such wait.
	RecheckMax = 30 * time.Second
)

// Queue holds which containers to inspect, now or later. Of one that is in it more than
// once, one inspect is made; of one whose inspect is under way, none until that is done.
type Queue struct {
	order    []*Item         // to be inspected, the oldest news first
	later    map[*Item]bool  // those that have a time when to be added
	inFlight map[string]bool // by id, begun and not done: whether the inspect before it failed
	nextDue  time.Time       // nothing in later is due before; zero: it is empty
}

// Item is a container's place in the queue.
type Item struct {
	id      string
	queued  bool          // it is in order
	due     time.Time     // when to add it; zero: never
	backoff time.Duration // before due
	failed  bool          // its last inspect was not answered
}

// NewItem returns the place of a container.
func NewItem(id string) Item { return Item{id: id} }

// New returns an empty queue.
func New() Queue {
	return Queue{later: map[*Item]bool{}, inFlight: map[string]bool{}}
}

// Add has a container inspected.
func (q *Queue) Add(it *Item) {
	if !it.queued {
		it.queued = true
		q.order = append(q.order, it)
	}
}

// AddAfter has it inspected after 0.5, 1, 2, … 30 s, by how often that was asked for
// since it was forgotten. Failed: its inspect was not answered.
func (q *Queue) AddAfter(now time.Time, it *Item, failed bool) {
	it.failed = failed
	it.backoff = min(max(2*it.backoff, RecheckFirst), RecheckMax)
	it.due = now.Add(it.backoff)
	q.later[it] = true
	if q.nextDue.IsZero() || it.due.Before(q.nextDue) {
		q.nextDue = it.due
	}
}

// Forget ends the back-off of a container that needs no other look. What was added
// stays.
func (q *Queue) Forget(it *Item) {
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

// Remove forgets a container that is gone, and what was added.
func (q *Queue) Remove(it *Item) {
	q.Forget(it)
	if it.queued {
		it.queued = false
		q.order = slices.DeleteFunc(q.order, func(other *Item) bool { return other == it })
	}
}

// Take begins inspects, at most free of them: each has to be done. Of containers whose
// last inspect failed no more are under way than half of what may be.
func (q *Queue) Take(now time.Time, free int) (ids []string) {
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

// Done ends an inspect, whatever came of it.
func (q *Queue) Done(id string) { delete(q.inFlight, id) }

// Idle reports whether no inspect is to be made or under way, but for later ones.
func (q *Queue) Idle() bool { return len(q.order) == 0 && len(q.inFlight) == 0 }

// Waiting reports whether an inspect of a container is to be made or under way.
func (q *Queue) Waiting(it *Item) bool {
	_, busy := q.inFlight[it.id]
	return busy || it.queued
}

// Retrying reports whether the last inspect of a container failed, and another follows.
func (it *Item) Retrying() bool { return it.failed && !it.due.IsZero() }

// Reset empties the queue. Its items remember which inspects failed.
func (q *Queue) Reset() {
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

// NextDue is when something is to be added next; zero: never.
func (q *Queue) NextDue() time.Time { return q.nextDue }

// InFlight is how many inspects are under way.
func (q *Queue) InFlight() int { return len(q.inFlight) }

// Len is how many inspects are to be made, now or later.
func (q *Queue) Len() int { return len(q.order) + len(q.later) }

// addDue adds what is due, in the order of that.
func (q *Queue) addDue(now time.Time) {
	if q.nextDue.IsZero() || now.Before(q.nextDue) {
		return
	}
	var due []*Item
	for it := range q.later {
		if !now.Before(it.due) {
			due = append(due, it)
		}
	}
	slices.SortFunc(due, func(a, b *Item) int { return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.id, b.id)) })
	for _, it := range due {
		delete(q.later, it)
		it.due = time.Time{}
		q.Add(it)
	}
	q.findNextDue()
}

func (q *Queue) findNextDue() {
	q.nextDue = time.Time{}
	for it := range q.later {
		if q.nextDue.IsZero() || it.due.Before(q.nextDue) {
			q.nextDue = it.due
		}
	}
}
