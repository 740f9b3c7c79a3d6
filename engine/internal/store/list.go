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
func (b *Store) ListAsked() bool {
	if b.listing {
		return false
	}
	b.listing = true
	return true
}

// ListFailed ends one that gave no answer.
func (b *Store) ListFailed() { b.listing = false }

// ListAnswered takes a list that was asked for at the given moment. A list
// decides which containers exist; any other difference is left to an inspect.
func (b *Store) ListAnswered(now, asked time.Time, list []listing.Item) {
	b.listing, b.listed, b.changed = false, asked, true
	present := make(map[string]bool, len(list))
	for _, s := range list {
		present[s.ID] = true
		missed, late := b.notFound[s.ID]
		if _, dead := b.tombstones[s.ID]; dead || late && !asked.After(missed) {
			continue
		}
		b.takeListItem(now, asked, s)
	}
	b.removeUnlisted(now, asked, present)
	if b.syncing && b.syncBy.IsZero() {
		b.syncBy = now.Add(SyncTimeout)
	}
	b.tidy(now)
}

// takeListItem takes one line of a list.
func (b *Store) takeListItem(now, asked time.Time, s listing.Item) {
	e := b.entries[s.ID]
	switch {
	case e == nil:
		e = b.add(s.ID, now)
		b.suspectDrift(s.ID, e, asked)
	case e.c != nil && e.c.Inspected && s.Differs(e.c):
		if e.c.State != s.State || e.c.Name != s.Name {
			b.suspectDrift(s.ID, e, asked)
		}
	case e.c != nil && e.c.Inspected && !b.syncing && e.confirmed(now, asked, s):
		return
	}
	b.applyListItem(now, e, s)
	if !e.item.Retrying() { // an inspect that fails asks for a list, which must not ask for the inspect
		b.queue.Add(&e.item)
	}
}

// removeUnlisted removes the containers that a list does not hold.
func (b *Store) removeUnlisted(now, asked time.Time, present map[string]bool) {
	for id, e := range b.entries {
		if present[id] || !e.lastEvent.Before(asked) {
			continue
		}
		b.suspectDrift(id, e, asked)
		b.remove(id, now)
		if s := b.driftCandidates[id]; s != nil {
			s.confirmed = true
		}
	}
}

// confirmed reports whether a line of a list, asked for and answered at these
// moments, proves that what is known of the newest start and end still is so. A
// text that tells no time is taken for a proof: of days, since nothing new is so
// old, and of states that are looked at again anyway, or never left.
func (e *entry) confirmed(now, asked time.Time, s listing.Item) bool {
	if least, told := s.Lasting(); told && least < now.Sub(e.known)+listLag {
		return false
	}
	e.known = asked
	return true
}

// applyListItem takes from a line of a list what is not known better. After a gap even
// what an inspect said may be stale.
func (b *Store) applyListItem(now time.Time, e *entry, s listing.Item) {
	switch {
	case e.c == nil:
		c := s.Container()
		if e.remembered != nil {
			c.Started, c.Finished = e.remembered.StartedAt, e.remembered.FinishedAt
		}
		b.update(now, e, c)
	case !e.c.Inspected || b.syncing && s.Differs(e.c):
		c := *e.c
		c.Inspected, c.State, c.Name = false, s.State, s.Name
		if c.State != engine.Running {
			c.Health, c.HealthOutput = engine.NoHealth, ""
		}
		b.update(now, e, &c)
	}
}

// suspectDrift notes a difference that no event explains. The engine passes through
// some states without an event: those explain themselves.
func (b *Store) suspectDrift(id string, e *entry, asked time.Time) {
	passing := e.c != nil && (e.c.State == engine.Restarting || e.c.State == engine.Removing || !e.c.StopSeenAt.IsZero())
	if b.syncing || passing || asked.Sub(e.lastEvent) < DriftSlack {
		return
	}
	b.driftCandidates[id] = &driftCandidate{listed: asked, before: e.c}
}

// sameState reports whether two descriptions agree in what drift is judged by.
func sameState(a, c *engine.Container) bool {
	if a == nil || c == nil {
		return a == c
	}
	return a.State == c.State && a.Name == c.Name
}

// synced makes the snapshot current again.
func (b *Store) synced(now time.Time) {
	byEngine := b.byEngine()
	b.syncing, b.gap = false, gap.None
	for _, e := range b.entries {
		if b.queue.Waiting(&e.item) {
			b.markStale(now, e) // it hangs: what is known of it is from before the gap
		}
		if e.c != nil && byEngine(e) {
			e.life.cause = engine.CauseEngine
			c := *e.c
			b.update(now, e, &c)
		}
	}
	if b.first.IsZero() {
		b.first = b.engineTime(now)
	}
	b.lost, b.shutdown, b.changed = time.Time{}, time.Time{}, true
	b.images.due, b.images.refused = now, false // by events of the gap, or by another engine
}

// byEngine returns what tells which containers the engine stopped itself, if it was gone:
// by its shutdown, just before the stream ended, or, if it was killed, when it came back,
// which stops what outlived it before it answers again. What it stopped means nothing by
// it: unless a container came through unharmed, since an engine that goes stops them all.
func (b *Store) byEngine() func(e *entry) bool {
	switch {
	case b.first.IsZero() && b.earlier != nil:
		return b.betweenLives()
	case b.first.IsZero(), b.gap != gap.Restarted, b.stopsTold != StopsAnnounced, b.survived(): // Podman's outlive its service
		return func(*entry) bool { return false }
	}
	lost := b.engineTime(b.lost)
	return func(e *entry) bool {
		l := &e.life
		return l.cause == engine.CauseStopped && l.endedAt.After(lost.Add(-gap.ShutdownWindow)) && e.c.Started.Before(lost) &&
			!cmp.Or(l.evidence.firstStopAt, l.endedAt).Before(b.shutdown)
	}
}

// runs are the newest runs of the containers. One that is acted upon, or that is paused or
// about to be restarted, need not be told to stop by a shutdown.
func (b *Store) runs() map[string]engine.Remembered {
	runs := map[string]engine.Remembered{}
	for id, e := range b.entries {
		if e.c != nil && (e.life.over() || e.c.Up()) && !e.life.acting {
			runs[id] = e.remember()
		}
	}
	return runs
}

// engineTime turns a moment on our clock into one on the engine's.
func (b *Store) engineTime(t time.Time) time.Time { return b.engineThen.Add(t.Sub(b.ourThen)) }

// survived reports whether a container still is in a run that began before the
// stream was lost.
func (b *Store) survived() bool {
	lost := b.engineTime(b.lost)
	for _, e := range b.entries {
		if e.c != nil && e.c.Up() && e.c.Started.Before(lost) {
			return true
		}
	}
	return false
}
