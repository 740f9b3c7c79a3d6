package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
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

// byService is an alert on a Swarm service.
func byService(service string, kv ...string) webhook.Alert {
	return Firing(append(kv, "container_label_com_docker_swarm_service_name", service)...)
}

// onSwarm runs a webhook over tasks, each of which takes a second to stop. Swarm creates
// another one a second later, and starts it after five more, on this engine if here says so.
func onSwarm(t *testing.T, pol policy.Policy, here func(slot string) bool, tasks ...*engine.Container) (*World, *webhook.Webhook) {
	w, h := NewWebhook(t, pol, tasks...)
	var made atomic.Int64
	w.OnStart(func(_ context.Context, c *engine.Container) error {
		time.Sleep(time.Second)
		w.Edit(c.ID, func(c *engine.Container) {
			c.State, c.Finished, c.ExitCause, c.ExitSeenAt = engine.Exited, time.Now(), engine.CauseSelf, time.Now()
		})
		if here(c.Slot()) {
			id := fmt.Sprint("new", made.Add(1))
			time.AfterFunc(time.Second, func() { creates(w, c.Slot(), id) })
			time.AfterFunc(6*time.Second, func() { w.Runs(id) })
		}
		return nil
	})
	return w, h
}

// creates has Swarm create a task in a slot, which it has yet to start.
func creates(w *World, slot, id string) {
	c := Running(TaskOf(slot, id), CreatedAgo(0), func(c *engine.Container) {
		c.Created, c.CreatedSeenAt, c.StartSeenAt = time.Now(), time.Now(), time.Time{}
	})
	w.Set(append(slices.Clone(w.Snapshot().Containers), c)...)
}

func everywhere(string) bool { return true }

func TestTaskIsEndedOnceForAnAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := onSwarm(t, Usual(), everywhere, Running(TaskOf("api.1", "a1")))
		a := byService("api")
		c := Post(t, h, a)
		c.Want(200, outcome.Ended)
		c.Says("the task was ended, and Swarm replaces it")
		Post(t, h, a).Want(200, outcome.AlreadyRestarted) // nothing of it is up
		Pass(2 * time.Minute)
		Post(t, h, a).Want(200, outcome.AlreadyRestarted)
		w.WantStarts("0s api.1.a1")
		if line := `msg="task ended" container=api.1.a1 trigger=alert`; !strings.Contains(w.Log.String(), line) {
			t.Errorf("the log does not have %s:\n%s", line, w.Log.String())
		}
		if got := w.Count("defib_restarts_total", "api.1.a1", policy.TriggerAlert); got != 1 {
			t.Errorf("%v ends were counted, want 1", got)
		}
		if actions := w.Report().Actions; len(actions) != 1 || actions[0].Outcome != outcome.Ended {
			t.Errorf("the report has %+v", actions)
		}
	})
}

func TestTaskIsLeftToSwarmUnlessAnAlertAsksForARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := onSwarm(t, Usual(), everywhere, Running(TaskOf("api.1", "a1")), Running(TaskOf("api.2", "b2")))
		w.TurnsUnhealthy("a1")
		w.Dies("b2")
		Post(t, h, byService("api", "heal", "start")).Want(200, outcome.AlreadyRunning)
		Post(t, h, Firing("name", "api.2.b2", "heal", "start"), Firing("name", "api.2.b2")).Want(200, outcome.Outcome(outcome.SwarmTask), outcome.Outcome(outcome.SwarmTask))
		Pass(10 * time.Minute)
		w.WantStarts()
	})
}

// A fault that stays has each new task be asked for by an alert of its own name.
func TestLaw4WhatWasDoneToATaskCountsForTheOneThatReplacesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := onSwarm(t, Usual(func(p *policy.Policy) { p.MinUptime = time.Second }), everywhere, Running(TaskOf("api.1", "a1")))
		end := time.Now().Add(2 * time.Hour)
		for time.Now().Before(end) {
			for _, c := range w.Snapshot().Containers {
				if c.Up() {
					p := Post(t, h, Firing("name", c.Name))
					<-p.Done
				}
			}
			Pass(time.Second)
		}
		starts, _ := w.Begun()
		if len(starts) != 5 {
			t.Errorf("it was ended %d times, want 5, as any container is restarted before it is given up: %v", len(starts), starts[:min(20, len(starts))])
		}
		last := w.Snapshot().Containers[len(w.Snapshot().Containers)-1]
		Post(t, h, Firing("name", last.Name)).Want(200, outcome.Outcome(outcome.GaveUp))
	})
}

