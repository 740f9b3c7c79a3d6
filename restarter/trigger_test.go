package restarter

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"defib/engine"
	"defib/restarter/policy"
)

// sickens makes a container that runs unhealthy.
func (w *world) sickens(id string) {
	w.edit(id, func(c *engine.Container) {
		c.HealthCheck, c.Health, c.HealthOutput, c.UnhealthySince = true, engine.Unhealthy, "connection refused", time.Now()
	})
	synctest.Wait()
}

// recovers makes it healthy.
func (w *world) recovers(id string) {
	w.edit(id, func(c *engine.Container) {
		c.Health, c.HealthOutput, c.UnhealthySince = engine.Healthy, "", time.Time{}
	})
	synctest.Wait()
}

func TestAnUnhealthyContainerIsRestartedAndTheLogSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"))
		pass(time.Hour)
		w.sickens("a1")
		pass(3 * time.Second)
		w.recovers("a1")
		pass(time.Hour)
		w.wantStarts("1h0m0s web")
		if !strings.Contains(w.log.String(), `health_output="connection refused"`) {
			t.Errorf("the log does not say what the health check said:\n%s", &w.log)
		}
		if count, sum := w.recoveries(t, policy.TriggerUnhealthy); count != 1 || sum != 3 {
			t.Errorf("%d recoveries, %v s in all; want 1 and 3 s", count, sum)
		}
		if got := testutil.ToFloat64(w.metrics.restarts.vec.WithLabelValues("web", "unhealthy")); got != 1 {
			t.Errorf("defib_restarts_total %v, want 1", got)
		}
	})
}

func TestASicknessMustLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.UnhealthyFor = time.Minute }), up("a1", "web"))
		w.sickens("a1")
		pass(50 * time.Second)
		w.recovers("a1")
		pass(50 * time.Second)
		w.sickens("a1") // from now on
		pass(time.Hour)
		w.wantStarts("2m40s web")
	})
}

// An engine announces a change of health once: what comes while nothing may be
// done must not be lost.
func TestASicknessDuringTheBackoffIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.Backoff.Initial = time.Minute }), up("a1", "web"))
		w.dies("a1")
		pass(time.Second)
		w.sickens("a1")
		w.wantHeld("web", BackOff)
		pass(time.Hour)
		w.wantStarts("0s web", "1m0s web")
	})
}

func TestARestartThatDoesNotHelpASickContainerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.MaxAttempts = 3 }), up("a1", "web"))
		for range 10 {
			w.sickens("a1")
			pass(10 * time.Minute)
		}
		w.wantHeld("web", GaveUp)
		if starts, _ := w.begun(); len(starts) != 3 {
			t.Errorf("restarts %v, want 3", starts)
		}
		w.dies("a1") // starting what is down is another matter
		pass(time.Minute)
		if starts, _ := w.begun(); len(starts) != 4 {
			t.Errorf("starts %v, want one more after the death", starts)
		}
	})
}

// An engine that cannot kill a container leaves it running, and sick. That does not
// count while the waits still grow: here, before the fourth attempt.
func TestLaw2RestartsThatFailComeToAnEnd(t *testing.T) {
	growing := func(p *policy.Policy) {
		p.MaxAttempts, p.Backoff.Initial, p.Backoff.Max = 3, time.Minute, 8*time.Minute
	}
	for fault, want := range map[error]int{
		errors.New("cannot kill container: did not receive an exit event"): 3 + 3,
		engine.ErrNoAnswer: 3,
		engine.ErrRefused:  0, // never given up
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, usual(growing), up("a1", "web"))
			w.onStart(func(context.Context, *engine.Container) error { return fault })
			w.sickens("a1")
			pass(24 * time.Hour)
			starts, _ := w.begun()
			if given := w.standing("web").GaveUp; given != (want > 0) || given && len(starts) != want {
				t.Errorf("%v: given up: %v, after the restarts %v, want %d", fault, given, starts, want)
			}
		})
	}
}

func TestAFaultThatPassesIsNoReasonToGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("containerd is away") })
		w.sickens("a1")
		pass(time.Minute)
		w.onStart(func(_ context.Context, c *engine.Container) error { w.runs(c.ID); return nil })
		pass(time.Minute)
		w.wantHeld("web", "")
	})
}

// What came of a restart may be told before the news of the same.
func TestLaw2OurOwnRestartIsNotTakenForSomebodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.MaxAttempts = 3 }), up("a1", "web"))
		w.onStart(func(_ context.Context, c *engine.Container) error {
			fresh := *c
			fresh.Started, fresh.StartSeenAt, fresh.Health, fresh.UnhealthySince = time.Now(), time.Now(), engine.Starting, time.Time{}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.snapshot = &engine.Snapshot{Connected: true, First: w.began, Listed: time.Now(), Containers: []*engine.Container{&fresh}}
			return nil
		})
		for range 10 {
			w.sickens("a1")
			pass(10 * time.Minute)
		}
		w.wantHeld("web", GaveUp)
		if starts, _ := w.begun(); len(starts) != 3 {
			t.Errorf("restarts %v, want 3", starts)
		}
	})
}

// family returns a container that lives in the network of another, and that one;
// both came up just now.
func family(child, parent string) []*engine.Container {
	cs := []*engine.Container{up("a1", child), up("b2", parent)}
	childOf(parent)(cs[0])
	for _, c := range cs {
		c.Started, c.StartSeenAt = time.Now(), time.Now()
	}
	return cs
}

func TestAChildIsRestartedOnceItsNetworkParentRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), family("web", "vpn")...) // nobody whitelisted vpn
		pass(time.Minute)
		w.wantStarts()
		w.dies("b2")
		w.wantHeld("web", ParentDown)
		pass(time.Minute)
		w.wantStarts()
		w.runs("b2")
		pass(time.Hour)
		w.wantStarts("2m0s web")
		w.wantHeld("web", "")
	})
}

func TestTheChildFollowsAParentThatDefibStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), family("web", "batch-vpn")...)
		pass(time.Minute)
		w.dies("b2")
		pass(time.Hour)
		w.wantStarts("1m0s batch-vpn", "1m0s web")
		if got := testutil.ToFloat64(w.metrics.restarts.vec.WithLabelValues("web", "dependency")); got != 1 {
			t.Errorf("defib_restarts_total %v, want 1", got)
		}
	})
}

// The child looks orphaned for as long as the engine's clock was set back.
func TestAChildOnAClockThatWasSetBackIsRestartedOnceAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := family("web", "batch-vpn")
		cs[1].Started = time.Now().Add(2 * time.Hour)
		w := newWorld(t, usual(), cs...)
		pass(time.Hour)
		w.wantStarts("0s web")
		w.dies("b2")
		w.runs("b2") // on the right clock
		pass(time.Minute)
		w.edit("b2", func(c *engine.Container) { c.Started = time.Now() }) // a run of its own
		pass(time.Hour)
		if starts, _ := w.begun(); len(starts) != 4 {
			t.Errorf("%v, want that each run of the parent's is joined", starts)
		}
	})
}

func TestDryRunCountsEachSicknessOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.DryRun = true }), up("a1", "web"))
		for range 2 {
			w.sickens("a1")
			pass(time.Minute)
			w.set(w.Snapshot().Containers...)
			pass(time.Minute)
			w.recovers("a1")
		}
		w.wantStarts()
		if got := strings.Count(w.log.String(), `msg="would restart container"`); got != 2 {
			t.Errorf("%d lines in the log, want 2", got)
		}
	})
}

