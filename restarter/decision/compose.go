package decision

import (
	"cmp"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

const (
	// Whoever creates a container to start it does so at once. An engine with much to
	// do may take so long for it.
	startWithin = 2 * time.Minute
	// A deploy may wait so long for the health of what a container depends on.
	deployWithin = 10 * time.Minute
)

// twins returns the other containers of the same instance. Those of a re-creation are
// none: which of them is to run is settled between them.
func (e *evaluator) twins(c *engine.Container) []*engine.Container {
	i, ok := compose.InstanceOf(c)
	if !ok {
		return nil
	}
	var twins []*engine.Container
	for _, t := range e.instances[i] {
		if t != c && compose.SameDirectory(c, t) && e.successions[t.ID] == nil {
			twins = append(twins, t)
		}
	}
	return twins
}

// superseded reports whether a container that is down must stay so, since another
// of its instance runs, is being started, or was started later; and until when, if
// that is only because the engine may yet carry out a start that it has not answered.
func (e *evaluator) superseded(c *engine.Container) (is bool, until time.Time) {
	for _, t := range e.twins(c) {
		past := e.history.At(t.ID)
		if alive(t) || past.Acting || startedLater(t, c) {
			return true, time.Time{}
		}
		if past.Late {
			until = engine.Later(until, past.LastEnd.Add(startWithin))
		}
	}
	return until.After(e.now), until
}

// replaced is until when another container of the instance may be about to be
// started: one that compose has created and not started yet, or one that was stopped
// a moment ago, as anybody's docker restart does; zero: there is none.
func (e *evaluator) replaced(c *engine.Container, rule policy.Rule) time.Time {
	var until time.Time
	for _, t := range e.twins(c) {
		switch {
		case t.Untouched():
			until = engine.Later(until, t.CreatedSeenAt.Add(startWithin))
		case t.State == engine.Exited:
			if cause, seen := e.resolveUnknown(t); cause == engine.CauseStopped || !seen {
				until = engine.Later(until, t.ExitSeenAt.Add(max(rule.StoppedDelay, transientTimeout)))
			}
		}
	}
	return until
}

// neverStarted tells a container that a deploy has left behind from one that nobody
// wants to run yet. The first needs somebody once no deploy will come back to it.
func (e *evaluator) neverStarted(c *engine.Container) (outcome.Reason, time.Time) {
	if !e.leftBehind(c) {
		return outcome.Created, time.Time{}
	}
	if until := c.CreatedSeenAt.Add(deployWithin); until.After(e.now) {
		return outcome.Created, until
	}
	return outcome.NotStarted, time.Time{}
}

// leftBehind reports whether others of the container's compose project were started
// since it was created, but neither it nor another one of its instance.
func (e *evaluator) leftBehind(c *engine.Container) bool {
	return e.order.StartedSince(c) && !slices.ContainsFunc(e.twins(c), alive)
}

// alive reports whether the program of a container is there, or will be in a moment.
func alive(c *engine.Container) bool {
	return c.Alive() || c.State == engine.Restarting
}

// startedLater reports whether t was started after c. One whose first start failed
// does not take part: neither has it replaced its twin, nor its twin it.
func startedLater(t, c *engine.Container) bool {
	if t.Started.IsZero() || c.Started.IsZero() || t.State == engine.Removing || t.State == engine.Dead {
		return false
	}
	return cmp.Or(t.Started.Compare(c.Started), t.Created.Compare(c.Created), cmp.Compare(t.ID, c.ID)) > 0
}
