// Package inbox is the one queue into a goroutine that owns something.
package inbox

import (
	"sync"
	"time"
)

// Inbox holds what its owner is to do: what is posted first is done first.
type Inbox struct {
	mu    sync.Mutex
	items []func(now time.Time)
	wake  chan struct{}
}

// New returns an Inbox that is empty.
func New() *Inbox { return &Inbox{wake: make(chan struct{}, 1)} }

// Post never blocks.
func (q *Inbox) Post(f func(now time.Time)) {
	q.mu.Lock()
	q.items = append(q.items, f)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Wake gets an element after something was posted.
func (q *Inbox) Wake() <-chan struct{} { return q.wake }

// Len is how much there is to do, for tests.
func (q *Inbox) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// Drain does what was posted.
func (q *Inbox) Drain(now time.Time) {
	q.mu.Lock()
	items := q.items
	q.items = nil
	q.mu.Unlock()
	for _, f := range items {
		f(now)
	}
}
