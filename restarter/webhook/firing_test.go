package webhook_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/webhook"
)

// firingFor is the alert, which began to fire so long ago.
func firingFor(d time.Duration, a webhook.Alert) webhook.Alert {
	a.StartsAt = time.Now().Add(-d)
	return a
}

func TestLaw7AClockThatIsWrongSwallowsNoAlert(t *testing.T) {
	for name, row := range map[string]struct {
		up     time.Duration // how long the container has been up
		ahead  time.Duration // the engine's clock, of ours
		behind time.Duration // the sender's clock, of ours
		life   time.Duration // how long Defib has been up
	}{
		"the engine's ahead":                          {2 * time.Minute, 3 * time.Minute, 0, time.Hour},
		"the engine's ahead, before this life":        {2 * time.Minute, 3 * time.Minute, 0, 0},
		"the sender's behind":                         {2 * time.Minute, 0, 3 * time.Minute, time.Hour},
		"the sender's far behind":                     {2 * time.Minute, 0, 24 * time.Hour, time.Hour},
		"the sender's ahead":                          {2 * time.Minute, 0, -24 * time.Hour, time.Hour},
		"the engine's far ahead, the sender's behind": {90 * time.Second, 24 * time.Hour, 24 * time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := NewWebhook(t, Usual(), Up("a1", "web"))
				Pass(row.life)
				w.StartedAgo("a1", row.up, row.ahead)
				a := firingFor(30*time.Second+row.behind, Firing("container", "web"))
				Post(t, h, a).Want(200, outcome.Restarted)
				Post(t, h, a).Want(200, outcome.AlreadyRestarted)
			})
		})
	}
}

func TestAStartByAnybodySinceAFiringFirstArrivedIsTheAnswerToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		w.StartedAgo("a1", 30*time.Second, 0)
		a := firingFor(20*time.Second, Firing("container", "web"))
		Post(t, h, a).Want(200, outcome.Outcome(outcome.TooYoung))
		Pass(5 * time.Minute)
		w.Runs("a1") // somebody restarts it
		Pass(4 * time.Minute)
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
		Post(t, h, Firing("container", "web", "another", "alert")).Want(200, outcome.Restarted)
		Pass(6 * time.Minute)
		Post(t, h, a).Want(200, outcome.Restarted) // it still fires
	})
}

func TestAContainerThatIsCreatedAnewAnswersTheFiring(t *testing.T) {
	recreate := func(w *World) {
		c := Up("b2", "web")
		c.StartSeenAt, c.Started = time.Now(), time.Now()
		w.Set(c)
		synctest.Wait()
	}
	t.Run("after it was declined", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, h := NewWebhook(t, Usual(), Up("a1", "web"))
			w.StartedAgo("a1", 30*time.Second, 0)
			a := firingFor(20*time.Second, Firing("container", "web"))
			Post(t, h, a).Want(200, outcome.Outcome(outcome.TooYoung))
			Pass(5 * time.Minute)
			recreate(w)
			Pass(4 * time.Minute)
			Post(t, h, a).Want(200, outcome.AlreadyRestarted)
			Post(t, h, Firing("container", "web", "another", "alert")).Want(200, outcome.Restarted)
		})
	})
	t.Run("after a restart for it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, h := NewWebhook(t, Usual(), Up("a1", "web"))
			a := Firing("container", "web")
			Post(t, h, a).Want(200, outcome.Restarted)
			Pass(4 * time.Minute)
			recreate(w)
			Pass(4 * time.Minute)
			Post(t, h, a).Want(200, outcome.AlreadyRestarted)
			Pass(2 * time.Minute)
			Post(t, h, a).Want(200, outcome.Restarted) // it still fires
		})
	})
}

func TestAFiringThatArrivesWhileTheEngineIsUnavailableIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		Pass(time.Hour)
		lost := &engine.Snapshot{First: w.BeganAt, Listed: time.Now(), Containers: w.Snapshot().Containers}
		w.Publish(lost)
		synctest.Wait()
		a, asked := Firing("container", "web"), time.Now()
		Post(t, h, a).Want(503, outcome.EngineUnavailable)
		Post(t, h, Firing("container", "nobody")).Want(503, outcome.EngineUnavailable) // who knows
		if took := time.Since(asked); took != 0 {
			t.Errorf("answered after %s, want at once", took)
		}
		Pass(30 * time.Second)
		w.Runs("a1") // the engine is back, and has started it
		Pass(2 * time.Minute)
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
		Post(t, h, firingFor(20*time.Second, a)).Want(200, outcome.Restarted) // it began to fire since
	})
}

func TestAContainerThatHasEndedSinceIsStartedForTheSameFiring(t *testing.T) {
	for _, heal := range []string{"start", "restart"} {
		t.Run(heal, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := NewWebhook(t, Usual(), Ended(engine.CauseSelf, Named("a1", "batch-1"), Labelled(policy.LabelTriggers, "alert")))
				a := Firing("container", "batch-1", "heal", heal)
				Post(t, h, a).Want(200, outcome.Started)
				Pass(2 * time.Minute)
				w.Dies("a1") // which nothing but an alert heals
				Post(t, h, a).Want(200, outcome.Started)
				w.WantStarts("0s batch-1", "2m4s batch-1") // after the back-off
			})
		})
	}
}

