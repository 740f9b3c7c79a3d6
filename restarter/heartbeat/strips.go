package heartbeat

import (
	"time"

	"defib/engine"
)

// keepAbsent is for how long the strip of a name is kept that no container has: until it
// has been re-created, or what creates it has been started after the host.
const keepAbsent = 10 * time.Minute

// Strips are those of all containers, by name. One goroutine owns them; each Strip that
// they give away is immutable.
type Strips struct {
	tracks map[string]*track // by name
	looks  uint64            // so many
	blind  bool              // the last one saw nothing
}

// track is what is known of one name.
type track struct {
	strip *Strip
	last  *engine.Container // as it was at the last look; nil: it has not been seen in this life of Defib
	look  uint64            // the last one at which a container had the name
}

// New returns the strips of an earlier life of Defib. They go on with the first look:
// what lies between is unknown.
func New(saved Saved) *Strips {
	s := &Strips{tracks: make(map[string]*track, len(saved.strips))}
	for name, strip := range saved.strips {
		s.tracks[name] = &track{strip: strip}
	}
	return s
}

// Of returns the strip of a name; nil if there is none.
func (s *Strips) Of(name string) *Strip {
	if t := s.tracks[name]; t != nil {
		return t.strip
	}
	return nil
}

// Observe looks at a snapshot. Between two looks each container is taken to have been
// what it was at the first, so that a look is needed only when the snapshot has changed.
// Kept reports whether Defib starts a container again whatever its exit code.
func (s *Strips) Observe(now time.Time, p *engine.Snapshot, kept func(*engine.Container) bool) {
	s.looks++
	named := p.Named()
	if !p.Connected {
		named = nil // what is not current says nothing
	}
	for _, c := range named {
		t := s.tracks[c.Name]
		if t == nil {
			t = &track{strip: &Strip{}}
			s.tracks[c.Name] = t
		}
		t.look = s.looks
		if t.last != c || t.strip.state == Unknown {
			t.observe(now, c, kept(c) || c.AlwaysRestarts())
		}
	}
	if len(named) < len(s.tracks) {
		s.absent(now, p)
	}
	s.blind = !p.Connected
}

// observe notes what a container is.
func (t *track) observe(now time.Time, c *engine.Container, kept bool) {
	var before engine.Counts
	if t.last != nil {
		before = t.last.Events
	}
	state, meanwhile := stateOf(c, kept), between(c, before, kept)
	t.last = c
	if state != t.strip.state || meanwhile > state {
		t.strip = t.strip.at(now, state, meanwhile)
	}
}

// absent notes that nothing is known of the names that were not seen at this look, and
// drops those that have been gone for long. While the engine is unavailable none is:
// nobody knows.
func (s *Strips) absent(now time.Time, p *engine.Snapshot) {
	for name, t := range s.tracks {
		switch {
		case t.look == s.looks:
		case t.strip.state != Unknown || t.strip.since.IsZero() || s.blind && p.Connected:
			t.strip = t.strip.at(now, Unknown, Unknown)
		case p.Connected && now.Sub(t.strip.since) > keepAbsent:
			delete(s.tracks, name)
		}
	}
}
