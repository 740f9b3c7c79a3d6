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
	"defib/restarter/hold"
	"defib/restarter/policy"
)

// shutdownGrace is how long starts under way may take after SIGTERM: docker stop
// kills after 10 s, and Docker 29 cancels a start whose caller leaves.
const shutdownGrace = 8 * time.Second

// slotTimeout is how long an action takes a place of --restart.concurrency, a restart
// beyond its stop timeout. No engine needs so long.
const slotTimeout = 2 * time.Minute

// Engine is what the restarter needs of an engine.
type Engine interface {
	// Snapshot returns the newest snapshot of all containers.
	Snapshot() *engine.Snapshot
	// Changed gets an element after the snapshot has changed.
	Changed() <-chan struct{}
	// Start starts a container that is down. It returns once the snapshot shows
	// what came of it.
	Start(ctx context.Context, c *engine.Container) error
	// Restart restarts a container that runs. It returns as Start does.
	Restart(ctx context.Context, c *engine.Container) error
}

// Restarter watches the snapshot of an engine and starts what the policy says.
type Restarter struct {
	engine  Engine
	policy  policy.Policy
	logger  *slog.Logger
	metrics *metrics

	requests chan []*request
	results  chan result
	closed   chan struct{}          // once Run has ended
	status   atomic.Pointer[Report] // the newest
	actions  journal[Action]
	alerts   journal[AlertRecord]

	// Owned by Run:
	history history
	pending []*request // whose callers wait, or whose action is under way
	firings firings
	began   time.Time // when Run did
	listed  time.Time // the list at which counters were last pruned
	names   names
	warned  map[string]bool // compose projects of which warnOfDirectories has warned

	holdFile  *hold.Reader
	holdFault string // what was last said about the hold file
}

// result is what came of an action.
type result struct {
	verdict
	parents map[string]time.Time // by its parents' IDs: their StartedAt when the action began
	attempt int
	took    time.Duration
	err     error
}

// New returns a Restarter that does nothing until Run.
func New(e Engine, p policy.Policy, logger *slog.Logger) *Restarter {
	p.HoldAll = p.HoldFile != "" // until it has been read
	r := &Restarter{
		engine: e, policy: p, logger: logger, metrics: newMetrics(p),
		requests: make(chan []*request), results: make(chan result), closed: make(chan struct{}),
		history: history{records: map[string]*record{}}, firings: firings{}, names: names{}, warned: map[string]bool{},
		holdFile: hold.NewReader(hold.FileReader(p.HoldFile)),
	}
	r.status.Store(&Report{})
	return r
}

// Run decides and acts at each piece of news until the context ends. Then it
// begins nothing more, gives the starts under way some seconds to end, leaves
// the restarts to the engine, and returns nil.
func (r *Restarter) Run(ctx context.Context) error {
	actions, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r.began = time.Now()
	for ctx.Err() == nil {
		var timer <-chan time.Time
		if next := r.reconcile(actions, time.Now()); !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-r.engine.Changed():
		case <-timer:
		case qs := <-r.requests:
			r.enqueue(time.Now(), qs)
		case res := <-r.results:
			r.finish(time.Now(), res)
		}
	}
	r.shutDown(cancel)
	return nil
}

// shutDown turns callers away, waits for the starts under way and leaves the
// restarts: the engine carries on with those.
func (r *Restarter) shutDown(leave context.CancelFunc) {
	for _, q := range r.pending {
		q.reply(answer{outcome: ShuttingDown})
	}
	close(r.closed)
	grace := time.AfterFunc(shutdownGrace, leave)
	defer grace.Stop()
	starts, restarts := r.history.underway()
	for starts > 0 {
		r.finish(time.Now(), <-r.results)
		starts, restarts = r.history.underway()
	}
	leave()
	for range restarts {
		r.finish(time.Now(), <-r.results)
	}
}

// reconcile looks at the snapshot, decides, begins what is to be done and tells what
// is not. It returns when to look again without news; zero is never.
func (r *Restarter) reconcile(ctx context.Context, now time.Time) time.Time {
	snapshot := r.engine.Snapshot()
	if !snapshot.Connected {
		return r.expire(now, false, nil) // what is not current is nothing to act on
	}
	again := r.readHolds(now, snapshot)
	r.syncHistory(now, snapshot)
	p := decide(now, r.policy, snapshot, r.history, r.precheck(now, snapshot))
	held := make(judged, len(p.verdicts))
	for i := range p.verdicts {
		v := &p.verdicts[i]
		if v.act {
			r.begin(ctx, now, *v)
			v.reason = InProgress
		}
		held[v.container.ID] = v
	}
	r.logChanges(now, snapshot, held)
	r.publish(now, snapshot, held)
	p.look(r.expire(now, true, held))
	p.look(again)
	return p.next
}

