package restarter

import (
	"cmp"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// perMinute is the time per which restarts of running containers are limited.
const perMinute = time.Minute

// verdict is what is to be done about one container.
type verdict struct {
	container *engine.Container
	act       bool
	trigger   policy.Trigger
	namespace engine.Namespace // that it shares with a parent, if that is why it is acted upon or left alone
	cause     time.Time        // since when there is something to heal, on our clock
	due       time.Time        // since when it may be acted upon: one that failed again and again must not come first for ever
	reason    Reason           // why it is left alone; "" if act
	until     time.Time        // when that ends; zero: on news only
	again     time.Time        // when to look again: another cause may be ripe before; zero: on news only
}

// restarts reports whether acting means to restart what runs.
func (v verdict) restarts() bool { return v.container.Up() }

// counts reports whether the attempt counts for the limits of restarts and for the
// streak. What a child needs because its parent was restarted does not: that
// happens once per run of the parent, and says nothing of the child.
func (v verdict) counts() bool { return v.trigger != policy.TriggerDependency }

// plan is what is to be done at a moment: one verdict per container that
// matters, those to act upon first, the longest due first, then by id.
type plan struct {
	verdicts []verdict
	now      time.Time
	next     time.Time // when to decide again without news, after now; zero: never
}

// judged are verdicts by container ID.
type judged map[string]*verdict

// of returns the verdict on a container; the zero value if there is none.
func (j judged) of(id string) verdict {
	if v := j[id]; v != nil {
		return *v
	}
	return verdict{}
}

// decide judges every container. It is pure: the same facts give the same plan.
// Asked holds, by container ID, since when an alert asks for a container, on our
// clock. What of past and asked is not in the snapshot is ignored.
func decide(now time.Time, pol policy.Policy, snapshot *engine.Snapshot, past history, asked map[string]time.Time) plan {
	f := newEvaluator(now, pol, snapshot, past, asked)
	p := plan{now: now}
	for _, c := range snapshot.Containers {
		if v, matters := f.judge(c); matters {
			p.verdicts = append(p.verdicts, v)
		}
	}
	slices.SortFunc(p.verdicts, func(a, b verdict) int {
		if a.act != b.act {
			return cmp.Compare(b.rank(), a.rank())
		}
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.container.ID, b.container.ID))
	})
	p.roll(snapshot, past, pol.Backoff)
	p.limit(f)
	for _, v := range p.verdicts {
		p.look(v.until)
		p.look(v.again)
	}
	for _, c := range snapshot.Containers {
		rec := past.at(c.ID)
		p.look(c.UnhealthySince.Add(pol.UnhealthyFor))
		p.look(rec.backoffResetAt(pol.Backoff.Reset))
		p.look(rec.slotUntil)
	}
	return p
}

func (v verdict) rank() int {
	if v.act {
		return 1
	}
	return 0
}

// limit holds what would be one action too many, in the order of the verdicts.
func (p *plan) limit(f *evaluator) {
	starts, restarts := f.history.active(p.now)
	spent := slices.Clone(f.history.recentRestarts)
	started := map[string]bool{} // IDs of those that are started by this plan
	for i := range p.verdicts {
		v := &p.verdicts[i]
		switch {
		case !v.act:
		case !v.restarts() && slices.ContainsFunc(f.twins(v.container), func(t *engine.Container) bool { return started[t.ID] }):
			v.act, v.reason = false, Superseded
		case !v.restarts() && starts >= f.policy.Concurrency, v.restarts() && restarts >= f.policy.Concurrency:
			v.act, v.reason = false, RateLimited
		case !v.restarts():
			starts++
			started[v.container.ID] = true
		case !v.counts():
			restarts++
		case len(spent) >= f.policy.MaxPerMinute:
			v.act, v.reason, v.until = false, RateLimited, spent[len(spent)-f.policy.MaxPerMinute].Add(perMinute)
		default:
			restarts++
			spent = append(spent, p.now)
		}
	}
}

func (p *plan) look(at time.Time) {
	if at.After(p.now) && (p.next.IsZero() || at.Before(p.next)) {
		p.next = at
	}
}
