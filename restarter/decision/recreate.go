package decision

import (
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/succession"
)

// quietAtLeast is how long the compose project must have been left alone since the new
// parent became well: compose re-creates the children itself, one after the other.
const quietAtLeast = 30 * time.Second

// recreation is how to bring back a container whose network parent is gone: it is
// re-created in the network of the one that has taken its parent's place. If that cannot
// be, why says what keeps it from it; until is when that may end.
func (e *evaluator) recreation(c *engine.Container, rule policy.Rule, t policy.Trigger) (r *engine.Recreation, until time.Time, why string) {
	switch {
	case !rule.Recreate:
		return nil, time.Time{}, ""
	case t != policy.TriggerDependency && t != policy.TriggerExited:
		return nil, time.Time{}, "only the triggers dependency and exited may have it re-created"
	case e.successions[c.ID] != nil && e.successions[c.ID].Stray:
		return nil, time.Time{}, e.successions[c.ID].Successor.Name + ", which was to take its place, was started by somebody: remove one of them"
	case e.successions[c.ID] != nil:
		return nil, time.Time{}, "an earlier re-creation of it is not over yet"
	}
	if why := succession.Bound(e.snapshot, c); why != "" {
		return nil, time.Time{}, why
	}
	known := e.history.At(c.ID).Parent
	if known.ID != c.Shares(engine.Network) {
		known = succession.Noted(c)
	}
	parent, why := succession.NewParent(e.snapshot, c, known)
	if why != "" {
		return nil, time.Time{}, why
	}
	until = e.quietSince(c, parent).Add(max(rule.StoppedDelay, quietAtLeast))
	if until.After(e.now) {
		return nil, until, "its compose project and " + parent.Name + " must be left alone for a while first"
	}
	return &engine.Recreation{Name: c.Name, Old: c, Parent: parent}, time.Time{}, ""
}

// recreate has the verdict on a container say that it is to be re-created, or why it cannot
// be, if its parent is gone.
func (e *evaluator) recreate(v *Verdict, c *engine.Container, rule policy.Rule) {
	if !rule.Recreate || e.worstTie(c).Reason != outcome.ParentGone {
		return
	}
	r, _, why := e.recreation(c, rule, v.Trigger)
	if v.Recreation = r; r == nil {
		if v.Reason == outcome.ParentGone {
			v.Detail = why
		}
		return
	}
	if v.Cause.IsZero() { // nobody saw its parent go
		v.Cause, v.Occasion = r.Parent.StartSeenAt, r.Parent.StartSeenAt
	}
}

// quietSince is the last moment at which the parent, or the compose project of both, was
// changed by anybody, on our clock.
func (e *evaluator) quietSince(c, parent *engine.Container) time.Time {
	since := engine.Later(e.history.At(parent.ID).ReadySince, parent.StopSeenAt)
	since = engine.Later(since, engine.Later(parent.CreatedSeenAt, c.StopSeenAt))
	return engine.Later(since, engine.Later(e.snapshot.Projects[c.Project()], e.stopped[c.Project()]))
}
