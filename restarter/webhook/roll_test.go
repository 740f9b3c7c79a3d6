package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/webhook"
)

// rolling runs a webhook over three replicas, whose restarts take so long, and with a health
// check as long again to be healthy after it; negative: they never are.
func rolling(t *testing.T, restart, healthy time.Duration, edits ...func(*engine.Container)) (*World, *webhook.Webhook) {
	w, h := NewWebhook(t, Usual(), Replica("c3", "db-1", edits...), Replica("b2", "db-2", edits...), Replica("a1", "db-3", edits...), Up("d4", "web"))
	w.OnStart(func(_ context.Context, c *engine.Container) error {
		time.Sleep(restart)
		w.Runs(c.ID)
		if !c.HealthCheck {
			return nil
		}
		w.Edit(c.ID, func(c *engine.Container) { c.Health = engine.Starting })
		if healthy >= 0 {
			time.AfterFunc(healthy, func() { w.Edit(c.ID, func(c *engine.Container) { c.Health = engine.Healthy }) })
		}
		return nil
	})
	return w, h
}

func TestReplicasAreRestartedOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Second, Checked)
		a := Firing("container", "shop/db")
		c := Post(t, h, a)
		c.Want(200, outcome.Restarted)
		c.Says("db-1, db-2, db-3: restarted")
		w.WantStarts("0s db-1", "3s db-2", "6s db-3")
		if got := w.Report().Alerts[0].Container; got != "shop/db" {
			t.Errorf("the report says that it means %q", got)
		}
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
	})
}

func TestTheNextReplicaIsRestartedOnceTheLastIsHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, 30*time.Second, Checked)
		a := Firing("container", "shop/db")
		c := Post(t, h, a)
		time.Sleep(5 * time.Second)
		w.WantHeld("db-2", outcome.InServiceRestart)
		c.Want(200, outcome.Outcome(outcome.InServiceRestart))
		c.Says("another replica of its service")
		c.Says("db-1: restarted; db-2, db-3: in_service_restart")
		if got := time.Since(w.BeganAt); got != 9*time.Second {
			t.Errorf("answered after %s, want when the caller's time was over", got)
		}
		Post(t, h, a).Want(200, outcome.Outcome(outcome.InServiceRestart)) // it is not healthy yet
		w.WantStarts("0s db-1")
		for range 4 { // repeats
			Pass(10 * time.Minute)
			<-Post(t, h, a).Done
		}
		w.WantStarts("0s db-1", "10m18s db-2", "20m27s db-3", "30m36s db-1", "40m45s db-2")
	})
}

// Without startsAt nothing is remembered of an alert: then the last restarts tell.
func TestNoReplicaStarvesForAnAlertThatDoesNotSaySinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, 30*time.Second, Checked)
		a := Firing("container", "shop/db")
		a.StartsAt = time.Time{}
		for range 4 {
			<-Post(t, h, a).Done
			Pass(10 * time.Minute)
		}
		w.WantStarts("0s db-1", "10m9s db-2", "20m18s db-3", "30m27s db-1")
	})
}

func TestAReplicaThatDoesNotComeUpWellStopsTheRest(t *testing.T) {
	for name, row := range map[string]struct {
		happens func(w *World, c *engine.Container) error
		status  int
		first   outcome.Outcome
	}{
		"it stays unhealthy": {func(w *World, c *engine.Container) error {
			w.Runs(c.ID)
			w.Edit(c.ID, func(c *engine.Container) { c.Health = engine.Unhealthy })
			return nil
		}, 200, outcome.Outcome(outcome.InServiceRestart)},
		"it cannot be restarted": {func(*World, *engine.Container) error { return errors.New("cannot kill container") }, 503, outcome.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := rolling(t, 0, 0, Checked)
				w.OnStart(func(_ context.Context, c *engine.Container) error { return row.happens(w, c) })
				a := Firing("container", "shop/db")
				Post(t, h, a).Want(row.status, row.first)
				for range 2 {
					Pass(10 * time.Minute)
					<-Post(t, h, a).Done
				}
				got, _ := w.Begun()
				for _, s := range got {
					if !strings.HasSuffix(s, "db-1") {
						t.Errorf("%v: another replica was restarted though db-1 is not well", got)
					}
				}
				if len(got) < 3 {
					t.Errorf("%v: db-1 was not tried again", got)
				}
				// Somebody repairs it, and the alert goes on with the others.
				w.OnStart(func(_ context.Context, c *engine.Container) error { w.Runs(c.ID); return nil })
				w.Runs("c3")
				w.Edit("c3", Checked)
				Pass(10 * time.Minute)
				<-Post(t, h, a).Done
				if got, _ = w.Begun(); !strings.Contains(fmt.Sprint(got), "db-2") {
					t.Errorf("%v: the roll did not go on", got)
				}
			})
		})
	}
}

