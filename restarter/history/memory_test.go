package history

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	"defib/restarter/policy"
)

// busy is a history in which everything has happened.
func busy() (History, *engine.Snapshot) {
	down, child, quiet := Ended(engine.CauseSelf), Running(Named("c3", "batch-1"), ChildOf("vpn")), Running(Named("d4", "batch-2"))
	p := SnapshotOf(append(Parent(), down, child, quiet)...)
	h := New(Ago(time.Hour))
	h.Sync(Ago(time.Minute), Usual(), p)
	a := h.Begin(Ago(time.Minute), p, Action{Container: down, Trigger: policy.TriggerExited, Cause: Ago(2 * time.Minute)})
	h.Finish(Ago(50*time.Second), Usual(), p, Result{Action: a, Err: engine.ErrNoAnswer})
	b := h.Begin(Ago(30*time.Second), p, Action{Container: child, Trigger: policy.TriggerAlert})
	h.Finish(Ago(20*time.Second), Usual(), p, Result{Action: b})
	h.Firings.Hear(Ago(time.Minute), Ago(time.Minute), AlertID{1, 2}, Ago(time.Hour), "web").Acted = Ago(30 * time.Second)
	h.Firings.Hear(Ago(time.Second), Ago(time.Second), AlertID{3}, Ago(time.Hour), "batch-1")
	return h, p
}

// next is what the next life makes of a history.
func next(t *testing.T, h History, p *engine.Snapshot) History {
	t.Helper()
	data, err := json.Marshal(h.Memory())
	if err != nil {
		t.Fatal(err)
	}
	var m Memory
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	n := New(Noon)
	n.Recall(Noon, Ago(time.Second), m)
	n.Sync(Noon, Usual(), p)
	return n
}

func TestNothingIsForgottenBetweenTwoLives(t *testing.T) {
	h, p := busy()
	n := next(t, h, p)
	h.Sync(Noon, Usual(), p)
	opts := cmp.Options{
		cmp.AllowUnexported(History{}, Record{}, FiringKey{}), cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(History{}, "Began", "Changes", "gap"),
		// What goes on under way, and what is worked out anew.
		cmpopts.IgnoreFields(Record{}, "Acting", "Kind", "SlotUntil", "rule", "ruled", "last"),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".HealthySince" }, cmp.Ignore()),
	}
	if diff := cmp.Diff(h, n, opts); diff != "" {
		t.Errorf("what is known after (+) and before (-):\n%s", diff)
	}
	if a, b := h.At("c3").HealthySince, n.At("c3").HealthySince; !a.Equal(b) {
		t.Errorf("the restarted one is healthy since %s, was since %s", b, a)
	}
	if got := len(h.Memory().Records); got != 2 {
		t.Errorf("%d records are kept, want those of the two that something was done to", got)
	}
}

func TestRestartsByTheEngineWhileDefibIsAwayCount(t *testing.T) {
	c := Running(RestartPolicy("always"))
	p := SnapshotOf(c)
	h := New(Ago(time.Hour))
	h.Sync(Ago(time.Hour), Usual(), p)
	again := *c
	again.RestartCount, again.Started = 2, Ago(time.Minute)
	h.Sync(Ago(time.Minute), Usual(), SnapshotOf(&again))
	more := again
	more.RestartCount, more.Started = 5, Ago(time.Second)
	n := next(t, h, SnapshotOf(&more))
	if got := n.At(c.ID).Streak; got != 5 {
		t.Errorf("the streak is %d, want 5", got)
	}
}

func TestActionThatWasUnderWayMayStillBeCarriedOut(t *testing.T) {
	c := Running()
	p := SnapshotOf(c)
	h := New(Ago(time.Hour))
	h.Sync(Ago(time.Hour), Usual(), p)
	h.Begin(Ago(time.Second), p, Action{Container: c, Trigger: policy.TriggerUnhealthy})
	restarted := *c
	restarted.Started = Noon
	n := next(t, h, SnapshotOf(&restarted))
	if rec := n.At(c.ID); rec.Acting || rec.Attempts != 1 || rec.Restarts != 1 || !rec.LastEnd.Equal(Noon) {
		t.Errorf("%+v: want the restart to be ours, none under way, and the wait to begin now", rec)
	}
}

