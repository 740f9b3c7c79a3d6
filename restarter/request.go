package restarter

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// Outcome is what became of an alert: a Reason, or one of these. The list is
// closed: outcomes are values of a metric's label and part of the answer.
type Outcome string

// The outcomes beside the reasons.
const (
	Restarted         Outcome = "restarted"
	Started           Outcome = "started"
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
	Started:           "it was down and has been started",
	AlreadyRunning:    "it runs, and heal: start does not restart what runs",
	AlreadyRestarted:  "it has been restarted for this alert already",
	Resolved:          "the alert is resolved: nothing to do",
	NoAction:          "the alert has no label heal: nothing to do",
	UnknownAction:     "the label heal is neither restart nor start",
	NotEvaluated:      "Grafana could not evaluate the rule (no data, or an error): that says nothing about the container",
	NoTarget:          "no label names a container: set container, name or id in the rule",
	NotFound:          "no container of this engine has that name",
	Gone:              "no container of this engine has that id: it was removed, or is on another host",
	OtherHost:         "a label differs from what --webhook.match asks for: another host's",
	NotWhitelisted:    "the whitelist does not name it: see --restart.whitelist",
	Failed:            "the engine could not start or restart it",
	EngineUnavailable: "the engine is away, or its containers are not known yet",
	ShuttingDown:      "Defib is shutting down",
	Busy:              "too many requests are under way",
}

// retried holds the outcomes that Alertmanager's own retry should carry on with:
// they are answered by 503. Every other is an answer for good.
var retried = map[Outcome]bool{
	Outcome(InProgress): true, Failed: true, EngineUnavailable: true, ShuttingDown: true, Busy: true,
}

