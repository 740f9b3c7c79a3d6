package restarter

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"defib/engine"
	"defib/restarter/decision"
	"defib/restarter/history"
	"defib/restarter/outcome"
)

// maxRequests is how many requests the alerts of one call may make, and how many are kept
// before those that were answered are dropped.
const maxRequests = 10_000

// Answer is what one alert is answered.
type Answer struct {
	outcome.Answer
	Container string        // name of the container that it means, or of the service; "": none
	Took      time.Duration // since it was asked for
}

// waiter is an alert whose caller waits.
type waiter struct {
	alert  decision.Alert
	source AlertSource
	left   <-chan struct{} // closed when the caller has left
	reply  chan Answer     // buffered: the loop never waits for a caller

	container atomic.Pointer[string] // name of what the alert means; nil until that is known

	// Owned by the loop:
	requests []*decision.Request
	answers  []outcome.Answer // of the requests, in their order
	open     int              // how many requests have none yet
}

// answer is what the caller gets.
func (w *waiter) answer(a outcome.Answer) Answer {
	name := ""
	if known := w.container.Load(); known != nil {
		name = *known
	}
	return Answer{Answer: a, Container: name, Took: time.Since(w.alert.Asked)}
}

// Heal has alerts carried out or declined, each by itself, and returns what became of
// each, in their order, by their deadlines at the latest. Peer is the address that they
// came from. It may be called from anywhere.
func (r *Restarter) Heal(ctx context.Context, peer string, alerts []decision.Alert) []Answer {
	ws := make([]*waiter, len(alerts))
	for i, a := range alerts {
		ws[i] = &waiter{alert: a, source: AlertSource{Alert: a.Name, Peer: peer}, left: ctx.Done(), reply: make(chan Answer, 1)}
	}
	if len(ws) > 0 {
		select {
		case r.incoming <- ws:
		case <-r.closed:
		case <-ctx.Done():
		}
	}
	answers := make([]Answer, len(ws))
	for i, w := range ws {
		answers[i] = r.wait(ctx, w)
	}
	return answers
}

// wait returns what became of an alert.
func (r *Restarter) wait(ctx context.Context, w *waiter) Answer {
	select {
	case a := <-w.reply:
		return a
	case <-r.closed:
	case <-ctx.Done():
		return w.answer(outcome.Answer{Outcome: outcome.Outcome(outcome.InProgress)}) // for the log and the report
	}
	select {
	case a := <-w.reply:
		return a
	default:
		return w.answer(outcome.Answer{Outcome: outcome.ShuttingDown})
	}
}

// queue holds the alerts whose callers wait, and the requests whose action is under way.
type queue struct {
	fresh    []*waiter // of one call; not looked at yet
	requests []*decision.Request
	owners   map[*decision.Request]owner
}

// owner is whose request it is, and which of its requests.
type owner struct {
	*waiter
	index int
}

func newQueue() queue { return queue{owners: map[*decision.Request]owner{}} }

// take has the fresh alerts received, and returns the requests to decide about.
func (q *queue) take(now time.Time, p *engine.Snapshot, h *history.History) []*decision.Request {
	if len(q.fresh) > 0 {
		limit := maxRequests
		for _, w := range q.fresh {
			limit -= q.receive(now, p, h, w, limit)
		}
		q.fresh = nil
		h.Firings.Forget(now)
		q.dropRepeated()
	}
	for _, one := range q.requests {
		select {
		case <-q.owners[one].left:
			one.Withdrawn = true
		default:
		}
	}
	return q.requests
}

// repeat is the same for each call of one caller that the same firing of an alert asks for
// the same container by.
type repeat struct {
	alert     history.AlertID
	since     int64
	container string // ID
	source    AlertSource
}

func (q *queue) repeatOf(one *decision.Request) repeat {
	return repeat{one.ID, one.Since.UnixNano(), one.Container, q.owners[one].source}
}

// dropRepeated drops what is asked again. A request that was answered while its action
// goes on stays for what comes of that, until its caller asks again, or too many do: then
// it costs a repeat.
func (q *queue) dropRepeated() {
	again := map[repeat]bool{}
	for _, one := range q.requests {
		if !one.Answered {
			again[q.repeatOf(one)] = true
		}
	}
	crowded := len(q.requests) > maxRequests
	q.drop(func(one *decision.Request) bool { return one.Answered && (crowded || again[q.repeatOf(one)]) })
}

// receive makes requests of an alert, limit at most, and returns how many.
func (q *queue) receive(now time.Time, p *engine.Snapshot, h *history.History, w *waiter, limit int) int {
	requests, container, none := decision.Receive(now, h, p, w.alert, limit)
	w.container.Store(&container)
	if len(requests) == 0 {
		w.reply <- w.answer(none)
		return 0
	}
	w.requests, w.answers, w.open = requests, make([]outcome.Answer, len(requests)), len(requests)
	for i, one := range requests {
		q.requests = append(q.requests, one)
		q.owners[one] = owner{w, i}
	}
	return len(requests)
}

// answer passes the answers of a plan on, and drops the requests that are through.
func (q *queue) answer(answers []decision.Answered, h history.History) {
	for _, a := range answers {
		q.give(a.Request, a.Answer)
	}
	q.drop(func(one *decision.Request) bool {
		return (one.Answered || one.Withdrawn) && !h.Acting(one.Container)
	})
}

// give has a request answered, and replies to its caller if it was the last.
func (q *queue) give(one *decision.Request, a outcome.Answer) {
	one.Answered = true
	w := q.owners[one]
	w.answers[w.index] = a
	if w.open--; w.open == 0 {
		w.reply <- w.answer(merge(w.requests, w.answers))
	}
}

// merge makes one answer of those about the containers of one alert: the outcome that
// matters most, and what became of each. Replicas that are not whitelisted are not
// spoken of, unless none is.
func merge(requests []*decision.Request, answers []outcome.Answer) outcome.Answer {
	if len(answers) == 1 {
		return answers[0]
	}
	most := slices.MaxFunc(answers, func(a, b outcome.Answer) int { return a.Outcome.Weight() - b.Outcome.Weight() })
	if most.Outcome == outcome.NotWhitelisted {
		return most
	}
	var parts []string
	names := map[string][]string{}
	for i, a := range answers {
		if a.Outcome == outcome.NotWhitelisted {
			continue
		}
		part := string(a.Outcome)
		if a.Detail != "" {
			part += " (" + a.Detail + ")"
		}
		if names[part] == nil {
			parts = append(parts, part)
		}
		names[part] = append(names[part], requests[i].Name)
	}
	for i, part := range parts {
		parts[i] = strings.Join(names[part], ", ") + ": " + part
	}
	most.Detail = strings.Join(parts, "; ")
	return most
}

// drop forgets the requests that are done.
func (q *queue) drop(done func(*decision.Request) bool) {
	q.requests = slices.DeleteFunc(q.requests, func(one *decision.Request) bool {
		if !done(one) {
			return false
		}
		delete(q.owners, one)
		return true
	})
}

// turnAway answers all who wait that Defib is shutting down.
func (q *queue) turnAway() {
	none := outcome.Answer{Outcome: outcome.ShuttingDown}
	for _, w := range q.fresh {
		w.reply <- w.answer(none)
	}
	q.fresh = nil
	for _, one := range q.requests {
		if !one.Answered {
			q.give(one, none)
		}
	}
}