func TestAfterARestartOfDefibTheStartOfTheContainerTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(Eager), Up("a1", "web"))
		w.StartedAgo("a1", 20*time.Second, -time.Hour) // whatever the engine's clock says
		a := Firing("container", "web")                // began a minute ago
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
		Post(t, h, firingFor(10*time.Second, a)).Want(200, outcome.Restarted) // it fired again since
		w.WantStarts("0s web")
	})
}

// An alert that comes when the restart for another one has begun the new run is about that run,
// and is no longer answered by that restart: the next life, too, would carry it out.
func TestLaw7AlertAboutTheNewRunIsNotAnsweredByTheRestartBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(Eager), Up("a1", "web"))
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			time.Sleep(time.Second)
			w.Runs(c.ID)
			time.Sleep(time.Second)
			return nil
		})
		first := Post(t, h, Firing("name", "web", "alertname", "First"))
		Pass(time.Second / 2)
		joins := Post(t, h, Firing("name", "web", "alertname", "Joins"))
		Pass(time.Second)
		late := Post(t, h, Firing("name", "web", "alertname", "Late"))
		first.Want(200, outcome.Restarted)
		joins.Want(200, outcome.Restarted)
		late.Want(200, outcome.Restarted)
		w.WantStarts("0s web", "3s web") // after the back-off
		var asked [][]string
		for _, a := range w.Report().Actions {
			var of []string
			for _, source := range a.Sources {
				of = append(of, source.Alert)
			}
			asked = append(asked, of)
		}
		if d := cmp.Diff([][]string{{"First", "Joins"}, {"Late"}}, asked); d != "" {
			t.Errorf("asked for by (-want +got):\n%s", d)
		}
	})
}

func TestLaw7TwoAlertsNeverShareAMemory(t *testing.T) {
	base := func() webhook.Alert {
		a := firingFor(time.Minute, webhook.Alert{Status: "firing", Fingerprint: "1", Labels: map[string]string{"heal": "restart", "container": "web", "a": "x", "b": "y"}})
		return a
	}
	for name, edit := range map[string]func(a *webhook.Alert){
		"another value":                   func(a *webhook.Alert) { a.Labels["b"] = "z" },
		"another label":                   func(a *webhook.Alert) { a.Labels["c"] = "z" },
		"an empty label":                  func(a *webhook.Alert) { a.Labels["c"] = "" },
		"one label fewer":                 func(a *webhook.Alert) { delete(a.Labels, "b") },
		"values exchanged":                func(a *webhook.Alert) { a.Labels["a"], a.Labels["b"] = "y", "x" },
		"a value that looks like a label": func(a *webhook.Alert) { delete(a.Labels, "b"); a.Labels["a"] = `x","b"="y` },
		"a later firing":                  func(a *webhook.Alert) { a.StartsAt = a.StartsAt.Add(time.Nanosecond) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, h := NewWebhook(t, Usual(Eager), Up("a1", "web"))
				first, other := base(), base()
				edit(&other)
				Post(t, h, first).Want(200, outcome.Restarted)
				Post(t, h, other).Want(200, outcome.Restarted)
				Post(t, h, first, other).Want(200, outcome.AlreadyRestarted, outcome.AlreadyRestarted)
			})
		})
	}
	t.Run("the fingerprint does not tell alerts apart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, h := NewWebhook(t, Usual(Eager), Up("a1", "web"))
			a, b := base(), base()
			b.Fingerprint = "2"
			Post(t, h, a).Want(200, outcome.Restarted)
			Post(t, h, b).Want(200, outcome.AlreadyRestarted)
		})
	})
}

func TestOfAnAlertThatDoesNotSaySinceWhenNothingIsRemembered(t *testing.T) {
	for name, since := range map[string]time.Time{"absent": {}, "in year 1": time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := NewWebhook(t, Usual(Eager), Up("a1", "web"), Up("b2", "batch-1"))
				byHand := func(name string) webhook.Alert {
					return webhook.Alert{Status: "firing", StartsAt: since, Labels: map[string]string{"heal": "restart", "container": name}}
				}
				Post(t, h, byHand("web")).Want(200, outcome.Restarted)
				Post(t, h, byHand("batch-1")).Want(200, outcome.Restarted)
				Post(t, h, byHand("web")).Want(200, outcome.Restarted)
				twice := Post(t, h, byHand("web")) // joins what is under way
				Post(t, h, byHand("web")).Want(200, outcome.Restarted)
				twice.Want(200, outcome.Restarted)
				w.WantStarts("0s web", "3s batch-1", "6s web", "11s web")
			})
		})
	}
}
