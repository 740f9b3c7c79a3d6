package restarter

import (
	"context"
	"errors"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// logResult logs what came of an action.
func (r *Restarter) logResult(now time.Time, res result) {
	c := res.container
	attrs := []any{
		"container", c.Name, "id", c.ID, "trigger", res.trigger, "exit_code", c.Exit.Code, "ran_for", ranFor(c, now.Add(-res.took)),
		"attempt", res.attempt, "took", res.took.Round(time.Millisecond), "next_wait", r.policy.Backoff.After(res.attempt),
	}
	if res.trigger == policy.TriggerDependency {
		attrs = append(attrs, "namespace", res.namespace)
	}
	if c.HealthOutput != "" {
		attrs = append(attrs, "health_output", c.HealthOutput)
	}
	left := errors.Is(res.err, context.Canceled) // nothing is known of what came of it
	switch {
	case errors.Is(res.err, engine.ErrGone):
		r.logger.Info("container removed meanwhile", attrs...)
	case left && res.restarts():
		r.logger.Info("restart left to the engine", attrs...)
	case left:
		r.logger.Info("start left to the engine", attrs...)
	case res.err != nil:
		r.failed(res, append(attrs, "err", res.err))
	case res.restarts():
		r.logger.Info("container restarted", attrs...)
	default:
		r.logger.Info("container started", attrs...)
	}
}

func (r *Restarter) failed(res result, attrs []any) {
	if errors.Is(res.err, engine.ErrRefused) {
		r.logger.Debug("start or restart refused", attrs...) // the engine warns of it once
		return
	}
	if res.restarts() {
		r.logger.Warn("restart failed", attrs...)
		return
	}
	r.logger.Warn("start failed", attrs...)
}

// ranFor is how long the last run lasted, or the one that a restart ends; 0 if
// that is not known.
func ranFor(c *engine.Container, now time.Time) time.Duration {
	if c.Up() {
		return now.Sub(c.StartSeenAt).Round(time.Millisecond)
	}
	if c.Started.IsZero() || c.Finished.Before(c.Started) {
		return 0
	}
	return c.Finished.Sub(c.Started).Round(time.Millisecond)
}

// logDryRun logs and counts what is not done, once for each occasion.
func (r *Restarter) logDryRun(rec *record, v verdict) {
	c, at := v.container, r.occasion(v)
	if !at.After(rec.dryRunAt[v.trigger]) {
		return
	}
	if rec.dryRunAt == nil {
		rec.dryRunAt = map[policy.Trigger]time.Time{}
	}
	rec.dryRunAt[v.trigger] = at
	r.metrics.dryRuns.add(1, c.Name, v.trigger)
	if v.restarts() {
		r.logger.Info("would restart container", "container", c.Name, "id", c.ID, "trigger", v.trigger)
	} else {
		r.logger.Info("would start container", "container", c.Name, "id", c.ID, "trigger", v.trigger, "exit_code", c.Exit.Code)
	}
}

// occasion is what a cause is told from others by. That of an alert is when it first
// arrived, so that its repeats are no new ones.
func (r *Restarter) occasion(v verdict) time.Time {
	if v.trigger != policy.TriggerAlert {
		return v.cause
	}
	var newest time.Time
	for _, q := range r.pending {
		if q.container == v.container.ID && !q.answered {
			newest = later(newest, q.firing.heard)
		}
	}
	return newest
}

// logChanges logs what began or ended for each whitelisted container.
func (r *Restarter) logChanges(now time.Time, p *engine.Snapshot, held judged) {
	for _, c := range p.Containers {
		rec, v := r.history.records[c.ID], held.of(c.ID)
		if !rec.rule.Whitelisted {
			continue
		}
		if v.reason == DryRun {
			r.logDryRun(rec, v)
		}
		before := rec.logged
		rec.logged = loggedState{name: c.Name, state: c.State, reason: v.reason}
		if rec.logged == before {
			continue
		}
		attrs := []any{"container", c.Name, "id", c.ID, "state", c.State}
		if v.reason != "" {
			attrs = append(attrs, "reason", v.reason)
		}
		if v.reason == ParentDown || v.reason == ParentGone {
			attrs = append(attrs, "namespace", v.namespace)
		}
		if !v.until.IsZero() {
			attrs = append(attrs, "delay", v.until.Sub(now).Round(time.Millisecond))
		}
		if c.State == before.state && c.Name == before.name {
			r.logger.Debug("container held", attrs...)
			continue
		}
		r.logger.Info("container state", attrs...)
	}
}
