package restarter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/policy"
)

// firing writes an alert as Alertmanager does; kv are its labels.
func firing(kv ...string) Alert {
	a := Alert{Status: "firing", StartsAt: time.Now().Add(-time.Minute), Labels: map[string]string{"alertname": "Sick", "heal": "restart"}}
	for i := 0; i < len(kv); i += 2 {
		a.Labels[kv[i]] = kv[i+1]
	}
	a.Fingerprint = fmt.Sprint(a.Labels)
	return a
}

// call is one POST of alerts under way.
type call struct {
	t    *testing.T
	rec  *httptest.ResponseRecorder
	done chan struct{}
}

func post(t *testing.T, h http.Handler, alerts ...Alert) *call {
	return postUntil(t.Context(), t, h, alerts...)
}

func postUntil(ctx context.Context, t *testing.T, h http.Handler, alerts ...Alert) *call {
	t.Helper()
	body, err := json.Marshal(payload{Version: "4", Alerts: alerts})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/webhook", strings.NewReader(string(body)))
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	c := &call{t: t, rec: httptest.NewRecorder(), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		h.ServeHTTP(c.rec, r)
	}()
	return c
}

// want waits for the answer and compares its status and outcomes.
func (c *call) want(status int, outcomes ...Outcome) {
	c.t.Helper()
	<-c.done
	var body struct{ Alerts []alertResult }
	if err := json.Unmarshal(c.rec.Body.Bytes(), &body); err != nil {
		c.t.Fatalf("%v in %s", err, c.rec.Body)
	}
	var got []Outcome
	for _, s := range body.Alerts {
		got = append(got, s.Outcome)
		if s.Message == "" {
			c.t.Errorf("outcome %q without a sentence", s.Outcome)
		}
	}
	if diff := cmp.Diff(outcomes, got); diff != "" || c.rec.Code != status {
		c.t.Errorf("status %d, want %d; outcomes (-want +got):\n%s", c.rec.Code, status, diff)
	}
}

// webhookHarness runs a Restarter over these containers, which came up an hour ago, and
// its webhook. A restart takes three seconds.
func webhookHarness(t *testing.T, p policy.Policy, cs ...*engine.Container) (*world, *Webhook) {
	for _, c := range cs {
		if c.Up() {
			c.StartSeenAt, c.Started = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)
		}
	}
	w := newWorld(t, p, cs...)
	w.onStart(func(_ context.Context, c *engine.Container) error {
		time.Sleep(3 * time.Second)
		w.runs(c.ID)
		return nil
	})
	return w, NewWebhook(w.Restarter, Guard{}, nil)
}

func TestAFiringAlertRestartsItsContainerAndTheAnswerSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"), up("b2", "batch-1"))
		post(t, h, firing("container", "web")).want(200, Restarted)
		w.wantStarts("0s web")
		if got := time.Since(w.began); got != 3*time.Second {
			t.Errorf("the answer came after %s, want 3s: when it was true", got)
		}
	})
}

func TestOutcomes(t *testing.T) {
	edited := func(edit func(a *Alert)) Alert {
		a := firing("container", "web")
		edit(&a)
		return a
	}
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"), up("b2", "other"),
			ended(engine.CauseStopped, named("c3", "batch-stopped"), labelled(policy.LabelPolicy, "unless-stopped")),
			ended("", named("d4", "batch-paused"), state(engine.Paused)),
			up(strings.Repeat("e5", 32), "batch-young"))
		w.edit(strings.Repeat("e5", 32), func(c *engine.Container) { c.StartSeenAt = time.Now().Add(-30 * time.Second) })
		synctest.Wait()
		for _, row := range []struct {
			name  string
			alert Alert
			want  Outcome
		}{
			{"resolved", edited(func(a *Alert) { a.Status = "resolved" }), Resolved},
			{"without heal", edited(func(a *Alert) { delete(a.Labels, "heal") }), NoAction},
			{"heal: reboot", edited(func(a *Alert) { a.Labels["heal"] = "reboot" }), UnknownAction},
			{"a rule of Grafana's that could not be evaluated", edited(func(a *Alert) { a.Labels["alertname"] = "DatasourceError" }), NotEvaluated},
			{"heal: start of what runs", edited(func(a *Alert) { a.Labels["heal"] = "start" }), AlreadyRunning},
			{"no container named", edited(func(a *Alert) { delete(a.Labels, "container") }), NoTarget},
			{"a name that does not exist", firing("container", "nobody"), NotFound},
			{"an id that does not exist, with a name that does", firing("id", strings.Repeat("ab", 32), "name", "web"), Gone},
			{"not whitelisted", firing("name", "/other"), NotWhitelisted},
			{"stopped on purpose", firing("name", "batch-stopped"), Outcome(Stopped)},
			{"paused", firing("name", "batch-paused"), Outcome(Paused)},
			{"only just up", func() Alert {
				a := firing("id", "/docker/"+strings.Repeat("e5", 32))
				a.StartsAt = time.Now() // later than its start, else that would have healed it
				return a
			}(), Outcome(TooYoung)},
		} {
			t.Log(row.name)
			post(t, h, row.alert).want(200, row.want)
		}
		w.wantStarts()
	})
}

func TestLaw7RepeatsAndDuplicatesRestartOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		a := firing("container", "web")
		first, second := post(t, h, a), post(t, h, a)
		time.Sleep(time.Second)
		third := post(t, h, a, firing("container", "web", "severity", "other alert, same container"))
		first.want(200, Restarted)
		second.want(200, Restarted)
		third.want(200, Restarted, Restarted)
		post(t, h, a).want(200, AlreadyRestarted)
		pass(4 * time.Minute)
		post(t, h, a).want(200, AlreadyRestarted)
		w.wantStarts("0s web")
		pass(2 * time.Minute)
		post(t, h, a).want(200, Restarted) // the cooldown is over: it still fires
	})
}

func TestASlowRestartIsAnsweredInTimeAndJoinedByTheRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"), up("b2", "batch-1"))
		w.onStart(func(_ context.Context, c *engine.Container) error {
			if c.Name == "web" {
				time.Sleep(12 * time.Second)
			}
			w.runs(c.ID)
			return nil
		})
		group := []Alert{firing("container", "web"), firing("container", "batch-1")}
		post(t, h, group...).want(503, Outcome(InProgress), Restarted)
		if got := time.Since(w.began); got != 9*time.Second {
			t.Errorf("answered after %s, want 9s", got)
		}
		post(t, h, group...).want(200, Restarted, AlreadyRestarted)
		starts, _ := w.begun()
		slices.Sort(starts)
		if diff := cmp.Diff([]string{"0s batch-1", "0s web"}, starts); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
	})
}

func TestAnActionWhoseCallerLeftIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		ctx, leave := context.WithCancel(t.Context())
		a := firing("container", "web")
		c := postUntil(ctx, t, h, a)
		time.Sleep(time.Second)
		leave()
		<-c.done
		pass(5 * time.Second)
		post(t, h, a).want(200, AlreadyRestarted)
		w.wantStarts("0s web")
	})
}

func TestWhatNobodyWaitsForIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.Concurrency = 1 }), up("a1", "web"), up("b2", "batch-1"))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		first := post(t, h, firing("container", "web"))
		synctest.Wait()
		second := postUntil(ctx, t, h, firing("container", "batch-1"))
		time.Sleep(time.Second)
		leave()
		<-second.done
		first.want(200, Restarted)
		pass(time.Minute)
		w.wantStarts("0s web")
	})
}

func TestARefusedRestartIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.Backoff.Initial = time.Minute }), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return engine.ErrRefused })
		a := firing("container", "web")
		post(t, h, a).want(200, Outcome(Refused))
		post(t, h, a).want(200, Outcome(Refused))
		w.wantStarts("0s web")
	})
}

func TestAFailedRestartIsRetriedThenHeldByTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.Backoff.Initial = time.Minute }), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		a := firing("container", "web")
		c := post(t, h, a)
		c.want(503, Failed)
		if !strings.Contains(c.rec.Body.String(), "port taken") {
			t.Errorf("the answer does not say why: %s", c.rec.Body)
		}
		post(t, h, a).want(200, Outcome(BackOff))
		w.wantStarts("0s web")
	})
}

func TestARestartByAnybodyIsNotTakenForAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(mode(policy.UnlessStopped)), up("a1", "web"))
		w.edit("a1", func(c *engine.Container) {
			c.State, c.ExitCause, c.ExitSeenAt, c.StartSeenAt = engine.Exited, engine.CauseStopped, time.Now(), time.Time{}
		})
		synctest.Wait()
		c := post(t, h, firing("container", "web"))
		pass(time.Second)
		w.edit("a1", func(c *engine.Container) {
			c.State, c.Started, c.StartSeenAt, c.ExitCause, c.ExitSeenAt = engine.Running, time.Now(), time.Now(), engine.CauseNone, time.Time{}
		})
		c.want(200, AlreadyRestarted)
		w.wantStarts()
	})
}

func TestAShortBackoffIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		fail := true
		w.onStart(func(_ context.Context, c *engine.Container) error {
			if fail {
				fail = false
				return errors.New("port taken")
			}
			w.runs(c.ID)
			return nil
		})
		a := firing("container", "web")
		post(t, h, a).want(503, Failed)
		post(t, h, a).want(200, Restarted)
		w.wantStarts("0s web", "1s web")
	})
}

func TestRestartsThatDoNotHelpAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.MaxAttempts = 3 }), up("a1", "web"))
		a := firing("container", "web")
		for range 3 {
			post(t, h, a).want(200, Restarted)
			pass(10 * time.Minute) // Alertmanager's repeat_interval
		}
		post(t, h, a).want(200, Outcome(GaveUp))
		pass(24 * time.Hour)
		// It has stayed up, and no health check says that it is sick.
		post(t, h, a).want(200, Restarted)
		if starts, _ := w.begun(); len(starts) != 4 {
			t.Errorf("starts %v, want 4", starts)
		}
	})
}

func TestAContainerThatLooksWellIsGivenUpAsLongAsTheAlertFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web")) // without a health check
		a := firing("container", "web")
		for range 24 { // four hours of repeat_interval
			<-post(t, h, a).done
			pass(10 * time.Minute)
		}
		if starts, _ := w.begun(); len(starts) != 5 {
			t.Errorf("%d restarts, want 5 and no more: %v", len(starts), starts)
		}
		post(t, h, a).want(200, Outcome(GaveUp))
	})
}

func TestRestartsThatTheEngineRefusedAreNoReasonToGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("internal error") })
		a := firing("container", "web")
		for range 6 {
			post(t, h, a).want(503, Failed)
			pass(time.Hour)
		}
		w.onStart(func(_ context.Context, c *engine.Container) error { w.runs(c.ID); return nil })
		post(t, h, a).want(200, Restarted)
	})
}

func TestARestartThatTheEngineCompletesLateIsStillOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), up("a1", "web"))
		w.onStart(func(_ context.Context, c *engine.Container) error {
			go func() { time.Sleep(10 * time.Second); w.runs(c.ID) }()
			return engine.ErrNoAnswer
		})
		a := firing("container", "web")
		for range 10 {
			<-post(t, h, a).done
			pass(10 * time.Minute)
		}
		if starts, _ := w.begun(); len(starts) != 2 {
			t.Errorf("%d restarts, want 2 and then to give up", len(starts))
		}
		w.runs("a1") // somebody does it
		pass(10 * time.Minute)
		<-post(t, h, a).done
		if starts, _ := w.begun(); len(starts) != 3 {
			t.Errorf("%d restarts, want another after somebody else's", len(starts))
		}
		pass(time.Minute)
	})
}

func TestAStopOnPurposeIsLeftAloneWhereDeathsAreNotHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), ended(engine.CauseStopped, labelled(policy.LabelTriggers, "alert")))
		pass(time.Hour)
		post(t, h, firing("container", "web", "heal", "start")).want(200, Outcome(Stopped))
		w.wantStarts()
	})
}

// A wedged container is asked for again and again.
func TestLaw10RepeatsDoNotPileUpBesideAnActionThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		w.onStart(func(ctx context.Context, _ *engine.Container) error {
			<-ctx.Done()
			return ctx.Err()
		})
		a := firing("container", "web")
		for range 50 {
			post(t, h, a).want(503, Outcome(InProgress))
		}
		synctest.Wait()
		if n := len(w.pending); n > 1 {
			t.Errorf("%d requests are kept for one caller, who has left", n)
		}
		w.end()
	})
}

func TestWhoStillWaitsIsKeptAndEachWhoAskedIsRemembered(t *testing.T) {
	r := &Restarter{firings: firings{}}
	ask := func(peer string, answered bool) {
		r.enqueue(noon, []*request{{source: AlertSource{Peer: peer}, answered: answered}})
	}
	ask("one", true)
	ask("two", true)
	ask("one", false)
	ask("one", false)
	if n := len(r.pending); n != 3 {
		t.Errorf("%d requests, want 3: two that wait, and one of another caller", n)
	}
}

func TestSomebodyWhoStartsItEndsTheGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.MaxAttempts = 1 }), up("a1", "web"))
		a := firing("container", "web")
		post(t, h, a).want(200, Restarted)
		pass(6 * time.Minute)
		post(t, h, a).want(200, Outcome(GaveUp))
		w.runs("a1")
		pass(6 * time.Minute)
		post(t, h, a).want(200, Restarted)
	})
}

func TestLaw2OneBadAlertCannotRestartAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		var alerts []Alert
		for i := range 30 {
			c := up(fmt.Sprintf("%02d", i), fmt.Sprintf("batch-%d", i))
			cs = append(cs, c)
			alerts = append(alerts, firing("container", c.Name))
		}
		w, h := webhookHarness(t, usual(), cs...)
		w.onStart(func(_ context.Context, c *engine.Container) error { w.runs(c.ID); return nil })
		c := post(t, h, alerts...)
		<-c.done
		if c.rec.Code != 200 {
			t.Errorf("status %d, want 200: the alerts' repeats ask again", c.rec.Code)
		}
		if starts, _ := w.begun(); len(starts) != 10 {
			t.Errorf("%d restarts, want 10 in a minute", len(starts))
		}
		pass(time.Minute)
		c = post(t, h, alerts...)
		<-c.done
		if starts, _ := w.begun(); len(starts) != 20 {
			t.Errorf("%d restarts, want 20 after a minute", len(starts))
		}
	})
}

func TestAnAlertStartsWhatIsDownWithTheExitedTriggerOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), ended(engine.CauseSelf, labelled(policy.LabelTriggers, "alert")), ended(engine.CauseSelf, named("b2", "batch-1"), labelled(policy.LabelTriggers, "")))
		pass(time.Minute)
		w.wantStarts()
		post(t, h, firing("container", "web", "heal", "start"), firing("container", "batch-1")).want(200, Started, Outcome(TriggerDisabled))
		w.wantStarts("1m0s web")
	})
}

func TestWhatHappensWhileACallerWaitsIsTheAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		happens func(w *world)
		status  int
		want    Outcome
	}{
		"the container is removed": {func(w *world) { w.set(up("b2", "batch-1")) }, 200, Gone},
		"the engine goes away":     {func(w *world) { w.publish(&engine.Snapshot{Containers: w.Snapshot().Containers}) }, 503, EngineUnavailable},
		"nothing":                  {func(*world) {}, 200, Restarted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.MinUptime, p.Backoff.Initial = 0, 5*time.Second }), up("a1", "web"))
				post(t, h, firing("container", "web", "n", "1")).want(200, Restarted)
				pass(time.Second)
				again := firing("container", "web", "n", "2")
				again.StartsAt = time.Now()
				waits := post(t, h, again) // for the back-off
				pass(time.Second)
				row.happens(w)
				waits.want(row.status, row.want)
				w.end()
			})
		})
	}
}

func TestTheEngineAwayIsA503(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		w.publish(&engine.Snapshot{First: w.began, Containers: w.Snapshot().Containers})
		post(t, h, firing("container", "web")).want(503, EngineUnavailable)
		post(t, h, firing("container", "web", "heal", "")).want(200, NoAction)
	})
}

func TestMoreRequestsThanAreBearableAreTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		a := firing("container", "web")
		var calls []*call
		for range maxRequests {
			calls = append(calls, post(t, h, a))
		}
		synctest.Wait()
		refused := post(t, h, a)
		<-refused.done
		if refused.rec.Code != 503 || !strings.Contains(refused.rec.Body.String(), Busy.Sentence()) {
			t.Errorf("status %d: %s", refused.rec.Code, refused.rec.Body)
		}
		for _, c := range calls {
			c.want(200, Restarted)
		}
		post(t, h, a).want(200, AlreadyRestarted)
		w.wantStarts("0s web")
	})
}

func TestLaw9CallersAreToldThatDefibShutsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.Concurrency = 1 }), up("a1", "web"), up("b2", "batch-1"))
		w.onStart(func(ctx context.Context, _ *engine.Container) error { <-ctx.Done(); return ctx.Err() })
		first := post(t, h, firing("container", "web"))
		synctest.Wait()
		second := post(t, h, firing("container", "batch-1"))
		synctest.Wait()
		w.stop()
		second.want(503, ShuttingDown)
		first.want(503, ShuttingDown) // the restart is the engine's now
		post(t, h, firing("container", "web")).want(503, ShuttingDown)
		if err := <-w.stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestWhatAnAlertWasDeclinedForIsNotHeldForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(triggers(policy.TriggerExited)), up("a1", "web"))
		post(t, h, firing("container", "web")).want(200, Outcome(TriggerDisabled))
		w.wantHeld("web", TriggerDisabled)
		pass(2 * time.Second)
		w.wantHeld("web", "")
	})
}
