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
func (s *Store) projectChanged(id, project string, at time.Time) {
	if project != "" && at.After(s.projects[project]) && !s.own.Has(id, at) {
		s.projects[project], s.changed = at, true
	}
}

// Changing begins an action that renames, stops or removes a container, and may create
// another one in its place, or go on with others that were. Until it is over, what happens
// to these is no change of their project.
func (s *Store) Changing(id string, others ...string) { s.own.Begin(id, others...) }

// HasChanged ends that.
func (s *Store) HasChanged(now time.Time, id string) { s.own.End(now, id) }

// changedByOthers notes the same, unless an action of our own is under way.
func (s *Store) changedByOthers(e *entry, id, project string, at time.Time) {
	if !e.life.acting {
		s.projectChanged(id, project, at)
	}
}

// stoppedByOthers notes that a container was told to stop.
func (s *Store) stoppedByOthers(e *entry, project string, at time.Time) {
	if project != "" && !e.life.acting && at.After(s.stops[project]) {
		s.stops[project], s.changed = at, true
	}
}

// count counts one event. What the first replay tells of the time before Defib
// started is evidence, but counted it would look like news.
func (s *Store) count(e *entry, k engine.Event) {
	switch {
	case s.first.IsZero() && s.last.At.Before(s.engineThen):
	case e.c == nil:
		e.early[k]++
	default:
		s.countersOf(e.c.Name).counts[k]++
	}
}

func (s *Store) countersOf(name string) *nameCounters {
	t := s.counters[name]
	if t == nil {
		t = &nameCounters{}
		s.counters[name] = t
	}
	return t
}

// releaseName notes that a container left its name.
func (s *Store) releaseName(name string, now time.Time) {
	t := s.countersOf(name)
	if t.containers--; t.containers == 0 {
		t.removedAt = now
	}
}

// tidy forgets what nobody asks for any more.
func (s *Store) tidy(now time.Time) {
	for name, t := range s.counters {
		if !t.removedAt.IsZero() && now.Sub(t.removedAt) > departedFor {
			delete(s.counters, name)
		}
	}
	maps.DeleteFunc(s.tombstones, func(_ string, at time.Time) bool { return now.Sub(at) > departedFor })
	maps.DeleteFunc(s.notFound, func(_ string, at time.Time) bool { return now.Sub(at) > departedFor })
	for _, times := range []map[string]time.Time{s.projects, s.stops} {
		maps.DeleteFunc(times, func(_ string, at time.Time) bool { return now.Sub(at) > engine.ProjectWindow })
	}
	s.own.Forget(now)
}
