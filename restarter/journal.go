package restarter

import (
	"slices"
	"sync"
	"time"

	"defib/restarter/decision"
	"defib/restarter/history"
	"defib/restarter/policy"
)

// journalSize is how many of the newest entries are kept.
const journalSize = 100

// maxSources is how many alerts are kept of those that waited for one action.
const maxSources = 20

// ActionRecord is a start or a restart that has ended.
type ActionRecord struct {
	Began     time.Time // on our clock
	Container string    // name
	ID        string
	Trigger   policy.Trigger
	Sources   []AlertSource // whose alerts waited for it, maxSources at most
	Attempt   int           // since the container last stayed up and well
	Took      time.Duration
	Outcome   decision.Outcome
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
	Outcome    decision.Outcome
	Message    string // the sentence of the answer
}

// journal keeps the newest entries. It may be written and read from anywhere.
type journal[T any] struct {
	mu      sync.Mutex
	entries []T
}

// Record puts an alert that was answered into the report. It may be called from anywhere.
func (r *Restarter) Record(a AlertRecord) { r.alerts.add(a) }

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
func (r *Restarter) recordAction(now time.Time, res history.Result) {
	a := ActionRecord{
		Began: now.Add(-res.Took), Container: res.Container.Name, ID: res.Container.ID,
		Trigger: res.Trigger, Attempt: res.Attempt, Took: res.Took, Outcome: decision.AnswerTo(res).Outcome,
	}
	if res.Err != nil {
		a.Err = res.Err.Error()
	}
	for _, one := range r.queue.requests {
		if one.Container != a.ID || len(a.Sources) == maxSources {
			continue
		}
		if source := r.queue.owners[one].source; !slices.Contains(a.Sources, source) {
			a.Sources = append(a.Sources, source)
		}
	}
	r.actions.add(a)
}
