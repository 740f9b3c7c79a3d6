package restarter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/policy"
)

// standing is what the newest report says of a name.
func (w *world) standing(name string) ContainerStatus {
	w.t.Helper()
	for _, s := range w.Report().Containers {
		if s.Container.Name == name {
			return s
		}
	}
	w.t.Fatalf("the report does not speak of %s", name)
	return ContainerStatus{}
}

func TestTheReportIsOfOneMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.Whitelist = patterns("web,missing") }), up("a1", "web"), up("b2", "other"))
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		before := w.Report()
		w.dies("a1")

		if c := before.Containers[1].Container; !c.Up() || before.Snapshot.Get("a1") != c {
			t.Errorf("the old report has changed: round %d, %+v", before.Round, c)
		}
		now, s := w.Report(), w.standing("web")
		if now.Snapshot.Get("a1") != s.Container || s.Container.Up() || now.Round <= before.Round {
			t.Errorf("round %d: the snapshot and what is said of it are of different moments: %+v", now.Round, s)
		}
		want := ContainerStatus{
			Container: s.Container, Rule: w.policy.For(s.Container), Reason: BackOff, Trigger: policy.TriggerExited,
			Until: w.began.Add(time.Second), Streak: 1,
		}
		if d := cmp.Diff(want, s, cmp.AllowUnexported(engine.Container{})); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]int{"web": 1, "missing": 0}, now.Matches); d != "" {
			t.Error(d)
		}
	})
}

func TestAContainerCreatedAnewIsToldFromTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := up("a1", "web")
		w := newWorld(t, usual(), first)
		former := func() *engine.Container { return w.standing("web").Predecessor }
		if former() != nil {
			t.Errorf("there was none before, got %+v", former())
		}
		w.publish(&engine.Snapshot{Connected: true, First: w.began, Departed: []engine.Departed{{Name: "web"}}})
		synctest.Wait()
		w.set(up("b2", "web"))
		synctest.Wait()
		if got := former(); got == nil || got.ID != "a1" {
			t.Errorf("the one before: %+v, want a1", got)
		}
		w.edit("b2", func(c *engine.Container) { c.Health = engine.Healthy })
		synctest.Wait()
		if got := former(); got == nil || got.ID != "a1" {
			t.Errorf("the one before, after a change of the new one: %+v, want a1", got)
		}
		w.publish(&engine.Snapshot{Connected: true, First: w.began}) // the name is forgotten
		synctest.Wait()
		w.set(up("c3", "web"))
		synctest.Wait()
		if former() != nil {
			t.Errorf("a name that was forgotten has none before, got %+v", former())
		}
	})
}

func TestTheJournalSaysWhatWasDoneForWhom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"), up("b2", "batch-1"))
		post(t, h, firing("container", "web")).want(200, Restarted)
		post(t, h, firing("container", "nobody")).want(200, NotFound)
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		w.dies("b2")
		synctest.Wait()

		began := w.began
		asker := AlertSource{Alert: "Sick", Peer: "127.0.0.1"}
		report := w.Report()
		wantActions := []Action{
			{Began: began, Container: "web", ID: "a1", Trigger: policy.TriggerAlert, Sources: []AlertSource{asker}, Attempt: 1, Took: 3 * time.Second, Outcome: Restarted},
			{Began: began.Add(3 * time.Second), Container: "batch-1", ID: "b2", Trigger: policy.TriggerExited, Attempt: 1, Outcome: Failed, Err: "port taken"},
		}
		if d := cmp.Diff(wantActions, report.Actions); d != "" {
			t.Error(d)
		}
		wantAlerts := []AlertRecord{
			{AlertSource: asker, ReceivedAt: began, Container: "web", Took: 3 * time.Second, Outcome: Restarted, Message: Outcomes[Restarted]},
			{AlertSource: asker, ReceivedAt: began.Add(3 * time.Second), Outcome: NotFound, Message: Outcomes[NotFound] + `: container="nobody"`},
		}
		if d := cmp.Diff(wantAlerts, report.Alerts); d != "" {
			t.Error(d)
		}
	})
}

func TestTheJournalKeepsTheNewest(t *testing.T) {
	var j journal[int]
	var old []int
	for i := range 3*journalSize + 7 {
		j.add(i)
		if i == journalSize {
			old = j.all()
		}
	}
	got := j.all()
	if len(got) != journalSize || got[0] != 2*journalSize+7 || got[len(got)-1] != 3*journalSize+6 {
		t.Errorf("%d entries from %d to %d", len(got), got[0], got[len(got)-1])
	}
	if len(old) != journalSize || old[0] != 1 || old[len(old)-1] != journalSize {
		t.Errorf("what was handed out has changed: %d entries from %d to %d", len(old), old[0], old[len(old)-1])
	}
}
