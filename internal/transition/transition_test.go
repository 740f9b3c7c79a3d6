package transition_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"defib/internal/transition"
)

func TestStateIsNewWhenItBeginsAndWhenItEnds(t *testing.T) {
	var s transition.States
	for i, step := range []struct {
		thing, state string
		want         bool
	}{
		{"list", "", false}, // as it was
		{"list", "refused", true},
		{"list", "refused", false},
		{"inspect", "refused", true},
		{"list", "times out", true},
		{"list", "", true},
		{"list", "", false},
		{"inspect", "refused", false},
	} {
		if got := s.Changed(step.thing, step.state); got != step.want {
			t.Errorf("step %d: %s %q: changed %v, want %v", i, step.thing, step.state, got, step.want)
		}
		if got := s.Last(step.thing); got != step.state {
			t.Errorf("step %d: %s is %q, want %q", i, step.thing, got, step.state)
		}
	}
}

func TestWhatIsNotKeptIsNewAgain(t *testing.T) {
	var s transition.States
	s.Keep(nil) // of nothing
	s.Changed("shop", "warned")
	s.Changed("blog", "warned")
	s.Keep(map[string]bool{"shop": true})
	if s.Changed("shop", "warned") || !s.Changed("blog", "warned") {
		t.Error("want shop kept, and blog forgotten")
	}
}

func TestChangeIsNewToOneOfThoseWhoAskAtOnce(t *testing.T) {
	var s transition.States
	var told atomic.Int64
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			if s.Changed("list", "refused") {
				told.Add(1)
			}
		})
	}
	asking.Wait()
	if told.Load() != 1 {
		t.Errorf("new to %d, want 1", told.Load())
	}
}
