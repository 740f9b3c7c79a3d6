package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// items returns the places of containers by ID.
func items() func(id string) *Item {
	all := map[string]*Item{}
	return func(id string) *Item {
		if all[id] == nil {
			all[id] = new(NewItem(id))
		}
		return all[id]
	}
}

func wantTaken(t *testing.T, q *Queue, now time.Time, free int, want ...string) {
	t.Helper()
	if got := q.Take(now, free); !slices.Equal(got, want) {
		t.Errorf("took %q, want %q", got, want)
	}
}

func TestQueueGivesTheOldestFirstAndEachOnce(t *testing.T) {
	q, place := New(), items()
	for _, id := range []string{"b", "a", "b", "c", "a"} {
		q.Add(place(id))
	}
	wantTaken(t, &q, noon, 0)
	wantTaken(t, &q, noon, 2, "b", "a")
	wantTaken(t, &q, noon, 2, "c")
	wantTaken(t, &q, noon, 2)
}

func TestQueueKeepsWhatIsAddedWhileItsInspectIsUnderWay(t *testing.T) {
	q, place := New(), items()
	q.Add(place("a"))
	wantTaken(t, &q, noon, 8, "a")
	q.Add(place("a"))
	q.Add(place("b"))
	wantTaken(t, &q, noon, 8, "b")
	if q.Done("b"); q.Idle() || !q.Waiting(place("a")) || q.Waiting(place("b")) {
		t.Error("a waits, and b does not")
	}
	q.Done("a")
	wantTaken(t, &q, noon, 8, "a")
	if q.Done("a"); !q.Idle() || q.Waiting(place("a")) {
		t.Error("nothing waits")
	}
}

func TestQueueRetriesInHalfThePlaces(t *testing.T) {
	q, place := New(), items()
	for i := range Inspectors {
		q.AddAfter(noon, place(fmt.Sprint(i)), true)
	}
	later := noon.Add(RecheckFirst)
	wantTaken(t, &q, later, Inspectors, "0", "1", "2", "3")
	q.Add(place("other"))
	wantTaken(t, &q, later, Inspectors/2, "other")
	q.Done("2")
	wantTaken(t, &q, later, Inspectors/2, "4")
}

func TestQueueAddsInTheOrderOfWhatIsDue(t *testing.T) {
	q, place := New(), items()
	for _, id := range []string{"slow", "d", "c", "a"} {
		q.AddAfter(noon, place(id), false)
	}
	q.AddAfter(noon.Add(-time.Millisecond), place("b"), false)
	q.AddAfter(noon, place("slow"), false) // its second wait is longer
	wantTaken(t, &q, noon.Add(RecheckFirst-2*time.Millisecond), 8)
	wantTaken(t, &q, noon.Add(RecheckFirst), 8, "b", "a", "c", "d")
	if !q.nextDue.Equal(noon.Add(2 * RecheckFirst)) {
		t.Errorf("the next is due after %v", q.nextDue.Sub(noon))
	}
	wantTaken(t, &q, noon.Add(2*RecheckFirst), 8, "slow")
	if !q.nextDue.IsZero() {
		t.Error("nothing is due")
	}
}

func TestQueueForgets(t *testing.T) {
	for name, forget := range map[string]func(q *Queue, place func(string) *Item){
		"what needs no other look": func(q *Queue, place func(string) *Item) { q.Forget(place("a")); q.Forget(place("b")) },
		"what is gone":             func(q *Queue, place func(string) *Item) { q.Remove(place("a")); q.Remove(place("b")) },
	} {
		t.Run(name, func(t *testing.T) {
			q, place := New(), items()
			q.Forget(place("a"))
			q.Remove(place("a"))
			q.AddAfter(noon, place("a"), false)
			q.AddAfter(noon.Add(time.Millisecond), place("b"), true)
			forget(&q, place)
			if !q.nextDue.IsZero() || place("b").Retrying() {
				t.Errorf("the next is due at %v", q.nextDue)
			}
			q.AddAfter(noon, place("a"), false)
			if !q.nextDue.Equal(noon.Add(RecheckFirst)) {
				t.Errorf("the back-off begins with %v, want %v", q.nextDue.Sub(noon), RecheckFirst)
			}
		})
	}
}

func TestQueueForgetsTheBackOffOfWhatIsAdded(t *testing.T) {
	q, place := New(), items()
	q.AddAfter(noon, place("a"), true)
	q.Add(place("a"))
	q.Forget(place("a"))
	if !q.nextDue.IsZero() || place("a").Retrying() {
		t.Error("it is still to be retried")
	}
	wantTaken(t, &q, noon, 8, "a")
}

func TestQueueRemovesWhatIsAdded(t *testing.T) {
	q, place := New(), items()
	for _, id := range []string{"a", "b", "c"} {
		q.Add(place(id))
	}
	q.Remove(place("b"))
	wantTaken(t, &q, noon, 1, "a")
	q.Remove(place("a")) // while its inspect is under way
	q.Add(place("a"))
	q.Add(place("b"))
	wantTaken(t, &q, noon, 8, "c", "b")
	q.Done("a")
	wantTaken(t, &q, noon, 8, "a")
}

// Whatever comes, an inspect that is owed is made, and at most one at a time.
func TestQueueOwesNothing(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		q, place, now := New(), items(), noon
		owed, later, busy := map[string]bool{}, map[string]time.Time{}, map[string]bool{}
		take := func(free int) {
			for id, due := range later {
				if !now.Before(due) {
					owed[id] = true
					delete(later, id)
				}
			}
			for _, id := range q.Take(now, free) {
				if busy[id] || !owed[id] {
					t.Fatalf("seed %d: %s is inspected, busy %t, owed %t", seed, id, busy[id], owed[id])
				}
				busy[id] = true
				delete(owed, id)
			}
		}
		for range 500 {
			id := fmt.Sprint(r.IntN(12))
			switch r.IntN(7) {
			case 0:
				q.Add(place(id))
				owed[id] = true
			case 1:
				q.AddAfter(now, place(id), r.IntN(2) == 0)
				later[id] = place(id).due
			case 2:
				q.Forget(place(id))
				delete(later, id)
			case 3:
				q.Remove(place(id))
				delete(owed, id)
				delete(later, id)
			case 4:
				take(Inspectors - len(busy))
			case 5:
				q.Done(id)
				delete(busy, id)
			case 6:
				now = now.Add(time.Duration(r.Int64N(int64(RecheckMax))))
			}
		}
		for range 100 {
			now = now.Add(RecheckMax)
			take(Inspectors - len(busy))
			for id := range busy {
				q.Done(id)
				delete(busy, id)
			}
		}
		if len(owed)+len(later) > 0 || !q.Idle() || !q.nextDue.IsZero() {
			t.Fatalf("seed %d: %v are owed, idle %t, next %v", seed, owed, q.Idle(), q.nextDue)
		}
	}
}

func TestQueueIsEmptyAfterAReset(t *testing.T) {
	q, place := New(), items()
	q.Add(place("a"))
	q.AddAfter(noon, place("b"), true)
	q.Add(place("c"))
	wantTaken(t, &q, noon, 1, "a")
	q.Reset()
	if !q.Idle() || !q.nextDue.IsZero() || q.Waiting(place("a")) || q.Waiting(place("c")) || place("b").Retrying() {
		t.Error("it is not empty")
	}
	q.AddAfter(noon, place("b"), true)
	if got := q.nextDue.Sub(noon); got != 2*RecheckFirst {
		t.Errorf("the back-off of what failed goes on with %v, want %v", got, 2*RecheckFirst)
	}
}
