package decision

import (
	"errors"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// slotTimeout is how long an action takes a place of --restart.concurrency, a restart
// beyond its stop timeout. No engine needs so long.
const slotTimeout = 2 * time.Minute

// Action is a start or a restart that was begun.
type Action struct {
	Verdict
	Attempt int // since the container last stayed up and well

	parents map[string]time.Time // by its parents' IDs: their StartedAt when the action began
}

// Result is what came of an action.
type Result struct {
	Action
	Took time.Duration
	Err  error // as package engine has it
}

// Answer is what those who waited for the action are answered.
func (res Result) Answer() Answer {
	switch {
	case errors.Is(res.Err, engine.ErrGone):
		return Answer{Outcome: Gone}
	case errors.Is(res.Err, engine.ErrRefused):
		return Answer{Outcome: Outcome(Refused), Detail: res.Err.Error()} // trying again at once would change nothing
	case res.Err != nil:
		return Answer{Outcome: Failed, Detail: res.Err.Error()}
	case res.Restarts():
		return Answer{Outcome: Restarted}
	}
	return Answer{Outcome: Started}
}

// Begin takes note that a verdict is acted upon, by the snapshot that it rests on.
func (h *History) Begin(now time.Time, p *engine.Snapshot, v Verdict) Action {
	rec := h.records[v.Container.ID]
	rec.acting, rec.restarting, rec.slotUntil = true, v.Restarts(), now.Add(slotTimeout)
	rec.attempts++
	if v.Counts() {
		rec.streak++
	}
	if v.Restarts() {
		rec.slotUntil = rec.slotUntil.Add(max(0, v.Container.StopTimeout))
	}
	if v.Restarts() && v.Counts() {
		rec.restarts++
		h.recentRestarts = append(h.recentRestarts, now)
	}
	if rec.healing == "" {
		rec.healing, rec.cause, rec.from = v.Trigger, later(v.Cause, h.began), v.Container.Started
	}
	a := Action{Verdict: v, Attempt: rec.attempts, parents: map[string]time.Time{}}
	for _, of := range v.Container.Parents {
		if parent := p.Parent(of); parent != nil {
			a.parents[parent.ID] = parent.Started
		}
	}
	return a
}

// Finish takes note of what came of an action, by a snapshot that shows it. It is the
// answer to all requests for the container.
func (h *History) Finish(now time.Time, pol policy.Policy, p *engine.Snapshot, res Result, requests []*Request) {
	id := res.Container.ID
	rec := h.records[id]
	if fresh := p.Get(id); fresh != nil && fresh.Inspected {
		rec.observe(now, fresh, pol.Backoff.Reset) // as long as it is known whose doing it is
	}
	rec.acting, rec.lastEnd, rec.refused = false, now, errors.Is(res.Err, engine.ErrRefused)
	rec.failed = res.Err != nil && !rec.refused
	rec.late = errors.Is(res.Err, engine.ErrNoAnswer)
	if res.Err == nil {
		rec.joined = res.parents
	}
	for _, q := range requests {
		if q.Container != id {
			continue
		}
		if q.result = res.Answer(); res.Err == nil {
			q.firing.acted = now // its repeats need nothing more
		}
	}
	if rec.refused && res.Counts() {
		rec.streak-- // there was none
	}
	if res.Restarts() {
		rec.notHealthy(now) // also if it goes on as it was: it was not well
		if res.Err != nil {
			rec.restartFailed(res, pol.Backoff)
		}
	}
}

// restartFailed takes note of a restart that failed. That has not shown that restarts do
// not help, so it does not count towards giving up before the waits have come to their
// longest: until then the fault may pass. One without an answer may yet be carried out.
func (r *record) restartFailed(res Result, b policy.Backoff) {
	r.healing = ""
	if !res.Counts() {
		return
	}
	if r.refused || !r.late && b.After(res.Attempt) < b.Max {
		r.restarts--
	}
}