// syncHistory brings the records up to date with the snapshot.
func (r *Restarter) syncHistory(now time.Time, p *engine.Snapshot) {
	fresh := false // some container is
	for _, c := range p.Containers {
		rec := r.history.records[c.ID]
		if rec == nil {
			rec, fresh = &record{}, true
			r.history.records[c.ID] = rec
			r.warnOfLabels(c)
		}
		if rec.ruled != c {
			rec.rule, rec.ruled = r.policy.For(c), c
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
	r.history.trim(now)
	if len(r.history.records) > len(p.Containers) { // each container has one by now
		r.dropRecords(p)
	}
	if !p.Listed.Equal(r.listed) {
		r.listed = p.Listed
		r.metrics.prune(p)
		r.names.forget(p)
	}
	if fresh {
		r.warnOfDirectories(p)
	}
}

// dropRecords forgets what happened to containers that are gone.
func (r *Restarter) dropRecords(p *engine.Snapshot) {
	for id, rec := range r.history.records {
		if p.Get(id) == nil && !rec.acting {
			delete(r.history.records, id)
			if rec.logged.name != "" {
				r.logger.Info("container state", "container", rec.logged.name, "id", id, "state", "removed")
			}
		}
	}
}

// warnOfLabels warns of labels that are not understood.
func (r *Restarter) warnOfLabels(c *engine.Container) {
	l := policy.ReadLabels(c)
	for _, what := range l.Bad {
		r.logger.Warn("label not understood: the container is left alone", "container", c.Name, "id", c.ID, "err", what)
	}
	for _, what := range l.Unknown {
		r.logger.Warn("label not understood", "container", c.Name, "id", c.ID, "err", what)
	}
}

// begin starts or restarts a container beside the loop. The result comes back by channel.
func (r *Restarter) begin(ctx context.Context, now time.Time, v verdict) {
	rec := r.history.records[v.container.ID]
	rec.acting, rec.restarting, rec.slotUntil = true, v.restarts(), now.Add(slotTimeout)
	rec.attempts++
	if v.counts() {
		rec.streak++
	}
	act := r.engine.Start
	if v.restarts() {
		rec.slotUntil = rec.slotUntil.Add(max(0, v.container.StopTimeout))
		act = r.engine.Restart
		if v.counts() {
			rec.restarts++
			r.history.recentRestarts = append(r.history.recentRestarts, now)
		}
	}
	if rec.healing == "" {
		rec.healing, rec.cause, rec.from = v.trigger, later(v.cause, r.began), v.container.Started
	}
	parents := map[string]time.Time{}
	snapshot := r.engine.Snapshot()
	for _, of := range v.container.Parents {
		if p := snapshot.Parent(of); p != nil {
			parents[p.ID] = p.Started
		}
	}
	attempt := rec.attempts
	r.metrics.restarts.add(1, v.container.Name, v.trigger)
	go func() {
		began := time.Now()
		err := act(ctx, v.container)
		r.results <- result{verdict: v, parents: parents, attempt: attempt, took: time.Since(began), err: err}
	}()
}

// finish notes what came of an action.
func (r *Restarter) finish(now time.Time, res result) {
	c := res.container
	rec := r.history.records[c.ID]
	if fresh := r.engine.Snapshot().Get(c.ID); fresh != nil && fresh.Inspected {
		rec.observe(now, fresh, r.policy.Backoff.Reset) // as long as it is known whose doing it is
	}
	rec.acting, rec.lastEnd, rec.refused = false, now, errors.Is(res.err, engine.ErrRefused)
	rec.failed = res.err != nil && !rec.refused
	rec.late = errors.Is(res.err, engine.ErrNoAnswer)
	if res.err == nil {
		rec.joined = res.parents
	}
	if rec.refused && res.counts() {
		rec.streak-- // there was none
	}
	if res.restarts() {
		rec.notHealthy(now) // also if it goes on as it was: it was not well
		if res.err != nil {
			r.noRestart(rec, res)
		}
	}
	r.replyWaiters(now, res)
	r.recordAction(now, res)
	if res.err != nil && !errors.Is(res.err, engine.ErrGone) && !errors.Is(res.err, context.Canceled) {
		r.metrics.failures.add(1, c.Name, res.trigger)
	}
	r.logResult(now, res)
}

// noRestart takes note of a restart that failed. That has not shown that restarts do
// not help, so it does not count towards giving up before the waits have come to their
// longest: until then the fault may pass. One without an answer may yet be carried out.
func (r *Restarter) noRestart(rec *record, res result) {
	rec.healing = ""
	if !res.counts() {
		return
	}
	if rec.refused || !rec.late && r.policy.Backoff.After(res.attempt) < r.policy.Backoff.Max {
		rec.restarts--
	}
}
