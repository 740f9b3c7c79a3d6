package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

func TestAFiringAlertRestartsItsContainerAndTheAnswerSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"), Up("b2", "batch-1"))
		Post(t, h, Firing("container", "web")).Want(200, outcome.Restarted)
		w.WantStarts("0s web")
		if got := time.Since(w.BeganAt); got != 3*time.Second {
			t.Errorf("the answer came after %s, want 3s: when it was true", got)
		}
	})
}

func TestOutcomes(t *testing.T) {
	edited := func(edit func(a *webhook.Alert)) webhook.Alert {
		a := Firing("container", "web")
		edit(&a)
		return a
	}
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"), Up("b2", "other"),
			Ended(engine.CauseStopped, Named("c3", "batch-stopped"), Labelled(policy.LabelPolicy, "unless-stopped")),
			Ended("", Named("d4", "batch-paused"), State(engine.Paused)),
			Up(strings.Repeat("e5", 32), "batch-young"))
		w.Edit(strings.Repeat("e5", 32), func(c *engine.Container) { c.StartSeenAt = time.Now().Add(-30 * time.Second) })
		synctest.Wait()
		for _, row := range []struct {
			name  string
			alert webhook.Alert
			want  outcome.Outcome
		}{
			{"resolved", edited(func(a *webhook.Alert) { a.Status = "resolved" }), outcome.Resolved},
			{"without heal", edited(func(a *webhook.Alert) { delete(a.Labels, "heal") }), outcome.NoAction},
			{"heal: reboot", edited(func(a *webhook.Alert) { a.Labels["heal"] = "reboot" }), outcome.UnknownAction},
			{"a rule of Grafana's that could not be evaluated", edited(func(a *webhook.Alert) { a.Labels["alertname"] = "DatasourceError" }), outcome.NotEvaluated},
			{"heal: start of what runs", edited(func(a *webhook.Alert) { a.Labels["heal"] = "start" }), outcome.AlreadyRunning},
			{"no container named", edited(func(a *webhook.Alert) { delete(a.Labels, "container") }), outcome.NoTarget},
			{"a name that does not exist", Firing("container", "nobody"), outcome.NotFound},
			{"an id that does not exist, with a name that does", Firing("id", strings.Repeat("ab", 32), "name", "web"), outcome.Gone},
			{"not whitelisted", Firing("name", "/other"), outcome.NotWhitelisted},
			{"stopped on purpose", Firing("name", "batch-stopped"), outcome.Outcome(outcome.Stopped)},
			{"paused", Firing("name", "batch-paused"), outcome.Outcome(outcome.Paused)},
			{"only just up", func() webhook.Alert {
				a := Firing("id", "/docker/"+strings.Repeat("e5", 32))
				a.StartsAt = time.Now() // later than its start, else that would have healed it
				return a
			}(), outcome.Outcome(outcome.TooYoung)},
		} {
			t.Log(row.name)
			Post(t, h, row.alert).Want(200, row.want)
		}
		w.WantStarts()
	})
}

func TestLaw7RepeatsAndDuplicatesRestartOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		a := Firing("container", "web")
		first, second := Post(t, h, a), Post(t, h, a)
		time.Sleep(time.Second)
		third := Post(t, h, a, Firing("container", "web", "severity", "other alert, same container"))
		first.Want(200, outcome.Restarted)
		second.Want(200, outcome.Restarted)
		third.Want(200, outcome.Restarted, outcome.Restarted)
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
		Pass(4 * time.Minute)
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
		w.WantStarts("0s web")
		Pass(2 * time.Minute)
		Post(t, h, a).Want(200, outcome.Restarted) // the cooldown is over: it still fires
	})
}

func TestASlowRestartIsAnsweredInTimeAndJoinedByTheRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"), Up("b2", "batch-1"))
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			if c.Name == "web" {
				time.Sleep(12 * time.Second)
			}
			w.Runs(c.ID)
			return nil
		})
		group := []webhook.Alert{Firing("container", "web"), Firing("container", "batch-1")}
		Post(t, h, group...).Want(503, outcome.Outcome(outcome.InProgress), outcome.Restarted)
		if got := time.Since(w.BeganAt); got != 9*time.Second {
			t.Errorf("answered after %s, want 9s", got)
		}
		Post(t, h, group...).Want(200, outcome.Restarted, outcome.AlreadyRestarted)
		starts, _ := w.Begun()
		slices.Sort(starts)
		if diff := cmp.Diff([]string{"0s batch-1", "0s web"}, starts); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
	})
}

