package restarter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

func TestAnUnhealthyContainerIsRestartedAndTheLogSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		Pass(time.Hour)
		w.TurnsUnhealthy("a1")
		Pass(3 * time.Second)
		w.Recovers("a1")
		Pass(time.Hour)
		w.WantStarts("1h0m0s web")
		if !strings.Contains(w.Log.String(), `health_output="connection refused"`) {
			t.Errorf("the log does not say what the health check said:\n%s", &w.Log)
		}
		if count, sum := w.Recoveries(t, policy.TriggerUnhealthy); count != 1 || sum != 3 {
			t.Errorf("%d recoveries, %v s in all; want 1 and 3 s", count, sum)
		}
		if got := w.Count("defib_restarts_total", "web", "unhealthy"); got != 1 {
			t.Errorf("defib_restarts_total %v, want 1", got)
		}
	})
}

func TestAnUnhealthyContainerIsGivenTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.UnhealthyFor = time.Minute }), Up("a1", "web"))
		w.TurnsUnhealthy("a1")
		Pass(50 * time.Second)
		w.Recovers("a1")
		Pass(50 * time.Second)
		w.TurnsUnhealthy("a1") // from now on
		Pass(time.Hour)
		w.WantStarts("2m40s web")
	})
}

// An engine announces a change of health once: what comes while nothing may be
// done must not be lost.
func TestWhatTurnsUnhealthyDuringTheBackoffIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.Backoff.Initial = time.Minute }), Up("a1", "web"))
		w.Dies("a1")
		Pass(time.Second)
		w.TurnsUnhealthy("a1")
		w.WantHeld("web", outcome.BackOff)
		Pass(time.Hour)
		w.WantStarts("0s web", "1m0s web")
	})
}

func TestARestartThatDoesNotHelpAnUnhealthyContainerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 3 }), Up("a1", "web"))
		for range 10 {
			w.TurnsUnhealthy("a1")
			Pass(10 * time.Minute)
		}
		w.WantHeld("web", outcome.GaveUp)
		if starts, _ := w.Begun(); len(starts) != 3 {
			t.Errorf("restarts %v, want 3", starts)
		}
		w.Dies("a1") // starting what is down is another matter
		Pass(time.Minute)
		if starts, _ := w.Begun(); len(starts) != 4 {
			t.Errorf("starts %v, want one more after the death", starts)
		}
	})
}

func TestAContainerIsGivenUpAfterAttemptsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web := Up("a1", "web")
		web.Labels = map[string]string{policy.LabelMaxAttempts: "2"}
		w := NewWorld(t, Usual(), web)
		for range 5 {
			w.TurnsUnhealthy("a1")
			Pass(10 * time.Minute)
		}
		w.WantHeld("web", outcome.GaveUp)
		if starts, _ := w.Begun(); len(starts) != 2 || !w.Standing("web").GaveUp {
			t.Errorf("restarts %v, want 2; given up: %t", starts, w.Standing("web").GaveUp)
		}
	})
}

// An engine that cannot kill a container leaves it running, and unhealthy. That does not
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
			w := NewWorld(t, Usual(growing), Up("a1", "web"))
			w.OnStart(func(context.Context, *engine.Container) error { return fault })
			w.TurnsUnhealthy("a1")
			Pass(24 * time.Hour)
			starts, _ := w.Begun()
			if given := w.Standing("web").GaveUp; given != (want > 0) || given && len(starts) != want {
				t.Errorf("%v: given up: %v, after the restarts %v, want %d", fault, given, starts, want)
			}
		})
	}
}

func TestAFaultThatPassesIsNoReasonToGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("containerd is away") })
		w.TurnsUnhealthy("a1")
		Pass(time.Minute)
		w.OnStart(func(_ context.Context, c *engine.Container) error { w.Runs(c.ID); return nil })
		Pass(time.Minute)
		w.WantHeld("web", "")
	})
}

// What came of a restart may be told before the news of the same.
func TestLaw2OurOwnRestartIsNotTakenForSomebodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 3 }), Up("a1", "web"))
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			fresh := *c
			fresh.Started, fresh.StartSeenAt, fresh.Health, fresh.UnhealthySince = time.Now(), time.Now(), engine.Starting, time.Time{}
			w.Replace(&fresh)
			return nil
		})
		for range 10 {
			w.TurnsUnhealthy("a1")
			Pass(10 * time.Minute)
		}
		w.WantHeld("web", outcome.GaveUp)
		if starts, _ := w.Begun(); len(starts) != 3 {
			t.Errorf("restarts %v, want 3", starts)
		}
	})
}

func TestAChildIsRestartedOnceItsNetworkParentRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Family("web", "vpn")...) // nobody whitelisted vpn
		Pass(time.Minute)
		w.WantStarts()
		w.Dies("b2")
		w.WantHeld("web", outcome.ParentDown)
		Pass(time.Minute)
		w.WantStarts()
		w.Runs("b2")
		Pass(time.Hour)
		w.WantStarts("2m0s web")
		w.WantHeld("web", "")
	})
}

func TestTheChildFollowsAParentThatDefibStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Family("web", "batch-vpn")...)
		Pass(time.Minute)
		w.Dies("b2")
		Pass(time.Hour)
		w.WantStarts("1m0s batch-vpn", "1m0s web")
		if got := w.Count("defib_restarts_total", "web", "dependency"); got != 1 {
			t.Errorf("defib_restarts_total %v, want 1", got)
		}
	})
}

