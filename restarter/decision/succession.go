package decision

import (
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/succession"
)

// provenAfter is how long a container that was re-created must run before the old one is
// removed.
const provenAfter = 30 * time.Second

// ordinary reports whether a container of a succession is judged like any other: the old
// one as long as it has the name, the new one once it was started.
func (e *evaluator) ordinary(c *engine.Container, s *succession.Succession) bool {
	sure := !s.Unsure || c.State != engine.Created
	return sure && !e.acting(s) && c.Name == s.Name && (c == s.Old || s.Finished())
}

// halfRecreated reports whether the first start of one that was re-created has failed: it goes
// on for the trigger that the old one was stopped for.
func (e *evaluator) halfRecreated(c *engine.Container, rule policy.Rule) bool {
	s := e.successions[c.ID]
	return s != nil && c == s.Successor && c.FailedStart() && !rule.Heals(policy.TriggerExited)
}

// acting reports whether an action on either is under way.
func (e *evaluator) acting(s *succession.Succession) bool {
	return s.Old != nil && e.history.Acting(s.Old.ID) || s.Successor != nil && e.history.Acting(s.Successor.ID)
}

// rule is what the policy means for a container. One of the two of a re-creation counts as
// whitelisted if one of their name is, and may be re-created.
func (e *evaluator) rule(c *engine.Container) policy.Rule {
	s := e.successions[c.ID]
	if s == nil || e.ordinary(c, s) {
		return e.history.Rule(e.policy, c)
	}
	named := *c
	named.Name = s.Name
	rule := e.policy.For(&named)
	rule.Whitelisted = rule.Whitelisted && rule.Recreate
	return rule
}

// judgeSuccession gives the verdict on one of the two containers of a re-creation.
func (e *evaluator) judgeSuccession(c *engine.Container, s *succession.Succession, rule policy.Rule) Verdict {
	v := Verdict{Container: c, Trigger: policy.TriggerExited, Namespace: engine.Network, Cause: c.ExitSeenAt}
	if c.Up() {
		v.Trigger, v.Cause = policy.TriggerDependency, c.StartSeenAt
	}
	v.Occasion = engine.Later(v.Cause, c.CreatedSeenAt)
	switch begun := s.Old != nil && e.history.Acting(s.Old.ID); {
	case !s.Finished() && (begun || !s.Prepared):
		v.Recreation = &engine.Recreation{Name: s.Name, Old: s.Old, New: s.Successor}
	default:
		v.Removes = s.Leaves(c)
	}
	v.Reason, v.Until = e.successionHeld(c, s, rule)
	v.Act, v.due = v.Reason == "", e.history.At(c.ID).RetryAt(c, e.policy.Backoff)
	return v
}

// successionHeld names the first of all reasons to leave one of the two containers of a
// re-creation alone now, and when to look again; "" if there is none.
func (e *evaluator) successionHeld(c *engine.Container, s *succession.Succession, rule policy.Rule) (outcome.Reason, time.Time) {
	if r, until := e.successionForbidden(c, s, rule); r != "" {
		return r, until
	}
	switch {
	case s.Stray:
		return outcome.Superseded, time.Time{}
	case c == s.Successor && !s.Prepared:
		return outcome.Created, time.Time{} // what is done about the old one includes it
	case c == s.Old && s.Finished():
		if proven, until := e.proven(s); !proven || c.Alive() {
			return outcome.Superseded, until // what somebody has started is left to him
		}
	}
	return e.putOff(c)
}

// successionForbidden names what forbids to act on either of the two containers.
func (e *evaluator) successionForbidden(c *engine.Container, s *succession.Succession, rule policy.Rule) (outcome.Reason, time.Time) {
	held, until := e.onHold(rule)
	switch {
	case e.acting(s):
		return outcome.InProgress, time.Time{}
	case held:
		return outcome.OnHold, until
	case len(rule.BadLabels) > 0:
		return outcome.BadLabel, time.Time{}
	case s.Unsure:
		return outcome.NotInspected, time.Time{}
	case c.State == engine.Removing:
		return outcome.Removing, time.Time{}
	case c.State == engine.Dead:
		return outcome.Dead, time.Time{}
	}
	return "", time.Time{}
}

// proven reports whether whoever has the name by now runs for long enough, and until when
// it has to. One whose own parent is gone by now is to be re-created itself, for which the
// old one is in the way.
func (e *evaluator) proven(s *succession.Succession) (is bool, until time.Time) {
	heir := s.Successor
	if heir == nil {
		heir = e.snapshot.Find(s.Name)
	}
	if heir == nil || !heir.Inspected || heir.Project() != s.Old.Project() || !heir.Created.After(s.Old.Created) {
		return false, time.Time{}
	}
	since := e.history.At(heir.ID).ReadySince
	until = since.Add(provenAfter)
	switch {
	case e.worstTie(heir).Reason == outcome.ParentGone:
		return true, time.Time{}
	case since.IsZero():
		return false, time.Time{}
	case until.After(e.now):
		return false, until
	}
	return true, time.Time{}
}
