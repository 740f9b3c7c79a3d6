package store

import (
	"maps"
	"time"

	"defib/engine"
)

// tally counts the events of a name across the containers that bore it.
type tally struct {
	counts  engine.Counts
	bearers int
	gone    time.Time // when the last of them left it; zero: there are some
}

// touch notes that something happened in a compose project.
func (b *Store) touch(project string, at time.Time) {
	if project != "" && at.After(b.projects[project]) {
		b.projects[project], b.changed = at, true
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
		b.tally(e.c.Name).counts[k]++
	}
}

func (b *Store) tally(name string) *tally {
	t := b.tallies[name]
	if t == nil {
		t = &tally{}
		b.tallies[name] = t
	}
	return t
}

// desert notes that a container left its name.
func (b *Store) desert(name string, now time.Time) {
	t := b.tally(name)
	if t.bearers--; t.bearers == 0 {
		t.gone = now
	}
}

// tidy forgets what nobody asks for any more.
func (b *Store) tidy(now time.Time) {
	for name, t := range b.tallies {
		if !t.gone.IsZero() && now.Sub(t.gone) > departedFor {
			delete(b.tallies, name)
		}
	}
	maps.DeleteFunc(b.tombs, func(_ string, at time.Time) bool { return now.Sub(at) > departedFor })
	maps.DeleteFunc(b.missed, func(_ string, at time.Time) bool { return now.Sub(at) > departedFor })
	maps.DeleteFunc(b.projects, func(_ string, at time.Time) bool { return now.Sub(at) > engine.ProjectReach })
}