func TestTheAnswerIsWhatCameOfTheActionThoughTheContainerHasGone(t *testing.T) {
	for want, err := range map[outcome.Outcome]error{outcome.Restarted: nil, outcome.Failed: errors.New("driver failed")} {
		synctest.Test(t, func(t *testing.T) {
			w, h := NewWebhook(t, Usual(), Up("a1", "web"))
			w.OnStart(func(context.Context, *engine.Container) error {
				w.Set()
				return err
			})
			Post(t, h, Firing("container", "web")).Want(webhook.Status(want), want)
		})
	}
}

func TestAnActionWhoseCallerLeftIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		ctx, leave := context.WithCancel(t.Context())
		a := Firing("container", "web")
		c := PostUntil(ctx, t, h, a)
		time.Sleep(time.Second)
		leave()
		<-c.Done
		if got := w.Report().Alerts[0]; got.Container != "web" || got.Took != time.Second {
			t.Errorf("the report says of who left: %+v", got)
		}
		Pass(5 * time.Second)
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
		w.WantStarts("0s web")
	})
}

func TestWhatNobodyWaitsForIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.Concurrency = 1 }), Up("a1", "web"), Up("b2", "batch-1"))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		first := Post(t, h, Firing("container", "web"))
		synctest.Wait()
		second := PostUntil(ctx, t, h, Firing("container", "batch-1"))
		time.Sleep(time.Second)
		leave()
		<-second.Done
		first.Want(200, outcome.Restarted)
		Pass(time.Minute)
		w.WantStarts("0s web")
	})
}

func TestARefusedRestartIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.Backoff.Initial = time.Minute }), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return engine.ErrRefused })
		a := Firing("container", "web")
		Post(t, h, a).Want(200, outcome.Outcome(outcome.Refused))
		Post(t, h, a).Want(200, outcome.Outcome(outcome.Refused))
		w.WantStarts("0s web")
	})
}

func TestAFailedRestartIsRetriedThenHeldByTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.Backoff.Initial = time.Minute }), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		a := Firing("container", "web")
		c := Post(t, h, a)
		c.Want(503, outcome.Failed)
		if !strings.Contains(c.Rec.Body.String(), "port taken") {
			t.Errorf("the answer does not say why: %s", c.Rec.Body)
		}
		Post(t, h, a).Want(200, outcome.Outcome(outcome.BackOff))
		w.WantStarts("0s web")
	})
}

func TestARestartByAnybodyIsNotTakenForAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(Mode(policy.UnlessStopped)), Up("a1", "web"))
		w.Edit("a1", func(c *engine.Container) {
			c.State, c.ExitCause, c.ExitSeenAt, c.StartSeenAt = engine.Exited, engine.CauseStopped, time.Now(), time.Time{}
		})
		synctest.Wait()
		c := Post(t, h, Firing("container", "web"))
		Pass(time.Second)
		w.Edit("a1", func(c *engine.Container) {
			c.State, c.Started, c.StartSeenAt, c.ExitCause, c.ExitSeenAt = engine.Running, time.Now(), time.Now(), engine.CauseNone, time.Time{}
		})
		c.Want(200, outcome.AlreadyRestarted)
		w.WantStarts()
	})
}

func TestAShortBackoffIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		fail := true
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			if fail {
				fail = false
				return errors.New("port taken")
			}
			w.Runs(c.ID)
			return nil
		})
		a := Firing("container", "web")
		Post(t, h, a).Want(503, outcome.Failed)
		Post(t, h, a).Want(200, outcome.Restarted)
		w.WantStarts("0s web", "1s web")
	})
}

func TestRestartsThatDoNotHelpAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 3 }), Up("a1", "web"))
		a := Firing("container", "web")
		for range 3 {
			Post(t, h, a).Want(200, outcome.Restarted)
			Pass(10 * time.Minute) // Alertmanager's repeat_interval
		}
		Post(t, h, a).Want(200, outcome.Outcome(outcome.GaveUp))
		Pass(24 * time.Hour)
		// It has stayed up, and no health check says that it is sick.
		Post(t, h, a).Want(200, outcome.Restarted)
		if starts, _ := w.Begun(); len(starts) != 4 {
			t.Errorf("starts %v, want 4", starts)
		}
	})
}

