// Package journal keeps the newest of what happens.
package journal

import (
	"slices"
	"sync"
)

// Size is how many of the newest entries are kept.
const Size = 100

// Journal keeps the newest entries. It may be written and read from anywhere.
type Journal[T any] struct {
	mu      sync.Mutex
	entries []T // the newest last
	added   int // counts the entries, also those that are no longer kept
}

// Add appends an entry. What was handed out before does not change.
func (j *Journal[T]) Add(e T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.added++
	j.entries = append(j.entries, e)
	if extra := len(j.entries) - Size; extra > 0 {
		j.entries = slices.Clone(j.entries[extra:])
	}
}

// Recall puts the entries of an earlier life before those of this one.
func (j *Journal[T]) Recall(earlier []T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(slices.Clone(earlier), j.entries...)
	j.entries = j.entries[max(0, len(j.entries)-Size):]
}

// Count is how many entries were ever added.
func (j *Journal[T]) Count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.added
}

// All returns the entries, the newest last. The slice must not be changed.
func (j *Journal[T]) All() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clip(j.entries)
}
