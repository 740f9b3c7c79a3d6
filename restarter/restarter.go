// Package restarter brings whitelisted containers back. It is the loop around the
// decision: it watches the engine's snapshot, has package decision decide, and acts, logs
// and counts.
package restarter

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"defib/engine"
	"defib/internal/transition"
	"defib/restarter/compose"
	"defib/restarter/decision"
	"defib/restarter/heartbeat"
	"defib/restarter/history"
	"defib/restarter/hold"
	"defib/restarter/internal/counters"
	"defib/restarter/internal/journal"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/postmortem"
)

// shutdownGrace is how long starts under way may take after SIGTERM: docker stop
// kills after 10 s, and Docker 29 cancels a start whose caller leaves.
const shutdownGrace = 8 * time.Second

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
	// EndTask has a task of Swarm stop, unless Swarm would not replace it. It returns as
	// Start does.
	EndTask(ctx context.Context, c *engine.Container) error
	// Recreate brings a re-creation to where the new container has been started, and
	// returns that; nil if the old one has been left as it was. Once leaving is closed,
	// it undoes what it has begun, unless the old one has been stopped.
	Recreate(ctx context.Context, leaving <-chan struct{}, r engine.Recreation) (*engine.Container, error)
	// Discard removes a container that is down, but none of its volumes. It returns as
	// Start does.
	Discard(ctx context.Context, c *engine.Container) error
}

// Evidence keeps what is known of the ends of runs. It never waits. Its methods are those
// of postmortem.Collector.
type Evidence interface {
	Died(now time.Time, c *engine.Container, t policy.Trigger)
	Begin(now time.Time, c *engine.Container, t policy.Trigger)
	End(now time.Time, before, after *engine.Container, t policy.Trigger)
	All() (deaths []postmortem.Death, version uint64)
}

// Restarter watches the snapshot of an engine and starts what the policy says.
type Restarter struct {
	engine  Engine
	policy  policy.Policy
	logger  *slog.Logger
	metrics *metrics

	counters *counters.Counters // changed by Run alone

	evidence Evidence // nil: none is kept

	incoming chan []*waiter
	results  chan history.Result
	leaving  <-chan struct{}        // closed when Run is to end
	closed   chan struct{}          // once Run has ended
	status   atomic.Pointer[Report] // the newest
	actions  journal.Journal[ActionRecord]
	alerts   journal.Journal[AlertRecord]

	// Owned by Run:
	history history.History
	strips  *heartbeat.Strips
	queue   queue
	logged  map[string]*logState // by container ID
	names   names
	listed  time.Time // the list at which counters were last pruned

	memory memory

	holdFile    *hold.Reader
	holdFault   transition.States // of the hold file: what is wrong with it
	directories transition.States // by compose project, see warnOfCollisions
}

// verdicts are by container ID.
type verdicts map[string]*decision.Verdict

// of returns the verdict on a container; the zero value if there is none.
func (vs verdicts) of(id string) decision.Verdict {
	if v := vs[id]; v != nil {
		return *v
	}
	return decision.Verdict{}
}

// New returns a Restarter that does nothing until Run.
func New(e Engine, p policy.Policy, logger *slog.Logger) *Restarter {
	p.HoldAll = p.HoldFile != "" // until it has been read
	r := &Restarter{
		engine: e, policy: p, logger: logger, metrics: newMetrics(p), counters: counters.New(p.DryRun),
		incoming: make(chan []*waiter), results: make(chan history.Result), closed: make(chan struct{}),
		history: history.New(time.Now()), strips: heartbeat.New(heartbeat.Saved{}), queue: newQueue(), logged: map[string]*logState{}, names: names{},
		holdFile: hold.NewReader(hold.FileReader(p.HoldFile)),
	}
	r.status.Store(&Report{})
	return r
}

// KeepEvidence has evidence kept of the deaths that are healed. It comes before Run.
func (r *Restarter) KeepEvidence(e Evidence) { r.evidence = e }

