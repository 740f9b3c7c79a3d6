package restarter_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/heartbeat"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

func TestTheReportIsOfOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.Whitelist = Patterns("web,missing") }), Up("a1", "web"), Up("b2", "other"))
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		before := w.Report()
		w.Dies("a1")

		if c := before.Containers[1].Container; !c.Up() || before.Snapshot.Get("a1") != c {
			t.Errorf("the old report has changed: round %d, %+v", before.Round, c)
		}
		now, s := w.Report(), w.Standing("web")
		if now.Snapshot.Get("a1") != s.Container || s.Container.Up() || now.Round <= before.Round {
			t.Errorf("round %d: the snapshot and what is said of it are of different moments: %+v", now.Round, s)
		}
		want := restarter.ContainerStatus{
			Container: s.Container, Rule: w.Policy().For(s.Container), Reason: outcome.BackOff, Trigger: policy.TriggerExited,
			Until: w.BeganAt.Add(time.Second), Streak: 1, Heartbeat: s.Heartbeat,
		}
		same := cmp.Comparer(func(a, b *heartbeat.Strip) bool { return a == b })
		if d := cmp.Diff(want, s, cmp.AllowUnexported(engine.Container{}, decision.Tie{}), same); d != "" || s.Heartbeat == nil {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]int{"web": 1, "missing": 0}, now.Matches); d != "" {
			t.Error(d)
		}
	})
}

func TestTheReportSaysWhatAnUnhealthyContainerAndAChildWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		child := Up("b2", "child")
		child.Parents = []engine.Parent{{Namespace: engine.Network, Container: "gone"}}
		own := Up("d4", "own")
		own.Labels = map[string]string{policy.LabelUnhealthyFor: "1h"}
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.Whitelist, p.UnhealthyFor = Patterns("web,own"), time.Minute }), Up("a1", "web"), child, Up("c3", "other"), own)
		w.TurnsUnhealthy("a1")
		w.TurnsUnhealthy("c3")
		w.TurnsUnhealthy("d4")
		synctest.Wait()
		if got, want := w.Standing("own").HealthDue, w.Standing("own").Container.UnhealthySince.Add(time.Hour); !got.Equal(want) {
			t.Errorf("by its own label due at %s, want %s", got, want)
		}
		if got, want := w.Standing("web").HealthDue, w.Standing("web").Container.UnhealthySince.Add(time.Minute); !got.Equal(want) {
			t.Errorf("due at %s, want %s", got, want)
		}
		if got := w.Standing("other").HealthDue; !got.IsZero() {
			t.Errorf("one that is not whitelisted is due at %s", got)
		}
		if d := cmp.Diff(decision.Tie{Namespace: engine.Network, Reason: outcome.ParentGone, Lost: true}, w.Standing("child").Tie, cmp.AllowUnexported(decision.Tie{})); d != "" {
			t.Error(d)
		}
	})
}

func TestAnUnhealthyContainerIsNotDueBeforeItsHoldEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := time.Now().Add(time.Hour)
		w := NewWorld(t, Usual(func(p *policy.Policy) {
			p.UnhealthyFor = time.Minute
			p.Holds = policy.Holds{{Pattern: Patterns("web")[0], Until: ends}}
		}), Up("a1", "web"))
		w.TurnsUnhealthy("a1")
		synctest.Wait()
		if got := w.Standing("web").HealthDue; !got.Equal(ends) {
			t.Errorf("due at %s, want when the hold ends, at %s", got, ends)
		}
	})
}

func TestAContainerCreatedAnewIsToldFromTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := Up("a1", "web")
		w := NewWorld(t, Usual(), first)
		former := func() *engine.Container { return w.Standing("web").Predecessor }
		if former() != nil {
			t.Errorf("there was none before, got %+v", former())
		}
		w.Publish(&engine.Snapshot{Connected: true, First: w.BeganAt, Departed: []engine.Departed{{Name: "web"}}})
		synctest.Wait()
		w.Set(Up("b2", "web"))
		synctest.Wait()
		if got := former(); got == nil || got.ID != "a1" {
			t.Errorf("the one before: %+v, want a1", got)
		}
		w.Edit("b2", func(c *engine.Container) { c.Health = engine.Healthy })
		synctest.Wait()
		if got := former(); got == nil || got.ID != "a1" {
			t.Errorf("the one before, after a change of the new one: %+v, want a1", got)
		}
		w.Publish(&engine.Snapshot{Connected: true, First: w.BeganAt}) // the name is forgotten
		synctest.Wait()
		w.Set(Up("c3", "web"))
		synctest.Wait()
		if former() != nil {
			t.Errorf("a name that was forgotten has none before, got %+v", former())
		}
	})
}

func TestTheJournalSaysWhatWasDoneForWhom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"), Up("b2", "batch-1"))
		Post(t, h, Firing("container", "web")).Want(200, outcome.Restarted)
		Post(t, h, Firing("container", "nobody")).Want(200, outcome.NotFound)
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		w.Dies("b2")
		synctest.Wait()

		began := w.BeganAt
		asker := restarter.AlertSource{Alert: "Sick", Peer: "127.0.0.1"}
		report := w.Report()
		wantActions := []restarter.ActionRecord{
			{Began: began, Container: "web", ID: "a1", Trigger: policy.TriggerAlert, Sources: []restarter.AlertSource{asker}, Attempt: 1, Took: 3 * time.Second, Outcome: outcome.Restarted},
			{Began: began.Add(3 * time.Second), Container: "batch-1", ID: "b2", Trigger: policy.TriggerExited, Attempt: 1, Outcome: outcome.Failed, Err: "port taken"},
		}
		if d := cmp.Diff(wantActions, report.Actions); d != "" {
			t.Error(d)
		}
		wantAlerts := []restarter.AlertRecord{
			{AlertSource: asker, ReceivedAt: began, Container: "web", Took: 3 * time.Second, Outcome: outcome.Restarted, Message: outcome.Outcomes[outcome.Restarted]},
			{AlertSource: asker, ReceivedAt: began.Add(3 * time.Second), Outcome: outcome.NotFound, Message: outcome.Outcomes[outcome.NotFound] + `: container="nobody"`},
		}
		if d := cmp.Diff(wantAlerts, report.Alerts); d != "" {
			t.Error(d)
		}
	})
}
