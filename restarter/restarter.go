// Package restarter brings whitelisted containers back: policy, history, the
// pure decision, and the one loop that acts on it.
package restarter

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"defib/engine"
)

// shutdownGrace is how long starts under way may take after SIGTERM: docker stop
// kills after 10 s, and Docker 29 cancels a start whose caller leaves.
const shutdownGrace = 8 * time.Second

// Engine is what the restarter needs of an engine.
type Engine interface {
	// Picture returns the newest picture of all containers.
	Picture() *engine.Picture
	// News gets an element after the picture has changed.
	News() <-chan struct{}
	// Start starts a container that is down. It returns once the picture shows
	// what came of it.
	Start(ctx context.Context, c *engine.Container) error
}

// Restarter watches the picture of an engine and starts what the policy says.
type Restarter struct {
	engine  Engine
	policy  Policy
	logger  *slog.Logger
	metrics *metrics

	records history // owned by Run, as are the next two
	results chan result
	listed  time.Time // the list at which counters were last pruned
	status  atomic.Pointer[status]
}

// result is what came of an action.
type result struct {
	verdict
	attempt int
	took    time.Duration
	err     error
}

// New returns a Restarter that does nothing until Run.
func New(e Engine, p Policy, logger *slog.Logger) *Restarter {
	r := &Restarter{
		engine: e, policy: p, logger: logger, metrics: newMetrics(p),
		records: history{}, results: make(chan result),
	}
	r.status.Store(&status{})
	return r
}

// Run decides and acts at each piece of news until the context ends. Then it
// begins nothing more, gives the starts under way some seconds to end, and
// returns nil.
func (r *Restarter) Run(ctx context.Context) error {
	actions, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	for ctx.Err() == nil {
		var timer <-chan time.Time
		if next := r.round(actions, time.Now()); !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-r.engine.News():
		case <-timer:
		case res := <-r.results:
			r.finish(time.Now(), res)
		}
	}
	grace := time.AfterFunc(shutdownGrace, cancel)
	defer grace.Stop()
	for r.records.active() > 0 {
		r.finish(time.Now(), <-r.results)
	}
	return nil
}

// round looks at the picture, decides, begins what is to be done and tells what
// is not. It returns when to look again without news; zero is never.
func (r *Restarter) round(ctx context.Context, now time.Time) time.Time {
	picture := r.engine.Picture()
	if !picture.Connected {
		return time.Time{} // what is not current is nothing to act on
	}
	r.observe(now, picture)
	p := decide(now, r.policy, picture, r.records)
	held := make(map[string]verdict, len(p.verdicts))
	for _, v := range p.verdicts {
		if v.act {
			r.begin(ctx, v)
			v.reason = InProgress
		}
		held[v.container.ID] = v
	}
	r.tell(now, picture, held)
	r.publish(picture, held)
	return p.next
}

// observe brings the records up to date with the picture.
func (r *Restarter) observe(now time.Time, p *engine.Picture) {
	for _, c := range p.Containers {
		rec := r.records[c.ID]
		if rec == nil {
			rec = &record{}
			r.records[c.ID] = rec
			for _, what := range mislabelled(c) {
				r.logger.Warn("label not understood", "container", c.Name, "id", c.ID, "err", what)
			}
		}
		if c == rec.last && rec.attempts == 0 && rec.streak == 0 || !c.Inspected {
			continue
		}
		rec.observe(now, c, r.policy.Backoff.Reset)
		if rec.recovered(c) {
			r.metrics.recovery.WithLabelValues(string(rec.healing)).Observe(now.Sub(rec.cause).Seconds())
			rec.healing = ""
		}
	}
	for id, rec := range r.records {
		if p.Get(id) == nil && !rec.acting {
			delete(r.records, id)
			if rec.told.name != "" {
				r.logger.Info("container state", "container", rec.told.name, "id", id, "state", "removed")
			}
		}
	}
	if !p.Listed.Equal(r.listed) {
		r.listed = p.Listed
		r.metrics.prune(p)
	}
}

// begin starts a container beside the loop. The result comes back by channel.
func (r *Restarter) begin(ctx context.Context, v verdict) {
	rec := r.records[v.container.ID]
	rec.acting = true
	rec.attempts++
	rec.streak++
	if rec.healing == "" {
		rec.healing, rec.cause = v.trigger, v.cause
	}
	attempt := rec.attempts
	r.metrics.restarts.WithLabelValues(v.container.Name, string(v.trigger)).Inc()
	go func() {
		began := time.Now()
		err := r.engine.Start(ctx, v.container)
		r.results <- result{verdict: v, attempt: attempt, took: time.Since(began), err: err}
	}()
}

// finish notes what came of an action.
func (r *Restarter) finish(now time.Time, res result) {
	c := res.container
	rec := r.records[c.ID]
	rec.acting, rec.lastEnd, rec.refused = false, now, errors.Is(res.err, engine.ErrRefused)
	attrs := []any{
		"container", c.Name, "id", c.ID, "trigger", res.trigger, "exit_code", c.Exit.Code, "ran_for", ranFor(c),
		"attempt", res.attempt, "took", res.took.Round(time.Millisecond), "next_wait", r.policy.Backoff.After(res.attempt),
	}
	if res.err != nil {
		r.metrics.failures.WithLabelValues(c.Name, string(res.trigger)).Inc()
		r.logger.Warn("start failed", append(attrs, "err", res.err)...)
		return
	}
	r.logger.Info("container started", attrs...)
}

// ranFor is how long the last run lasted; 0 if that is not known.
func ranFor(c *engine.Container) time.Duration {
	if c.Started.IsZero() || c.Finished.Before(c.Started) {
		return 0
	}
	return c.Finished.Sub(c.Started).Round(time.Millisecond)
}

// tell logs what began or ended for each whitelisted container.
func (r *Restarter) tell(now time.Time, p *engine.Picture, held map[string]verdict) {
	for _, c := range p.Containers {
		rec, v := r.records[c.ID], held[c.ID]
		if !r.policy.For(c).Whitelisted {
			continue
		}
		if v.reason == DryRun && !rec.tried.Equal(v.cause) {
			rec.tried = v.cause
			r.metrics.dryRuns.WithLabelValues(c.Name, string(v.trigger)).Inc()
			r.logger.Info("would start container", "container", c.Name, "id", c.ID, "trigger", v.trigger, "exit_code", c.Exit.Code)
		}
		before := rec.told
		rec.told = telling{name: c.Name, state: c.State, reason: v.reason}
		if rec.told == before {
			continue
		}
		attrs := []any{"container", c.Name, "id", c.ID, "state", c.State}
		if v.reason != "" {
			attrs = append(attrs, "reason", v.reason)
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
