// Package succession says which containers take the place of others: of one whose network
// is shared and that was re-created, and of those that are re-created after it. It is pure.
package succession

import "defib/engine"

// Succession is a re-creation that is under way, or was when an earlier life of Defib
// ended, as the names of the containers tell it.
type Succession struct {
	Name      string            // that both are about
	Old       *engine.Container // nil: it is gone
	Successor *engine.Container // nil: it is gone
	Prepared  bool              // the successor still has its passing name: nothing has happened to the old one
	Stray     bool              // somebody has started the successor before it had the name: it is left to him
	Unsure    bool              // which of them is which is not known: the engine does not answer when they are inspected
}

// Finished reports whether the old one needs nothing more but to be removed.
func (s *Succession) Finished() bool { return s.Successor == nil || !s.Successor.Untouched() }

// Leaves reports whether the container is of no more use: it is the old one after the new one was
// started, or the new one before anything has happened to the old one.
func (s *Succession) Leaves(c *engine.Container) bool {
	return !s.Stray && (s.Finished() && c == s.Old || s.Prepared && c == s.Successor)
}

// Find finds the re-creations that have begun, by the IDs of both containers.
func Find(p *engine.Snapshot) map[string]*Succession {
	found := map[string]*Succession{}
	for _, c := range p.Containers {
		name, otherID, ok := engine.ParsePassingName(c.Name)
		if !ok {
			continue
		}
		other := p.ByPrefix(otherID)
		if other != nil && other.Name != name && other.Name != engine.PassingName(name, c.ID) {
			other = nil // somebody has changed it
		}
		s := &Succession{Name: name, Old: c, Successor: other}
		if c.Untouched() {
			s.Old, s.Successor, s.Prepared = other, c, other == nil || other.Name == name
		}
		if other != nil && other.Name == name && !other.Untouched() && c.Created.After(other.Created) {
			s.Old, s.Successor, s.Stray = other, c, !s.Prepared
		}
		s.Unsure = !c.Inspected || other != nil && !other.Inspected
		found[c.ID] = s
		if other != nil {
			found[other.ID] = s
		}
	}
	return found
}
