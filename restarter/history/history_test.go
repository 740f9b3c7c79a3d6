package history

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	. "defib/restarter/internal/fixture"
)

func TestLaw10NothingIsKeptOfContainersThatAreGone(t *testing.T) {
	c := Ended(engine.CauseSelf)
	p, gone := SnapshotOf(c), SnapshotOf()
	h := New(Noon)
	if got := h.Sync(Noon, Usual(), p); len(got.New) != 1 || got.New[0] != c {
		t.Errorf("new: %v", got.New)
	}
	a := h.Begin(Noon, p, Action{Container: c})
	if got := h.Sync(Noon, Usual(), gone); len(got.Removed) != 0 || !h.Acting(c.ID) {
		t.Errorf("removed %v while an action goes on", got.Removed)
	}
	h.Finish(Noon, Usual(), gone, Result{Action: a, Err: engine.ErrGone})
	if got := h.Sync(Noon, Usual(), gone); cmp.Diff([]string{c.ID}, got.Removed) != "" || len(h.Records) != 0 {
		t.Errorf("removed %v, %d records left", got.Removed, len(h.Records))
	}
}
