package decision

import (
	"time"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// Veto names what forbids to act whatever happened.
func Veto(p *engine.Snapshot, c *engine.Container) outcome.Reason {
	switch {
	case c.ID == p.Self:
		return outcome.Self
	case c.Task() != "":
		return outcome.SwarmTask
	case compose.OneOff(c):
		return outcome.OneOff
	}
	return unfit(c)
}

// unfit names what of a container's state forbids to act.
func unfit(c *engine.Container) outcome.Reason {
	switch c.State {
	case engine.Paused:
		return outcome.Paused
	case engine.Restarting:
		return outcome.EngineRestarting
	case engine.Removing:
		return outcome.Removing
	case engine.Dead:
		return outcome.Dead
	}
	switch {
	case !c.Inspected:
		return outcome.NotInspected
	case c.AutoRemove:
		return outcome.AutoRemove
	case c.Untouched():
		return outcome.Created
	}
	return ""
}

// forbidden names what forbids to act whatever is wrong with the container, and until when.
func (e *evaluator) forbidden(c *engine.Container, rule policy.Rule, t policy.Trigger) (outcome.Reason, time.Time) {
	held, until := e.onHold(rule)
	r := Veto(e.snapshot, c)
	if r == outcome.SwarmTask && rule.Ends && t == policy.TriggerAlert && c.Up() {
		r = unfit(c) // its owner says so
	}
	switch {
	case e.history.Acting(c.ID):
		return outcome.InProgress, time.Time{}
	case held:
		return outcome.OnHold, until
	case r != outcome.Created:
		return r, time.Time{}
	case t == policy.TriggerDependsOn:
		return "", time.Time{} // it is ready to be started
	}
	return e.neverStarted(c)
}

// onHold reports whether a container is on hold, and until when; zero:
// until the hold file can be read.
func (e *evaluator) onHold(rule policy.Rule) (is bool, until time.Time) {
	if e.policy.HoldAll {
		return true, time.Time{}
	}
	return rule.HeldUntil.After(e.now), rule.HeldUntil
}
