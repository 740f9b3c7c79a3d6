package garbage

import (
	"runtime/debug"
	"testing"
)

// set is the percentage that Go goes by.
func set() int {
	percent := debug.SetGCPercent(Usual)
	debug.SetGCPercent(percent)
	return percent
}

func TestGarbageIsCollectedRarelyUntilTheBeginningIsOver(t *testing.T) {
	before := set()
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "")
	over := Beginning(Sparing)
	if got := set(); got != beginning {
		t.Errorf("at the beginning %d, want %d", got, beginning)
	}
	over()
	if got := set(); got != Sparing {
		t.Errorf("afterwards %d, want %d", got, Sparing)
	}
	debug.SetGCPercent(before)
	over() // of a later connection
	if got := set(); got != before {
		t.Errorf("set to %d once more", got)
	}
}

func TestWhatTheUserHasSetStays(t *testing.T) {
	before := set()
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "77")
	debug.SetGCPercent(77) // as Go does at the start
	Beginning(Sparing)()
	if got := set(); got != 77 {
		t.Errorf("%d, want what GOGC says", got)
	}
}
