package store

import (
	"reflect"
	"time"

	"defib/engine"
)

// InspectAsked begins an inspect that Step reported. The mark that it returns goes into
// Inspected.
func (s *Store) InspectAsked(now time.Time, id string) (mark int) {
	e := s.entries[id]
	e.asked = now
	return e.version
}

// Inspected takes the answer of an inspect: c, or nil when the engine says that
// there is no such container, or not ok when there was no answer.
func (s *Store) Inspected(now time.Time, id string, mark int, c *engine.Container, ok bool) {
	s.queue.Done(id)
	if d := s.driftCandidates[id]; d != nil && ok && !sameState(d.before, c) {
		d.confirmed = true
	} else if ok {
		delete(s.driftCandidates, id)
	}
	e := s.entries[id]
	if e == nil {
		return
	}
	switch {
	case e.version != mark:
		s.queue.Add(&e.item) // something happened meanwhile
	case !ok:
		s.queue.AddAfter(now, &e.item, true)
		s.markStale(now, e)
	case c == nil:
		s.handleNotFound(now, id, e)
	default:
		s.applyInspect(now, id, e, c)
	}
}

// markStale marks what is known of a container as not inspected.
func (s *Store) markStale(now time.Time, e *entry) {
	if e.c == nil || !e.c.Inspected {
		return
	}
	c := *e.c
	c.Inspected = false
	s.update(now, e, &c)
}

// applyInspect puts a fresh answer into the snapshot.
func (s *Store) applyInspect(now time.Time, id string, e *entry, c *engine.Container) {
	var at time.Time
	switch {
	case c.Alive():
		at = c.Started
	case c.FailedStart():
		at = c.Created
	default:
		at = c.Finished
	}
	seen := s.seen(at, now)
	if e.life.startedByOthers() && c.RestartCount == 0 {
		s.projectChanged(id, c.Project(), e.life.since) // through the API, not by a restart policy
	}
	s.unsettled[id] = e
	e.known = e.asked
	wasDown := e.life.phase == down
	e.life.observeInspect(c, e.before(), seen, s.engineTime(now))
	if s.earlier != nil && s.endedBetween(e, c) {
		e.life.cause = engine.CauseEngine
	}
	e.life.evidence.expire(now, s.engineTime(now))
	if c.Exit.Known {
		e.exit = c.Exit
	}
	if !wasDown {
		s.recorded(e, c, seen)
	}
	s.update(now, e, c)
	if !c.StopSeenAt.IsZero() || c.State == engine.Restarting || c.State == engine.Removing || s.awaitsStart(now, c) {
		s.queue.AddAfter(now, &e.item, false)
	} else {
		s.queue.Forget(&e.item)
	}
	s.reply(e, c)
}

// recorded notes what an end means to the project of a container, of which only an inspect
// tells how it came.
func (s *Store) recorded(e *entry, c *engine.Container, at time.Time) {
	if s.stopsTold != StopsRecorded || e.life.phase != down {
		return
	}
	s.ended(e, c.ID, c.Project(), c.Exit.Known && c.Exit.Code == 0, at)
	if e.life.cause == engine.CauseStopped {
		s.stoppedByOthers(e, c.Project(), at)
	}
}

// awaitsStart reports whether a container was created so lately that a first start
// which fails must be found: no event tells. Later a list tells of one that succeeds.
func (s *Store) awaitsStart(now time.Time, c *engine.Container) bool {
	return c.State == engine.Created && s.engineTime(now).Sub(c.Created) < firstStartWindow
}

// reply has those who wait for a fresh look at the entry told, once the snapshot
// that shows it is out.
func (s *Store) reply(e *entry, c *engine.Container) {
	for _, w := range e.waiters {
		s.replies = append(s.replies, func() { w <- c })
	}
	e.waiters = nil
}

// update makes c, completed with what only events tell, the description of the container.
func (s *Store) update(now time.Time, e *entry, c *engine.Container) {
	c.Exit = e.exit
	c.Updates = e.updates
	if e.c != nil && e.c.Created.Equal(c.Created) {
		c.CreatedSeenAt = e.c.CreatedSeenAt // the clocks may drift
	} else {
		c.CreatedSeenAt = s.ourTime(c.Created, now)
	}
	e.life.describe(c)
	c.UnhealthySince = unhealthySince(now, e.c, c)
	t := s.countersOf(c.Name)
	for i, n := range e.early {
		t.counts[i] += n
	}
	e.early = engine.Counts{}
	c.Events = t.counts
	c.ImageStatus = s.imageStatus(now, e.c, c)
	if e.c != nil && reflect.DeepEqual(e.c, c) {
		return // what has not changed keeps its pointer, and is no news
	}
	if e.c == nil || e.c.Name != c.Name || !e.c.Created.Equal(c.Created) {
		s.order = nil
	}
	if e.c == nil || e.c.Name != c.Name {
		t.containers, t.removedAt = t.containers+1, time.Time{}
		if e.c != nil {
			s.releaseName(e.c.Name, now)
		}
	}
	e.c, s.changed = c, true
}

// unhealthySince is since when c, which was before, is unhealthy; zero: it is not.
func unhealthySince(now time.Time, before, c *engine.Container) time.Time {
	switch {
	case c.Health != engine.Unhealthy:
		return time.Time{}
	case before != nil && before.Health == engine.Unhealthy && before.Started.Equal(c.Started):
		return before.UnhealthySince
	}
	return now
}

// Refresh has the container inspected anew and passes what comes of it to w,
// which must not block: nil if it is gone. One that was created just now may not have been
// heard of.
func (s *Store) Refresh(now time.Time, id string, w chan<- *engine.Container) {
	e := s.entries[id]
	if _, dead := s.tombstones[id]; e == nil && dead {
		s.replies = append(s.replies, func() { w <- nil })
		return
	}
	if e == nil {
		e = s.add(id, now)
		e.lastEvent = now // a list that was asked for before need not hold it
	}
	s.invalidate(e)
	e.waiters = append(e.waiters, w)
	s.queue.Add(&e.item)
}

// Acting begins or ends an action of our own. What happens to the container until
// it has been started is our doing, and no evidence of a stop.
func (s *Store) Acting(id string, is bool) {
	if e := s.entries[id]; e != nil {
		e.life.acting = is
	}
}

// Step does what is due and reports the ids to inspect, at most free of them. Each has
// to be inspected.
func (s *Store) Step(now time.Time, free int) (ids []string) {
	for id, d := range s.driftCandidates {
		if now.Sub(d.listed) >= DriftSlack {
			if d.confirmed {
				s.Drifts++
			}
			delete(s.driftCandidates, id)
		}
	}
	ids = s.queue.Take(now, free)
	if s.syncing && !s.syncBy.IsZero() && (s.queue.Idle() || !now.Before(s.syncBy)) {
		s.synced(now)
	}
	return ids
}

// Next is when there is something to do without news: a Step, or a list of images;
// zero: never.
func (s *Store) Next() time.Time { return s.images.sooner(s.next()) }

// next is that, images left out.
func (s *Store) next() time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	sooner(s.queue.NextDue())
	for _, d := range s.driftCandidates {
		sooner(d.listed.Add(DriftSlack))
	}
	if s.syncing {
		sooner(s.syncBy)
	}
	return next
}
