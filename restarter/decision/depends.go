package decision

import (
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// createdFor is how long a container must have been there to count as left behind by a
// deploy: one that is under way starts it as soon as what it depends on is ready.
const createdFor = time.Minute

// dependsOn returns what there is to heal about a container that depends on others of its
// compose project, once it may be healed; until then there is nothing, and so no reason
// for leaving it alone.
func (e *evaluator) dependsOn(c *engine.Container, rule policy.Rule) []cause {
	if !rule.Heals(policy.TriggerDependsOn) {
		return nil
	}
	since, until := e.restartAfter(c, rule)
	if c.State == engine.Created {
		since, until = e.startAfter(c, rule)
	}
	switch {
	case since.IsZero():
		return nil
	case !until.After(e.now):
		return []cause{{policy.TriggerDependsOn, since}}
	case e.next.IsZero() || until.Before(e.next):
		e.next = until
	}
	return nil
}

// restartAfter is since when a container that runs is to be restarted after one that it
// depends on, and until when to wait; zero: it is not, or not yet.
func (e *evaluator) restartAfter(c *engine.Container, rule policy.Rule) (since, until time.Time) {
	if !c.Up() {
		return time.Time{}, time.Time{}
	}
	since, outdated := e.order.Outdated(c)
	if !outdated || slices.ContainsFunc(e.order.Precede(c), e.toBeRestarted) {
		return time.Time{}, time.Time{}
	}
	ready, satisfied := e.order.RestartReady(c)
	if !satisfied {
		return time.Time{}, time.Time{}
	}
	return since, e.deployEnd(c, rule, ready)
}

// startAfter is since when a container that a deploy has left behind may be started, as
// restartAfter has it.
func (e *evaluator) startAfter(c *engine.Container, rule policy.Rule) (since, until time.Time) {
	if c.FailedStart() || !e.leftBehind(c) || len(e.twins(c)) > 0 { // compose may have meant it to take a twin's place
		return time.Time{}, time.Time{}
	}
	ready, satisfied := e.order.StartReady(c)
	if !satisfied {
		return time.Time{}, time.Time{}
	}
	return ready, engine.Later(e.deployEnd(c, rule, ready), c.CreatedSeenAt.Add(createdFor))
}

// deployEnd is when whoever deploys the container's compose project would have gone on with
// it: compose, too, restarts what depends on another container, a moment after that is
// ready. Last is when that was.
func (e *evaluator) deployEnd(c *engine.Container, rule policy.Rule, last time.Time) time.Time {
	until := engine.Later(last, e.snapshot.Projects[c.Project()]).Add(max(rule.StoppedDelay, transientTimeout))
	return engine.Later(until, e.stopped[c.Project()].Add(engine.StopWindow))
}

// toBeRestarted reports whether a container is being acted upon, or is to be restarted after
// another one soon: those that depend on it come after that. In a circle, which compose
// refuses, nobody comes first.
func (e *evaluator) toBeRestarted(c *engine.Container) bool {
	if is, known := e.restarting[c.ID]; known {
		return is
	}
	if e.history.Acting(c.ID) {
		return true
	}
	rule := e.history.Rule(e.policy, c)
	if !c.Up() || !rule.Whitelisted || len(rule.BadLabels) > 0 || !rule.Heals(policy.TriggerDependsOn) {
		return false
	}
	e.restarting[c.ID] = true // until it is known
	_, is := e.order.Outdated(c)
	if is = is || slices.ContainsFunc(e.order.Precede(c), e.toBeRestarted); is {
		reason, _ := e.held(c, rule, policy.TriggerDependsOn)
		is = reason == "" || reason == outcome.InProgress || reason == outcome.BackOff
	}
	e.restarting[c.ID] = is
	return is
}