func TestATaskThatStaysWellIsForgivenWhatItsPredecessorsWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := onSwarm(t, Usual(), everywhere, Running(TaskOf("api.1", "a1")))
		Post(t, h, byService("api")).Want(200, outcome.Ended)
		Pass(10 * time.Second)
		if got := w.Standing("api.1.new1").Streak; got != 1 {
			t.Errorf("the streak of the new task is %d, want 1", got)
		}
		Pass(16 * time.Minute)
		if got := w.Standing("api.1.new1").Streak; got != 0 {
			t.Errorf("the streak of the new task is %d, want 0", got)
		}
	})
}

func TestReplicasOfASwarmServiceAreEndedOneAfterTheOther(t *testing.T) {
	for name, row := range map[string]struct {
		here func(slot string) bool
		want []string
	}{
		"the next once the last was replaced here":              {everywhere, []string{"0s api.1.a1", "7s api.2.b2", "20s api.3.c3"}},
		"a minute later if it was replaced on another node":     {func(string) bool { return false }, []string{"0s api.1.a1", "1m1s api.2.b2", "2m2s api.3.c3"}},
		"the next after one that was replaced on another node":  {func(slot string) bool { return slot != "api.1" }, []string{"0s api.1.a1", "1m1s api.2.b2", "1m8s api.3.c3"}},
		"the next after one that was replaced on this very one": {func(slot string) bool { return slot == "api.1" }, []string{"0s api.1.a1", "7s api.2.b2", "1m8s api.3.c3"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := onSwarm(t, Usual(), row.here, Running(TaskOf("api.1", "a1")), Running(TaskOf("api.2", "b2")), Running(TaskOf("api.3", "c3")))
				a := byService("api")
				for range 12 {
					began := time.Now()
					c := Post(t, h, a)
					<-c.Done
					Pass(20*time.Second - time.Since(began))
				}
				w.WantStarts(row.want...)
			})
		})
	}
}

// An image that compose has built has its labels, which its tasks bear beside those of Swarm.
func TestATaskOfAnImageThatComposeBuiltIsOneOfItsSwarmService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		built := In("src", "app")
		w, h := onSwarm(t, Usual(), func(string) bool { return false }, Running(TaskOf("api.1", "a1"), built), Running(TaskOf("api.2", "b2"), built), Running(TaskOf("web.1", "c3"), built))
		a := byService("api", "container_label_com_docker_compose_project", "src", "container_label_com_docker_compose_service", "app")
		Post(t, h, a).Want(200, outcome.Outcome(outcome.InServiceRestart))
		w.Removed("a1")
		Pass(2 * time.Second)
		Post(t, h, a).Want(200, outcome.Outcome(outcome.InServiceRestart))
		w.WantStarts("0s api.1.a1")
	})
}

func TestTasksThatAreNamedAreEndedOneAfterTheOtherToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := onSwarm(t, Usual(), everywhere, Running(TaskOf("api.1", "a1")), Running(TaskOf("api.2", "b2")), Running(TaskOf("api.3", "c3")))
		id := strings.Repeat("b2", 32)
		w.Edit("b2", func(c *engine.Container) { c.ID = id })
		alerts := []webhook.Alert{Firing("name", "api.1.a1"), Firing("id", id), Firing("name", "api.3.c3")}
		Post(t, h, alerts...).Want(200, outcome.Ended, outcome.Ended, outcome.Outcome(outcome.InServiceRestart))
		Pass(time.Minute)
		Post(t, h, alerts...).Want(200, outcome.AlreadyRestarted, outcome.AlreadyRestarted, outcome.Ended)
		w.WantStarts("0s api.1.a1", "7s api.2.b2", "1m9s api.3.c3")
	})
}

