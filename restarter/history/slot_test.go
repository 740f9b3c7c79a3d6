package history

import (
	"testing"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	"defib/restarter/policy"
)

// anEnd is a history in which a task in the slot api.1 was ended ten seconds before Noon, and
// its container as it is since.
func anEnd(t *testing.T) (History, *engine.Container) {
	t.Helper()
	c := Running(TaskOf("api.1", "a1"))
	h := New(Ago(time.Hour))
	h.Sync(Ago(time.Minute), Usual(), SnapshotOf(c))
	a := h.Begin(Ago(11*time.Second), SnapshotOf(c), Action{Container: c, Trigger: policy.TriggerAlert})
	if !a.Ends() {
		t.Fatal("that is not the end of a task")
	}
	ended := Ended(engine.CauseSelf, TaskOf("api.1", "a1"), EndedAgo(10*time.Second))
	h.Sync(Ago(10*time.Second), Usual(), SnapshotOf(ended))
	h.Finish(Ago(10*time.Second), Usual(), SnapshotOf(ended), Result{Action: a})
	return h, ended
}

// The one that replaces a task goes on with what was tried, whatever of that task is left and
// whether or not Defib was started anew meanwhile.
func TestLaw4TheTaskInTheSameSlotGoesOn(t *testing.T) {
	other := Running(TaskOf("api.2", "b2"))
	heir := Running(TaskOf("api.1", "c3"), BegunAgo(time.Second), func(c *engine.Container) { c.Created = Ago(2 * time.Second) })
	for name, row := range map[string]struct {
		life    bool // another one, from here on
		removed bool // the old container
		late    bool // the new one comes later
		older   bool // by the engine's clock, which was set back
		created bool // the new one is seen before Swarm starts it
	}{
		"at once":                               {},
		"the old one is gone":                   {removed: true},
		"the old one is gone for a while":       {removed: true, late: true},
		"the clock was set back":                {older: true},
		"it is seen before it is started":       {created: true},
		"in another life":                       {life: true},
		"in another life, the old one is gone":  {life: true, removed: true},
		"in another life, and the new one late": {life: true, removed: true, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			h, old := anEnd(t)
			there, c := []*engine.Container{other, old}, *heir
			if row.removed {
				there = there[:1]
			}
			if row.older {
				c.Created = Ago(24 * time.Hour)
			}
			if row.life {
				now := there
				if !row.late {
					now = append(now, &c)
				}
				h = next(t, h, SnapshotOf(now...))
			}
			if row.late {
				h.Sync(Noon, Usual(), SnapshotOf(there...))
			}
			if row.created {
				fresh := c
				CreatedAgo(2 * time.Second)(&fresh)
				h.Sync(Ago(2*time.Second), Usual(), SnapshotOf(append(there, &fresh)...))
				if !h.At("c3").Unwell() || h.Awaited.IsZero() {
					t.Errorf("nothing is awaited once it is created: %+v", h.At("c3"))
				}
			}
			found := h.Sync(Noon, Usual(), SnapshotOf(append(there, &c)...))
			rec := h.At("c3")
			if rec.Attempts != 1 || rec.Restarts != 1 || rec.Streak != 1 || rec.Unwell() || !rec.HealthySince.Equal(Noon) {
				t.Errorf("%+v", rec)
			}
			if len(found.Recovered) != 1 && (!row.life || row.late) {
				t.Errorf("recoveries: %v", found.Recovered)
			}
			if !row.removed && !h.At("a1").blank() || h.At("b2").Attempts != 0 || h.Awaits("api") != 0 {
				t.Errorf("the old one: %+v; the other one: %+v", h.At("a1"), h.At("b2"))
			}
			h.Sync(Noon.Add(15*time.Minute), Usual(), SnapshotOf(append(there, &c)...))
			if rec := h.At("c3"); rec.Attempts != 0 || len(h.Records) != len(there)+1 {
				t.Errorf("it is not forgiven: %+v", rec)
			}
		})
	}
}

func TestAReplacementThatDoesNotComeIsAwaitedForAMinute(t *testing.T) {
	for _, removed := range []bool{false, true} {
		h, old := anEnd(t)
		p := SnapshotOf(old)
		if removed {
			p = SnapshotOf()
		}
		if found := h.Sync(Noon, Usual(), p); len(found.Removed) != count(removed) || !h.At("a1").Unwell() || h.Awaits("api") != count(removed) {
			t.Errorf("removed %v: %v, %+v", removed, found.Removed, h.At("a1"))
		}
		if want := Noon.Add(50 * time.Second); !h.Awaited.Equal(want) {
			t.Errorf("removed %v: awaited until %s, want %s", removed, h.Awaited, want)
		}
		if found := h.Sync(Noon.Add(50*time.Second), Usual(), p); len(found.Removed) > 0 || h.At("a1").Unwell() || h.Awaits("api") != 0 || !h.Awaited.IsZero() {
			t.Errorf("removed %v: a minute later %v, %+v", removed, found.Removed, h.At("a1"))
		}
	}
}

