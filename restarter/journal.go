package restarter

import (
	"slices"
	"sync"
	"time"

	"defib/restarter/policy"
)

// journalSize is how many of the newest entries are kept.
const journalSize = 100

// maxAskers is how many alerts are kept of those that waited for one action.
const maxAskers = 20

// Action is a start or a restart that has ended.
type Action struct {
	Began     time.Time // on our clock
	Container string    // name
	ID        string
	Trigger   policy.Trigger
	Sources   []AlertSource // whose alerts waited for it, maxAskers at most
	Attempt   int           // since the container last stayed up and well
	Took      time.Duration
	Outcome   Outcome
	Err       string // why it failed
}

// AlertSource is an alert, and the address that sent it.
type AlertSource struct{ Alert, Peer string }

// AlertRecord is an alert that was answered.
type AlertRecord struct {
	AlertSource
	ReceivedAt time.Time // on our clock
	Container  string    // name; "" if it means none
	Took       time.Duration
	Outcome    Outcome
	Message    string // the sentence of the answer
}

// journal keeps the newest entries. It may be written and read from anywhere.
type journal[T any] struct {
	mu      sync.Mutex
	entries []T
}

// add appends an entry. What was handed out before does not change.
func (j *journal[T]) add(e T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	if extra := len(j.entries) - journalSize; extra > 0 {
		j.entries = slices.Clone(j.entries[extra:])
	}
}

// all returns the entries, the newest last. The slice must not be changed.
func (j *journal[T]) all() []T {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clip(j.entries)
}

// recordAction puts an action that has ended into the journal.
func (r *Restarter) recordAction(now time.Time, res result) {
	a := Action{
		Began: now.Add(-res.took), Container: res.container.Name, ID: res.container.ID,
		Trigger: res.trigger, Attempt: res.attempt, Took: res.took, Outcome: res.answer().outcome,
	}
	if res.err != nil {
		a.Err = res.err.Error()
	}
	for _, q := range r.pending {
		if len(a.Sources) < maxAskers && q.container == a.ID && !slices.Contains(a.Sources, q.source) {
			a.Sources = append(a.Sources, q.source)
		}
	}
	r.actions.add(a)
}
