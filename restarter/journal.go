package restarter

import (
	"slices"
	"time"

	"defib/restarter/decision"
	"defib/restarter/history"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

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

// Record puts an alert that was answered into the report. It may be called from anywhere.
func (r *Restarter) Record(a AlertRecord) { r.alerts.Add(a) }

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
		if one.Container != a.ID || !one.HasResult() || len(a.Sources) == maxSources {
			continue
		}
		if source := r.queue.owners[one].source; !slices.Contains(a.Sources, source) {
			a.Sources = append(a.Sources, source)
		}
	}
	r.actions.Add(a)
}
