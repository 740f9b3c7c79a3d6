package restarter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	"defib/restarter"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/policy"
)

func TestADeathIsHealedAtOnceAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"), Up("b2", "other"))
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			w.Runs(c.ID)
			time.Sleep(time.Nanosecond) // so that the news is heard first
			return nil
		})
		Pass(time.Hour)
		w.Dies("a1")
		w.Dies("b2")
		Pass(time.Hour)
		w.WantStarts("1h0m0s web")
		if got := w.Count("defib_restarts_total", "web", "exited"); got != 1 {
			t.Errorf("defib_restarts_total %v, want 1", got)
		}
		want := `level=INFO msg="container state" container=web state=running
level=INFO msg="container state" container=web state=exited reason=in_progress
level=INFO msg="container state" container=web state=running
level=INFO msg="container started" container=web trigger=exited exit_code=1 ran_for=`
		if got := w.Log.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 4 {
			t.Errorf("log:\n%s\nwant:\n%s…", got, want)
		}
		if got := w.Log.String(); !strings.Contains(got, "attempt=1 took=0s next_wait=1s") {
			t.Errorf("log: %s", got)
		}
	})
}

func TestLaw4ACrashLoopIsNotResetByAStartThatMerelySucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.Backoff.Max = 5 * time.Second }), Up("a1", "web"))
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			w.Runs(c.ID)
			go func() { time.Sleep(time.Second); w.Dies(c.ID) }() // it lives for a second
			return nil
		})
		w.Dies("a1")
		time.Sleep(20 * time.Second)
		w.WantStarts("0s web", "2s web", "5s web", "10s web", "16s web")
		if got := w.Streak("web"); got != 5 {
			t.Errorf("streak %d, want 5", got)
		}
		w.OnStart(func(_ context.Context, c *engine.Container) error { w.Runs(c.ID); return nil })
		Pass(time.Minute)
	})
}

func TestAFailedStartIsRepeatedWithBackoffForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		w.Dies("a1")
		time.Sleep(16 * time.Second)
		w.WantStarts("0s web", "1s web", "3s web", "7s web", "15s web")
		if got := w.Count("defib_restart_failures_total", "web", "exited"); got != 5 {
			t.Errorf("defib_restart_failures_total %v, want 5", got)
		}
		before, _ := w.Begun()
		time.Sleep(24 * time.Hour)
		after, _ := w.Begun()
		if got := len(after) - len(before); got < 280 || got > 300 {
			t.Errorf("%d starts in a day, want one in 5 minutes", got)
		}
	})
}

func TestBackoffIsForgottenAfterAStayUpAndWell(t *testing.T) {
	for _, row := range []struct {
		name string
		stay func(w *World)
		want string
	}{
		{"15 minutes up", func(*World) { Pass(15 * time.Minute) }, "15m1s web"},
		{"a second less", func(*World) { Pass(15*time.Minute - time.Second) }, "15m1s web"},
		{"15 minutes up, 5 of them unhealthy", func(w *World) {
			Pass(5 * time.Minute)
			w.Edit("a1", func(c *engine.Container) { c.HealthCheck, c.Health = true, engine.Unhealthy })
			Pass(5 * time.Minute)
			w.Edit("a1", func(c *engine.Container) { c.Health = engine.Healthy })
			Pass(5 * time.Minute)
		}, "15m2s web"},
		{"15 minutes up with a restart by the engine", func(w *World) {
			Pass(5 * time.Minute)
			w.Edit("a1", func(c *engine.Container) { c.Started, c.RestartCount = time.Now(), 1 })
			Pass(10 * time.Minute)
		}, "15m2s web"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWorld(t, Usual(), Up("a1", "web"))
				Pass(time.Second)
				w.Dies("a1") // the first attempt
				row.stay(w)
				w.Dies("a1")
				Pass(10 * time.Second)
				w.WantStarts("1s web", row.want)
			})
		})
	}
}

func TestLaw2StartsAtATimeStayWithinTheConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		for i := range 20 {
			cs = append(cs, Ended(engine.CauseSelf, Named(fmt.Sprintf("%02d", i), fmt.Sprintf("batch-%d", i))))
		}
		w := NewWorld(t, Usual(), Up("a1", "web"))
		w.OnStart(func(_ context.Context, c *engine.Container) error { time.Sleep(time.Second); w.Runs(c.ID); return nil })
		w.Set(cs...)
		Pass(10 * time.Second)
		starts, most := w.Begun()
		if len(starts) != 20 || most != 4 {
			t.Fatalf("%d starts, %d at a time; want 20 and 4", len(starts), most)
		}
		if last := starts[19]; !strings.HasPrefix(last, "4s ") {
			t.Errorf("the last start came after %s, want 4s: five reconciles of four", last)
		}
	})
}

func TestAStartThatHangsKeepsItsContainerButNotItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.Concurrency = 2 }), Up("a1", "batch-1"), Up("b2", "batch-2"), Up("c3", "web"))
		w.OnStart(func(ctx context.Context, c *engine.Container) error {
			if c.Name != "web" {
				<-ctx.Done() // as on a dead network file system
				return ctx.Err()
			}
			w.Runs(c.ID)
			return nil
		})
		w.Dies("a1")
		w.Dies("b2")
		w.Dies("c3")
		Pass(time.Hour)
		w.WantStarts("0s batch-1", "0s batch-2", "2m0s web")
		w.End()
	})
}

