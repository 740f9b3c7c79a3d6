package restarter

import (
	"context"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/decision"
)

// maxAsked is how many containers the alerts of one call may ask for.
const maxAsked = 10_000

// Answer is what one alert is answered.
type Answer struct {
	decision.Answer
	Container string // name of the container that it means, or project/service; "": none
}

// waiter is an alert whose caller waits.
type waiter struct {
	alert  decision.Alert
	source AlertSource
	left   <-chan struct{} // closed when the caller has left
	reply  chan Answer     // buffered: the loop never waits for a caller

	// Owned by the loop:
	container string
	requests  []*decision.Request
	answers   []decision.Answer // of the requests, in their order
	open      int               // how many requests have none yet
}

// finish replies.
func (w *waiter) finish(a decision.Answer) {
	w.open = 0
	w.reply <- Answer{Answer: a, Container: w.container}
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
		return Answer{Answer: decision.Answer{Outcome: decision.Outcome(decision.InProgress)}} // nobody hears it
	}
	select {
	case a := <-w.reply:
		return a
	default:
		return Answer{Answer: decision.Answer{Outcome: decision.ShuttingDown}}
	}
}

// queue holds the alerts whose callers wait, and the requests whose action is under way.
type queue struct {
	fresh    [][]*waiter // by call; not looked at yet
	requests []*decision.Request
	owners   map[*decision.Request]owner
}

// owner is whose request it is, and which of its requests.
type owner struct {
	*waiter
	index int
}

func newQueue() queue { return queue{owners: map[*decision.Request]owner{}} }

// add adds the alerts of one call.
func (q *queue) add(call []*waiter) { q.fresh = append(q.fresh, call) }

// take has the fresh alerts received, and returns the requests to decide about.
func (q *queue) take(now time.Time, p *engine.Snapshot, h *decision.History) []*decision.Request {
	for _, call := range q.fresh {
		q.dropRepeated(call)
		asked := 0
		for _, w := range call {
			asked += q.receive(now, p, h, w, maxAsked-asked)
		}
		h.Forget(now)
	}
	q.fresh = nil
	for _, one := range q.requests {
		select {
		case <-q.owners[one].left:
			one.Withdrawn = true
		default:
		}
	}
	return q.requests
}

// repeat is the same for each call of one caller for the same firing of an alert.
type repeat struct {
	alert  decision.AlertID
	since  int64
	source AlertSource
}

func repeatOf(a decision.Alert, source AlertSource) repeat {
	return repeat{a.ID, a.Since.UnixNano(), source}
}

// dropRepeated drops what a call asks again. A request that was answered while its action
// goes on stays for what comes of that, until its caller asks again, or too many do: then
// it costs a repeat.
func (q *queue) dropRepeated(call []*waiter) {
	again := map[repeat]bool{}
	for _, w := range call {
		again[repeatOf(w.alert, w.source)] = true
	}
	crowded := len(q.requests) > decision.MaxFirings
	q.drop(func(old *decision.Request) bool {
		return old.Answered && (crowded || again[repeatOf(old.Alert, q.owners[old].source)])
	})
}

// receive makes requests of an alert, limit at most, and returns how many it asks for.
func (q *queue) receive(now time.Time, p *engine.Snapshot, h *decision.History, w *waiter, limit int) int {
	requests, none := h.Receive(now, p, w.alert)
	if len(requests) == 0 {
		w.finish(none)
		return 0
	}
	w.container = requests[0].Name
	if len(requests) > 1 {
		w.container = decision.ServiceName(p.Get(requests[0].Container))
	}
	if len(requests) > limit {
		w.finish(decision.Answer{Outcome: decision.Busy})
		return len(requests)
	}
	w.requests, w.answers, w.open = requests, make([]decision.Answer, len(requests)), len(requests)
	for i, one := range requests {
		q.requests = append(q.requests, one)
		q.owners[one] = owner{w, i}
	}
	return len(requests)
}

// answer passes the answers of a plan on, and drops the requests that are through.
func (q *queue) answer(answers []decision.Answered, h decision.History) {
	for _, a := range answers {
		a.Request.Answered = true
		w := q.owners[a.Request]
		w.answers[w.index] = a.Answer
		if w.open--; w.open == 0 {
			w.finish(decision.Merge(w.requests, w.answers))
		}
	}
	q.drop(func(one *decision.Request) bool {
		return (one.Answered || one.Withdrawn) && !h.Acting(one.Container)
	})
}

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
	for _, w := range slices.Concat(q.fresh...) {
		w.finish(decision.Answer{Outcome: decision.ShuttingDown})
	}
	for _, one := range q.requests {
		if w := q.owners[one]; w.open > 0 {
			w.finish(decision.Answer{Outcome: decision.ShuttingDown})
		}
	}
	q.fresh = nil
}