// The child looks orphaned for as long as the engine's clock was set back.
func TestAChildOnAClockThatWasSetBackIsRestartedOnceAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := Family("web", "batch-vpn")
		cs[1].Started = time.Now().Add(2 * time.Hour)
		w := NewWorld(t, Usual(), cs...)
		Pass(time.Hour)
		w.WantStarts("0s web")
		if tie := w.Standing("web").Tie; tie.Lost {
			t.Errorf("the report calls the child orphaned, though Defib has restarted it: %+v", tie)
		}
		w.Dies("b2")
		w.Runs("b2") // on the right clock
		Pass(time.Minute)
		w.Edit("b2", func(c *engine.Container) { c.Started = time.Now() }) // a run of its own
		Pass(time.Hour)
		if starts, _ := w.Begun(); len(starts) != 4 {
			t.Errorf("%v, want that each run of the parent's is joined", starts)
		}
	})
}

func TestDryRunCountsOnceHoweverLongItIsUnhealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.DryRun = true }), Up("a1", "web"))
		for range 2 {
			w.TurnsUnhealthy("a1")
			Pass(time.Minute)
			w.Set(w.Snapshot().Containers...)
			Pass(time.Minute)
			w.Recovers("a1")
		}
		w.WantStarts()
		if got := strings.Count(w.Log.String(), `msg="would restart container"`); got != 2 {
			t.Errorf("%d lines in the log, want 2", got)
		}
	})
}

// An alert fires on several days, and is repeated while the container stays unhealthy.
func TestDryRunCountsEachFiringOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.DryRun = true }), Up("a1", "web"))
		w.TurnsUnhealthy("a1")
		first := Firing("container", "web")
		for range 3 {
			Pass(time.Second)
			a := Firing("container", "web")
			for range 3 {
				Post(t, h, a, Firing("container", "web", "heal", "start")).Want(200, outcome.Outcome(outcome.DryRun), outcome.AlreadyRunning)
				Post(t, h, first).Want(200, outcome.Outcome(outcome.DryRun))
				Pass(time.Hour)
			}
			Pass(24 * time.Hour)
		}
		for trigger, want := range map[policy.Trigger]float64{policy.TriggerAlert: 3, policy.TriggerUnhealthy: 1} {
			if got := w.Count("defib_dry_run_actions_total", "web", trigger); got != want {
				t.Errorf("counts %v of the trigger %s, want %v", got, trigger, want)
			}
		}
	})
}

func TestRefusedRestartsAreNoReasonToGiveUpNorToCountStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return engine.ErrRefused })
		for range 6 {
			w.TurnsUnhealthy("a1")
			Pass(5 * time.Minute)
			w.Runs("a1") // somebody restarts it
			Pass(5 * time.Minute)
		}
		w.TurnsUnhealthy("a1")
		w.WantHeld("web", outcome.Refused)
		if got := w.Streak("web"); got != 0 {
			t.Errorf("the streak is %d though nothing was ever started, want 0", got)
		}
	})
}

func TestRefusedRestartsAreDoneOnceTheyAreAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return engine.ErrRefused })
		w.TurnsUnhealthy("a1")
		Pass(time.Hour)
		w.WantHeld("web", outcome.Refused)
		w.OnStart(func(_ context.Context, c *engine.Container) error { w.Runs(c.ID); return nil })
		Pass(time.Hour)
		w.WantHeld("web", "")
	})
}

// What somebody else fixes after a restart of ours has failed is no recovery of ours.
func TestARestartThatFailsIsNoRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("cannot kill container") })
		w.TurnsUnhealthy("a1")
		Pass(100 * time.Millisecond)
		w.Recovers("a1")
		w.Runs("a1")
		Pass(time.Minute)
		if count, _ := w.Recoveries(t, policy.TriggerUnhealthy); count != 0 {
			t.Errorf("%d recoveries, want none", count)
		}
	})
}

func TestSomebodyWhoStartsWhatDefibCouldNotEndsTheGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 1 }), Up("a1", "web"))
		w.TurnsUnhealthy("a1")
		Pass(10 * time.Minute)
		w.TurnsUnhealthy("a1")
		w.WantHeld("web", outcome.GaveUp)
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("port is already allocated") })
		w.Dies("a1")
		Pass(time.Minute)
		w.Runs("a1")
		w.TurnsUnhealthy("a1")
		w.WantHeld("web", outcome.BackOff)
	})
}

// A start that is answered late is no restart of what runs, nor somebody else's.
func TestLateStartsAreNoRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), Up("a1", "web"))
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			go func() { time.Sleep(10 * time.Second); w.Runs(c.ID) }()
			return engine.ErrNoAnswer
		})
		for range 3 {
			w.Dies("a1")
			Pass(5 * time.Minute)
		}
		w.OnStart(func(_ context.Context, c *engine.Container) error { w.Runs(c.ID); return nil })
		w.TurnsUnhealthy("a1")
		Pass(5 * time.Minute)
		w.WantHeld("web", "")
		if got := w.Count("defib_restarts_total", "web", "unhealthy"); got != 1 {
			t.Errorf("%v restarts for its health, want 1", got)
		}
	})
}

func TestLaw2AStartByTheEnginesPolicyDoesNotEndTheGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.MaxAttempts = 1 }), Up("a1", "web"))
		w.TurnsUnhealthy("a1")
		Pass(5 * time.Minute)
		w.Edit("a1", func(c *engine.Container) { c.RestartCount, c.Started = 1, time.Now() })
		w.TurnsUnhealthy("a1")
		w.WantHeld("web", outcome.GaveUp)
	})
}
