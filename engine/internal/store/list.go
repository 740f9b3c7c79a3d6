package store

import (
	"cmp"
	"time"

	"defib/engine"
	"defib/engine/internal/gap"
	"defib/engine/internal/listing"
)

// driftCandidate is a difference between snapshot and list that no event explains.
type driftCandidate struct {
	listed    time.Time
	before    *engine.Container // nil: it was missing
	confirmed bool
}

// ListAsked begins a list, unless one is under way already.
func (s *Store) ListAsked() bool {
	if s.listing {
		return false
	}
	s.listing = true
	return true
}

// ListFailed ends one that gave no answer.
func (s *Store) ListFailed() { s.listing = false }

// ListAnswered takes a list that was asked for at the given moment. A list
// decides which containers exist; any other difference is left to an inspect.
func (s *Store) ListAnswered(now, asked time.Time, list []listing.Item) {
	s.listing, s.listed, s.changed = false, asked, true
	present := make(map[string]bool, len(list))
	for _, item := range list {
		present[item.ID] = true
		missed, late := s.notFound[item.ID]
		if _, dead := s.tombstones[item.ID]; dead || late && !asked.After(missed) {
			continue
		}
		s.takeListItem(now, asked, item)
	}
	s.removeUnlisted(now, asked, present)
	if s.syncing && s.syncBy.IsZero() {
		s.syncBy = now.Add(SyncTimeout)
	}
	s.tidy(now)
}

// takeListItem takes one line of a list.
func (s *Store) takeListItem(now, asked time.Time, item listing.Item) {
	e := s.entries[item.ID]
	switch {
	case e == nil:
		e = s.add(item.ID, now)
		s.suspectDrift(item.ID, e, asked)
	case e.c != nil && e.c.Inspected && item.Differs(e.c):
		if e.c.State != item.State || e.c.Name != item.Name {
			s.suspectDrift(item.ID, e, asked)
		}
	case e.c != nil && e.c.Inspected && !s.syncing && e.confirmed(now, asked, item):
		return
	}
	s.applyListItem(now, e, item)
	if !e.item.Retrying() { // an inspect that fails asks for a list, which must not ask for the inspect
		s.queue.Add(&e.item)
	}
}

// removeUnlisted removes the containers that a list does not hold.
func (s *Store) removeUnlisted(now, asked time.Time, present map[string]bool) {
	for id, e := range s.entries {
		if present[id] || !e.lastEvent.Before(asked) {
			continue
		}
		s.suspectDrift(id, e, asked)
		s.remove(id, now)
		if d := s.driftCandidates[id]; d != nil {
			d.confirmed = true
		}
	}
}

// confirmed reports whether a line of a list, asked for and answered at these
// moments, proves that what is known of the newest start and end still is so. A
// text that tells no time is taken for a proof: of days, since nothing new is so
// old, and of states that are looked at again anyway, or never left.
func (e *entry) confirmed(now, asked time.Time, item listing.Item) bool {
	if least, told := item.Lasting(); told && least < now.Sub(e.known)+listLag {
		return false
	}
	e.known = asked
	return true
}

// applyListItem takes from a line of a list what is not known better. After a gap even
// what an inspect said may be stale.
func (s *Store) applyListItem(now time.Time, e *entry, item listing.Item) {
	switch {
	case e.c == nil:
		c := item.Container()
		if e.remembered != nil {
			c.Started, c.Finished = e.remembered.StartedAt, e.remembered.FinishedAt
		}
		s.update(now, e, c)
	case !e.c.Inspected || s.syncing && item.Differs(e.c):
		c := *e.c
		c.Inspected, c.State, c.Name = false, item.State, item.Name
		if c.State != engine.Running {
			c.Health, c.HealthOutput = engine.NoHealth, ""
		}
		s.update(now, e, &c)
	}
}

// suspectDrift notes a difference that no event explains. The engine passes through
// some states without an event: those explain themselves.
func (s *Store) suspectDrift(id string, e *entry, asked time.Time) {
	passing := e.c != nil && (e.c.State == engine.Restarting || e.c.State == engine.Removing || !e.c.StopSeenAt.IsZero())
	if s.syncing || passing || asked.Sub(e.lastEvent) < DriftSlack {
		return
	}
	s.driftCandidates[id] = &driftCandidate{listed: asked, before: e.c}
}

// sameState reports whether two descriptions agree in what drift is judged by.
func sameState(a, c *engine.Container) bool {
	if a == nil || c == nil {
		return a == c
	}
	return a.State == c.State && a.Name == c.Name
}

// synced makes the snapshot current again.
func (s *Store) synced(now time.Time) {
	byEngine := s.byEngine()
	s.syncing, s.gap = false, gap.None
	for _, e := range s.entries {
		if s.queue.Waiting(&e.item) {
			s.markStale(now, e) // it hangs: what is known of it is from before the gap
		}
		if e.c != nil && byEngine(e) {
			e.life.cause = engine.CauseEngine
			c := *e.c
			s.update(now, e, &c)
		}
	}
	if s.first.IsZero() {
		s.first = s.engineTime(now)
	}
	s.lost, s.shutdown, s.changed = time.Time{}, time.Time{}, true
	s.images.due, s.images.refused = now, false // by events of the gap, or by another engine
}

// byEngine returns what tells which containers the engine stopped itself, if it was gone:
// by its shutdown, just before the stream ended, or, if it was killed, when it came back,
// which stops what outlived it before it answers again. What it stopped means nothing by
// it: unless a container came through unharmed, since an engine that goes stops them all.
func (s *Store) byEngine() func(e *entry) bool {
	switch {
	case s.first.IsZero() && s.earlier != nil:
		return s.betweenLives()
	case s.first.IsZero(), s.gap != gap.Restarted, s.stopsTold != StopsAnnounced, s.survived(): // Podman's outlive its service
		return func(*entry) bool { return false }
	}
	lost := s.engineTime(s.lost)
	return func(e *entry) bool {
		l := &e.life
		return l.cause == engine.CauseStopped && l.endedAt.After(lost.Add(-gap.ShutdownWindow)) && e.c.Started.Before(lost) &&
			!cmp.Or(l.evidence.firstStopAt, l.endedAt).Before(s.shutdown)
	}
}

// runs are the newest runs of the containers. One that is acted upon, or that is paused or
// about to be restarted, need not be told to stop by a shutdown.
func (s *Store) runs() map[string]engine.Remembered {
	runs := map[string]engine.Remembered{}
	for id, e := range s.entries {
		if e.c != nil && (e.life.over() || e.c.Up()) && !e.life.acting {
			runs[id] = e.remember()
		}
	}
	return runs
}

// engineTime turns a moment on our clock into one on the engine's.
func (s *Store) engineTime(t time.Time) time.Time { return s.engineThen.Add(t.Sub(s.ourThen)) }

// survived reports whether a container still is in a run that began before the
// stream was lost.
func (s *Store) survived() bool {
	lost := s.engineTime(s.lost)
	for _, e := range s.entries {
		if e.c != nil && e.c.Up() && e.c.Started.Before(lost) {
			return true
		}
	}
	return false
}
