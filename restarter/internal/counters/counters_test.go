package counters_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"defib/engine"
	"defib/restarter/history"
	"defib/restarter/internal/counters"
	. "defib/restarter/internal/fixture"
	"defib/restarter/policy"
)

func TestDryRunCountsNoRemoval(t *testing.T) {
	c := counters.New(true)
	old := Running(Named("a1", engine.PassingName("web", "b2")))
	c.Prevented(history.Action{Container: old, Trigger: policy.TriggerExited, Removes: true})
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("%d series of a container that would be removed, want none", n)
	}
}

func TestLaw10WhatWasCountedGoesWithItsName(t *testing.T) {
	c := counters.New(true)
	old := Running(Named("a1", engine.PassingName("web", "b2")))
	c.Prevented(history.Action{Container: old, Trigger: policy.TriggerExited, Recreation: &engine.Recreation{Name: "web", Old: old}})
	c.Prevented(history.Action{Container: Ended(engine.CauseSelf, Named("c3", "db")), Trigger: policy.TriggerExited})
	if n := testutil.CollectAndCount(c); n != 2 {
		t.Fatalf("%d series, want 2", n)
	}
	c.Prune(SnapshotOf(Running(Named("b2", "web"))))
	if n := testutil.CollectAndCount(c); n != 1 {
		t.Errorf("%d series once db is gone, want that of web", n)
	}
	c.Expect("web", policy.Rule{Recreate: true})
	if n := testutil.CollectAndCount(c); n != 4 {
		t.Errorf("%d series of web once it may be re-created, want 3 more", n)
	}
	c.Prune(SnapshotOf())
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("%d series once web is gone too, want none", n)
	}
}
