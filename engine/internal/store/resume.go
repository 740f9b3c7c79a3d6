package store

import (
	"slices"
	"time"

	"defib/engine"
	"defib/engine/internal/gap"
)

// heldEvents is how many events an engine holds, of all kinds. A replay of so many says
// nothing of what was before.
// Source: https://github.com/moby/moby/blob/master/daemon/events/events.go
const heldEvents = 256

// earlier is what an earlier life of Defib knew.
type earlier struct {
	memory   engine.Memory
	bootID   string // of the engine's host now
	bootedAt time.Time
	gap      *gap.Gap // nil until the first snapshot
}

// Resume has the store go on from what an earlier life knew. It comes before all else.
// BootID and bootedAt are of the engine's host now; zero: not known.
func (s *Store) Resume(m engine.Memory, bootID string, bootedAt time.Time) {
	if !m.Looked.IsZero() {
		s.earlier, s.last = &earlier{memory: m, bootID: bootID, bootedAt: bootedAt}, m.Last
	}
}

// Meet takes which engine there is, before its replay is asked for. Of another one nothing
// is remembered. What one holds whose clock was set back is not to be asked for by its old
// one.
func (s *Store) Meet(engineID string, engineNow time.Time) {
	if s.earlier == nil || s.Known() {
		return
	}
	if id := s.earlier.memory.EngineID; id != "" && engineID != "" && id != engineID {
		s.earlier, s.last = nil, engine.LastEvent{}
	}
	if s.last.At.After(engineNow) {
		s.last = engine.LastEvent{}
	}
}

// Last is the newest event, of any kind; the zero value if there was none.
func (s *Store) Last() engine.LastEvent { return s.last }

// key is what an event is known again by.
func (h Event) key() engine.LastEvent {
	return engine.LastEvent{At: h.At.UTC(), Kind: h.Kind, Action: h.Action, ID: h.ID}
}

// Gap tells of which kind the gap before a stream is, by its replay.
func (s *Store) Gap(past []Event) gap.Kind {
	knows := slices.ContainsFunc(past, func(h Event) bool { return h.key() == s.last })
	switch {
	case knows:
		return gap.None
	case s.earlier != nil && !s.Known() && (s.last.ID == "" || len(past) >= heldEvents):
		return gap.Missed
	case s.last.ID == "":
		return gap.None
	}
	// In one life also after a full replay: a gap between two streams is short, and an
	// engine that comes back fills its memory by starting some hundred containers.
	return gap.Restarted
}

// recall has a new entry go on from what is remembered of its container.
func (s *Store) recall(e *entry, id string, now time.Time) {
	if s.earlier == nil {
		return
	}
	if r, ok := s.earlier.memory.Containers[id]; ok {
		s.unsettled[id] = e
		e.remembered = &r
		e.life = recalled(r, s.gap == gap.None && s.stopsTold != StopsRecorded, s.ourTime(r.StartedAt, now), now)
	}
}

// recalled is the state of a run that is remembered. Complete says that nothing was missed
// since; began is when it began, on our clock.
func recalled(r engine.Remembered, complete bool, began, now time.Time) lifecycle {
	seen := func(at time.Time) time.Time {
		if at.After(now) { // our clock was set back
			return now
		}
		return at
	}
	l := lifecycle{evidence: evidence{complete: complete && !r.Unsure, stopAt: r.StopAt, stopSeenAt: seen(r.StopSeenAt), otherSignalAt: r.SignalAt, firstStopAt: r.FirstStopAt}}
	switch {
	case r.Phase == engine.PhaseRunning:
		l.phase, l.since = running, began
	case r.Phase == engine.PhaseStarted:
		l.phase = started
	case r.Phase == engine.PhaseDied && (complete || !r.StartedAt.IsZero()): // else another run may have come since
		l.phase = died
	case r.Phase == engine.PhaseDown:
		l.phase, l.evidence.stopOf = down, r.StartedAt
	}
	if l.over() {
		l.cause, l.since, l.endedAt = r.Cause, seen(r.ExitSeenAt), r.FinishedAt
	}
	switch {
	case l.over() && r.Own:
		l.cause = causeOwn
	case l.cause == engine.CauseStopped && l.evidence.stopAt.IsZero():
		l.evidence.stopAt = r.FinishedAt // its die event may be on its way
	}
	return l
}

// before is the last description of a container, as far as it is remembered.
func (e *entry) before() *engine.Container {
	if e.c == nil && e.remembered != nil {
		return &engine.Container{Started: e.remembered.StartedAt}
	}
	return e.c
}

// betweenLives returns what tells which containers the engine ended between two lives.
func (s *Store) betweenLives() func(e *entry) bool {
	was := s.earlier
	g := gap.New(was.memory, s.gap, s.stopsTold == StopsAnnounced, was.bootID, was.bootedAt)
	was.gap, was.memory = g, engine.Memory{}
	for _, e := range s.entries {
		switch {
		case e.c == nil:
		case e.remembered == nil:
			g.See(engine.Remembered{}, e.c)
		default:
			g.See(*e.remembered, e.c)
		}
	}
	return func(e *entry) bool { return s.endedBetween(e, e.c) }
}

// endedBetween reports, once, whether the engine ended the container between two lives. One
// that hangs is judged by its first inspect.
func (s *Store) endedBetween(e *entry, c *engine.Container) bool {
	r := e.remembered
	if r == nil || s.earlier.gap == nil || !c.Inspected {
		return false
	}
	e.remembered = nil
	return s.earlier.gap.ByEngine(*r, c, e.life.cause, e.life.evidence.stopAt)
}

// heard is what events told of containers that no inspect has shown yet, and what a
// description does not tell. Most snapshots have none.
func (s *Store) heard() map[string]engine.Remembered {
	var all map[string]engine.Remembered
	for id, e := range s.unsettled {
		l := &e.life
		signalled := !l.over() && (!l.evidence.stopSeenAt.IsZero() || !l.evidence.otherSignalAt.IsZero())
		stopped := l.over() && !l.evidence.firstStopAt.IsZero() && l.endedAt.After(s.last.At.Add(-gap.ShutdownWindow)) // perhaps by a shutdown
		switch {
		case s.entries[id] != e, l.phase != started && l.phase != died && l.cause != causeOwn && !signalled && !stopped:
			delete(s.unsettled, id)
			continue
		case all == nil:
			all = map[string]engine.Remembered{}
		}
		all[id] = e.remember()
	}
	return all
}

func (e *entry) remember() engine.Remembered {
	l := &e.life
	r := engine.Remembered{
		Phase: phases[l.phase], Unsure: !l.evidence.complete,
		StopAt: l.evidence.stopAt.UTC(), StopSeenAt: l.evidence.stopSeenAt.Round(0).UTC(), SignalAt: l.evidence.otherSignalAt.UTC(), FirstStopAt: l.evidence.firstStopAt.UTC(),
	}
	if c := e.before(); c != nil {
		r.StartedAt = c.Started.UTC()
	}
	if l.over() {
		r.Cause, r.Own, r.ExitSeenAt, r.FinishedAt = l.cause, l.cause == causeOwn, l.since.Round(0).UTC(), l.endedAt.UTC()
	}
	if r.Own {
		r.Cause = engine.CauseSelf
	}
	return r
}

var phases = [...]engine.Phase{
	started: engine.PhaseStarted, running: engine.PhaseRunning, died: engine.PhaseDied, down: engine.PhaseDown,
}
