package decision

import (
	"time"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/history"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/succession"
)

// A stop takes the container's stop timeout, and so much more on a slow host.
const stopSlack = 20 * time.Second

// evaluator is what one decision rests on.
type evaluator struct {
	now      time.Time
	policy   policy.Policy
	snapshot *engine.Snapshot
	history  history.History
	asked    map[string]asked // by container ID

	successions map[string]*succession.Succession // by the IDs of both containers

	stopped map[string]time.Time // by compose project: when one of its containers that runs was last told to stop, on our clock
	awaited map[string]bool      // project/service whose completion another container waits for

	instances map[compose.Instance][]*engine.Container

	order      *compose.Order
	restarting map[string]bool // by container ID: see toBeRestarted
	next       time.Time       // when what is no cause yet may be one; zero: on news only
}

func newEvaluator(now time.Time, pol policy.Policy, snapshot *engine.Snapshot, past history.History) *evaluator {
	e := &evaluator{
		now: now, policy: pol, snapshot: snapshot, history: past, asked: map[string]asked{}, successions: succession.Find(snapshot),
		stopped: map[string]time.Time{}, awaited: map[string]bool{}, instances: map[compose.Instance][]*engine.Container{},
		restarting: map[string]bool{},
	}
	e.order = compose.NewOrder(now, snapshot, past, pol.Backoff, func(c *engine.Container) bool { is, _ := e.superseded(c); return is })
	for _, c := range snapshot.Containers {
		project := c.Project()
		if project == "" {
			continue
		}
		if i, ok := compose.InstanceOf(c); ok {
			e.instances[i] = append(e.instances[i], c)
		}
		if c.StopSeenAt.After(e.stopped[project]) {
			e.stopped[project] = c.StopSeenAt
		}
		for _, d := range compose.Dependencies(c) {
			if d.Condition == compose.Completed {
				e.awaited[project+"/"+d.Service] = true
			}
		}
	}
	return e
}

// cause is one thing that there is to heal about a container.
type cause struct {
	trigger policy.Trigger
	since   time.Time // on our clock; zero: not known
}

// judge gives the verdict on one container. It does not matter if it is not
// whitelisted, or nothing is wrong with it; with one whose labels are not understood
// something is. Of several causes the first that may be acted upon counts, else the
// last that is to be healed at all.
func (e *evaluator) judge(c *engine.Container) (v Verdict, matters bool) {
	rule := e.rule(c)
	if !rule.Whitelisted {
		return Verdict{}, false
	}
	if s := e.successions[c.ID]; s != nil && !e.ordinary(c, s) {
		return e.judgeSuccession(c, s, rule), true
	}
	if len(rule.BadLabels) > 0 {
		return Verdict{Container: c, Reason: outcome.BadLabel}, true
	}
	var again time.Time
	for _, one := range e.causes(c, rule) {
		reason, until := e.held(c, rule, one.trigger)
		if again.IsZero() || !until.IsZero() && until.Before(again) {
			again = until
		}
		if reason == "" || !matters || rule.Heals(one.trigger) {
			v, matters = Verdict{
				Container: c, Act: reason == "", Trigger: one.trigger, Namespace: e.worstTie(c).Namespace,
				Cause: one.since, Occasion: e.occasion(c, one), Reason: reason, Until: until,
				due: engine.Later(one.since, e.history.At(c.ID).RetryAt(c, e.policy.Backoff)),
			}, true
		}
		if v.Act {
			v.after = e.order.Precede(c)
			break
		}
	}
	v.again = again
	e.recreate(&v, c, rule)
	return v, matters
}

// occasion is what a cause is told from others of its trigger by. That of an alert is when
// it first arrived, so that its repeats are no new ones.
func (e *evaluator) occasion(c *engine.Container, one cause) time.Time {
	if one.trigger == policy.TriggerAlert {
		return e.asked[c.ID].heard
	}
	return one.since
}

