package history

import (
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// Record is what happened to one container since Defib first saw it.
type Record struct {
	Acting    bool           // an action is under way
	Kind      Kind           // of it, or of the last one
	SlotUntil time.Time      // until when it takes one of the places for actions, on our clock
	Attempts  int            // since it was last forgiven
	Restarts  int            // of these, restarts of the running container for what is wrong with itself
	LastEnd   time.Time      // of the last attempt, on our clock
	Declined  outcome.Reason // why the last attempt was not even begun; "": it was
	Failed    bool           // the last attempt did, once begun, and the container has not been started or stopped since

	rule  policy.Rule       // what the policy means for it
	ruled *engine.Container // as it was when that was worked out; nil: the policy has changed since

	last         *engine.Container // at the last look; nil before the first
	Streak       int               // starts and restarts, ours and the engine's, since it was last forgiven, without those after its parent's
	ReadySince   time.Time         // since when it runs, healthy if it has a health check, on our clock; zero: it does not
	HealthySince time.Time         // since when it has stayed up and not unhealthy, on our clock; zero: it has not

	Joined map[string]time.Time // by the IDs of its parents and of what it is restarted after: their StartedAt when our last action on it began

	Parent NetworkParent // whose network the container shares

	Late bool // our last action has not come to its end: a start that is seen now is its doing

	Healing policy.Trigger // of an attempt whose recovery is still awaited; "" if none
	cause   time.Time      // of that attempt, on our clock
	from    time.Time      // StartedAt before that attempt, on the engine's clock

	slot string    // of a task of Swarm that may be ended; "": it is none
	gone time.Time // since when its container is, on our clock; zero: it is there
}

// Rule is what the policy means for the container. It is worked out once, since it costs
// as much as there are entries in the whitelist.
func (r *Record) Rule(pol policy.Policy, c *engine.Container) policy.Rule {
	if r.ruled == c {
		return r.rule
	}
	return pol.For(c)
}

// GaveUp reports whether restarts did not help the container: it gets no more.
func (r *Record) GaveUp(rule policy.Rule) bool { return r.Restarts >= rule.MaxAttempts }

// shortFor is when a manager is asked again whether a service is short of tasks: what it knows
// of them lags behind by some moments, and is no fault.
const shortFor = 2 * time.Second

// RetryAt is when the back-off ends: it counts from the later of the death and
// the end of the last attempt.
func (r *Record) RetryAt(c *engine.Container, b policy.Backoff) time.Time {
	switch {
	case r.Declined == outcome.InServiceRestart:
		return r.LastEnd.Add(shortFor)
	case r.Attempts == 0:
		return time.Time{}
	}
	return engine.Later(c.ExitSeenAt, r.LastEnd).Add(b.After(r.Attempts))
}

// BackoffResetAt is when past attempts will be forgotten if the container stays as
// it is; zero: never.
func (r *Record) BackoffResetAt(reset time.Duration) time.Time {
	if r.HealthySince.IsZero() || r.Attempts == 0 && r.Streak == 0 {
		return time.Time{}
	}
	return r.HealthySince.Add(reset)
}

// observe brings the record up to date with what the container is now. That the
// engine accepted a start proves nothing: only a stay, up and well, does.
func (r *Record) observe(now time.Time, c *engine.Container, reset time.Duration) {
	last := r.last
	r.last = c
	if last == nil {
		last = c
	}
	switch {
	case c.MayBeKilledWithParent(): // what its engine tries then says nothing of it
	case c.RestartCount >= last.RestartCount:
		r.Streak += c.RestartCount - last.RestartCount
	default:
		r.Streak += c.RestartCount // it went back to 0 at a start through the API
	}
	if c.ExitCause == engine.CauseStopped {
		r.stopped()
	}
	switch {
	case !c.Well():
		r.HealthySince = time.Time{}
	case r.HealthySince.IsZero() || !c.Started.Equal(last.Started):
		r.HealthySince = now
	}
	again := !c.Started.Equal(last.Started)
	r.observeReady(now, c, again)
	r.Failed = r.Failed && !again
	if again && !r.Acting && c.RestartCount == 0 {
		r.startedByOthers()
	}
	// The run that an action is about to end is no stay after it.
	if at := r.BackoffResetAt(reset); !r.Acting && !at.IsZero() && !at.After(now) {
		r.Attempts, r.Restarts, r.Streak, r.Declined, r.Failed = 0, 0, 0, "", false
	}
}

// stopped takes note that the container is down because somebody stopped it: whatever brings
// it back, it is no recovery of ours. But it may be the end of a task that Defib has begun,
// and was killed before it saw it.
func (r *Record) stopped() {
	r.Failed = false
	if !r.Late || r.slot == "" {
		r.Healing = ""
	}
}

// observeReady takes note of since when the container is ready. Again says that it was
// started since the last look.
func (r *Record) observeReady(now time.Time, c *engine.Container, again bool) {
	switch {
	case !c.Ready():
		r.ReadySince = time.Time{}
	case !c.HealthCheck:
		r.ReadySince = c.StartSeenAt
	case r.ReadySince.IsZero() || again:
		r.ReadySince = now
	}
}

// startedByOthers takes note of a start while no action of ours is under way:
// whoever did it may have fixed the container. But an engine may complete an
// action of ours that it has not answered.
func (r *Record) startedByOthers() {
	if !r.Late {
		r.Restarts = 0
	}
	r.Late = false
}

// Joins reports whether our last action gave the container the namespace that its
// parent has in this run, or came after this run of one that it depends on, whatever the
// engine's clock says: it may have been set back since that one was started.
func (r *Record) Joins(other *engine.Container) bool {
	started, ok := r.Joined[other.ID]
	return ok && started.Equal(other.Started)
}

// notHealthy takes note that somebody says that the container, though it runs, needs to
// be restarted: then it has not stayed well, whatever its health check says.
func (r *Record) notHealthy(now time.Time) {
	if !r.HealthySince.IsZero() {
		r.HealthySince = now
	}
}

// recovered reports whether what an attempt set out to heal has been healed.
func (r *Record) recovered(c *engine.Container) bool {
	return r.Healing != "" && !r.Acting && c.Ready() && !c.Started.Equal(r.from)
}

// Unwell reports whether the last attempt has not brought the container up well so far.
func (r *Record) Unwell() bool { return r.Acting || r.Failed || r.Healing != "" }

// ProvenAt is when the current run of a container that had to be started again and again
// will have lasted as long as the wait after it would; zero if it had to be but once. In a
// crash loop it is up for a moment each time.
func (r *Record) ProvenAt(c *engine.Container, b policy.Backoff) time.Time {
	if !c.Up() || r.Streak < 2 {
		return time.Time{}
	}
	return c.StartSeenAt.Add(b.After(r.Streak))
}