// A life that was killed may have begun an action that it had not saved: a start that falls
// into the gap is no proof that somebody fixed the container.
func TestStartInAGapResetsNoLimit(t *testing.T) {
	for name, row := range map[string]struct {
		until time.Time
		again bool // it was started in between
		want  int
	}{
		"Defib was killed, and it was started":      {Ago(time.Minute), true, 3},
		"Defib ended in order, and it was started":  {time.Time{}, true, 0},
		"Defib was killed, and it is started later": {Ago(time.Minute), false, 0},
	} {
		c := Running()
		n := New(Noon)
		n.Recall(Noon, row.until, Memory{Since: Ago(time.Hour), Records: map[string]Remembered{c.ID: {Attempts: 3, Restarts: 3, Started: c.Started}}})
		if !row.again {
			n.Sync(Noon, Usual(), SnapshotOf(c))
		}
		fresh := *c
		fresh.Started = Ago(time.Second)
		n.Sync(Noon, Usual(), SnapshotOf(&fresh))
		if got := n.At(c.ID).Restarts; got != row.want {
			t.Errorf("%s: %d restarts count, want %d", name, got, row.want)
		}
	}
}

func TestWhatLiesBeyondTheMemoryIsForgotten(t *testing.T) {
	for name, row := range map[string]struct {
		since, until, at time.Time
		want             bool
	}{
		"before any memory":                        {Ago(time.Hour), Ago(time.Minute), Ago(2 * time.Hour), true},
		"in it":                                    {Ago(time.Hour), Ago(time.Minute), Ago(30 * time.Minute), false},
		"after its last save, before this life":    {Ago(time.Hour), Ago(time.Minute), Ago(time.Second), true},
		"after its end, if it ended well":          {Ago(time.Hour), time.Time{}, Ago(time.Second), false},
		"in this life":                             {Ago(time.Hour), Ago(time.Minute), Noon.Add(time.Second), false},
		"in a memory that begins in the future":    {Noon.Add(time.Hour), Noon.Add(time.Hour), Ago(time.Second), true},
		"in this life, the memory from the future": {Noon.Add(time.Hour), Noon.Add(time.Hour), Noon.Add(time.Second), false},
	} {
		h := New(Noon)
		h.Recall(Noon, row.until, Memory{Since: row.since})
		if got := h.Forgotten(row.at); got != row.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if h := New(Noon); !h.Forgotten(Ago(time.Second)) || h.Forgotten(Noon.Add(time.Second)) {
		t.Error("without a memory, what was before this life is forgotten, and nothing else")
	}
}

func TestTimesInTheFutureAreNowAndAlertsOfThenAreForgotten(t *testing.T) {
	h, p := busy()
	m := h.Memory()
	later := Noon.Add(time.Hour)
	for id, r := range maps.Clone(m.Records) {
		r.LastEnd, r.HealthySince, r.Cause = later, later, later
		m.Records[id] = r
	}
	m.Restarts, m.Firings[0].Acted, m.Firings[1].Heard = []time.Time{later}, later, later
	n := New(Noon)
	n.Recall(Noon, time.Time{}, m)
	n.Sync(Noon, Usual(), p)
	for id, r := range n.Records {
		if r.LastEnd.After(Noon) || r.HealthySince.After(Noon) || r.cause.After(Noon) {
			t.Errorf("%s: %+v", id, r)
		}
	}
	if len(n.Firings) != 0 || len(n.RecentRestarts) != 1 || n.RecentRestarts[0].After(Noon) {
		t.Errorf("%d firings, restarts at %s", len(n.Firings), n.RecentRestarts)
	}
}

// A request that came before the first snapshot points to its firing.
func TestFiringThatWasHeardBeforeTheFirstSnapshotIsTheOneThatIsRecalled(t *testing.T) {
	h := New(Ago(time.Hour))
	h.Firings.Hear(Ago(time.Minute), Ago(time.Minute), AlertID{1}, Ago(time.Hour), "web").Acted = Ago(50 * time.Second)
	n := New(Ago(time.Second))
	f := n.Firings.Hear(Noon, Noon, AlertID{1}, Ago(time.Hour), "web")
	n.Recall(Noon, time.Time{}, h.Memory())
	if !f.Heard.Equal(Ago(time.Minute)) || !f.Acted.Equal(Ago(50*time.Second)) || !f.Last.Equal(Noon) {
		t.Errorf("%+v", f)
	}
}

func FuzzMemoryOfAnotherHandDoesNotPanic(f *testing.F) {
	h, _ := busy()
	data, err := json.Marshal(h.Memory())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"records":{"a1":{"attempts":-1,"streak":-9}},"firings":[{"alert":"zz"}]}`))
	f.Add([]byte(`{"firings":[{"alert":"000000000000000000000000000000000000000000000000000000000000000000"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Memory
		if json.Unmarshal(data, &m) != nil {
			return
		}
		p := SnapshotOf(append(Parent(), Ended(engine.CauseSelf))...)
		n := New(Noon)
		n.Recall(Noon, Ago(time.Minute), m)
		n.Sync(Noon, Usual(), p)
		for _, c := range p.Containers {
			n.At(c.ID).RetryAt(c, Usual().Backoff)
		}
	})
}
