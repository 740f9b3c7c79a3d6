package restarter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/policy"
)

func TestStatusTellsWhatIsAndWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.Whitelist = Patterns("web,batch-*,missing") }),
			Up("a1", "web"), Up("b2", "other"), Up("c3", "batch-1"), Up("d4", "batch-2"))
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		w.Dies("a1")
		w.Edit("c3", func(c *engine.Container) { c.State = engine.Paused })
		synctest.Wait()
		// The bubble's clock begins at midnight, 2000-01-01.
		want := `
# HELP defib_container_gave_up 1 if Defib has given up restarting the container because restarts did not help.
# TYPE defib_container_gave_up gauge
defib_container_gave_up{name="batch-1"} 0
defib_container_gave_up{name="batch-2"} 0
defib_container_gave_up{name="web"} 0
# HELP defib_container_held 1 for the reason why a whitelisted container that is down, unhealthy or named by an alert is left alone now.
# TYPE defib_container_held gauge
defib_container_held{name="batch-1",reason="paused"} 1
defib_container_held{name="web",reason="back_off"} 1
# HELP defib_container_next_attempt_timestamp_seconds When Defib next checks a container that is held for a time, in Unix time.
# TYPE defib_container_next_attempt_timestamp_seconds gauge
defib_container_next_attempt_timestamp_seconds{name="web"} 9.46684801e+08
# HELP defib_container_restart_streak Starts and restarts, Defib's and the engine's, since the container last stayed up and healthy for --restart.backoff-reset, except for the trigger dependency.
# TYPE defib_container_restart_streak gauge
defib_container_restart_streak{name="batch-1"} 0
defib_container_restart_streak{name="batch-2"} 0
defib_container_restart_streak{name="other"} 0
defib_container_restart_streak{name="web"} 1
# HELP defib_container_whitelisted 1 if the container is whitelisted.
# TYPE defib_container_whitelisted gauge
defib_container_whitelisted{name="batch-1"} 1
defib_container_whitelisted{name="batch-2"} 1
defib_container_whitelisted{name="other"} 0
defib_container_whitelisted{name="web"} 1
# HELP defib_whitelist_matches Number of containers that the whitelist entry matches.
# TYPE defib_whitelist_matches gauge
defib_whitelist_matches{entry="batch-*"} 2
defib_whitelist_matches{entry="missing"} 0
defib_whitelist_matches{entry="web"} 1
`
		if err := testutil.CollectAndCompare(w.Status(), strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}

func TestCountersExistBeforeTheFirstDeathAndGoWithTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"), Up("b2", "other"))
		series := func() int {
			return testutil.CollectAndCount(w.Counts(), "defib_restarts_total") / len(policy.AllTriggers)
		}
		if got := series(); got != 1 {
			t.Errorf("%d names in defib_restarts_total, want web", got)
		}
		gone := func(departed ...engine.Departed) {
			w.Publish(&engine.Snapshot{Connected: true, First: w.BeganAt, Listed: time.Now(), Departed: departed})
			synctest.Wait()
		}
		Pass(time.Second)
		gone(engine.Departed{Name: "web"})
		if got := series(); got != 1 {
			t.Errorf("%d names while the name has just gone, want 1", got)
		}
		Pass(time.Second)
		gone()
		if got := series(); got != 0 {
			t.Errorf("%d names after the name was forgotten, want 0", got)
		}
	})
}

func TestCountersExistForTheTriggersThatAreOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(Triggers(policy.TriggerExited)), Up("a1", "web"), Ended("", Named("b2", "batch-1"), State(engine.Running), Labelled(policy.LabelTriggers, "alert,unhealthy")))
		if got := testutil.CollectAndCount(w.Counts(), "defib_restart_failures_total"); got != 3 {
			t.Errorf("%d counters, want one for web and two for batch-1", got)
		}
	})
}

