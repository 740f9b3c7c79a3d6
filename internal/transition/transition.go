// Package transition tells when the state of something has changed, so that what lasts
// is logged when it begins and when it ends, and not in between.
package transition

import (
	"maps"
	"sync"
)

// States are the last known states of things, by name. A thing of which nothing is
// known is in the state "". The zero value is ready; it may be used from anywhere.
type States struct {
	mu     sync.Mutex
	states map[string]string
}

// Changed reports whether this state is another than the last, and notes it.
func (s *States) Changed(thing, state string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states[thing] == state {
		return false
	}
	if s.states == nil {
		s.states = map[string]string{}
	}
	if state == "" {
		delete(s.states, thing)
	} else {
		s.states[thing] = state
	}
	return true
}

// Last returns the last state of a thing.
func (s *States) Last(thing string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states[thing]
}

// Keep forgets all things but these.
func (s *States) Keep(things map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.states, func(thing, _ string) bool { return !things[thing] })
}
