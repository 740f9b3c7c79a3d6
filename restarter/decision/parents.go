package decision

import (
	"time"

	"defib/engine"
	"defib/restarter/history"
	"defib/restarter/outcome"
)

const (
	// How long after its start a parent may take to become healthy before those that
	// have lost what they share with it are restarted anyway.
	parentSettles = time.Minute
	// The kernel kills all who share a process namespace when its first process ends.
	// The engine may tell of a child's end so long before it tells of the parent's:
	// Docker 20.10 answers no inspect of the parent while it restarts it.
	pidLag = 10 * time.Second
)

// Tie is what a container shares with a parent, and what is wrong with that. The
// zero value is that of a container that shares nothing.
type Tie struct {
	Namespace engine.Namespace
	Reason    outcome.Reason // why the container cannot do without its parent now: ParentGone or ParentDown; "": the parent runs
	Lost      bool           // the container runs without what it shared: its parent is down or gone, or was started after it

	parent *engine.Container
}

// since is when the container lost what it shared, on our clock; zero: not known.
func (t Tie) since() time.Time {
	if t.parent == nil {
		return time.Time{}
	}
	return engine.Later(t.parent.StartSeenAt, t.parent.ExitSeenAt)
}

// rank orders ties by how bad they are.
func (t Tie) rank() int {
	n := 0
	switch t.Reason {
	case outcome.ParentDown:
		n = 1
	case outcome.ParentGone:
		n = 2
	}
	if t.Lost {
		n += 3
	}
	return n
}

// WorstTie returns the one of a container's ties with which most is wrong, of
// several the first.
func WorstTie(p *engine.Snapshot, past *history.Record, c *engine.Container) Tie {
	var worst Tie
	for _, of := range c.Parents {
		t := Tie{Namespace: of.Namespace, parent: p.Parent(of)}
		switch {
		case t.parent == nil:
			t.Reason, t.Lost = outcome.ParentGone, c.Up()
		case !t.parent.Up():
			t.Reason = outcome.ParentDown
			t.Lost = c.Up() && t.parent.State != engine.Paused // then the namespace is still there
		default:
			t.Lost = c.Orphaned(t.parent) && !past.Joins(t.parent)
		}
		if worst.Namespace == "" || t.rank() > worst.rank() {
			worst = t
		}
	}
	return worst
}

func (e *evaluator) worstTie(c *engine.Container) Tie {
	return WorstTie(e.snapshot, e.history.At(c.ID), c)
}

// parent names what the container has to wait for before it can be started or
// restarted: its parents run, and those that were started since it last was are healthy,
// since what they offer may not work before.
func (e *evaluator) parent(c *engine.Container) (outcome.Reason, time.Time) {
	t := e.worstTie(c)
	if t.Reason != "" {
		return t.Reason, time.Time{}
	}
	var until time.Time
	switch {
	case t.Lost:
		until = settles(t.parent)
	case !c.Up():
		until = e.parentsSettle(c)
	}
	if until.After(e.now) {
		return outcome.ParentDown, until
	}
	return "", time.Time{}
}

// parentsSettle is until when the parents of a container that is down, all of which run,
// may take to become healthy, or the engine to tell that one has ended; zero: they are.
func (e *evaluator) parentsSettle(c *engine.Container) time.Time {
	var until time.Time
	if e.killedWithParent(c) && !e.pidParent(c).Started.After(c.Started) {
		until = c.ExitSeenAt.Add(pidLag)
	}
	for _, of := range c.Parents {
		if p := e.snapshot.Parent(of); p.Started.After(c.Started) {
			until = engine.Later(until, settles(p))
		}
	}
	return until
}

// settles is until when a parent that runs may take to become healthy; zero: it is, or
// has no health check.
func settles(p *engine.Container) time.Time {
	if !p.HealthCheck || p.Health == engine.Healthy {
		return time.Time{}
	}
	return p.StartSeenAt.Add(parentSettles)
}

// pidParent returns the container whose process namespace this one shares; nil if
// it shares none, or that one is gone.
func (e *evaluator) pidParent(c *engine.Container) *engine.Container {
	parent, _ := e.snapshot.ParentOf(c, engine.PID)
	return parent
}

// killedWithParent reports whether a container seems to have been ended by the end
// of the one whose process namespace it shares: that is no fault of its own.
func (e *evaluator) killedWithParent(c *engine.Container) bool {
	if c.State != engine.Exited || c.ExitCause == engine.CauseStopped || !c.MayBeKilledWithParent() {
		return false
	}
	p := e.pidParent(c)
	return p != nil && (!p.Up() || p.Started.After(c.Started) || e.now.Before(c.ExitSeenAt.Add(pidLag)))
}
