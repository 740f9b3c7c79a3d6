package decision

import (
	"cmp"
	"errors"
	"time"

	"defib/engine"
	"defib/restarter/history"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/target"
)

// Alert is a firing alert that asks for a start or a restart.
type Alert struct {
	Name     string          // its alertname, for people
	ID       history.AlertID // tells it from other alerts
	Since    time.Time       // when it began to fire, on its sender's clock; zero: it does not say
	Target   target.Target
	Start    bool // have the container up; what runs is not restarted
	Asked    time.Time
	Deadline time.Time // when its caller is answered at the latest
}

// Request is what an alert asks of one container. It lives while its caller waits, and
// while an action on the container goes on.
type Request struct {
	Container string // ID
	Name      string // of the container
	Replica   bool   // the alert names a service, of which this may be one of several containers
	Alert

	Answered  bool // by an answer of a plan
	Withdrawn bool // nobody waits for the answer any more

	firing *history.Firing
	result outcome.Answer // what came of an action that has ended since it came; zero: none has
	short  string         // what its service was short of when that was last asked; "": nothing
}

// HasResult reports whether an action that has ended has answered it.
func (q *Request) HasResult() bool { return q.result.Outcome != "" }

// Receive works out which containers an alert is about, one request for each, and
// remembers that it came. Container names what it is about. If there are no requests, the
// answer says why; more than limit are not made. While the engine is unavailable the
// requests are due at once, but remembered: what starts from then on answers the alert.
func Receive(now time.Time, h *history.History, p *engine.Snapshot, a Alert, limit int) (requests []*Request, container string, none outcome.Answer) {
	cs, none := a.Target.Find(p)
	if !p.Connected {
		none, a.Deadline = outcome.Answer{Outcome: outcome.EngineUnavailable}, now
	}
	switch len(cs) {
	case 0:
		return nil, "", none
	case 1:
		container = cs[0].Name
	default:
		container = target.ServiceName(cs[0])
	}
	if len(cs) > limit {
		return nil, container, outcome.Answer{Outcome: outcome.Busy}
	}
	requests = make([]*Request, len(cs))
	for i, c := range cs {
		requests[i] = &Request{
			Container: c.ID, Name: c.Name, Replica: len(cs) > 1 || a.Target.SwarmService != "", Alert: a,
			firing: h.Firings.Hear(now, a.Asked, a.ID, a.Since, cmp.Or(c.Slot(), c.Name)),
		}
	}
	return requests, container, outcome.Answer{}
}

// asked is what requests ask of a container. The zero value is that of one that nobody
// asks for.
type asked struct {
	since time.Time // when the first of them came
	heard time.Time // when the newest of their firings first arrived
	named bool      // an alert names the container itself, not its service
	acted time.Time // when the container was acted upon for the service's alert that has had least; zero: never
}

// replica reports whether the container is asked for only as one of a service's.
func (a asked) replica() bool { return !a.since.IsZero() && !a.named }

// ask works out what is asked of each container, and returns the outcomes of the requests
// that need no verdict.
func (e *evaluator) ask(requests []*Request) map[*Request]outcome.Outcome {
	settled := map[*Request]outcome.Outcome{}
	for _, q := range requests {
		if q.Answered || q.Withdrawn || q.HasResult() || e.history.Acting(q.Container) {
			continue
		}
		if o := e.settle(q); o != "" {
			settled[q] = o
			continue
		}
		a := e.asked[q.Container]
		if q.Replica && (!a.replica() || q.firing.Acted.Before(a.acted)) {
			a.acted = q.firing.Acted
		}
		if a.since.IsZero() || q.Asked.Before(a.since) {
			a.since = q.Asked
		}
		a.named = a.named || !q.Replica
		a.heard = engine.Later(a.heard, q.firing.Heard)
		e.asked[q.Container] = a
	}
	return settled
}

// settle returns the outcome of a request that needs no verdict on its container; "" if it
// does.
func (e *evaluator) settle(q *Request) outcome.Outcome {
	c := e.snapshot.Get(q.Container)
	if c == nil {
		return outcome.Gone
	}
	switch rule := e.rule(c); {
	case !rule.Whitelisted:
		return outcome.NotWhitelisted
	case len(rule.BadLabels) > 0:
		return outcome.Outcome(outcome.BadLabel)
	case e.alreadyHandled(q, c, rule):
		return outcome.AlreadyRestarted
	case q.Start && c.Up():
		return outcome.AlreadyRunning
	}
	return ""
}

// alreadyHandled reports whether the request's firing has been acted upon: by us within the
// cooldown, or by whoever started the container since the firing first arrived. What
// came up at a moment that no memory reaches may have been started for it by an earlier
// life of Defib: there the alert's own beginning must do, though it is of another clock.
func (e *evaluator) alreadyHandled(q *Request, c *engine.Container, rule policy.Rule) bool {
	f := q.firing
	switch {
	case !c.Up() && c.Task() == "":
		return false // whatever was done for it, it has ended since
	case !f.Acted.IsZero() && e.now.Sub(f.Acted) < rule.Cooldown:
		return true
	case e.now.Sub(c.StartSeenAt) >= rule.Cooldown:
		return false
	case e.history.Forgotten(c.StartSeenAt):
		return !q.Since.IsZero() && c.StartSeenAt.After(q.Since)
	}
	return c.StartSeenAt.After(f.Heard)
}