func TestAContainerThatLooksWellIsGivenUpAsLongAsTheAlertFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web")) // without a health check
		a := Firing("container", "web")
		for range 24 { // four hours of repeat_interval
			<-Post(t, h, a).Done
			Pass(10 * time.Minute)
		}
		if starts, _ := w.Begun(); len(starts) != 5 {
			t.Errorf("%d restarts, want 5 and no more: %v", len(starts), starts)
		}
		Post(t, h, a).Want(200, outcome.Outcome(outcome.GaveUp))
	})
}

func TestRestartsThatTheEngineRefusedAreNoReasonToGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("internal error") })
		a := Firing("container", "web")
		for range 6 {
			Post(t, h, a).Want(503, outcome.Failed)
			Pass(time.Hour)
		}
		w.OnStart(func(_ context.Context, c *engine.Container) error { w.Runs(c.ID); return nil })
		Post(t, h, a).Want(200, outcome.Restarted)
	})
}

func TestARestartThatTheEngineCompletesLateIsStillOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), Up("a1", "web"))
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			go func() { time.Sleep(10 * time.Second); w.Runs(c.ID) }()
			return engine.ErrNoAnswer
		})
		a := Firing("container", "web")
		for range 10 {
			<-Post(t, h, a).Done
			Pass(10 * time.Minute)
		}
		if starts, _ := w.Begun(); len(starts) != 2 {
			t.Errorf("%d restarts, want 2 and then to give up", len(starts))
		}
		w.Runs("a1") // somebody does it
		Pass(10 * time.Minute)
		<-Post(t, h, a).Done
		if starts, _ := w.Begun(); len(starts) != 3 {
			t.Errorf("%d restarts, want another after somebody else's", len(starts))
		}
		Pass(time.Minute)
	})
}

func TestAStopOnPurposeIsLeftAloneWhereDeathsAreNotHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Ended(engine.CauseStopped, Labelled(policy.LabelTriggers, "alert")))
		Pass(time.Hour)
		Post(t, h, Firing("container", "web", "heal", "start")).Want(200, outcome.Outcome(outcome.Stopped))
		w.WantStarts()
	})
}

// A wedged container is asked for again and again.
func TestLaw10RepeatsDoNotPileUpBesideAnActionThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		w.OnStart(func(ctx context.Context, _ *engine.Container) error {
			<-ctx.Done()
			return ctx.Err()
		})
		a := Firing("container", "web")
		for range 50 {
			Post(t, h, a).Want(503, outcome.Outcome(outcome.InProgress))
		}
		w.End()
	})
}

func TestSomebodyWhoStartsItEndsTheGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 1 }), Up("a1", "web"))
		a := Firing("container", "web")
		Post(t, h, a).Want(200, outcome.Restarted)
		Pass(6 * time.Minute)
		Post(t, h, a).Want(200, outcome.Outcome(outcome.GaveUp))
		w.Runs("a1")
		Pass(6 * time.Minute)
		Post(t, h, a).Want(200, outcome.Restarted)
	})
}

func TestLaw2OneBadAlertCannotRestartAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		var alerts []webhook.Alert
		for i := range 30 {
			c := Up(fmt.Sprintf("%02d", i), fmt.Sprintf("batch-%d", i))
			cs = append(cs, c)
			alerts = append(alerts, Firing("container", c.Name))
		}
		w, h := NewWebhook(t, Usual(), cs...)
		w.OnStart(func(_ context.Context, c *engine.Container) error { w.Runs(c.ID); return nil })
		c := Post(t, h, alerts...)
		<-c.Done
		if c.Rec.Code != 200 {
			t.Errorf("status %d, want 200: the alerts' repeats ask again", c.Rec.Code)
		}
		if starts, _ := w.Begun(); len(starts) != 10 {
			t.Errorf("%d restarts, want 10 in a minute", len(starts))
		}
		Pass(time.Minute)
		c = Post(t, h, alerts...)
		<-c.Done
		if starts, _ := w.Begun(); len(starts) != 20 {
			t.Errorf("%d restarts, want 20 after a minute", len(starts))
		}
	})
}