// A worker is not told by Swarm what its tasks are about.
func TestATaskIsNotEndedBesideOneThatIsDownByItself(t *testing.T) {
	for name, row := range map[string]struct {
		after func(w *World) // what Swarm does after six seconds
		want  string
	}{
		"it is replaced":              {func(w *World) { creates(w, "api.2", "d4"); w.Runs("d4") }, "6s api.1.a1"},
		"it is replaced by and by":    {func(w *World) { creates(w, "api.2", "d4"); time.AfterFunc(10*time.Second, func() { w.Runs("d4") }) }, "16s api.1.a1"},
		"it is replaced elsewhere":    {func(*World) {}, "1m0s api.1.a1"},
		"its replacement never comes": {func(w *World) { creates(w, "api.2", "d4") }, "1m6s api.1.a1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := onSwarm(t, Usual(), everywhere, Running(TaskOf("api.1", "a1")), Running(TaskOf("api.2", "b2")))
				w.Dies("b2")
				time.AfterFunc(6*time.Second, func() { row.after(w) })
				began := time.Now()
				for starts := []string{}; len(starts) == 0 && time.Since(began) < 2*time.Minute; starts, _ = w.Begun() {
					c := Post(t, h, Firing("name", "api.1.a1"))
					<-c.Done
					Pass(time.Until(began.Add(time.Since(began).Truncate(10*time.Second) + 10*time.Second)))
				}
				w.WantStarts(row.want)
			})
		})
	}
}

func TestTheReplacementIsAwaitedThoughTheOldContainerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := onSwarm(t, Usual(), func(string) bool { return false }, Running(TaskOf("api.1", "a1")), Running(TaskOf("api.2", "b2")))
		a := byService("api")
		c := Post(t, h, a)
		c.Want(200, outcome.Outcome(outcome.InServiceRestart))
		c.Says("api.1.a1: ended; api.2.b2: in_service_restart")
		w.Removed("a1")
		Pass(20 * time.Second)
		Post(t, h, a).Want(200, outcome.Outcome(outcome.InServiceRestart))
		creates(w, "api.1", "d4")
		synctest.Wait()
		w.Runs("d4")
		synctest.Wait()
		if got := w.Standing("api.1.d4").Streak; got != 1 {
			t.Errorf("the streak of the new task is %d, want 1", got)
		}
		c = Post(t, h, a)
		c.Want(200, outcome.Ended)
		c.Says("api.1.d4: already_restarted; api.2.b2: ended")
	})
}

func TestTaskThatIsNotToBeEndedIsDeclinedWithItsReason(t *testing.T) {
	for reason, err := range map[outcome.Reason]error{
		outcome.NotReplaced: engine.ErrNotReplaced, outcome.ServiceUpdating: engine.ErrServiceUpdating,
		outcome.InServiceRestart: engine.ErrServiceShort, outcome.Refused: engine.ErrRefused,
	} {
		t.Run(string(reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := NewWebhook(t, Usual(), Running(TaskOf("api.1", "a1")))
				w.OnStart(func(context.Context, *engine.Container) error { return fmt.Errorf("%w: because", err) })
				c := Post(t, h, byService("api"))
				c.Want(200, outcome.Outcome(reason))
				c.Says(outcome.Reasons[reason])
				c.Says("because")
				if notes := strings.Count(w.Log.String(), `msg="task not ended"`); (notes == 1) != (reason == outcome.NotReplaced || reason == outcome.ServiceUpdating) {
					t.Errorf("%d lines of a task that was not ended:\n%s", notes, w.Log.String())
				}
				if got := w.Standing("api.1.a1"); got.Streak != 0 {
					t.Errorf("the streak is %d, want 0: there was no end", got.Streak)
				}
				Pass(time.Minute)
				w.OnStart(func(context.Context, *engine.Container) error { return errors.New("cannot kill") })
				Post(t, h, byService("api")).Want(503, outcome.Failed)
			})
		})
	}
}