// causes lists what there is to heal; none for a container that is up and well
// and that nobody asks for.
func (e *evaluator) causes(c *engine.Container, rule policy.Rule) []cause {
	asked := e.asked[c.ID].since
	depends := e.dependsOn(c, rule)
	if !c.Up() {
		if depends != nil {
			return depends
		}
		if !rule.Heals(policy.TriggerExited) && !asked.IsZero() {
			return []cause{{policy.TriggerAlert, asked}}
		}
		if rule.Heals(policy.TriggerDependency) && (e.killedWithParent(c) || e.halfRecreated(c, rule)) {
			return []cause{{policy.TriggerDependency, c.ExitSeenAt}}
		}
		return []cause{{policy.TriggerExited, c.ExitSeenAt}}
	}
	var cs []cause
	if t := e.worstTie(c); t.Lost {
		cs = append(cs, cause{policy.TriggerDependency, t.since()})
		if rule.Heals(policy.TriggerDependency) {
			return cs // whatever else is wrong may come of it, and must not count against it
		}
	}
	if !c.UnhealthySince.IsZero() && !c.UnhealthySince.Add(rule.UnhealthyFor).After(e.now) {
		cs = append(cs, cause{policy.TriggerUnhealthy, c.UnhealthySince})
	}
	if !asked.IsZero() {
		cs = append(cs, cause{policy.TriggerAlert, asked})
	}
	return append(cs, depends...)
}

// held names the first of all reasons to leave the container alone now, and when
// to look again; "" if there is none.
func (e *evaluator) held(c *engine.Container, rule policy.Rule, t policy.Trigger) (outcome.Reason, time.Time) {
	if r, until := e.forbidden(c, rule, t); r != "" {
		return r, until
	}
	past := e.history.At(c.ID)
	if c.Up() {
		if r, until := e.restartBlocked(c, past, rule, t); r != "" {
			return r, until
		}
	} else if is, until := e.superseded(c); is {
		return outcome.Superseded, until
	} else if r, until := e.ending(c, rule); r != "" {
		return r, until
	}
	if !rule.Heals(t) {
		return outcome.TriggerDisabled, time.Time{}
	}
	switch r, until := e.parent(c); r {
	case "":
	case outcome.ParentGone:
		if re, until, _ := e.recreation(c, rule, t); re == nil {
			return outcome.ParentGone, until
		}
	default:
		return r, until
	}
	return e.putOff(c)
}

// putOff names what keeps an action from being tried now that nothing else does.
func (e *evaluator) putOff(c *engine.Container) (outcome.Reason, time.Time) {
	past := e.history.At(c.ID)
	switch until := past.RetryAt(c, e.policy.Backoff); {
	case until.After(e.now) && past.Declined != "":
		return past.Declined, until
	case until.After(e.now):
		return outcome.BackOff, until
	case e.policy.DryRun:
		return outcome.DryRun, time.Time{}
	}
	return "", time.Time{}
}

// restartBlocked names what forbids to restart a container that runs: restarting it is
// not free.
func (e *evaluator) restartBlocked(c *engine.Container, past *history.Record, rule policy.Rule, t policy.Trigger) (outcome.Reason, time.Time) {
	if until := c.StopSeenAt.Add(stopping(c)); !c.StopSeenAt.IsZero() && until.After(e.now) {
		return outcome.InProgress, until // somebody stops or restarts it
	}
	if until := e.unanswered(c); until.After(e.now) {
		return outcome.InProgress, until
	}
	if t != policy.TriggerDependency && past.GaveUp(rule) {
		return outcome.GaveUp, time.Time{}
	}
	if t != policy.TriggerAlert {
		return "", time.Time{}
	}
	if until := c.StartSeenAt.Add(e.policy.MinUptime); until.After(e.now) {
		return outcome.TooYoung, until
	}
	if c.Health == engine.Starting {
		return outcome.TooYoung, time.Time{}
	}
	return "", time.Time{}
}

// unanswered is until when the engine may still carry out a restart that it has not answered,
// such as one that an earlier life of Defib has left to it; zero: there is none.
func (e *evaluator) unanswered(c *engine.Container) time.Time {
	past := e.history.At(c.ID)
	switch {
	case !c.Up() || !past.Late || past.Acting:
		return time.Time{}
	case c.Task() != "": // its service says how long it may take to stop
		return past.LastEnd.Add(engine.StopWindow)
	}
	return past.LastEnd.Add(stopping(c))
}

// stopping is how long a container that was told to stop may take. A signal that
// it survives, as a thread dump is asked for, must not keep it from being healed.
func stopping(c *engine.Container) time.Duration {
	if c.StopTimeout < 0 {
		return engine.StopWindow
	}
	return min(c.StopTimeout+stopSlack, engine.StopWindow)
}
