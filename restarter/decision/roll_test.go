package decision

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter/history"
	. "defib/restarter/internal/fixture"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// What one decision does about three replicas that an alert asks for, by what is known of
// each.
func TestOneReplicaAtATime(t *testing.T) {
	long := Ago(time.Hour)
	for name, row := range map[string]struct {
		records [3]history.Record
		acted   [3]time.Time
		want    string
	}{
		"nothing was done yet: by name":            {want: "db-1"},
		"one is being acted upon":                  {records: [3]history.Record{{}, {Acting: true, Healing: policy.TriggerAlert}}, want: ""},
		"one is not well yet: it may be again":     {records: [3]history.Record{{}, {Healing: policy.TriggerAlert}}, want: "db-2"},
		"one could not be restarted":               {records: [3]history.Record{{}, {}, {Failed: true}}, want: "db-3"},
		"two are not well: no deadlock":            {records: [3]history.Record{{}, {Failed: true}, {Healing: policy.TriggerExited}}, want: "db-2"},
		"one is not well, and is given up":         {records: [3]history.Record{{}, {Failed: true, Restarts: 5}}, want: ""},
		"some were restarted for it":               {acted: [3]time.Time{long, {}, long}, want: "db-2"},
		"all were restarted for it":                {acted: [3]time.Time{long, long.Add(time.Second), long.Add(-time.Second)}, want: "db-3"},
		"one that was restarted for something":     {records: [3]history.Record{{LastEnd: long}}, want: "db-2"},
		"the next is given up: the one after that": {records: [3]history.Record{{Restarts: 5}}, want: "db-2"},
	} {
		t.Run(name, func(t *testing.T) {
			past := history.History{Records: map[string]*history.Record{}}
			var requests []*Request
			var cs []*engine.Container
			for i := range 3 {
				c := Running(Named(fmt.Sprint(9-i), fmt.Sprintf("db-%d", i+1)), In("shop", "db"))
				cs = append(cs, c)
				past.Records[c.ID] = &row.records[i]
				requests = append(requests, &Request{
					Container: c.ID, Replica: true, Alert: Alert{Asked: Ago(time.Second), Deadline: Noon.Add(9 * time.Second)},
					firing: &history.Firing{Heard: Ago(time.Second), Acted: row.acted[i]},
				})
			}
			cs = append(cs, Running(Named("z", "other-db"), In("other", "db"))) // of another project
			past.Records["z"] = &history.Record{Acting: true}
			var acts, held []string
			for _, v := range Decide(Noon, Usual(), SnapshotOf(cs...), past, requests).Verdicts {
				switch {
				case v.Act:
					acts = append(acts, v.Container.Name)
				case v.Reason == outcome.InServiceRestart:
					held = append(held, v.Container.Name)
				}
			}
			if got := strings.Join(acts, " "); got != row.want {
				t.Errorf("acts on %q, want %q; held %v", got, row.want, held)
			}
		})
	}
}

// What a re-creation has left is no replica, or else a removal that fails would hold the others
// for good; one that is being re-created is.
func TestWhatAReCreationHasLeftHoldsNoReplica(t *testing.T) {
	down := func(c *engine.Container) {
		c.State, c.ExitCause, c.ExitSeenAt, c.StartSeenAt = engine.Exited, engine.CauseStopped, Ago(time.Minute), time.Time{}
	}
	untouched := func(c *engine.Container) {
		State(engine.Created)(c)
		c.Started, c.StartSeenAt, c.Finished, c.Exit = time.Time{}, time.Time{}, time.Time{}, engine.Exit{}
	}
	shop := func(c *engine.Container) {
		In("shop", "db")(c)
		Labelled(policy.LabelRecreate, "true")(c)
	}
	oldName := engine.PassingName("db-1", hex("c"))
	for _, row := range []struct {
		name   string
		old    []func(*engine.Container)
		new    func(*engine.Container)
		record history.Record // of the old one
		want   string
	}{
		{name: "it could not be removed", old: []func(*engine.Container){down}, new: BegunAgo(time.Hour), record: history.Record{Failed: true, Attempts: 9, LastEnd: Ago(time.Second)}, want: "db-1"},
		{name: "it is about to be removed", old: []func(*engine.Container){down}, new: BegunAgo(time.Hour), want: "db-1 " + oldName},
		{name: "it is being removed", old: []func(*engine.Container){down}, new: BegunAgo(time.Hour), record: history.Record{Acting: true}, want: ""},
		{name: "it is being replaced", new: untouched, record: history.Record{Acting: true}, want: ""},
		{name: "it could not be replaced", old: []func(*engine.Container){down}, new: untouched, record: history.Record{Failed: true, Attempts: 9, LastEnd: Ago(time.Second)}, want: ""},
		{name: "it could not be replaced, and runs", new: untouched, record: history.Record{Failed: true, Attempts: 9, LastEnd: Ago(time.Second)}, want: ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			old := Running(append([]func(*engine.Container){Named(hex("a"), oldName), shop, Existing(3 * time.Hour)}, row.old...)...)
			fresh := Running(Named(hex("c"), "db-1"), shop, Existing(2*time.Hour), row.new)
			other := Running(Named(hex("d"), "db-2"), shop)
			past := history.History{Records: map[string]*history.Record{old.ID: &row.record, fresh.ID: {ReadySince: fresh.StartSeenAt}}}
			var requests []*Request
			for _, c := range []*engine.Container{fresh, other} {
				requests = append(requests, &Request{
					Container: c.ID, Replica: true, Alert: Alert{Asked: Ago(time.Second), Deadline: Noon.Add(9 * time.Second)},
					firing: &history.Firing{Heard: Ago(time.Second)},
				})
			}
			var acts []string
			for _, v := range Decide(Noon, Usual(), SnapshotOf(old, fresh, other), past, requests).Verdicts {
				if v.Act {
					acts = append(acts, v.Container.Name)
				}
			}
			slices.Sort(acts)
			if got := strings.Join(acts, " "); got != row.want {
				t.Errorf("acts on %q, want %q", got, row.want)
			}
		})
	}
}
