package restarter

import (
	"context"
	"errors"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/decision"
	"defib/restarter/history"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// logResult logs what came of an action.
func (r *Restarter) logResult(now time.Time, res history.Result) {
	attrs := r.attributes(now, res)
	left := errors.Is(res.Err, context.Canceled) // nothing is known of what came of it
	switch {
	case errors.Is(res.Err, engine.ErrGone):
		r.logger.Info("container removed during the action", attrs...)
	case errors.Is(res.Err, engine.ErrChanged):
		r.logger.Info("container not re-created, since somebody changed it or its parent", append(attrs, "err", res.Err)...)
	case left && res.Recreation != nil:
		r.logger.Info("re-creation not finished before the end: the next start of Defib goes on from what there is", attrs...)
	case notEnded(res):
		r.logNotEnded(res, append(attrs, "err", res.Err))
	case left && res.Ends():
		r.logger.Info("end of the task left to the engine", attrs...)
	case left && res.Restarts():
		r.logger.Info("restart left to the engine", attrs...)
	case left:
		r.logger.Info("start left to the engine", attrs...)
	case res.Err != nil:
		r.failed(res, append(attrs, "err", res.Err))
	case res.Recreation != nil:
		r.logger.Info("container re-created", attrs...)
	case res.Ends():
		r.logger.Info("task ended", attrs...)
	case res.Restarts():
		r.logger.Info("container restarted", attrs...)
	default:
		r.logger.Info("container started", attrs...)
	}
}

// logNotEnded logs that a task was not told to stop.
func (r *Restarter) logNotEnded(res history.Result, attrs []any) {
	log := r.logger.Info
	if errors.Is(res.Err, engine.ErrServiceShort) { // it is asked again and again
		log = r.logger.Debug
	}
	if reason := outcome.Declined(res.Err); reason != "" {
		attrs = append(attrs, "reason", reason)
	}
	log("task not ended", attrs...)
}

// notEnded reports whether a task was not told to stop, for what its service says or since
// Defib ends: that is no failure.
func notEnded(res history.Result) bool {
	return res.DeclinedBySwarm() || errors.Is(res.Err, context.Canceled) && errors.Is(res.Err, engine.ErrNotBegun)
}

// attributes are those of the log line of an action.
func (r *Restarter) attributes(now time.Time, res history.Result) []any {
	c := res.Container
	attrs := append([]any{"container", res.Name(), "id", engine.ShortID(c.ID), "trigger", res.Trigger}, exitCode(c)...)
	attrs = append(attrs,
		"ran_for", ranFor(c, now.Add(-res.Took)), "attempt", res.Attempt, "took", res.Took.Round(time.Millisecond), "next_wait", r.policy.Backoff.After(res.Attempt))
	if res.Trigger == policy.TriggerDependency {
		attrs = append(attrs, "namespace", res.Namespace)
	}
	if res.Trigger == policy.TriggerDependsOn && len(res.After) > 0 {
		last := slices.MaxFunc(res.After, func(a, b *engine.Container) int { return a.Started.Compare(b.Started) })
		attrs = append(attrs, "depends_on", last.Name)
	}
	if c.HealthOutput != "" {
		attrs = append(attrs, "health_output", c.HealthOutput)
	}
	if res.New != nil {
		attrs = append(attrs, "new_id", engine.ShortID(res.New.ID))
	}
	return attrs
}

func (r *Restarter) failed(res history.Result, attrs []any) {
	if errors.Is(res.Err, engine.ErrRefused) {
		r.logger.Debug("start or restart refused", attrs...) // the engine warns of it once
		return
	}
	switch {
	case res.Recreation != nil:
		r.logger.Warn("re-creation failed", attrs...)
	case res.Ends():
		r.logger.Warn("end of the task failed", attrs...)
	case res.Restarts():
		r.logger.Warn("restart failed", attrs...)
	default:
		r.logger.Warn("start failed", attrs...)
	}
}

// logRemoval logs what came of the removal of a container that a re-creation has left. Why it
// fails may last: it is logged when that begins.
func (r *Restarter) logRemoval(res history.Result) {
	attrs := []any{"container", res.Container.Name, "id", engine.ShortID(res.Container.ID)}
	switch {
	case res.Err == nil, errors.Is(res.Err, engine.ErrGone):
		r.logger.Info("container removed: another one has its place", attrs...)
		return
	case errors.Is(res.Err, context.Canceled):
		return
	}
	log := r.logger.Debug
	if last := r.logged[res.Container.ID]; last != nil && !last.unremoved && !errors.Is(res.Err, engine.ErrRefused) { // of which the engine warns once
		log, last.unremoved = r.logger.Warn, true
	}
	log("removal failed", append(attrs, "attempt", res.Attempt, "err", res.Err)...)
}

// exitCode is the attribute of the last exit; none if that is not known.
func exitCode(c *engine.Container) []any {
	if !c.Exit.Known {
		return nil
	}
	return []any{"exit_code", c.Exit.Code}
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

// logState is what was last logged of a container.
type logState struct {
	what      logged
	occasion  map[policy.Trigger]time.Time // of which a dry run has spoken
	unremoved bool                         // its removal has failed
}

// logged is what a log line says of a container: a new one is written when it
// changes.
type logged struct {
	name   string
	state  engine.State
	reason outcome.Reason
	detail string
}

// lastReason is why the container was left alone when that was last decided.
func (r *Restarter) lastReason(c *engine.Container) outcome.Reason {
	if last := r.logged[c.ID]; last != nil {
		return last.what.reason
	}
	return ""
}

// logDryRun logs and counts what is not done, once for each occasion.
func (r *Restarter) logDryRun(last *logState, v decision.Verdict) {
	c := v.Container
	if !v.Occasion.After(last.occasion[v.Trigger]) {
		return
	}
	if last.occasion == nil {
		last.occasion = map[policy.Trigger]time.Time{}
	}
	last.occasion[v.Trigger] = v.Occasion
	r.counters.Prevented(v.Action())
	switch {
	case v.Removes:
		r.logger.Info("would remove container: another one has its place", "container", c.Name, "id", engine.ShortID(c.ID))
	case v.Recreation != nil:
		r.logger.Info("would re-create container", "container", c.Name, "id", engine.ShortID(c.ID), "trigger", v.Trigger)
	case v.Action().Ends():
		r.logger.Info("would end task", "container", c.Name, "id", engine.ShortID(c.ID), "trigger", v.Trigger)
	case v.Restarts():
		r.logger.Info("would restart container", "container", c.Name, "id", engine.ShortID(c.ID), "trigger", v.Trigger)
	default:
		r.logger.Info("would start container", append([]any{"container", c.Name, "id", engine.ShortID(c.ID), "trigger", v.Trigger}, exitCode(c)...)...)
	}
}

// logRemoved logs that a container is gone, if it was ever spoken of.
func (r *Restarter) logRemoved(id string) {
	if last := r.logged[id]; last != nil {
		r.logger.Info("container state", "container", last.what.name, "id", engine.ShortID(id), "state", "removed")
	}
	delete(r.logged, id)
}

// logChanges logs what began or ended for each whitelisted container.
func (r *Restarter) logChanges(now time.Time, p *engine.Snapshot, found verdicts) {
	for _, c := range p.Containers {
		if !r.history.Rule(r.policy, c).Whitelisted && found[c.ID] == nil { // one of a re-creation goes by another name
			continue
		}
		last, v := r.logged[c.ID], found.of(c.ID)
		if last == nil {
			last = &logState{}
			r.logged[c.ID] = last
		}
		if v.Reason == outcome.DryRun {
			r.logDryRun(last, v)
		}
		before := last.what
		last.what = logged{name: c.Name, state: c.State, reason: v.Reason, detail: v.Detail}
		if last.what == before {
			continue
		}
		attrs := []any{"container", c.Name, "id", engine.ShortID(c.ID), "state", c.State}
		if v.Reason != "" {
			attrs = append(attrs, "reason", v.Reason)
		}
		if v.Reason == outcome.ParentDown || v.Reason == outcome.ParentGone {
			attrs = append(attrs, "namespace", v.Namespace)
		}
		if v.Detail != "" {
			attrs = append(attrs, "detail", v.Detail)
		}
		if !v.Until.IsZero() {
			attrs = append(attrs, "delay", v.Until.Sub(now).Round(time.Millisecond))
		}
		if c.State == before.state && c.Name == before.name {
			r.logger.Debug("container held", attrs...)
			continue
		}
		r.logger.Info("container state", attrs...)
	}
}
