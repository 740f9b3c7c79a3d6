// Package decision says what is to be done about every container, and what is answered
// to every alert, at one moment: facts in, a plan out. It is pure: it does no I/O, has no
// goroutines, and is told the time.
package decision

import (
	"cmp"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/history"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// Verdict is what is to be done about one container.
type Verdict struct {
	Container  *engine.Container
	Act        bool // start it, or restart it if it is up, or what the next two say
	Trigger    policy.Trigger
	Recreation *engine.Recreation // re-create it; nil: that is not to be done
	Removes    bool               // remove it, which was re-created or was to take another's place
	Namespace  engine.Namespace   // that it shares with a parent, if that is why it is acted upon or left alone
	Cause      time.Time          // since when there is something to heal, on our clock
	Occasion   time.Time          // what tells the cause from later ones of the same trigger, on our clock
	Reason     outcome.Reason     // why it is left alone; "" if Act
	Detail     string             // what is to be said beside the reason's sentence
	Until      time.Time          // when that ends; zero: on news only

	due   time.Time // since when it may be acted upon: one that failed again and again must not always come first
	again time.Time // when to look again: another cause may be ripe before; zero: on news only

	after []*engine.Container // those that it is restarted after
}

// Restarts reports whether acting means to restart what runs, or to end it.
func (v Verdict) Restarts() bool { return v.Action().Restarts() }

// Died reports whether the container is down, and not because a re-creation has stopped it.
func (v Verdict) Died() bool {
	stopped := v.Removes || v.Recreation != nil && v.Recreation.New != nil
	return !v.Container.Alive() && !stopped
}

// Action is what acting means.
func (v Verdict) Action() history.Action {
	return history.Action{
		Container: v.Container, Trigger: v.Trigger, Namespace: v.Namespace, Cause: v.Cause,
		Recreation: v.Recreation, Removes: v.Removes, After: v.after,
	}
}

// Plan is what is to be done at a moment.
type Plan struct {
	Verdicts []Verdict // one per container that matters: those to act upon first, removals last of these; the longest due first, then by ID
	Answers  []Answered
	Next     time.Time // when to decide again without news, after now; zero: never

	now time.Time
}

// Answered is a request and what it is answered.
type Answered struct {
	Request *Request
	outcome.Answer
}

// Decide judges every container, and every request of an alert. It changes none of its
// arguments, and the same facts give the same plan. What of the history and the requests
// is not in the snapshot is ignored. Without a current snapshot nothing is done: what is
// not current is nothing to act on.
func Decide(now time.Time, pol policy.Policy, snapshot *engine.Snapshot, past history.History, requests []*Request) Plan {
	p := Plan{now: now}
	if !snapshot.Connected {
		p.answer(past, requests, nil, false)
		return p
	}
	e := newEvaluator(now, pol, snapshot, past)
	settled := e.ask(requests)
	for _, c := range snapshot.Containers {
		if v, matters := e.judge(c); matters {
			p.Verdicts = append(p.Verdicts, v)
		}
	}
	slices.SortFunc(p.Verdicts, func(a, b Verdict) int {
		if a.Act != b.Act {
			return count(b.Act) - count(a.Act)
		}
		// What is down comes before what a re-creation has left.
		return cmp.Or(count(a.Removes)-count(b.Removes), a.due.Compare(b.due), cmp.Compare(a.Container.ID, b.Container.ID))
	})
	p.roll(e)
	p.limit(e)
	p.answer(past, requests, settled, true)
	p.look(e.next)
	p.look(past.Awaited)
	for _, v := range p.Verdicts {
		p.look(v.Until)
		p.look(v.again)
	}
	for _, c := range snapshot.Containers {
		rec := past.At(c.ID)
		if !c.UnhealthySince.IsZero() {
			p.look(c.UnhealthySince.Add(rec.Rule(pol, c).UnhealthyFor))
		}
		p.look(rec.BackoffResetAt(pol.Backoff.Reset))
		p.look(rec.SlotUntil)
	}
	return p
}

// limit holds what would be one action too many, in the order of the verdicts.
func (p *Plan) limit(e *evaluator) {
	underWay := e.history.Active(p.now)
	for _, c := range e.snapshot.Containers {
		if until := e.unanswered(c); until.After(p.now) {
			underWay[history.Restart]++
			p.look(until)
		}
	}
	spent := slices.Clone(e.history.RecentRestarts)
	started := map[string]bool{} // IDs of those that are started by this plan
	for i := range p.Verdicts {
		v := &p.Verdicts[i]
		if !v.Act {
			continue
		}
		kind := v.Action().Kind()
		counts := kind == history.Restart && v.Trigger.Counts()
		switch {
		case kind == history.Start && slices.ContainsFunc(e.twins(v.Container), func(t *engine.Container) bool { return started[t.ID] }):
			v.Act, v.Reason = false, outcome.Superseded
		case !underWay.Free(kind, e.policy.Concurrency):
			v.Act, v.Reason = false, outcome.RateLimited
		case counts && len(spent) >= e.policy.MaxPerMinute:
			v.Act, v.Reason, v.Until = false, outcome.RateLimited, spent[len(spent)-e.policy.MaxPerMinute].Add(time.Minute)
		default:
			underWay[kind]++
			started[v.Container.ID] = kind == history.Start
			if counts {
				spent = append(spent, p.now)
			}
		}
	}
}

func (p *Plan) look(at time.Time) {
	if at.After(p.now) && (p.Next.IsZero() || at.Before(p.Next)) {
		p.Next = at
	}
}
