package store

import (
	"syscall"
	"time"

	"defib/engine"
)

const (
	// A signal that does not stop by custom (USR1, say) counts as the cause of
	// a death that follows within this time.
	hintReach = time.Second
	// An engine that shuts down stops its containers within this time before
	// its event stream ends.
	shutdownReach = time.Minute
)

// run is the evidence of how the current or last run of a container ended. The
// API does not tell a stop from a death; the daemon emits `kill` before `die`,
// and `stop` before it (Docker 29) or after it (Docker 20.10).
type run struct {
	whole  bool      // watched without a gap since it was seen up
	told   time.Time // the newest stopping signal, on the engine's clock
	hinted time.Time // the newest signal of another kind, on the engine's clock
	oom    bool
	ours   bool // an action of our own ended it: what else is told of that end tells nothing

	begun    time.Time // when it was seen to begin, on our clock
	stopping time.Time // as told, on our clock
	ending   engine.Ending
	died     time.Time // on the engine's clock, if a die event told
	ended    time.Time // on our clock
	settled  bool      // finished holds
	finished time.Time // the engine's FinishedAt that ending belongs to
}

func (r *run) over() bool { return r.ending != engine.NotEnded }

// start begins a new run.
func (r *run) start() { *r = run{whole: true} }

// renew begins one whose start nobody heard: of what was told, only what came
// after that start, on the engine's clock, is told of it.
func (r *run) renew(started time.Time) {
	was := *r
	*r = run{}
	if was.told.After(started) {
		r.told, r.stopping = was.told, was.stopping
	}
	if was.hinted.After(started) {
		r.hinted = was.hinted
	}
}

// kill takes a signal sent through the API; 0 is one not named.
func (r *run) kill(at, now time.Time, signal, stopSignal int, trusted bool) {
	if trusted && stops(signal, stopSignal) {
		r.told, r.stopping = at, now
	} else {
		r.hinted = at
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
		r.ending = engine.EndedStopped
	}
	r.told, r.stopping = at, now
}

// die ends the run. Ours is true while an action of our own has yet to start it.
func (r *run) die(at, now time.Time, ours, announcesStops bool) {
	if r.ours {
		return
	}
	r.ours = ours
	r.begun, r.died, r.ended, r.settled = time.Time{}, at, now, false
	switch {
	case ours:
		r.ending = engine.EndedSelf
	case !r.told.IsZero() && at.Sub(r.told) <= engine.StopReach, !r.hinted.IsZero() && at.Sub(r.hinted) <= hintReach:
		r.ending = engine.EndedStopped
	case r.whole && announcesStops:
		r.ending = engine.EndedSelf
	default:
		r.ending = engine.EndedUnknown
	}
}

// inspected squares the evidence with what an inspect says that is not older
// than the last event. Seen is the moment, on our clock, from which a start or an
// end that nobody saw counts. Ours is as in die.
func (r *run) inspected(c, before *engine.Container, seen time.Time, ours, announcesStops bool) {
	// A start that nobody saw: what is known belongs to another run. So does what
	// was told before the start, if the events in between were lost.
	heard := r.whole && r.begun.IsZero() // of the start, or of the end before it
	unseen := !heard && before != nil && !before.Started.IsZero() && !before.Started.Equal(c.Started)
	stale := !r.told.IsZero() && r.told.Before(c.Started)
	switch {
	case c.Alive():
		if r.over() || unseen || stale {
			r.renew(c.Started)
		}
		r.whole = true
		if r.begun.IsZero() {
			r.begun = seen
		}
	case c.State == engine.Exited || c.State == engine.Dead:
		if unseen || r.settled && !r.finished.Equal(c.Finished) {
			r.renew(c.Started)
		}
		if stale && r.ending == engine.EndedStopped {
			r.told, r.ending = time.Time{}, engine.EndedUnknown
		}
		if !r.over() { // its die event may be on its way: the evidence stays for it
			r.die(c.Finished, seen, ours, announcesStops)
			if r.ending == engine.EndedSelf && !ours {
				r.ending = engine.EndedUnknown // nobody saw it
			}
		}
		r.settled, r.finished = true, c.Finished
	case c.FailedStart() && !r.over():
		*r = run{ending: engine.EndedSelf, ended: seen, settled: true}
	}
}
