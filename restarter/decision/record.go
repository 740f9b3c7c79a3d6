package decision

import (
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// record is what happened to one container since Defib first saw it.
type record struct {
	acting     bool      // an action is under way
	restarting bool      // it is, or the last one was, a restart of what runs
	slotUntil  time.Time // until when it takes one of the places for actions, on our clock
	attempts   int       // since it was last forgiven
	restarts   int       // of these, restarts of the running container for what is wrong with itself
	lastEnd    time.Time // of the last attempt, on our clock
	refused    bool      // by the engine or a proxy, at the last attempt
	failed     bool      // the last attempt did, not by a refusal, and the container has not been started or stopped since

	rule  policy.Rule       // what the policy means for it
	ruled *engine.Container // as it was when that was worked out; nil: the policy has changed since

	last         *engine.Container // at the last look; nil before the first
	streak       int               // starts and restarts, ours and the engine's, since it was last forgiven, without those after its parent's
	healthySince time.Time         // since when it has stayed up and not unhealthy, on our clock; zero: it has not

	joined map[string]time.Time // by its parents' IDs: their StartedAt when our last action gave it their namespaces

	late bool // our last action was not answered: a start that is seen now is its doing

	healing policy.Trigger // of an attempt whose recovery is still awaited; "" if none
	cause   time.Time      // of that attempt, on our clock
	from    time.Time      // StartedAt before that attempt, on the engine's clock
}

// retryAt is when the back-off ends: it counts from the later of the death and
// the end of the last attempt.
func (r *record) retryAt(c *engine.Container, b policy.Backoff) time.Time {
	if r.attempts == 0 {
		return time.Time{}
	}
	return later(c.ExitSeenAt, r.lastEnd).Add(b.After(r.attempts))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// backoffResetAt is when past attempts will be forgotten if the container stays as
// it is; zero: never.
func (r *record) backoffResetAt(reset time.Duration) time.Time {
	if r.healthySince.IsZero() || r.attempts == 0 && r.streak == 0 {
		return time.Time{}
	}
	return r.healthySince.Add(reset)
}

// observe brings the record up to date with what the container is now. That the
// engine accepted a start proves nothing: only a stay, up and well, does.
func (r *record) observe(now time.Time, c *engine.Container, reset time.Duration) {
	last := r.last
	r.last = c
	if last == nil {
		last = c
	}
	switch {
	case mayBeKilledWithParent(c): // what its engine tries then says nothing of it
	case c.RestartCount >= last.RestartCount:
		r.streak += c.RestartCount - last.RestartCount
	default:
		r.streak += c.RestartCount // it went back to 0 at a start through the API
	}
	if c.ExitCause == engine.CauseStopped {
		r.healing, r.failed = "", false // whatever brings it back, it is no recovery of ours
	}
	switch {
	case !c.Well():
		r.healthySince = time.Time{}
	case r.healthySince.IsZero() || !c.Started.Equal(last.Started):
		r.healthySince = now
	}
	if !c.Started.Equal(last.Started) {
		r.failed = false
	}
	if !c.Started.Equal(last.Started) && !r.acting && c.RestartCount == 0 {
		r.startedByOthers()
	}
	// The run that an action is about to end is no stay after it.
	if at := r.backoffResetAt(reset); !r.acting && !at.IsZero() && !at.After(now) {
		r.attempts, r.restarts, r.streak, r.refused, r.failed = 0, 0, 0, false, false
	}
}

// startedByOthers takes note of a start while no action of ours is under way:
// whoever did it may have mended the container. But an engine may complete an
// action of ours that it has not answered.
func (r *record) startedByOthers() {
	if !r.late {
		r.restarts = 0
	}
	r.late = false
}

// joins reports whether our last action gave the container the namespace that its
// parent has in this run, whatever the engine's clock says: it may have been set back
// since the parent was started.
func (r *record) joins(parent *engine.Container) bool {
	started, ok := r.joined[parent.ID]
	return ok && started.Equal(parent.Started)
}

// notHealthy takes note that somebody says that the container, though it runs, needs to
// be restarted: then it has not stayed well, whatever its health check says.
func (r *record) notHealthy(now time.Time) {
	if !r.healthySince.IsZero() {
		r.healthySince = now
	}
}

// recovered reports whether what an attempt set out to heal has been healed.
func (r *record) recovered(c *engine.Container) bool {
	return r.healing != "" && !r.acting && c.Up() && !c.Started.Equal(r.from) && (!c.HealthCheck || c.Health == engine.Healthy)
}