func TestAnAlertStartsWhatIsDownWithTheExitedTriggerOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Ended(engine.CauseSelf, Labelled(policy.LabelTriggers, "alert")), Ended(engine.CauseSelf, Named("b2", "batch-1"), Labelled(policy.LabelTriggers, "")))
		Pass(time.Minute)
		w.WantStarts()
		Post(t, h, Firing("container", "web", "heal", "start"), Firing("container", "batch-1")).Want(200, outcome.Started, outcome.Outcome(outcome.TriggerDisabled))
		w.WantStarts("1m0s web")
	})
}

func TestWhatHappensWhileACallerWaitsIsTheAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		happens func(w *World)
		status  int
		want    outcome.Outcome
	}{
		"the container is removed": {func(w *World) { w.Set(Up("b2", "batch-1")) }, 200, outcome.Gone},
		"the engine goes away":     {func(w *World) { w.Publish(&engine.Snapshot{Containers: w.Snapshot().Containers}) }, 503, outcome.EngineUnavailable},
		"nothing":                  {func(*World) {}, 200, outcome.Restarted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.MinUptime, p.Backoff.Initial = 0, 5*time.Second }), Up("a1", "web"))
				Post(t, h, Firing("container", "web", "n", "1")).Want(200, outcome.Restarted)
				Pass(time.Second)
				again := Firing("container", "web", "n", "2")
				again.StartsAt = time.Now()
				waits := Post(t, h, again) // for the back-off
				Pass(time.Second)
				row.happens(w)
				waits.Want(row.status, row.want)
				w.End()
			})
		})
	}
}

func TestTheEngineAwayIsA503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		w.Publish(&engine.Snapshot{First: w.BeganAt, Containers: w.Snapshot().Containers})
		Post(t, h, Firing("container", "web")).Want(503, outcome.EngineUnavailable)
		Post(t, h, Firing("container", "web", "heal", "")).Want(200, outcome.NoAction)
	})
}

func TestMoreRequestsThanAreBearableAreTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		a := Firing("container", "web")
		var calls []*Call
		for range webhook.MaxCalls {
			calls = append(calls, Post(t, h, a))
		}
		synctest.Wait()
		refused := Post(t, h, a)
		<-refused.Done
		if refused.Rec.Code != 503 || !strings.Contains(refused.Rec.Body.String(), outcome.Busy.Sentence()) {
			t.Errorf("status %d: %s", refused.Rec.Code, refused.Rec.Body)
		}
		for _, c := range calls {
			c.Want(200, outcome.Restarted)
		}
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
		w.WantStarts("0s web")
	})
}

func TestEachAlertTakesItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		Post(t, h, Firing("container", "web"), Firing("container", "nobody"), Firing("heal", "")).Want(200, outcome.Restarted, outcome.NotFound, outcome.NoAction)
		var got []time.Duration
		for _, a := range w.Report().Alerts {
			got = append(got, a.Took)
		}
		if diff := cmp.Diff([]time.Duration{3 * time.Second, 0, 0}, got); diff != "" {
			t.Errorf("took (-want +got):\n%s", diff)
		}
	})
}

func TestLaw9CallersAreToldThatDefibShutsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.Concurrency = 1 }), Up("a1", "web"), Up("b2", "batch-1"))
		w.OnStart(func(ctx context.Context, _ *engine.Container) error { <-ctx.Done(); return ctx.Err() })
		first := Post(t, h, Firing("container", "web"))
		synctest.Wait()
		second := Post(t, h, Firing("container", "batch-1"))
		synctest.Wait()
		w.Stop()
		second.Want(503, outcome.ShuttingDown)
		first.Want(503, outcome.ShuttingDown) // the restart is the engine's now
		Post(t, h, Firing("container", "web")).Want(503, outcome.ShuttingDown)
		if err := <-w.Stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestWhatAnAlertWasDeclinedForIsNotHeldForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(Triggers(policy.TriggerExited)), Up("a1", "web"))
		Post(t, h, Firing("container", "web")).Want(200, outcome.Outcome(outcome.TriggerDisabled))
		w.WantHeld("web", outcome.TriggerDisabled)
		Pass(2 * time.Second)
		w.WantHeld("web", "")
	})
}