// transientReasons holds the reasons that may be gone in a moment: during anybody's docker
// restart a container is down as if it had been stopped. They are an answer only
// once they have lasted for transientTimeout.
var transientReasons = map[outcome.Reason]bool{outcome.StoppedDelay: true, outcome.Stopped: true, outcome.Created: true, outcome.EngineRestarting: true, outcome.NotInspected: true}

const transientTimeout = 2 * time.Second

// holdAfterAnswer is how long a container that runs is still held for a request that was
// declined, once nobody waits for it any more.
const holdAfterAnswer = time.Second

// answer answers the requests that are settled, whose action has ended, whose wait has no
// prospect, or whose wait is over. The others are looked at again by their deadline.
func (p *Plan) answer(past history.History, requests []*Request, settled map[*Request]outcome.Outcome, connected bool) {
	verdicts := map[string]Verdict{}
	if len(requests) > 0 {
		for _, v := range p.Verdicts {
			verdicts[v.Container.ID] = v
		}
	}
	for _, q := range requests {
		v := verdicts[q.Container]
		acting := v.Act || past.Acting(q.Container)
		a, wake := outcome.Answer{Outcome: settled[q]}, time.Time{}
		switch {
		case q.Answered || q.Withdrawn && !acting:
		case q.HasResult():
			a = q.result
		case a.Outcome != "":
		case !connected:
			a, wake = q.unavailable(p.now, acting)
		default:
			a, wake = q.waits(p.now, v, acting)
		}
		if a.Outcome != "" {
			p.Answers = append(p.Answers, Answered{q, a})
		}
		if wake.IsZero() && !acting { // the end of an action is news
			wake = p.now.Add(holdAfterAnswer)
		}
		p.look(wake)
	}
}

// unavailable answers a request without a current snapshot; else it returns when to look
// again.
func (q *Request) unavailable(now time.Time, acting bool) (outcome.Answer, time.Time) {
	switch {
	case now.Before(q.Deadline):
		return outcome.Answer{}, q.Deadline
	case acting:
		return outcome.Answer{Outcome: outcome.Outcome(outcome.InProgress)}, time.Time{}
	}
	return outcome.Answer{Outcome: outcome.EngineUnavailable}, time.Time{}
}

// waits answers a request whose container has this verdict; else it returns when to look
// again.
func (q *Request) waits(now time.Time, v Verdict, acting bool) (outcome.Answer, time.Time) {
	late, lasting := !now.Before(q.Deadline), q.Asked.Add(transientTimeout)
	switch {
	case acting && late:
		return outcome.Answer{Outcome: outcome.Outcome(outcome.InProgress)}, time.Time{}
	case acting:
		return outcome.Answer{}, q.Deadline
	case transientReasons[v.Reason] && now.Before(lasting):
		return outcome.Answer{}, lasting
	case late || !v.soon(q.Deadline):
		a := outcome.Answer{Outcome: cmp.Or(outcome.Outcome(v.Reason), outcome.NotWhitelisted), Until: v.Until} // there is no verdict on what is not
		if v.Reason == outcome.InServiceRestart {
			a.Detail = q.short
		}
		return a, time.Time{}
	}
	return outcome.Answer{}, q.Deadline
}

// AnswerTo is what those who waited for the action are answered.
func AnswerTo(res history.Result) outcome.Answer {
	switch {
	case errors.Is(res.Err, engine.ErrGone):
		return outcome.Answer{Outcome: outcome.Gone}
	case outcome.Declined(res.Err) != "":
		return outcome.Answer{Outcome: outcome.Outcome(outcome.Declined(res.Err)), Detail: res.Err.Error()} // trying again at once would change nothing
	case res.Err != nil:
		return outcome.Answer{Outcome: outcome.Failed, Detail: res.Err.Error()}
	case res.Recreation != nil:
		return outcome.Answer{Outcome: outcome.Recreated}
	case res.Ends():
		return outcome.Answer{Outcome: outcome.Ended}
	case res.Restarts():
		return outcome.Answer{Outcome: outcome.Restarted}
	}
	return outcome.Answer{Outcome: outcome.Started}
}

// Finish takes note of what came of an action, and of what the container is after it: that is
// the answer to those requests that waited for it. A firing that was first heard when the new
// run had begun is about that run, and waits on: nor would the next life of Defib, if this
// one is killed now, take the action for the answer to it.
func Finish(now time.Time, res history.Result, after *engine.Container, requests []*Request) {
	for _, q := range requests {
		if q.Container != res.Container.ID || res.Err == nil && anew(res.Container, after) && q.firing.Heard.After(after.StartSeenAt) {
			continue
		}
		if errors.Is(res.Err, engine.ErrServiceShort) && now.Before(q.Deadline) {
			q.short = res.Err.Error() // it waits as for a replica on this host
			continue
		}
		if q.result = AnswerTo(res); res.Err == nil {
			q.firing.Acted = now // its repeats need nothing more
		}
	}
}

// anew reports whether a container was seen to begin another run.
func anew(c, after *engine.Container) bool {
	return after != nil && !after.StartSeenAt.IsZero() && !after.Started.Equal(c.Started)
}

// soon reports whether what holds the container may be over by the deadline.
func (v Verdict) soon(deadline time.Time) bool {
	if v.Reason == outcome.InProgress || v.Reason == outcome.InServiceRestart || v.Reason == outcome.RateLimited && v.Until.IsZero() {
		return true
	}
	return !v.Until.IsZero() && !v.Until.After(deadline)
}