func TestLaw2RestartsThatWaitForTheirStopTimeoutKeepTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		for i := range 4 {
			c := Up(strconv.Itoa(i), fmt.Sprintf("batch-%d", i))
			c.StopTimeout = 10 * time.Minute
			cs = append(cs, c)
		}
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.Concurrency = 2 }), cs...)
		w.OnStart(func(ctx context.Context, c *engine.Container) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(c.StopTimeout):
				w.Runs(c.ID)
				return nil
			}
		})
		for _, c := range cs {
			w.TurnsUnhealthy(c.ID)
		}
		Pass(time.Hour)
		if starts, most := w.Begun(); len(starts) != len(cs) || most != 2 {
			t.Errorf("%d restarts, %d at a time, want %d and 2", len(starts), most, len(cs))
		}
		w.End()
	})
}

func TestThoseThatFailAgainAndAgainDoNotComeBeforeAFreshDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		for i := range 30 {
			cs = append(cs, Up(fmt.Sprintf("%02d", i), fmt.Sprintf("batch-%d", i)))
		}
		w := NewWorld(t, Usual(), append(cs, Up("c3", "web"))...)
		w.OnStart(func(context.Context, *engine.Container) error {
			time.Sleep(2 * time.Minute)
			return engine.ErrNoAnswer
		})
		for _, c := range cs {
			w.Dies(c.ID)
		}
		Pass(2 * time.Hour)
		w.Dies("c3")
		died := time.Since(w.BeganAt)
		Pass(20 * time.Minute)
		starts, _ := w.Begun()
		i := slices.IndexFunc(starts, func(s string) bool { return strings.HasSuffix(s, " web") })
		if i < 0 {
			t.Errorf("died after %s and was not started in 20 minutes", died)
		}
		w.End()
	})
}

func TestNothingIsDoneOnASnapshotThatIsNotCurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		w.Publish(&engine.Snapshot{First: w.BeganAt, Containers: []*engine.Container{Ended(engine.CauseSelf)}})
		Pass(time.Hour)
		w.WantStarts()
		w.Set(Ended(engine.CauseSelf))
		w.WantStarts("1h0m0s web")
	})
}

func TestAContainerCreatedAnewStartsAfresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		w.Dies("a1")
		Pass(4 * time.Second)
		w.Set(Ended(engine.CauseSelf, Named("b2", "web")))
		w.WantStarts("0s web", "1s web", "3s web", "4s web")
		if !strings.Contains(w.Log.String(), "container=web state=removed") {
			t.Errorf("the removal is not in the log:\n%s", w.Log.String())
		}
	})
}

func TestARemovalDuringAStartLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		w.OnStart(func(context.Context, *engine.Container) error { time.Sleep(time.Second); return engine.ErrGone })
		w.Dies("a1")
		w.Set()
		Pass(2 * time.Second)
		w.Set()
		Pass(0)
		w.WantStarts("0s web")
	})
}

func TestDryRunTouchesNothingAndCountsEachCauseOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.DryRun = true }), Up("a1", "web"))
		w.Dies("a1")
		for range 3 {
			Pass(time.Minute)
			w.Set(w.Snapshot().Containers...)
		}
		w.Runs("a1") // somebody else
		Pass(time.Minute)
		w.Dies("a1")
		w.WantStarts()
		if got := w.Count("defib_dry_run_actions_total", "web", "exited"); got != 2 {
			t.Errorf("defib_dry_run_actions_total %v, want 2", got)
		}
		if got := strings.Count(w.Log.String(), `msg="would start container"`); got != 2 {
			t.Errorf("%d lines in the log, want 2", got)
		}
	})
}

func TestLaw9ShutdownBeginsNothingAndLetsStartsEnd(t *testing.T) {
	for _, row := range []struct {
		name  string
		takes time.Duration
		want  time.Duration
	}{
		{"a start that ends in time", 3 * time.Second, 3 * time.Second},
		{"a start that hangs", time.Hour, 8 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWorld(t, Usual(func(p *policy.Policy) { p.Concurrency = 1 }), Up("a1", "web"), Up("b2", "batch-1"))
				var cut bool
				w.OnStart(func(ctx context.Context, c *engine.Container) error {
					select {
					case <-ctx.Done():
						cut = true
						return ctx.Err()
					case <-time.After(row.takes):
						w.Runs(c.ID)
						return nil
					}
				})
				w.Dies("a1")
				w.Dies("b2")
				w.Stop()
				began := time.Now()
				if err := <-w.Stopped; err != nil {
					t.Errorf("Run returned %v", err)
				}
				if got := time.Since(began); got != row.want {
					t.Errorf("it took %s, want %s", got, row.want)
				}
				if cut != (row.takes > restarter.ShutdownGrace) {
					t.Errorf("the start was cut off: %t", cut)
				}
				w.WantStarts("0s web")
			})
		})
	}
}

func TestAMisspeltLabelIsWarnedAboutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Ended("", Named("a1", "other"), State(engine.Running), Labelled("defib.enabel", "true"))
		w := NewWorld(t, Usual(), c)
		w.Set(Up("b2", "web"), c)
		Pass(time.Hour)
		if got := strings.Count(w.Log.String(), "unknown label"); got != 1 {
			t.Errorf("%d warnings, want 1:\n%s", got, w.Log.String())
		}
	})
}