func TestLaw10WhatWasDoneToATaskWhoseContainerIsKeptIsForgotten(t *testing.T) {
	h, old := anEnd(t)
	h.Sync(Noon.Add(14*time.Minute), Usual(), SnapshotOf(old))
	if h.At("a1").Restarts != 1 {
		t.Errorf("after 14 minutes %+v", h.At("a1"))
	}
	h.Sync(Noon.Add(15*time.Minute), Usual(), SnapshotOf(old))
	if !h.At("a1").blank() || len(h.Memory().Records) != 0 {
		t.Errorf("after 15 minutes %+v", h.At("a1"))
	}
}

func TestLaw10WhatWasDoneToATaskIsForgottenIfItsSlotStaysEmpty(t *testing.T) {
	h, _ := anEnd(t)
	h.Sync(Noon, Usual(), SnapshotOf())
	h.Sync(Noon.Add(14*time.Minute), Usual(), SnapshotOf())
	if len(h.Records) != 1 {
		t.Errorf("after 14 minutes %d records, want 1", len(h.Records))
	}
	if h.Sync(Noon.Add(15*time.Minute), Usual(), SnapshotOf()); len(h.Records) != 0 {
		t.Errorf("after 15 minutes %d records", len(h.Records))
	}
}

// A stop that goes on when Defib is killed ends, for the next life, as if somebody else had
// asked for it. The replacement is awaited all the same, and goes on with what was tried.
func TestLaw4AnEndInTheMiddleOfWhichDefibIsKilledIsGoneOnWith(t *testing.T) {
	c := Running(TaskOf("api.1", "a1"))
	h := New(Ago(time.Hour))
	h.Sync(Ago(time.Minute), Usual(), SnapshotOf(c))
	h.Begin(Ago(11*time.Second), SnapshotOf(c), Action{Container: c, Trigger: policy.TriggerAlert})
	for name, first := range map[string]*engine.Container{
		"it has ended": Ended(engine.CauseStopped, TaskOf("api.1", "a1"), EndedAgo(6*time.Second)),
		"it ends":      c,
	} {
		n := New(Ago(5 * time.Second))
		n.Recall(Ago(5*time.Second), Ago(8*time.Second), h.Memory())
		n.Sync(Ago(5*time.Second), Usual(), SnapshotOf(first))
		ended := Ended(engine.CauseStopped, TaskOf("api.1", "a1"), EndedAgo(4*time.Second))
		n.Sync(Ago(4*time.Second), Usual(), SnapshotOf(ended))
		if !n.At("a1").Unwell() || n.Awaited.IsZero() {
			t.Errorf("%s: no replacement is awaited: %+v", name, n.At("a1"))
		}
		heir := Running(TaskOf("api.1", "c3"), BegunAgo(0), func(c *engine.Container) { c.Created = Ago(time.Second) })
		n.Sync(Noon, Usual(), SnapshotOf(ended, heir))
		if rec := n.At("c3"); rec.Restarts != 1 || rec.Streak != 1 || rec.Unwell() || !n.At("a1").blank() {
			t.Errorf("%s: %+v, and %+v", name, rec, n.At("a1"))
		}
	}
}

// A task that was acted on itself keeps what is known of it.
func TestATaskThatHasAStoryOfItsOwnInheritsNone(t *testing.T) {
	h, old := anEnd(t)
	c := Running(TaskOf("api.1", "c3"), BegunAgo(time.Second))
	h.Sync(Noon, Usual(), SnapshotOf(c))
	h.Records["c3"] = &Record{Attempts: 3, LastEnd: Ago(time.Second), slot: "api.1", last: c}
	h.Records["a1"] = &Record{Attempts: 1, LastEnd: Ago(10 * time.Second), slot: "api.1", last: old}
	h.Sync(Noon, Usual(), SnapshotOf(c, old))
	if h.At("c3").Attempts != 3 || !h.At("a1").blank() {
		t.Errorf("%+v, %+v", h.At("c3"), h.At("a1"))
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
