package restarter

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/decision"
	"defib/restarter/history"
	. "defib/restarter/internal/fixture"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/target"
)

// queueHarness is a queue beside a container on which an action goes on.
type queueHarness struct {
	queue
	snapshot *engine.Snapshot
	history  history.History
}

func newQueueHarness() *queueHarness {
	c := Running()
	h := &queueHarness{queue: newQueue(), snapshot: SnapshotOf(c, Running(Named("b2", "batch-1"))), history: history.New(Noon)}
	h.history.Sync(Noon, Usual(), h.snapshot)
	h.history.Begin(Noon, h.snapshot, history.Action{Container: c, Trigger: policy.TriggerAlert})
	return h
}

// ask has alerts of one caller ask for the container; answered have been answered before
// the action ends.
func (h *queueHarness) ask(peer string, answered bool, ids ...history.AlertID) {
	h.askFor("web", peer, answered, ids...)
}

func (h *queueHarness) askFor(name, peer string, answered bool, ids ...history.AlertID) {
	var call []*waiter
	for _, id := range ids {
		call = append(call, &waiter{
			alert:  decision.Alert{ID: id, Since: Ago(time.Minute), Target: target.Target{Name: name}, Asked: Noon, Deadline: Noon.Add(time.Second)},
			source: AlertSource{Peer: peer}, reply: make(chan Answer, 1),
		})
	}
	h.fresh = call
	var answers []decision.Answered
	for _, one := range h.take(Noon, h.snapshot, &h.history) {
		if answered && !one.Answered {
			answers = append(answers, decision.Answered{Request: one, Answer: outcome.Answer{Outcome: outcome.Outcome(outcome.InProgress)}})
		}
	}
	h.answer(answers, h.history)
}

func TestWhoStillWaitsIsKeptAndEachWhoAskedIsRemembered(t *testing.T) {
	h, id := newQueueHarness(), history.AlertID{1}
	h.ask("one", true, id)
	h.ask("two", true, id)
	h.ask("one", false, id)
	h.ask("one", false, id)
	if n := len(h.requests); n != 3 {
		t.Errorf("%d requests, want 3: two that wait, and one of another caller", n)
	}
}

func TestARequestIsKeptThoughItsAlertMeansAnotherContainerNow(t *testing.T) {
	h, id := newQueueHarness(), history.AlertID{1}
	h.ask("one", true, id)
	h.askFor("batch-1", "one", false, id)
	if n := len(h.requests); n != 2 {
		t.Errorf("%d requests, want 2: the action on the first container goes on", n)
	}
}

func TestLaw10WhoAsksAgainAndAgainIsKeptOnce(t *testing.T) {
	h := newQueueHarness()
	for range 50 {
		h.ask("one", true, history.AlertID{1})
	}
	if n := len(h.requests); n != 1 || len(h.owners) != 1 {
		t.Errorf("%d requests of %d callers are kept for one, who has left", n, len(h.owners))
	}
}

func TestLaw10AlertsDoNotPileUpBesideAnActionThatHangs(t *testing.T) {
	h := newQueueHarness()
	for i := range 3 * maxRequests / 100 {
		var ids []history.AlertID
		for j := range 100 {
			ids = append(ids, history.AlertID{byte(i), byte(i >> 8), byte(j)})
		}
		h.ask("one", true, ids...)
	}
	if n := len(h.requests); n > maxRequests+200 || len(h.owners) != n {
		t.Errorf("%d requests of %d callers are kept, who have left", n, len(h.owners))
	}
}

func TestTheOutcomeOfAServiceIsTheOneThatMattersMost(t *testing.T) {
	for _, row := range [][]outcome.Outcome{ // the first wins
		{outcome.Outcome(outcome.InProgress), outcome.Outcome(outcome.InServiceRestart)},
		{outcome.Failed, outcome.Restarted},
		{outcome.Outcome(outcome.InServiceRestart), outcome.Restarted, outcome.Outcome(outcome.GaveUp)},
		{outcome.Restarted, outcome.Outcome(outcome.Paused), outcome.AlreadyRestarted, outcome.NotWhitelisted},
		{outcome.Started, outcome.AlreadyRunning},
		{outcome.Outcome(outcome.Paused), outcome.AlreadyRestarted},
		{outcome.AlreadyRestarted, outcome.NotWhitelisted},
		{outcome.NotWhitelisted, outcome.NotWhitelisted},
	} {
		for first := range row {
			var requests []*decision.Request
			var answers []outcome.Answer
			for i := range row {
				requests = append(requests, &decision.Request{Name: fmt.Sprint(i)})
				answers = append(answers, outcome.Answer{Outcome: row[(first+i)%len(row)]})
			}
			if got := merge(requests, answers); cmp.Diff(row[0], got.Outcome) != "" {
				t.Errorf("%v: got %s", row, got.Outcome)
			}
		}
	}
}

func TestTheAnswerAboutAServiceSaysWhatBecameOfEachReplica(t *testing.T) {
	requests := []*decision.Request{{Name: "db-1"}, {Name: "db-2"}, {Name: "db-3"}, {Name: "db-4"}}
	failed := outcome.Answer{Outcome: outcome.Failed, Detail: "port taken"}
	for _, row := range []struct {
		answers []outcome.Answer
		want    outcome.Answer
	}{
		{
			[]outcome.Answer{{Outcome: outcome.Restarted}, {Outcome: outcome.NotWhitelisted}, failed, {Outcome: outcome.Restarted}},
			outcome.Answer{Outcome: outcome.Failed, Detail: "db-1, db-4: restarted; db-3: failed (port taken)"},
		},
		{
			[]outcome.Answer{{Outcome: outcome.NotWhitelisted}, {Outcome: outcome.NotWhitelisted}, {Outcome: outcome.NotWhitelisted}, {Outcome: outcome.NotWhitelisted}},
			outcome.Answer{Outcome: outcome.NotWhitelisted},
		},
	} {
		if d := cmp.Diff(row.want, merge(requests, row.answers)); d != "" {
			t.Error(d)
		}
	}
}
