package decision

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	. "defib/restarter/internal/fixture"
)

func TestLaw10NothingIsKeptOfContainersThatAreGone(t *testing.T) {
	c := Ended(engine.CauseSelf)
	p, gone := SnapshotOf(c), SnapshotOf()
	h := NewHistory(Noon)
	if got := h.Sync(Noon, Usual(), p, nil); len(got.New) != 1 || got.New[0] != c {
		t.Errorf("new: %v", got.New)
	}
	a := h.Begin(Noon, p, Verdict{Container: c})
	if got := h.Sync(Noon, Usual(), gone, nil); len(got.Removed) != 0 || !h.Acting(c.ID) {
		t.Errorf("removed %v while an action goes on", got.Removed)
	}
	h.Finish(Noon, Usual(), gone, Result{Action: a, Err: engine.ErrGone}, nil)
	if got := h.Sync(Noon, Usual(), gone, nil); cmp.Diff([]string{c.ID}, got.Removed) != "" || len(h.records) != 0 {
		t.Errorf("removed %v, %d records left", got.Removed, len(h.records))
	}
}
