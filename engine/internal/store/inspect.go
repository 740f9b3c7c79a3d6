package store

import (
	"reflect"
	"time"

	"defib/engine"
)

// InspectAsked begins an inspect. The mark it returns goes into inspected.
func (b *Store) InspectAsked(now time.Time, id string) (mark int) {
	e := b.entries[id]
	e.asked = now
	b.asking[id] = e.hung
	return e.version
}

// Inspected takes the answer of an inspect: c, or nil when the engine says that
// there is no such container, or not ok when there was no answer.
func (b *Store) Inspected(now time.Time, id string, mark int, c *engine.Container, ok bool) {
	delete(b.asking, id)
	if s := b.suspects[id]; s != nil && ok && !sameFace(s.before, c) {
		s.confirmed = true
	} else if ok {
		delete(b.suspects, id)
	}
	e := b.entries[id]
	if e == nil {
		return
	}
	switch {
	case e.version != mark:
		b.enqueue(id, e) // something happened meanwhile
	case !ok:
		e.hung = true
		b.follow(now, id, e)
		b.doubt(now, e)
	case c == nil:
		b.miss(now, id, e)
	default:
		b.describe(now, id, e, c)
	}
}

// doubt marks what is known of a container as not inspected.
func (b *Store) doubt(now time.Time, e *entry) {
	if e.c == nil || !e.c.Inspected {
		return
	}
	c := *e.c
	c.Inspected = false
	b.show(now, e, &c)
}

// describe puts a fresh answer into the picture.
func (b *Store) describe(now time.Time, id string, e *entry, c *engine.Container) {
	seen := now
	if b.first.IsZero() {
		switch {
		case c.Alive():
			seen = b.seen(c.Started, now)
		case c.FailedStart():
			seen = b.seen(c.Created, now)
		default:
			seen = b.seen(c.Finished, now)
		}
	}
	e.hung, e.known = false, e.asked
	e.ours = e.ours && e.c != nil && e.c.Started.Equal(c.Started)
	e.run.inspected(c, e.c, seen, e.ours, b.announcesStops)
	if c.Exit.Known {
		e.exit = c.Exit
	}
	if !e.began.IsZero() {
		if c.RestartCount == 0 {
			b.touch(c.Project(), e.began) // started through the API, not by a restart policy
		}
		e.began = time.Time{}
	}
	if now.Sub(e.run.stopping) >= engine.StopReach || b.engineTime(now).Sub(e.run.told) >= engine.StopReach {
		e.run.stopping = time.Time{} // it was told in vain
	}
	b.show(now, e, c)
	if !c.Stopping.IsZero() || c.State == engine.Restarting || c.State == engine.Removing || b.awaitsStart(now, c) {
		b.follow(now, id, e)
	} else {
		e.pause = 0
		b.unfollow(id)
	}
	b.reply(e, c)
}

// awaitsStart reports whether a container was created so lately that a first start
// which fails must be found: no event tells. Later a list tells of one that succeeds.
func (b *Store) awaitsStart(now time.Time, c *engine.Container) bool {
	return c.State == engine.Created && b.engineTime(now).Sub(c.Created) < firstStartReach
}

// reply has those who wait for a fresh look at the entry told, once the picture
// that shows it is out.
func (b *Store) reply(e *entry, c *engine.Container) {
	for _, w := range e.waiters {
		b.replies = append(b.replies, func() { w <- c })
	}
	e.waiters = nil
}

