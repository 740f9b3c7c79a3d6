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

// projectChanged notes that something happened in a compose project.
func (b *Store) projectChanged(project string, at time.Time) {
	if project != "" && at.After(b.projects[project]) && !b.ownChange(project, at) {
		b.projects[project], b.changed = at, true
	}
}

// ownTail is how long after our own doing its events may come.
const ownTail = time.Second

// own is something that we do to a container and others of its compose project, of which
// the engine tells as of what anybody does.
type own struct {
	project string
	until   time.Time // on our clock; zero: it is under way
}

// Changing begins an action that creates, renames, stops or removes containers of a
// project: until it is over, no change in the project is taken for somebody else's. One
// container is what it is done for, and is acted upon.
func (b *Store) Changing(id, project string) {
	b.own[id] = own{project: project}
	b.Acting(id, true)
}

// HasChanged ends that.
func (b *Store) HasChanged(now time.Time, id string) {
	b.own[id] = own{project: b.own[id].project, until: now.Add(ownTail)}
	b.Acting(id, false)
}

// ownChange reports whether a change in a project comes of what we do there.
func (b *Store) ownChange(project string, at time.Time) bool {
	for _, o := range b.own {
		if o.project == project && (o.until.IsZero() || at.Before(o.until)) {
			return true
		}
	}
	return false
}

// changedByOthers notes the same of what happens to a container, unless it is our own
// doing.
func (b *Store) changedByOthers(e *entry, project string, at time.Time) {
	if !e.life.acting {
		b.projectChanged(project, at)
	}
}

// stoppedByOthers notes that a container was told to stop, unless it is our own doing.
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
	maps.DeleteFunc(b.own, func(_ string, o own) bool { return !o.until.IsZero() && now.After(o.until) })
}