// An alert fires on several days, and is repeated beside a sickness that lasts.
func TestDryRunCountsEachFiringOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.DryRun = true }), up("a1", "web"))
		w.sickens("a1")
		first := firing("container", "web")
		for range 3 {
			pass(time.Second)
			a := firing("container", "web")
			for range 3 {
				post(t, h, a, firing("container", "web", "heal", "start")).want(200, Outcome(DryRun), AlreadyRunning)
				post(t, h, first).want(200, Outcome(DryRun))
				pass(time.Hour)
			}
			pass(24 * time.Hour)
		}
		for trigger, want := range map[policy.Trigger]float64{policy.TriggerAlert: 3, policy.TriggerUnhealthy: 1} {
			if got := testutil.ToFloat64(w.metrics.dryRuns.vec.WithLabelValues("web", string(trigger))); got != want {
				t.Errorf("counts %v of the trigger %s, want %v", got, trigger, want)
			}
		}
	})
}

// wantHeld checks the reason why a container is left alone; "" is none.
func (w *world) wantHeld(name string, want Reason) {
	w.t.Helper()
	if got := w.standing(name).Reason; got != want {
		w.t.Errorf("%s is held for %q, want %q", name, got, want)
	}
}

func TestRefusedRestartsAreNoReasonToGiveUpNorToCountStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return engine.ErrRefused })
		for range 6 {
			w.sickens("a1")
			pass(5 * time.Minute)
			w.runs("a1") // somebody restarts it
			pass(5 * time.Minute)
		}
		w.sickens("a1")
		w.wantHeld("web", Refused)
		if got := w.streak("web"); got != 0 {
			t.Errorf("the streak is %d though nothing was ever started, want 0", got)
		}
	})
}

func TestRefusedRestartsAreDoneOnceTheyAreAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return engine.ErrRefused })
		w.sickens("a1")
		pass(time.Hour)
		w.wantHeld("web", Refused)
		w.onStart(func(_ context.Context, c *engine.Container) error { w.runs(c.ID); return nil })
		pass(time.Hour)
		w.wantHeld("web", "")
	})
}

// What somebody else mends after a restart of ours has failed is no recovery of ours.
func TestARestartThatFailsIsNoRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("cannot kill container") })
		w.sickens("a1")
		pass(100 * time.Millisecond)
		w.recovers("a1")
		w.runs("a1")
		pass(time.Minute)
		if count, _ := w.recoveries(t, policy.TriggerUnhealthy); count != 0 {
			t.Errorf("%d recoveries, want none", count)
		}
	})
}

func TestSomebodyWhoStartsWhatDefibCouldNotEndsTheGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.MaxAttempts = 1 }), up("a1", "web"))
		w.sickens("a1")
		pass(10 * time.Minute)
		w.sickens("a1")
		w.wantHeld("web", GaveUp)
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("port is already allocated") })
		w.dies("a1")
		pass(time.Minute)
		w.runs("a1")
		w.sickens("a1")
		w.wantHeld("web", BackOff)
	})
}

// A start that is answered late is no restart of what runs, nor somebody else's.
func TestLateStartsAreNoRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), up("a1", "web"))
		w.onStart(func(_ context.Context, c *engine.Container) error {
			go func() { time.Sleep(10 * time.Second); w.runs(c.ID) }()
			return engine.ErrNoAnswer
		})
		for range 3 {
			w.dies("a1")
			pass(5 * time.Minute)
		}
		w.onStart(func(_ context.Context, c *engine.Container) error { w.runs(c.ID); return nil })
		w.sickens("a1")
		pass(5 * time.Minute)
		w.wantHeld("web", "")
		if got := testutil.ToFloat64(w.metrics.restarts.vec.WithLabelValues("web", "unhealthy")); got != 1 {
			t.Errorf("%v restarts for its health, want 1", got)
		}
	})
}

func TestLaw2AStartByTheEnginesPolicyDoesNotEndTheGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.MaxAttempts = 1 }), up("a1", "web"))
		w.sickens("a1")
		pass(5 * time.Minute)
		w.edit("a1", func(c *engine.Container) { c.RestartCount, c.Started = 1, time.Now() })
		w.sickens("a1")
		w.wantHeld("web", GaveUp)
	})
}
