package restarter

import (
	"testing"
	"time"

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
