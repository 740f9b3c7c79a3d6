// Package outcome has the words for what becomes of containers and alerts: the reasons why a
// container is left alone, and the outcomes of alerts. Both lists are closed, since they
// are part of the contract.
package outcome

import "time"

// Outcome is what became of an alert: a Reason, or one of these. The list is
// closed: outcomes are values of a metric's label and part of the answer.
type Outcome string

// The outcomes beside the reasons.
const (
	Restarted         Outcome = "restarted"
	Started           Outcome = "started"
	Recreated         Outcome = "recreated"
	Ended             Outcome = "ended"
	AlreadyRunning    Outcome = "already_running"
	AlreadyRestarted  Outcome = "already_restarted"
	Resolved          Outcome = "resolved"
	NoAction          Outcome = "no_action"
	UnknownAction     Outcome = "unknown_action"
	NotEvaluated      Outcome = "not_evaluated"
	NoTarget          Outcome = "no_target"
	NotFound          Outcome = "not_found"
	Gone              Outcome = "gone"
	OtherHost         Outcome = "other_host"
	NotWhitelisted    Outcome = "not_whitelisted"
	Failed            Outcome = "failed"
	EngineUnavailable Outcome = "engine_unavailable"
	ShuttingDown      Outcome = "shutting_down"
	Busy              Outcome = "busy"
)

// Outcomes holds every outcome that is not a reason, with a sentence for people.
var Outcomes = map[Outcome]string{
	Restarted:         "it was restarted",
	Started:           "it was down and was started",
	Recreated:         "it was re-created, since the container whose network it shares was",
	Ended:             "the task was ended, and Swarm replaces it",
	AlreadyRunning:    "it is running, and heal: start does not restart running containers",
	AlreadyRestarted:  "it has already been restarted for this alert",
	Resolved:          "the alert is resolved: nothing to do",
	NoAction:          "the alert has no label heal: nothing to do",
	UnknownAction:     "the label heal must be restart or start",
	NotEvaluated:      "Grafana could not evaluate the rule (no data, or an error): that says nothing about the container",
	NoTarget:          "no label names a container: set container, name or id in the rule",
	NotFound:          "no such container on this host",
	Gone:              "no container with this ID on this host: it was removed, or runs on another host",
	OtherHost:         "the alert does not match --webhook.match: it is for another host",
	NotWhitelisted:    "it is not whitelisted: see --restart.whitelist",
	Failed:            "the engine could not start, restart or end it",
	EngineUnavailable: "the engine is unavailable, or its containers are not known yet",
	ShuttingDown:      "Defib is shutting down",
	Busy:              "too many requests are under way",
}

// retried holds the outcomes that Alertmanager's own retry should carry on with. Every
// other is an answer for good.
var retried = map[Outcome]bool{
	Outcome(InProgress): true, Failed: true, EngineUnavailable: true, ShuttingDown: true, Busy: true,
}

// Retry reports whether whoever asks is to ask again soon.
func (o Outcome) Retry() bool { return retried[o] }

// Sentence explains the outcome to people.
func (o Outcome) Sentence() string {
	if s, ok := Outcomes[o]; ok {
		return s
	}
	return Reasons[Reason(o)]
}

// Weight is how much an outcome matters among those of one alert: first what has to be
// tried again, then what has yet to be done, then what was done, then why something was
// not, and last that nothing was needed.
func (o Outcome) Weight() int {
	switch {
	case o.Retry():
		return 5
	case o == Outcome(InServiceRestart):
		return 4
	case o == Restarted || o == Started || o == Recreated || o == Ended:
		return 3
	case o == NotWhitelisted:
		return 0
	case o == AlreadyRestarted || o == AlreadyRunning:
		return 1
	}
	return 2
}

// Answer is what an alert is answered.
type Answer struct {
	Outcome Outcome
	Until   time.Time // when a repeat of the alert may find it otherwise; zero: not known
	Detail  string    // what is to be said beside the outcome's sentence
}
