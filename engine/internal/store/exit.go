package store

import (
	"syscall"
	"time"

	"defib/engine"
)

const (
	// A signal that does not stop by custom (USR1, say) counts as the cause of
	// a death that follows within this time.
	otherSignalWindow = time.Second
	// An engine that shuts down stops its containers within this time before
	// its event stream ends.
	shutdownWindow = time.Minute
)

// run is the evidence of how the current or last run of a container ended. The
// API does not tell a stop from a death; the daemon emits `kill` before `die`,
// and `stop` before it (Docker 29) or after it (Docker 20.10).
type run struct {
	whole         bool      // watched without a gap since it was seen up
	stopAt        time.Time // the newest stopping signal, on the engine's clock
	otherSignalAt time.Time // the newest signal of another kind, on the engine's clock
	oom           bool
	ours          bool // an action of our own ended it: what else is told of that end tells nothing

	startSeenAt time.Time // when it was seen to begin, on our clock
	stopSeenAt  time.Time // as told, on our clock
	cause       engine.ExitCause
	died        time.Time // on the engine's clock, if a die event told
	exitSeenAt  time.Time // on our clock
	settled     bool      // finished holds
	finished    time.Time // the engine's FinishedAt that ending belongs to
}

func (r *run) over() bool { return r.cause != engine.CauseNone }

// start begins a new run.
func (r *run) start() { *r = run{whole: true} }

// renew begins one whose start nobody heard: of what was told, only what came
// after that start, on the engine's clock, is told of it.
func (r *run) renew(started time.Time) {
	was := *r
	*r = run{}
	if was.stopAt.After(started) {
		r.stopAt, r.stopSeenAt = was.stopAt, was.stopSeenAt
	}
	if was.otherSignalAt.After(started) {
		r.otherSignalAt = was.otherSignalAt
	}
}

// kill takes a signal sent through the API; 0 is one not named.
func (r *run) kill(at, now time.Time, signal, stopSignal int, trusted bool) {
	if trusted && stops(signal, stopSignal) {
		r.stopAt, r.stopSeenAt = at, now
	} else {
		r.otherSignalAt = at
	}
}

// stops reports whether a signal is sent to end a container.
func stops(signal, stopSignal int) bool {
	switch signal {
	case 0, int(syscall.SIGTERM), int(syscall.SIGKILL), int(syscall.SIGINT), int(syscall.SIGQUIT), stopSignal:
		return true
	}
	return false
}

// stop takes the event of a finished docker stop, which on Docker 20.10 comes
// after the death that it belongs to.
func (r *run) stop(at, now time.Time) {
	if r.over() && !r.ours {
		r.cause = engine.CauseStopped
	}
	r.stopAt, r.stopSeenAt = at, now
}

// die ends the run. Ours is true while an action of our own has yet to start it.
func (r *run) die(at, now time.Time, ours, announcesStops bool) {
	if r.ours {
		return
	}
	r.ours = ours
	r.startSeenAt, r.died, r.exitSeenAt, r.settled = time.Time{}, at, now, false
	switch {
	case ours:
		r.cause = engine.CauseSelf
	case !r.stopAt.IsZero() && at.Sub(r.stopAt) <= engine.StopWindow, !r.otherSignalAt.IsZero() && at.Sub(r.otherSignalAt) <= otherSignalWindow:
		r.cause = engine.CauseStopped
	case r.whole && announcesStops:
		r.cause = engine.CauseSelf
	default:
		r.cause = engine.CauseUnknown
	}
}

// inspected squares the evidence with what an inspect says that is not older
// than the last event. Seen is the moment, on our clock, from which a start or an
// end that nobody saw counts. Ours is as in die.
func (r *run) inspected(c, before *engine.Container, seen time.Time, ours, announcesStops bool) {
	// A start that nobody saw: what is known belongs to another run. So does what
	// was told before the start, if the events in between were lost.
	heard := r.whole && r.startSeenAt.IsZero() // of the start, or of the end before it
	unseen := !heard && before != nil && !before.Started.IsZero() && !before.Started.Equal(c.Started)
	stale := !r.stopAt.IsZero() && r.stopAt.Before(c.Started)
	switch {
	case c.Alive():
		if r.over() || unseen || stale {
			r.renew(c.Started)
		}
		r.whole = true
		if r.startSeenAt.IsZero() {
			r.startSeenAt = seen
		}
	case c.State == engine.Exited || c.State == engine.Dead:
		if unseen || r.settled && !r.finished.Equal(c.Finished) {
			r.renew(c.Started)
		}
		if stale && r.cause == engine.CauseStopped {
			r.stopAt, r.cause = time.Time{}, engine.CauseUnknown
		}
		if !r.over() { // its die event may be on its way: the evidence stays for it
			r.die(c.Finished, seen, ours, announcesStops)
			if r.cause == engine.CauseSelf && !ours {
				r.cause = engine.CauseUnknown // nobody saw it
			}
		}
		r.settled, r.finished = true, c.Finished
	case c.FailedStart() && !r.over():
		*r = run{cause: engine.CauseSelf, exitSeenAt: seen, settled: true}
	}
}