// What keeps a service from being read says nothing of its tasks.
func TestAnEndThatWasNotBegunDoesNotCount(t *testing.T) {
	for name, fault := range map[string]error{"no answer": engine.ErrNoAnswer, "an error": errors.New("no leader")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := NewWebhook(t, Usual(), Running(TaskOf("api.1", "a1")))
				w.OnStart(func(context.Context, *engine.Container) error { return fmt.Errorf("%w: %w", engine.ErrNotBegun, fault) })
				for range 12 {
					Post(t, h, byService("api")).Want(503, outcome.Failed)
					if got := w.Standing("api.1.a1"); got.Streak != 0 || got.GaveUp {
						t.Fatalf("%+v", got)
					}
					Pass(6 * time.Minute)
				}
			})
		})
	}
}

// What a manager knows of a task lags behind: its service is short of it for some moments
// after it came up.
func TestAnEndWaitsForAServiceThatIsShortOfTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Running(TaskOf("api.1", "a1")))
		var short atomic.Bool
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			if short.Load() {
				return fmt.Errorf("%w: %w: api.2 is starting", engine.ErrNotBegun, engine.ErrServiceShort)
			}
			w.Dies(c.ID)
			return nil
		})
		short.Store(true)
		for range 5 {
			c := Post(t, h, byService("api"))
			c.Want(200, outcome.Outcome(outcome.InServiceRestart))
			c.Says("api.2 is starting")
			Pass(time.Second)
		}
		began := time.Now()
		time.AfterFunc(3*time.Second, func() { short.Store(false) })
		Post(t, h, byService("api")).Want(200, outcome.Ended)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it waited for %s", took)
		}
		if actions := w.Report().Actions; len(actions) != 1 || actions[0].Attempt != 1 {
			t.Errorf("the report has %+v", actions)
		}
	})
}

// What Swarm declines leaves --restart.max-per-minute to others.
func TestAnEndThatWasNotBegunLeavesTheMinuteToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		var alerts []webhook.Alert
		var declined []outcome.Outcome
		pol := Usual(func(p *policy.Policy) { p.Concurrency = 20 })
		for i := range pol.MaxPerMinute {
			c := Running(TaskOf(fmt.Sprintf("s%d.1", i), fmt.Sprint("t", i)))
			cs, alerts = append(cs, c), append(alerts, Firing("name", c.Name))
			declined = append(declined, outcome.Outcome(outcome.NotReplaced))
		}
		w, h := NewWebhook(t, pol, append(cs, Running(Named("web", "web")))...)
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			if c.Task() != "" {
				return fmt.Errorf("%w: %w", engine.ErrNotBegun, engine.ErrNotReplaced)
			}
			w.Runs(c.ID)
			return nil
		})
		Post(t, h, alerts...).Want(200, declined...)
		Post(t, h, Firing("name", "web")).Want(200, outcome.Restarted)
		if got := w.Count("defib_restarts_total", "s0.1.t0", policy.TriggerAlert); got != 0 {
			t.Errorf("%v ends were counted, want none", got)
		}
	})
}

func TestLaw9AnEndThatWasNotBegunIsNotLeftToTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Running(TaskOf("api.1", "a1")))
		w.OnStart(func(ctx context.Context, _ *engine.Container) error {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", engine.ErrNotBegun, ctx.Err())
		})
		c := Post(t, h, byService("api"))
		Pass(time.Second)
		w.End()
		c.Want(503, outcome.ShuttingDown)
		if log := w.Log.String(); !strings.Contains(log, `msg="task not ended" container=api.1.a1`) || strings.Contains(log, "left to the engine") {
			t.Errorf("it is not said what became of the task:\n%s", log)
		}
	})
}

func TestLaw9TheEndOfATaskIsLeftToTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Running(TaskOf("api.1", "a1")))
		w.OnStart(func(ctx context.Context, _ *engine.Container) error { <-ctx.Done(); return ctx.Err() })
		c := Post(t, h, byService("api"))
		Pass(time.Second)
		w.End()
		if took := time.Since(w.BeganAt); took > 9*time.Second {
			t.Errorf("it took %s", took)
		}
		c.Want(503, outcome.ShuttingDown)
		if !strings.Contains(w.Log.String(), `msg="end of the task left to the engine" container=api.1.a1`) {
			t.Errorf("it is not said what became of the task:\n%s", w.Log.String())
		}
	})
}
