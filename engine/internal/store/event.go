package store

import (
	"cmp"
	"strconv"
	"time"

	"defib/engine"
)

// KindContainer and KindImage are the kinds of events that are read.
const (
	KindContainer = "container"
	KindImage     = "image"
)

// Event is a container event as the engine sent it.
type Event struct {
	Kind    string // container or image; the others count only as the newest event
	Action  string // create, start, die, …; health_status with its suffix
	ID      string
	Name    string    // of the container
	Project string    // compose project, "" if none
	Signal  int       // of a kill; 0: not named
	Exit    string    // exit code of a die
	At      time.Time // on the engine's clock
}

// Replay takes the events that came before the stream opened, the oldest first. Those
// of containers after since are entered; it returns how many of them were news. By the
// last one of any kind the engine is known again later.
func (s *Store) Replay(now time.Time, past []Event, since time.Time) (news int) {
	for _, h := range past {
		if h.Kind == KindContainer && h.At.After(since) && s.Event(now, h) {
			news++
		}
		s.last = h.key()
	}
	return news
}

// Event takes one event. It reports whether it was news of a container.
func (s *Store) Event(now time.Time, h Event) bool {
	if h.key() == s.last {
		return false // the replay begins with the last one we had
	}
	s.last = h.key()
	if h.Kind == KindImage {
		s.imagesSoon(now)
		return false
	}
	delete(s.driftCandidates, h.ID)
	if _, dead := s.tombstones[h.ID]; dead {
		return false
	}
	delete(s.notFound, h.ID)
	at := s.seen(h.At, now)
	e := s.entries[h.ID]
	if e == nil {
		e = s.add(h.ID, now)
	}
	s.invalidate(e)
	s.unsettled[h.ID] = e
	e.lastEvent = now
	project := cmp.Or(e.project(), h.Project)

	switch h.Action {
	case "destroy", "remove": // Docker's and Podman's word
		s.handleDestroy(h.ID, project, at, now)
		return true
	case "create", "rename":
		s.own.Named(h.ID, h.Name)
		s.projectChanged(h.ID, project, at)
	case "start":
		s.count(e, engine.EventStart)
		s.started(e, h, at)
	case "kill":
		s.count(e, engine.EventKill)
		s.killed(e, h, project, at)
	case "stop":
		e.life.observeStop(h.At, at)
	case "die":
		s.count(e, engine.EventDie)
		s.died(e, h, project, at)
	case "oom":
		s.count(e, engine.EventOOM)
		e.life.evidence.oom = true
	case "update":
		e.updates++
	case "health_status: unhealthy":
		s.count(e, engine.EventUnhealthy)
	}
	s.queue.Add(&e.item)
	return true
}

func (s *Store) started(e *entry, h Event, at time.Time) {
	e.life.observeStart(at)
	if s.stopsTold == StopsRecorded && h.At.Before(s.engineThen) { // its host may have been rebooted since
		e.life.observeGap()
	}
}

func (s *Store) died(e *entry, h Event, project string, at time.Time) {
	e.life.observeDie(h.At, at, s.stopsTold == StopsAnnounced)
	e.exit = e.exitOf(h.Exit)
	if s.stopsTold != StopsRecorded { // else an inspect tells
		s.ended(e, h.ID, project, h.Exit == "0", at)
	}
}

// ended notes what the end of a container means to its project.
func (s *Store) ended(e *entry, id, project string, well bool, at time.Time) {
	if e.life.cause != engine.CauseSelf || well { // a crash is no change
		s.changedByOthers(e, id, project, at)
	}
}

func (s *Store) killed(e *entry, h Event, project string, at time.Time) {
	switch s.stopsTold {
	case StopsUntold:
		return // it names no signal
	case StopsRecorded: // nor does this one, which tells whether it ended the container
		e.life.observeKill(h.At, at, false)
		return
	}
	stopping := e.stoppedBy(h.Signal)
	e.life.observeKill(h.At, at, stopping)
	s.changedByOthers(e, h.ID, project, at)
	if stopping {
		s.stoppedByOthers(e, project, at)
	}
}

// project is its compose project, as far as it is known.
func (e *entry) project() string {
	if e.c == nil {
		return ""
	}
	return e.c.Project()
}

// stoppedBy reports whether a signal is sent to end the container. A label of that
// name hides the real one.
func (e *entry) stoppedBy(signal int) bool {
	if e.c == nil {
		return stops(signal, 0)
	}
	_, masked := e.c.Labels["signal"]
	return !masked && stops(signal, e.c.StopSignal)
}

// exitOf reads the exit code of a die event, for a container that is up again
// before it can be inspected. A label of that name hides the real one.
func (e *entry) exitOf(code string) engine.Exit {
	if e.c == nil {
		return e.exit
	}
	if _, masked := e.c.Labels["exitCode"]; masked {
		return engine.Exit{}
	}
	n, err := strconv.Atoi(code)
	return engine.Exit{Known: err == nil, Code: n, OOMKilled: e.life.evidence.oom}
}
