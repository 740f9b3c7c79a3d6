package restarter

import (
	"slices"
	"sync"
	"time"

	"defib/restarter/decision"
	"defib/restarter/history"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// journalSize is how many of the newest entries are kept.
const journalSize = 100

// maxSources is how many alerts are kept of those that waited for one action.
const maxSources = 20

// ActionRecord is a start, a restart or a re-creation that has ended.
type ActionRecord struct {
	Began     time.Time       `json:"began"`     // on our clock
	Container string          `json:"container"` // name
	ID        string          `json:"id"`
	Trigger   policy.Trigger  `json:"trigger"`
	Sources   []AlertSource   `json:"sources,omitempty"` // whose alerts waited for it, maxSources at most
	Attempt   int             `json:"attempt"`           // since the container last stayed up and well
	Took      time.Duration   `json:"took"`
	Outcome   outcome.Outcome `json:"outcome"`
	Err       string          `json:"err,omitzero"` // why it failed
}

// AlertSource is an alert, and the address that sent it.
type AlertSource struct {
	Alert string `json:"alert"`
	Peer  string `json:"peer"`
}

// AlertRecord is an alert that was answered.
type AlertRecord struct {
	AlertSource
	ReceivedAt time.Time       `json:"received_at"`        // on our clock
	Container  string          `json:"container,omitzero"` // name; "" if it means none
	Took       time.Duration   `json:"took"`
	Outcome    outcome.Outcome `json:"outcome"`
	Message    string          `json:"message"` // the sentence of the answer
}

// journal keeps the newest entries. It may be written and read from anywhere.
type journal[T any] struct {
	mu      sync.Mutex
	entries []T
	added   int // counts the entries, also those that are no longer kept
}

// Record puts an alert that was answered into the report. It may be called from anywhere.
func (r *Restarter) Record(a AlertRecord) { r.alerts.add(a) }

// add appends an entry. What was handed out before does not change.
func (j *journal[T]) add(e T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.added++
	j.entries = append(j.entries, e)
	if extra := len(j.entries) - journalSize; extra > 0 {
		j.entries = slices.Clone(j.entries[extra:])
	}
}

// recall puts the entries of an earlier life before those of this one.
func (j *journal[T]) recall(earlier []T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(slices.Clone(earlier), j.entries...)
	j.entries = j.entries[max(0, len(j.entries)-journalSize):]
}

// count is how many entries were ever added.
func (j *journal[T]) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.added
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
		Began: now.Add(-res.Took), Container: res.Name(), ID: res.Container.ID,
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
