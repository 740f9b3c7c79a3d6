package history

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	"defib/restarter/policy"
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

func TestFailedRestartForAParentCountsNoMoreThanOneThatDoesNotFail(t *testing.T) {
	c := Running()
	p := SnapshotOf(c)
	h := New(Noon)
	h.Sync(Noon, Usual(), p)
	a := h.Begin(Noon, p, Action{Container: c, Trigger: policy.TriggerDependency})
	h.Finish(Noon, Usual(), p, Result{Action: a, Err: errors.New("the engine says no")})
	if rec := h.At(c.ID); rec.Restarts != 0 || rec.Streak != 0 {
		t.Errorf("%d restarts, a streak of %d, want none", rec.Restarts, rec.Streak)
	}
}

func TestContainerThatCouldNotBeInspectedHasNotRecovered(t *testing.T) {
	down := Ended(engine.CauseSelf)
	h := New(Noon)
	p := SnapshotOf(down)
	h.Sync(Noon, Usual(), p)
	a := h.Begin(Noon, p, Action{Container: down, Trigger: policy.TriggerExited})
	up := *down
	up.State, up.Started, up.Inspected = engine.Running, Noon, false
	h.Finish(Noon, Usual(), SnapshotOf(&up), Result{Action: a})
	if got := h.Sync(Noon, Usual(), SnapshotOf(&up)).Recovered; len(got) > 0 {
		t.Errorf("recovered: %v", got)
	}
	known := up
	known.Inspected = true
	if got := h.Sync(Noon, Usual(), SnapshotOf(&known)).Recovered; len(got) != 1 {
		t.Errorf("recovered: %v, want one", got)
	}
}

func TestStartBySomebodyElseEndsTheFailureOfOurs(t *testing.T) {
	down := Ended(engine.CauseSelf)
	h := New(Noon)
	p := SnapshotOf(down)
	h.Sync(Noon, Usual(), p)
	a := h.Begin(Noon, p, Action{Container: down, Trigger: policy.TriggerExited})
	h.Finish(Noon, Usual(), p, Result{Action: a, Err: errors.New("the engine says no")})
	if !h.At(down.ID).Failed {
		t.Fatal("it has not failed")
	}
	up := *down
	up.State, up.Started = engine.Running, Noon.Add(time.Second)
	h.Sync(Noon.Add(time.Second), Usual(), SnapshotOf(&up))
	if h.At(down.ID).Failed {
		t.Error("it still counts as failed")
	}
}

// What begins by one plan begins at one time.
func TestLaw2StartThatIsRefusedLeavesTheRestartsOfTheMinute(t *testing.T) {
	down, up := Ended(engine.CauseSelf, Named("1", "down")), Running(Named("2", "up"))
	p := SnapshotOf(down, up)
	h := New(Noon)
	h.Sync(Noon, Usual(), p)
	h.Begin(Noon, p, Action{Container: up, Trigger: policy.TriggerUnhealthy})
	a := h.Begin(Noon, p, Action{Container: down, Trigger: policy.TriggerExited})
	h.Finish(Noon, Usual(), p, Result{Action: a, Err: engine.ErrRefused})
	if len(h.RecentRestarts) != 1 {
		t.Errorf("%d restarts count, want the one that was begun", len(h.RecentRestarts))
	}
}

func TestStartDoesNotWaitForRemovals(t *testing.T) {
	c := Ended(engine.CauseStopped)
	h := History{Records: map[string]*Record{c.ID: {}}}
	h.Begin(Noon, SnapshotOf(c), Action{Container: c, Removes: true})
	n := h.Active(Noon)
	if n != (Places{Removal: 1}) {
		t.Errorf("places taken: %v, want that of a removal", n)
	}
	if n.Free(Removal, 1) || !n.Free(Start, 1) || !n.Free(Restart, 1) || (Places{Start: 1}).Free(Removal, 1) {
		t.Error("want a removal to take the place that starts leave, and none of theirs")
	}
}