func TestAReplicaThatDiesAgainStopsTheRest(t *testing.T) {
	for name, edits := range map[string][]func(*engine.Container){"with a health check": {Checked}, "without one": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := rolling(t, 0, 0, edits...)
				w.OnStart(func(_ context.Context, c *engine.Container) error {
					time.Sleep(2 * time.Second)
					w.Runs(c.ID) // and is healthy at once
					if c.Name == "db-1" {
						time.AfterFunc(500*time.Millisecond, func() { w.Dies(c.ID) })
					}
					return nil
				})
				a := Firing("container", "shop/db")
				<-Post(t, h, a).Done // db-2 is on its way when db-1 dies
				Pass(10 * time.Minute)
				<-Post(t, h, a).Done
				if got, _ := w.Begun(); strings.Contains(fmt.Sprint(got), "db-3") {
					t.Errorf("%v: db-3 was restarted though db-1 is not well", got)
				}
			})
		})
	}
}

// A Defib that was restarted does not know whose doing that is.
func TestAReplicaThatIsStartingHoldsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Second, Checked)
		w.Edit("c3", func(c *engine.Container) { c.Health, c.StartSeenAt = engine.Starting, time.Now().Add(-time.Second) })
		synctest.Wait()
		c := Post(t, h, Firing("container", "shop/db"))
		time.Sleep(4 * time.Second)
		w.WantHeld("db-2", outcome.InServiceRestart)
		w.Edit("c3", func(c *engine.Container) { c.Health = engine.Healthy })
		<-c.Done
		w.WantStarts("4s db-2", "7s db-3")
	})
}

func TestAnAlertThatNamesOneReplicaIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Hour, Checked)
		roll := Post(t, h, Firing("container", "shop/db"))
		time.Sleep(time.Second)
		Post(t, h, Firing("name", "db-3")).Want(200, outcome.Restarted)
		roll.Want(200, outcome.Outcome(outcome.InServiceRestart))
		roll.Says("db-1, db-3: restarted; db-2: in_service_restart")
		w.WantStarts("0s db-1", "1s db-3")
	})
}

func TestTwoAlertsForAServiceRollItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Second, Checked)
		a := Firing("container", "shop/db")
		first, second := Post(t, h, a), Post(t, h, a, Firing("container", "shop/db", "n", "2"))
		first.Want(200, outcome.Restarted)
		second.Want(200, outcome.Restarted, outcome.Restarted)
		w.WantStarts("0s db-1", "3s db-2", "6s db-3")
		if _, most := w.Begun(); most != 1 {
			t.Errorf("%d at a time, want 1", most)
		}
	})
}

func TestReplicasThatMayNotBeRestartedDoNotHoldTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Replica("a1", "db-1", Labelled("defib.enable", "false")), Replica("b2", "db-2"), Replica("c3", "db-3"), Replica("d4", "db-4"))
		w.Edit("c3", func(c *engine.Container) { c.State = engine.Paused })
		synctest.Wait()
		c := Post(t, h, Firing("container", "shop/db"))
		c.Want(200, outcome.Restarted)
		c.Says("db-2, db-4: restarted; db-3: paused")
		w.WantStarts("0s db-2", "3s db-4")
	})
	synctest.Test(t, func(t *testing.T) {
		_, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.Whitelist = Patterns("web") }), Replica("a1", "db-1"), Replica("b2", "db-2"))
		c := Post(t, h, Firing("container", "shop/db"))
		c.Want(200, outcome.NotWhitelisted)
	})
}

func TestHealStartOfAServiceStartsAllThatAreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(c *engine.Container) {
			*c = *Ended(engine.CauseSelf, Named(c.ID, c.Name), In("shop", "db"), Labelled(policy.LabelTriggers, "alert"))
		}
		w, h := NewWebhook(t, Usual(), Replica("a1", "db-1", down), Replica("b2", "db-2", down), Replica("c3", "db-3"))
		c := Post(t, h, Firing("container", "shop/db", "heal", "start"))
		c.Want(200, outcome.Started)
		c.Says("db-1, db-2: started; db-3: already_running")
		if starts, most := w.Begun(); len(starts) != 2 || most != 2 {
			t.Errorf("%v, %d at a time; want both at once", starts, most)
		}
	})
}

func TestTasksOfSwarmAreLeftToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := Labelled("com.docker.swarm.task.id", "x", "com.docker.swarm.service.name", "stack_api", "defib.enable", "true")
		w, h := NewWebhook(t, Usual(), Ended("", Named("a1", "api.1"), State(engine.Running), task), Ended("", Named("b2", "api.2"), State(engine.Running), task))
		c := Post(t, h, Firing("container_label_com_docker_swarm_service_name", "stack_api"))
		c.Want(200, outcome.Outcome(outcome.SwarmTask))
		c.Says("api.1, api.2: swarm_task")
		w.WantStarts()
	})
}

func TestLaw9AtTheShutdownTheAnswerSaysWhichReplicasWereRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Second, Checked)
		c := Post(t, h, Firing("container", "shop/db"))
		Pass(4 * time.Second)
		w.Stop()
		c.Want(503, outcome.ShuttingDown)
		c.Says("db-1: restarted; db-2, db-3: shutting_down")
		if err := <-w.Stopped; err != nil {
			t.Error(err)
		}
	})
}