// show makes c, completed with what only events tell, the entry's face.
func (b *Store) show(now time.Time, e *entry, c *engine.Container) {
	c.Exit = e.exit
	if e.c != nil && e.c.Created.Equal(c.Created) {
		c.Made = e.c.Made // the clocks may drift
	} else {
		c.Made = b.ourTime(c.Created, now)
	}
	c.Begun, c.Ending, c.Ended, c.Stopping = e.run.begun, e.run.ending, e.run.ended, e.run.stopping
	if e.run.over() {
		c.Stopping = time.Time{}
	}
	switch {
	case c.Health != engine.Unhealthy:
		c.Sick = time.Time{}
	case e.c != nil && e.c.Health == engine.Unhealthy && e.c.Started.Equal(c.Started):
		c.Sick = e.c.Sick
	default:
		c.Sick = now
	}
	t := b.tally(c.Name)
	for i, n := range e.early {
		t.counts[i] += n
	}
	e.early = engine.Counts{}
	c.Events = t.counts
	c.Freshness = b.freshness(now, e.c, c)
	if e.c != nil && reflect.DeepEqual(e.c, c) {
		return // what has not changed keeps its pointer, and is no news
	}
	if e.c == nil || e.c.Name != c.Name || !e.c.Created.Equal(c.Created) {
		b.order = nil
	}
	if e.c == nil || e.c.Name != c.Name {
		t.bearers, t.gone = t.bearers+1, time.Time{}
		if e.c != nil {
			b.desert(e.c.Name, now)
		}
	}
	e.c, b.changed = c, true
}

// follow has what passes without an event, or gave no answer, looked at again
// after 0.5, 1, 2, … 30 s.
func (b *Store) follow(now time.Time, id string, e *entry) {
	e.pause = min(max(2*e.pause, FollowFirst), FollowMost)
	at := now.Add(e.pause)
	b.later[id] = at
	if b.soonest.IsZero() || at.Before(b.soonest) {
		b.soonest = at
	}
}

func (b *Store) unfollow(id string) {
	if delete(b.later, id); len(b.later) == 0 {
		b.soonest = time.Time{}
	}
}

// Refresh has the container inspected anew and passes what comes of it to w,
// which must not block: nil if it is gone.
func (b *Store) Refresh(id string, w chan<- *engine.Container) {
	e := b.entries[id]
	if e == nil {
		b.replies = append(b.replies, func() { w <- nil })
		return
	}
	b.outdate(e)
	e.waiters = append(e.waiters, w)
	b.enqueue(id, e)
}

// Acting begins or ends an action of our own. What happens to the container until
// it has been started is our doing, and no evidence of a stop.
func (b *Store) Acting(id string, is bool) {
	if e := b.entries[id]; e != nil {
		e.ours = is
	}
}

// Step does what is due and reports the ids to inspect, at most free of them.
func (b *Store) Step(now time.Time, free int) (ids []string) {
	b.remind(now)
	for id, s := range b.suspects {
		if now.Sub(s.listed) >= DriftSlack {
			if s.confirmed {
				b.Drifts++
			}
			delete(b.suspects, id)
		}
	}
	hung := 0 // those that did not answer last time have half the places
	for _, h := range b.asking {
		hung += weight(h)
	}
	rest, seen := b.queue[:0], 0
	for _, id := range b.queue {
		if len(ids) == free {
			break
		}
		seen++
		_, asking := b.asking[id]
		switch e := b.entries[id]; {
		case e == nil || !e.queued: // gone, or asked for already
		case asking || e.hung && hung >= Inspectors/2:
			rest = append(rest, id)
		default:
			e.queued = false
			hung += weight(e.hung)
			ids = append(ids, id)
		}
	}
	if b.queue = b.queue[seen:]; len(rest) > 0 {
		b.queue = append(rest, b.queue...)
	}
	if b.syncing && !b.syncBy.IsZero() && (len(ids) == 0 && b.settled() || !now.Before(b.syncBy)) {
		b.synced(now)
	}
	return ids
}

func weight(hung bool) int {
	if hung {
		return 1
	}
	return 0
}

// remind enqueues what is to be inspected again by now.
func (b *Store) remind(now time.Time) {
	if b.soonest.IsZero() || now.Before(b.soonest) {
		return
	}
	b.soonest = time.Time{}
	for id, at := range b.later {
		if !now.Before(at) {
			delete(b.later, id)
			b.enqueue(id, b.entries[id])
		} else if b.soonest.IsZero() || at.Before(b.soonest) {
			b.soonest = at
		}
	}
}

// settled reports whether every container has been described, or its inspect has
// failed.
func (b *Store) settled() bool { return len(b.queue) == 0 && len(b.asking) == 0 }

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
	sooner(b.soonest)
	for _, s := range b.suspects {
		sooner(s.listed.Add(DriftSlack))
	}
	if b.syncing {
		sooner(b.syncBy)
	}
	return next
}
