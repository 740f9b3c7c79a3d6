package decision

import (
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

const (
	// A container that nobody saw end, so long before the first snapshot, is
	// taken for one that was stopped.
	unknownWindow = 10 * time.Minute
	// A glob or a label does not mean what exited so long before the first snapshot.
	oldWindow = 24 * time.Hour
)

// ending judges how the last run ended: whether that is to be healed, and when.
func (e *evaluator) ending(c *engine.Container, rule policy.Rule) (outcome.Reason, time.Time) {
	ending, seen := e.resolveUnknown(c)
	if ending == engine.CauseStopped && (rule.Mode != policy.Always || !rule.Heals(policy.TriggerExited)) {
		return outcome.Stopped, time.Time{}
	}
	if e.finished(c, rule) {
		return outcome.Finished, time.Time{}
	}
	if rule.GlobOnly && e.grownOld(c, ending) {
		return outcome.Old, time.Time{}
	}
	until := e.replaced(c, rule)
	if ending == engine.CauseStopped || !seen {
		until = engine.Later(until, e.stopDelayEnd(c, rule))
	}
	if until.After(e.now) {
		return outcome.StoppedDelay, until
	}
	return "", time.Time{}
}

// grownOld reports whether a container exited so long before the first snapshot that nobody
// misses it. One that Defib was healing, or that ended with its engine, is missed however
// long the host was off. What Defib has heard itself is new, whatever the engine's clock says.
func (e *evaluator) grownOld(c *engine.Container, ending engine.ExitCause) bool {
	heard := c.ExitCause != engine.CauseUnknown && c.ExitSeenAt.After(e.history.Began)
	if heard || c.Finished.IsZero() || ending == engine.CauseEngine || e.history.At(c.ID).Attempts > 0 {
		return false
	}
	return e.snapshot.First.Sub(c.Finished) > oldWindow
}

// resolveUnknown resolves an end that nobody saw: it counts as a stop if it lies far
// back, or if the engine would have restarted the container itself, had it not
// been stopped. Seen is false when it still is a guess.
func (e *evaluator) resolveUnknown(c *engine.Container) (cause engine.ExitCause, seen bool) {
	if c.ExitCause != engine.CauseUnknown {
		return c.ExitCause, true
	}
	if e.snapshot.First.Sub(c.Finished) > unknownWindow || c.AlwaysRestarts() && c.Error == "" {
		return engine.CauseStopped, true
	}
	return engine.CauseSelf, false
}

// stopDelayEnd is when a container that was stopped has been left alone for long
// enough, and its compose project with it.
func (e *evaluator) stopDelayEnd(c *engine.Container, rule policy.Rule) time.Time {
	until := c.ExitSeenAt.Add(rule.StoppedDelay)
	if project := c.Project(); project != "" {
		until = engine.Later(until, e.snapshot.Projects[project].Add(rule.StoppedDelay))
		until = engine.Later(until, e.stopped[project].Add(engine.StopWindow))
	}
	return until
}

// finished reports whether the container ended well, as it was meant to.
func (e *evaluator) finished(c *engine.Container, rule policy.Rule) bool {
	if c.State != engine.Exited || !c.Exit.Known || c.Exit.Code != 0 {
		return false
	}
	return rule.Mode == policy.OnFailure || c.RestartPolicy == string(policy.OnFailure) || e.awaited[c.Project()+"/"+c.Service()]
}
