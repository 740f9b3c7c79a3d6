package store

import (
	"maps"
	"time"

	"defib/engine"
)

// nameCounters counts the events of a name across the containers that bore it.
type nameCounters struct {
	counts     engine.Counts
	containers int
	removedAt  time.Time // when the last of them left it; zero: there are some
}

// projectChanged notes that something happened to a container of a compose project.
func (b *Store) projectChanged(id, project string, at time.Time) {
	if project != "" && at.After(b.projects[project]) && !b.own.Has(id, at) {
		b.projects[project], b.changed = at, true
	}
}

// Changing begins an action that renames, stops or removes a container, and may create
// another one in its place, or go on with others that were. Until it is over, what happens
// to these is no change of their project.
func (b *Store) Changing(id string, others ...string) { b.own.Begin(id, others...) }

// HasChanged ends that.
func (b *Store) HasChanged(now time.Time, id string) { b.own.End(now, id) }

// changedByOthers notes the same, unless an action of our own is under way.
func (b *Store) changedByOthers(e *entry, id, project string, at time.Time) {
	if !e.life.acting {
		b.projectChanged(id, project, at)
	}
}

// stoppedByOthers notes that a container was told to stop.
func (b *Store) stoppedByOthers(e *entry, project string, at time.Time) {
	if project != "" && !e.life.acting && at.After(b.stops[project]) {
		b.stops[project], b.changed = at, true
	}
}

// count counts one event. What the first replay tells of the time before Defib
// started is evidence, but counted it would look like news.
func (b *Store) count(e *entry, k engine.Event) {
	switch {
	case b.first.IsZero() && b.last.At.Before(b.engineThen):
	case e.c == nil:
		e.early[k]++
	default:
		b.countersOf(e.c.Name).counts[k]++
	}
}

func (b *Store) countersOf(name string) *nameCounters {
	t := b.counters[name]
	if t == nil {
		t = &nameCounters{}
		b.counters[name] = t
	}
	return t
}

// releaseName notes that a container left its name.
func (b *Store) releaseName(name string, now time.Time) {
	t := b.countersOf(name)
	if t.containers--; t.containers == 0 {
		t.removedAt = now
	}
}

// tidy forgets what nobody asks for any more.
func (b *Store) tidy(now time.Time) {
	for name, t := range b.counters {
		if !t.removedAt.IsZero() && now.Sub(t.removedAt) > departedFor {
			delete(b.counters, name)
		}
	}
	maps.DeleteFunc(b.tombstones, func(_ string, at time.Time) bool { return now.Sub(at) > departedFor })
	maps.DeleteFunc(b.notFound, func(_ string, at time.Time) bool { return now.Sub(at) > departedFor })
	for _, times := range []map[string]time.Time{b.projects, b.stops} {
		maps.DeleteFunc(times, func(_ string, at time.Time) bool { return now.Sub(at) > engine.ProjectWindow })
	}
	b.own.Forget(now)
}
