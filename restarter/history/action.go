package history

import (
	"errors"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// slotTimeout is how long an action takes a place of --restart.concurrency, a restart
// beyond its stop timeout. No engine needs so long.
const slotTimeout = 2 * time.Minute

// Action is a start, a restart, the end of a task, or a step of a re-creation.
type Action struct {
	Container *engine.Container
	Trigger   policy.Trigger
	Namespace engine.Namespace // that the container shares with a parent; "": it shares none
	Cause     time.Time        // since when there is something to heal, on our clock
	Attempt   int              // since the container last stayed up and well; set by Begin

	Recreation *engine.Recreation // re-creates the container; nil: it does not
	Removes    bool               // removes the container, which was re-created or was to take another's place

	After []*engine.Container // of its compose project: those that it is restarted after

	began   time.Time            // on our clock
	parents map[string]time.Time // by the IDs of its parents and of these: their StartedAt when the action began
}

// Kind is what the places of --restart.concurrency are for.
type Kind int

// The kinds. A re-creation is a start.
const (
	Start Kind = iota
	Restart
	Removal
	kinds
)

// Places are how many actions of each kind there are.
type Places [kinds]int

// Free reports whether there may be one more, if so many are allowed at a time. A removal
// takes a place that starts leave, and no start waits for it.
func (n Places) Free(k Kind, allowed int) bool {
	if k == Removal {
		return n[Start]+n[Removal] < allowed
	}
	return n[k] < allowed
}

// Kind is that of the action.
func (a Action) Kind() Kind {
	switch {
	case a.Removes:
		return Removal
	case a.Restarts():
		return Restart
	}
	return Start
}

// Restarts reports whether the action restarts what runs, or ends it.
func (a Action) Restarts() bool { return a.Container.Up() && a.Recreation == nil && !a.Removes }

// Ends reports whether the action is to end a task of Swarm, which Swarm then replaces.
func (a Action) Ends() bool { return a.Restarts() && a.Container.Task() != "" }

// Name is the name that the container goes by, or that of those that a re-creation is about.
func (a Action) Name() string {
	if a.Recreation != nil {
		return a.Recreation.Name
	}
	if name, _, passing := engine.ParsePassingName(a.Container.Name); a.Removes && passing {
		return name
	}
	return a.Container.Name
}

// Result is what came of an action.
type Result struct {
	Action
	Took time.Duration
	Err  error             // as package engine has it
	New  *engine.Container // that a re-creation has put in the place of the old one; nil: it has not
}

// Begun reports whether the engine has begun to carry the action out, for all that is known.
func (r Result) Begun() bool {
	return outcome.Declined(r.Err) == "" && !errors.Is(r.Err, engine.ErrNotBegun)
}

// DeclinedBySwarm reports whether a task was not ended for what its service says.
func (r Result) DeclinedBySwarm() bool {
	reason := outcome.Declined(r.Err)
	return reason != "" && reason != outcome.Refused
}

// Begin takes note that an action begins, which was decided on by this snapshot.
func (h *History) Begin(now time.Time, p *engine.Snapshot, a Action) Action {
	h.Changes++
	rec := h.Records[a.Container.ID]
	rec.Acting, rec.Kind, rec.SlotUntil = true, a.Kind(), now.Add(slotTimeout)
	rec.Attempts++
	a.Attempt, a.began, a.parents = rec.Attempts, now, map[string]time.Time{}
	if a.Removes {
		return a
	}
	if a.Container.Up() {
		rec.SlotUntil = rec.SlotUntil.Add(max(0, a.Container.StopTimeout))
	}
	if a.Trigger.Counts() {
		rec.Streak++
	}
	if a.Restarts() && a.Trigger.Counts() {
		rec.Restarts++
		h.RecentRestarts = append(h.RecentRestarts, now)
	}
	if rec.Healing == "" {
		rec.Healing, rec.cause, rec.from = a.Trigger, engine.Later(a.Cause, h.Began), a.Container.Started
	}
	for _, of := range a.Container.Parents {
		if parent := p.Parent(of); parent != nil {
			a.parents[parent.ID] = parent.Started
		}
	}
	for _, one := range a.After {
		a.parents[one.ID] = one.Started
	}
	return a
}

// Finish takes note of what came of an action, by a snapshot that shows it. It is the
// answer to all requests for the container.
func (h *History) Finish(now time.Time, pol policy.Policy, p *engine.Snapshot, res Result) {
	h.Changes++
	id := res.Container.ID
	rec := h.Records[id]
	if fresh := p.Get(id); fresh != nil && fresh.Inspected {
		rec.observe(now, fresh, pol.Backoff.Reset) // as long as it is known whose doing it is
	}
	rec.Acting, rec.LastEnd, rec.Declined = false, now, outcome.Declined(res.Err)
	rec.Failed = res.Err != nil && res.Begun()
	rec.Late = errors.Is(res.Err, engine.ErrNoAnswer) && res.Begun()
	if res.Err == nil {
		rec.Joined = res.parents
	}
	if rec.Declined == outcome.InServiceRestart {
		rec.Attempts--
	}
	if !res.Begun() && res.Trigger.Counts() && !res.Removes {
		rec.Streak-- // there was none
		h.forgetRestart(res)
	}
	if res.New != nil {
		h.succeed(res.Container, res.New, res.Err == nil)
	}
	if res.Restarts() || res.Recreation != nil {
		rec.notHealthy(now) // also if it goes on as it was: it was not well
	}
	if res.Restarts() && res.Err != nil {
		rec.restartFailed(res, pol.Backoff)
	}
}

// forgetRestart has a restart that was not begun leave the minute to others. A start may have
// the same time.
func (h *History) forgetRestart(res Result) {
	if i := slices.IndexFunc(h.RecentRestarts, res.began.Equal); res.Restarts() && i >= 0 {
		h.RecentRestarts = slices.Delete(h.RecentRestarts, i, i+1)
	}
}

// restartFailed takes note of a restart that failed. That has not shown that restarts do
// not help, so it does not count towards giving up before the waits have come to their
// longest: until then the fault may pass. One without an answer may yet be carried out.
func (r *Record) restartFailed(res Result, b policy.Backoff) {
	r.Healing = ""
	if !res.Trigger.Counts() {
		return
	}
	if !res.Begun() || !r.Late && b.After(res.Attempt) < b.Max {
		r.Restarts--
	}
}
