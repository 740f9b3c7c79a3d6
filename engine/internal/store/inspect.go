package store

import (
	"reflect"
	"time"

	"defib/engine"
)

// InspectAsked begins an inspect that Step reported. The mark that it returns goes into
// Inspected.
func (b *Store) InspectAsked(now time.Time, id string) (mark int) {
	e := b.entries[id]
	e.asked = now
	return e.version
}

// Inspected takes the answer of an inspect: c, or nil when the engine says that
// there is no such container, or not ok when there was no answer.
func (b *Store) Inspected(now time.Time, id string, mark int, c *engine.Container, ok bool) {
	b.queue.Done(id)
	if s := b.driftCandidates[id]; s != nil && ok && !sameState(s.before, c) {
		s.confirmed = true
	} else if ok {
		delete(b.driftCandidates, id)
	}
	e := b.entries[id]
	if e == nil {
		return
	}
	switch {
	case e.version != mark:
		b.queue.Add(&e.item) // something happened meanwhile
	case !ok:
		b.queue.AddAfter(now, &e.item, true)
		b.markStale(now, e)
	case c == nil:
		b.handleNotFound(now, id, e)
	default:
		b.applyInspect(now, id, e, c)
	}
}

// markStale marks what is known of a container as not inspected.
func (b *Store) markStale(now time.Time, e *entry) {
	if e.c == nil || !e.c.Inspected {
		return
	}
	c := *e.c
	c.Inspected = false
	b.update(now, e, &c)
}

// applyInspect puts a fresh answer into the snapshot.
func (b *Store) applyInspect(now time.Time, id string, e *entry, c *engine.Container) {
	var at time.Time
	switch {
	case c.Alive():
		at = c.Started
	case c.FailedStart():
		at = c.Created
	default:
		at = c.Finished
	}
	seen := b.seen(at, now)
	if e.life.startedByOthers() && c.RestartCount == 0 {
		b.projectChanged(id, c.Project(), e.life.since) // through the API, not by a restart policy
	}
	b.unsettled[id] = e
	e.known = e.asked
	wasDown := e.life.phase == down
	e.life.observeInspect(c, e.before(), seen)
	if b.earlier != nil && b.endedBetween(e, c) {
		e.life.cause = engine.CauseEngine
	}
	e.life.evidence.expire(now, b.engineTime(now))
	if c.Exit.Known {
		e.exit = c.Exit
	}
	if !wasDown {
		b.recorded(e, c, seen)
	}
	b.update(now, e, c)
	if !c.StopSeenAt.IsZero() || c.State == engine.Restarting || c.State == engine.Removing || b.awaitsStart(now, c) {
		b.queue.AddAfter(now, &e.item, false)
	} else {
		b.queue.Forget(&e.item)
	}
	b.reply(e, c)
}

// recorded notes what an end means to the project of a container, of which only an inspect
// tells how it came.
func (b *Store) recorded(e *entry, c *engine.Container, at time.Time) {
	if b.stopsTold != StopsRecorded || e.life.phase != down {
		return
	}
	b.ended(e, c.ID, c.Project(), c.Exit.Known && c.Exit.Code == 0, at)
	if e.life.cause == engine.CauseStopped {
		b.stoppedByOthers(e, c.Project(), at)
	}
}

// awaitsStart reports whether a container was created so lately that a first start
// which fails must be found: no event tells. Later a list tells of one that succeeds.
func (b *Store) awaitsStart(now time.Time, c *engine.Container) bool {
	return c.State == engine.Created && b.engineTime(now).Sub(c.Created) < firstStartWindow
}

// reply has those who wait for a fresh look at the entry told, once the snapshot
// that shows it is out.
func (b *Store) reply(e *entry, c *engine.Container) {
	for _, w := range e.waiters {
		b.replies = append(b.replies, func() { w <- c })
	}
	e.waiters = nil
}

// update makes c, completed with what only events tell, the description of the container.
func (b *Store) update(now time.Time, e *entry, c *engine.Container) {
	c.Exit = e.exit
	c.Updates = e.updates
	if e.c != nil && e.c.Created.Equal(c.Created) {
		c.CreatedSeenAt = e.c.CreatedSeenAt // the clocks may drift
	} else {
		c.CreatedSeenAt = b.ourTime(c.Created, now)
	}
	e.life.describe(c)
	c.UnhealthySince = unhealthySince(now, e.c, c)
	t := b.countersOf(c.Name)
	for i, n := range e.early {
		t.counts[i] += n
	}
	e.early = engine.Counts{}
	c.Events = t.counts
	c.ImageStatus = b.imageStatus(now, e.c, c)
	if e.c != nil && reflect.DeepEqual(e.c, c) {
		return // what has not changed keeps its pointer, and is no news
	}
	if e.c == nil || e.c.Name != c.Name || !e.c.Created.Equal(c.Created) {
		b.order = nil
	}
	if e.c == nil || e.c.Name != c.Name {
		t.containers, t.removedAt = t.containers+1, time.Time{}
		if e.c != nil {
			b.releaseName(e.c.Name, now)
		}
	}
	e.c, b.changed = c, true
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
func (b *Store) Refresh(now time.Time, id string, w chan<- *engine.Container) {
	e := b.entries[id]
	if _, dead := b.tombstones[id]; e == nil && dead {
		b.replies = append(b.replies, func() { w <- nil })
		return
	}
	if e == nil {
		e = b.add(id, now)
		e.lastEvent = now // a list that was asked for before need not hold it
	}
	b.invalidate(e)
	e.waiters = append(e.waiters, w)
	b.queue.Add(&e.item)
}

// Acting begins or ends an action of our own. What happens to the container until
// it has been started is our doing, and no evidence of a stop.
func (b *Store) Acting(id string, is bool) {
	if e := b.entries[id]; e != nil {
		e.life.acting = is
	}
}

// Step does what is due and reports the ids to inspect, at most free of them. Each has
// to be inspected.
func (b *Store) Step(now time.Time, free int) (ids []string) {
	for id, s := range b.driftCandidates {
		if now.Sub(s.listed) >= DriftSlack {
			if s.confirmed {
				b.Drifts++
			}
			delete(b.driftCandidates, id)
		}
	}
	ids = b.queue.Take(now, free)
	if b.syncing && !b.syncBy.IsZero() && (b.queue.Idle() || !now.Before(b.syncBy)) {
		b.synced(now)
	}
	return ids
}

// Next is when there is something to do without news: a Step, or a list of images;
// zero: never.
func (b *Store) Next() time.Time { return b.images.sooner(b.next()) }

// next is that, images left out.
func (b *Store) next() time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	sooner(b.queue.NextDue())
	for _, s := range b.driftCandidates {
		sooner(s.listed.Add(DriftSlack))
	}
	if b.syncing {
		sooner(b.syncBy)
	}
	return next
}