func TestWhatIsCountedNeverChangesWithoutItsVersion(t *testing.T) {
	for name, pol := range map[string]policy.Policy{"in earnest": Usual(), "dry run": Usual(func(p *policy.Policy) { p.DryRun = true })} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWorld(t, pol, Up("a1", "web"))
				text := func() string {
					got, err := testutil.CollectAndFormat(w.Counts(), expfmt.TypeTextPlain,
						"defib_restarts_total", "defib_restart_failures_total", "defib_dry_run_actions_total")
					if err != nil {
						t.Fatal(err)
					}
					return string(got)
				}
				before, version := text(), w.Counts().Version()
				if got := strings.Contains(before, "defib_dry_run_actions_total"); got != pol.DryRun {
					t.Errorf("what a dry run does is exposed: %v", got)
				}
				changes := 0
				look := func(what string) {
					t.Helper()
					synctest.Wait()
					now, newest := text(), w.Counts().Version()
					if now != before {
						changes++
						if newest == version {
							t.Errorf("%s changed what is counted, and not its version", what)
						}
					}
					before, version = now, newest
				}
				w.OnStart(func(context.Context, *engine.Container) error { return errors.New("no") })
				w.Dies("a1")
				look("a start that failed, or would have been")
				w.Publish(&engine.Snapshot{Connected: true, First: w.BeganAt, Listed: time.Now().Add(time.Second)})
				look("a name that went")
				if changes != 2 {
					t.Errorf("%d changes, want 2", changes)
				}
			})
		})
	}
}

func TestRecoveryIsMeasuredFromTheDeathUntilHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Up("a1", "web")
		c.HealthCheck, c.Health = true, engine.Healthy
		w := NewWorld(t, Usual(), c)
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			time.Sleep(300 * time.Millisecond)
			w.Runs(c.ID)
			w.Edit(c.ID, func(c *engine.Container) { c.Health = engine.Starting })
			return nil
		})
		w.Dies("a1")
		Pass(2 * time.Second)
		w.Dies("a1") // before it was healthy: the first cause still waits
		Pass(2 * time.Second)
		w.Edit("a1", func(c *engine.Container) { c.Health = engine.Healthy })
		Pass(time.Hour)

		if count, sum := w.Recoveries(t, policy.TriggerExited); count != 1 || sum != 4 {
			t.Errorf("%d recoveries, %v s in all; want 1 and 4 s", count, sum)
		}
	})
}

func TestRecoveryIsNotMeasuredFromBeforeDefibStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Ended(engine.CauseSelf, func(c *engine.Container) { c.ExitSeenAt = time.Now().Add(-20 * 24 * time.Hour) }))
		Pass(time.Second)
		if count, sum := w.Recoveries(t, policy.TriggerExited); count != 1 || sum != 0 {
			t.Errorf("%d recoveries, %v s in all; want 1 and 0 s", count, sum)
		}
	})
}

func TestAStopEndsTheWaitForARecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Up("a1", "web")
		c.HealthCheck, c.Health = true, engine.Healthy
		w := NewWorld(t, Usual(Mode(policy.UnlessStopped)), c)
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			w.Runs(c.ID)
			w.Edit(c.ID, func(c *engine.Container) { c.Health = engine.Starting })
			return nil
		})
		w.Dies("a1")
		Pass(time.Second)
		w.Edit("a1", func(c *engine.Container) {
			c.State, c.ExitCause, c.ExitSeenAt = engine.Exited, engine.CauseStopped, time.Now()
		})
		Pass(24 * time.Hour)
		w.Runs("a1") // its owner
		w.Edit("a1", func(c *engine.Container) { c.Health = engine.Healthy })
		Pass(time.Second)
		if count, sum := w.Recoveries(t, policy.TriggerExited); count != 0 {
			t.Errorf("%d recoveries, %v s in all; want none", count, sum)
		}
	})
}

func TestTheStreakCountsTheEnginesRestartsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Up("a1", "other")
		c.RestartCount = 7 // before Defib's time
		w := NewWorld(t, Usual(), c)
		restarts := func(n int) {
			w.Edit("a1", func(c *engine.Container) { c.RestartCount, c.Started = n, time.Now() })
			Pass(time.Second)
		}
		restarts(8)
		restarts(10)
		restarts(0) // started through the API
		restarts(1)
		if got := w.Streak("other"); got != 4 {
			t.Errorf("streak %d, want 4", got)
		}
		Pass(15 * time.Minute)
		if got := w.Streak("other"); got != 0 {
			t.Errorf("streak %d after a stay of 15 minutes, want 0", got)
		}
	})
}
