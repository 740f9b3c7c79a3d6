package restarter

import (
	"context"
	"errors"
	"time"

	"defib/engine"
	"defib/restarter/decision"
	"defib/restarter/history"
)

// begin begins an action beside the loop. The result comes back by channel.
func (r *Restarter) begin(ctx context.Context, now time.Time, p *engine.Snapshot, v decision.Verdict) {
	a := r.history.Begin(now, p, v.Action())
	r.counters.Began(a)
	go func() {
		res := history.Result{Action: a}
		began := time.Now()
		res.New, res.Err = r.act(ctx, a)
		res.Took = time.Since(began)
		r.results <- res
	}()
	if r.evidence != nil && !a.Removes { // after the action, for which it would take the connection
		r.evidence.Begin(now, v.Container, v.Trigger)
	}
}

// act carries out an action. Created is what took the container's place; nil: nothing has.
func (r *Restarter) act(ctx context.Context, a history.Action) (created *engine.Container, err error) {
	switch {
	case a.Recreation != nil:
		return r.engine.Recreate(ctx, r.leaving, *a.Recreation)
	case a.Removes:
		return nil, r.engine.Discard(ctx, a.Container)
	case a.Ends():
		return nil, r.engine.EndTask(ctx, a.Container)
	case a.Restarts():
		return nil, r.engine.Restart(ctx, a.Container)
	}
	return nil, r.engine.Start(ctx, a.Container)
}

// finish takes note of what came of an action.
func (r *Restarter) finish(now time.Time, res history.Result) {
	r.history.Finish(now, r.policy, r.engine.Snapshot(), res)
	r.counters.Ended(res)
	if res.Removes {
		r.logRemoval(res)
		return
	}
	after := r.engine.Snapshot().Get(res.Container.ID)
	decision.Finish(now, res, after, r.queue.requests)
	if !errors.Is(res.Err, engine.ErrServiceShort) { // which is asked again and again
		r.recordAction(now, res)
	}
	if r.evidence != nil {
		r.evidence.End(now, res.Container, after, res.Trigger)
	}
	r.logResult(now, res)
}