// Run decides and acts at each piece of news until the context ends. Then it
// begins nothing more, gives the starts under way some seconds to end, leaves
// the restarts to the engine, and returns nil.
func (r *Restarter) Run(ctx context.Context) error {
	actions, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r.leaving = ctx.Done()
	for ctx.Err() == nil {
		var timer <-chan time.Time
		if next := r.reconcile(actions, time.Now()); !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
		case <-r.engine.Changed():
		case <-timer:
		case r.queue.fresh = <-r.incoming: // the last call's have been taken
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
	r.queue.turnAway()
	close(r.closed)
	grace := time.AfterFunc(shutdownGrace, leave)
	defer grace.Stop()
	underWay := r.history.UnderWay()
	for underWay[history.Start]+underWay[history.Removal] > 0 {
		r.finish(time.Now(), <-r.results)
		underWay = r.history.UnderWay()
	}
	leave()
	for range underWay[history.Restart] {
		r.finish(time.Now(), <-r.results)
	}
	r.leave(time.Now())
}

// reconcile looks at the snapshot, decides, begins what is to be done and tells what
// is not. It returns when to look again without news; zero is never.
func (r *Restarter) reconcile(ctx context.Context, now time.Time) time.Time {
	snapshot := r.engine.Snapshot()
	if snapshot.Connected {
		r.recall(now, snapshot)
	}
	if len(r.queue.fresh) > 0 {
		r.history.Changes++
	}
	requests := r.queue.take(now, snapshot, &r.history)
	var again time.Time
	if snapshot.Connected {
		again = r.readHolds(now, snapshot)
		r.sync(now, snapshot, requests)
	}
	r.strips.Observe(now, snapshot, r.startsAgain)
	plan := decision.Decide(now, r.policy, snapshot, r.history, requests)
	if snapshot.Connected {
		r.carryOut(ctx, now, snapshot, plan)
	}
	r.queue.answer(plan.Answers, r.history)
	if len(plan.Answers) > 0 {
		r.history.Changes++
	}
	return earliest(earliest(plan.Next, again), r.keep(now, snapshot))
}

// startsAgain reports whether Defib starts the container again whatever its exit code.
func (r *Restarter) startsAgain(c *engine.Container) bool {
	rule := r.history.At(c.ID).Rule(r.policy, c)
	return rule.Whitelisted && rule.Mode != policy.OnFailure && rule.Heals(policy.TriggerExited)
}

// carryOut begins the actions of a plan, and makes known what it says.
func (r *Restarter) carryOut(ctx context.Context, now time.Time, snapshot *engine.Snapshot, plan decision.Plan) {
	found := make(verdicts, len(plan.Verdicts))
	for i := range plan.Verdicts {
		v := &plan.Verdicts[i]
		if v.Act {
			r.begin(ctx, now, snapshot, *v)
			v.Reason = outcome.InProgress
		}
		if r.evidence != nil && v.Reason == outcome.BackOff && v.Died() && r.lastReason(v.Container) != outcome.BackOff {
			r.evidence.Died(now, v.Container, v.Trigger)
		}
		found[v.Container.ID] = v
	}
	r.logChanges(now, snapshot, found)
	r.publish(now, snapshot, found)
}

// earliest returns the earlier of two times, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sync brings the history up to date with the snapshot, and makes known what that shows.
func (r *Restarter) sync(now time.Time, p *engine.Snapshot, requests []*decision.Request) {
	found := r.history.Sync(now, r.policy, p)
	for _, one := range requests {
		if !one.Start && !one.Withdrawn {
			r.history.NotHealthy(now, one.Container)
		}
	}
	for _, c := range found.New {
		r.warnOfLabels(c)
	}
	for _, id := range found.Removed {
		r.logRemoved(id)
	}
	for _, one := range found.Recovered {
		r.metrics.recovery.WithLabelValues(string(one.Trigger)).Observe(one.Took.Seconds())
	}
	if !p.Listed.Equal(r.listed) {
		r.listed = p.Listed
		r.counters.Prune(p)
		r.names.forget(p)
	}
	if len(found.New) > 0 {
		r.warnOfCollisions(p)
	}
}

// warnOfLabels warns of labels that are not understood.
func (r *Restarter) warnOfLabels(c *engine.Container) {
	l := policy.ReadLabels(c, r.policy.Settings)
	for _, what := range l.Bad {
		r.logger.Warn("invalid label: the container is left alone", "container", c.Name, "id", engine.ShortID(c.ID), "err", what)
	}
	for _, what := range l.Ignored {
		r.logger.Warn("invalid label: it is ignored", "container", c.Name, "id", engine.ShortID(c.ID), "err", what)
	}
	for _, what := range l.Unknown {
		r.logger.Warn("unknown label", "container", c.Name, "id", engine.ShortID(c.ID), "err", what)
	}
}

// warnOfCollisions warns once of each compose project whose containers are of one
// instance but from different directories: they are not taken for twins. One that is gone
// is forgotten.
func (r *Restarter) warnOfCollisions(p *engine.Snapshot) {
	for _, one := range compose.Collisions(p) {
		whitelisted := r.policy.For(one.A).Whitelisted || r.policy.For(one.B).Whitelisted
		if !whitelisted || !r.directories.Changed(one.Project, "warned") {
			continue
		}
		a, b := one.Directories()
		r.logger.Warn("compose project name used in two directories: their containers count as different services",
			"project", one.Project, "container", one.A.Name, "id", engine.ShortID(one.A.ID), "directory", a, "other_directory", b)
	}
	projects := map[string]bool{}
	for _, c := range p.Containers {
		projects[c.Project()] = true
	}
	r.directories.Keep(projects)
}
