package restarter_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/policy"
	"defib/restarter/webhook"
)

// What a life of Defib leaves to the engine, and the next one finds under way.

// slowToStop is a container that has run well for an hour.
func slowToStop(id, name string) *engine.Container {
	c := Up(id, name)
	c.HealthCheck, c.Health, c.StopTimeout = true, engine.Healthy, 30*time.Second
	c.StartSeenAt, c.Started = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)
	return c
}

// endless is a life in which no action comes to its end.
func (d *disk) endless(p policy.Policy, cs ...*engine.Container) *World {
	w := d.life(p, cs...)
	w.OnStart(func(ctx context.Context, _ *engine.Container) error {
		<-ctx.Done()
		return fmt.Errorf("%w: %w", engine.ErrNoAnswer, ctx.Err())
	})
	return w
}

// overLives runs a test with lives that end by SIGTERM, and with such as end by SIGKILL.
func overLives(t *testing.T, test func(t *testing.T, d *disk, end func(w *World))) {
	t.Helper()
	t.Run("SIGTERM", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, &disk{t: t}, (*World).End) })
	})
	t.Run("SIGKILL", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := &disk{t: t}
			test(t, d, d.kill)
		})
	})
}

func TestLaw4RestartsThatWereLeftToTheEngineCount(t *testing.T) {
	overLives(t, func(t *testing.T, d *disk, end func(w *World)) {
		c, restarts := slowToStop("a1", "web"), 0
		for range 6 {
			w := d.endless(Usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), c)
			w.TurnsUnhealthy("a1")
			Pass(90 * time.Second)
			begun, _ := w.Begun()
			end(w)
			if restarts += len(begun); len(begun) > 0 { // the engine carries on with it
				c = slowToStop("a1", "web")
				c.Started, c.StartSeenAt = time.Now(), time.Now()
			}
		}
		if restarts != 2 {
			t.Errorf("%d restarts that did not help, want 2", restarts)
		}
	})
}

func TestLaw2RestartThatWasLeftToTheEngineIsNotBegunAgain(t *testing.T) {
	overLives(t, func(t *testing.T, d *disk, end func(w *World)) {
		w := d.endless(Usual(), slowToStop("a1", "web"))
		w.TurnsUnhealthy("a1")
		Pass(2 * time.Second)
		still := w.Snapshot().Containers
		end(w)
		Pass(2 * time.Second)
		w = d.endless(Usual(), still...)
		Pass(40 * time.Second)
		w.WantStarts()
		Pass(time.Minute) // but it must not be waited for in vain
		if begun, _ := w.Begun(); len(begun) != 1 {
			t.Errorf("begun again: %v, want once", begun)
		}
		w.End()
	})
}

func TestLaw2RestartsThatWereLeftToTheEngineKeepTheirPlaces(t *testing.T) {
	overLives(t, func(t *testing.T, d *disk, end func(w *World)) {
		var cs []*engine.Container
		for i := range 8 {
			cs = append(cs, slowToStop(fmt.Sprint(i), fmt.Sprint("batch-", i)))
		}
		w := d.endless(Usual(), cs...)
		for _, c := range cs {
			w.TurnsUnhealthy(c.ID)
		}
		Pass(2 * time.Second)
		if begun, _ := w.Begun(); len(begun) != 4 {
			t.Fatalf("begun: %v, want 4", begun)
		}
		still := w.Snapshot().Containers
		end(w)
		Pass(time.Second)
		w = d.endless(Usual(), still...)
		Pass(40 * time.Second)
		w.WantStarts()
		Pass(time.Minute)
		if begun, _ := w.Begun(); len(begun) != 4 {
			t.Errorf("begun then: %v, want 4", begun)
		}
		w.End()
	})
}

func TestLaw7AlertWhoseRestartWasLeftToTheEngineIsNotActedOnAgain(t *testing.T) {
	overLives(t, func(t *testing.T, d *disk, end func(w *World)) {
		w := d.endless(Usual(), slowToStop("a1", "web"))
		alert := Firing("container", "web")
		ctx, leave := context.WithCancel(t.Context())
		call := PostUntil(ctx, t, webhook.New(w.Restarter, webhook.Guard{}, nil, w.Logger), alert)
		Pass(2 * time.Second)
		still := w.Snapshot().Containers
		end(w)
		leave()
		<-call.Done
		w = d.endless(Usual(), still...)
		Pass(2 * time.Second)
		<-Post(t, webhook.New(w.Restarter, webhook.Guard{}, nil, w.Logger), alert).Done // Alertmanager tries again
		w.WantStarts()
		w.End()
	})
}