// Status is the HTTP status that the outcome of one alert gives the answer.
func (o Outcome) Status() int {
	if retried[o] {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// level is that of the outcome's log line: a person should look at a rule that
// cannot work.
func (o Outcome) level() slog.Level {
	switch o {
	case NoTarget, UnknownAction, NotEvaluated, NotFound, NotWhitelisted, Outcome(BadLabel):
		return slog.LevelWarn
	case Resolved, NoAction, OtherHost, Gone, AlreadyRunning, AlreadyRestarted:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// Sentence explains the outcome to people.
func (o Outcome) Sentence() string {
	if s, ok := Outcomes[o]; ok {
		return s
	}
	return Reasons[Reason(o)]
}

// request is an alert's wish for one container. It lives while its caller waits;
// the action that it began lives on by itself.
type request struct {
	container string // ID
	name      string // of the container
	replica   bool   // the alert names a service, of which this is one of several containers
	start     bool   // have it up; what runs is not restarted
	key       firingKey
	source    AlertSource
	since     time.Time // when the alert began to fire, on its sender's clock; zero: it does not say
	asked     time.Time
	deadline  time.Time
	left      <-chan struct{} // closed when the caller has left
	answer    chan answer     // buffered: the loop never waits for a caller

	// Owned by the loop:
	answered bool
	firing   *firingRecord
}

// answer is what became of a request.
type answer struct {
	outcome Outcome
	until   time.Time // when an alert's repeat may find it otherwise; zero: not known
	detail  string    // what is to be said beside the outcome's sentence
}

func (q *request) reply(a answer) {
	if !q.answered {
		q.answered = true
		q.answer <- a
	}
}

// ask hands requests to the loop; nil ones are passed over.
func (r *Restarter) ask(ctx context.Context, qs []*request) {
	qs = slices.DeleteFunc(slices.Clone(qs), func(q *request) bool { return q == nil })
	if len(qs) == 0 {
		return
	}
	select {
	case r.requests <- qs:
	case <-r.closed:
	case <-ctx.Done():
	}
}

// wait returns what became of a request. The loop answers by its deadline.
func (r *Restarter) wait(ctx context.Context, q *request) answer {
	select {
	case a := <-q.answer:
		return a
	case <-r.closed:
	case <-ctx.Done():
		return answer{outcome: Outcome(InProgress)} // nobody hears it
	}
	select {
	case a := <-q.answer:
		return a
	default:
		return answer{outcome: ShuttingDown}
	}
}

// enqueue adds requests. One that was answered while its action goes on stays for what
// comes of that, until its caller asks again, or too many do: then it costs a repeat.
func (r *Restarter) enqueue(now time.Time, qs []*request) {
	for _, q := range qs {
		q.firing = r.firings.hear(now, q)
	}
	r.firings.forget(now)
	crowded := len(r.pending) > maxFirings
	r.pending = slices.DeleteFunc(r.pending, func(old *request) bool {
		return old.answered && (crowded || slices.ContainsFunc(qs, func(q *request) bool { return q.key == old.key && q.source == old.source }))
	})
	r.pending = append(r.pending, qs...)
}

// precheck answers what needs no decision, and returns since when alerts ask for
// each container, by ID. Which of them are replicas of a service goes into the history.
func (r *Restarter) precheck(now time.Time, p *engine.Snapshot) map[string]time.Time {
	asked, own := map[string]time.Time{}, map[string]bool{}
	r.history.replicas = map[string]time.Time{}
	for _, q := range r.pending {
		if r.history.at(q.container).acting {
			continue // it joins what is under way
		}
		select {
		case <-q.left:
			q.answered = true // what nobody waits for is not begun
			continue
		default:
		}
		c, rule := p.Get(q.container), policy.Rule{}
		if c != nil {
			rule = r.history.rule(r.policy, c)
		}
		switch {
		case c == nil:
			q.reply(answer{outcome: Gone})
		case !rule.Whitelisted:
			q.reply(answer{outcome: NotWhitelisted})
		case len(rule.BadLabels) > 0:
			q.reply(answer{outcome: Outcome(BadLabel)})
		case q.alreadyHandled(now, r.began, r.policy.Cooldown, c):
			q.reply(answer{outcome: AlreadyRestarted})
		case q.start && c.Up():
			q.reply(answer{outcome: AlreadyRunning})
		}
		if rec := r.history.records[q.container]; rec != nil && !q.start {
			rec.notHealthy(now)
		}
		if at := asked[q.container]; !q.answered && (at.IsZero() || q.asked.Before(at)) {
			asked[q.container] = q.asked
		}
		acted, is := r.history.replicas[q.container]
		switch {
		case q.answered:
		case !q.replica:
			own[q.container] = true
		case !is || q.firing.acted.Before(acted):
			r.history.replicas[q.container] = q.firing.acted
		}
	}
	maps.DeleteFunc(r.history.replicas, func(id string, _ time.Time) bool { return own[id] })
	return asked
}

// expire answers the requests whose wait has no prospect, or is over, and drops
// them. It returns the deadline of the next of the rest; zero if there is none.
func (r *Restarter) expire(now time.Time, connected bool, held judged) time.Time {
	var next time.Time
	open := r.pending[:0]
	for _, q := range r.pending {
		acting, late := r.history.at(q.container).acting, !now.Before(q.deadline)
		v := held.of(q.container)
		hasty := transientReasons[v.reason] && now.Before(q.asked.Add(transientTimeout))
		switch {
		case acting && late:
			q.reply(answer{outcome: Outcome(InProgress)})
		case acting:
		case !connected && late:
			q.reply(answer{outcome: EngineUnavailable})
		case hasty:
		case connected && (late || !v.soon(q.deadline)):
			q.reply(answer{outcome: Outcome(v.reason), until: v.until})
		}
		if acting || !q.answered {
			open = append(open, q)
		}
		wake := q.deadline
		switch {
		case acting && q.answered:
			continue // the end of the action is news
		case q.answered:
			wake = now.Add(holdAfterAnswer)
		case hasty:
			wake = q.asked.Add(transientTimeout)
		}
		if next.IsZero() || wake.Before(next) {
			next = wake
		}
	}
	clear(r.pending[len(open):])
	r.pending = open
	return next
}

// transientReasons holds the reasons that may be gone in a moment: during anybody's docker
// restart a container is down as if it had been stopped. They are an answer only
// once they have lasted for passingPatience.
var transientReasons = map[Reason]bool{StoppedDelay: true, Stopped: true, Created: true, EngineRestarting: true, NotInspected: true}

const transientTimeout = 2 * time.Second

// holdAfterAnswer is how long a container that runs is still held for a request that was
// declined, once nobody waits for it any more.
const holdAfterAnswer = time.Second

// soon reports whether what holds the container may be over by the deadline.
func (v verdict) soon(deadline time.Time) bool {
	if v.reason == InProgress || v.reason == InServiceRestart || v.reason == RateLimited && v.until.IsZero() {
		return true
	}
	return !v.until.IsZero() && !v.until.After(deadline)
}

// replyWaiters answers all who waited for this action, and remembers for which
// alerts it was done: their repeats need nothing more.
func (r *Restarter) replyWaiters(now time.Time, res result) {
	for _, q := range r.pending {
		if q.container != res.container.ID {
			continue
		}
		if res.err == nil {
			q.firing.acted = now
		}
		q.reply(res.answer())
	}
}

// answer is what callers hear of the action.
func (res result) answer() answer {
	switch {
	case errors.Is(res.err, engine.ErrGone):
		return answer{outcome: Gone}
	case errors.Is(res.err, engine.ErrRefused):
		return answer{outcome: Outcome(Refused), detail: res.err.Error()} // trying again at once would change nothing
	case res.err != nil:
		return answer{outcome: Failed, detail: res.err.Error()}
	case res.restarts():
		return answer{outcome: Restarted}
	}
	return answer{outcome: Started}
}
