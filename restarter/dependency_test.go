package restarter_test

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
)

// A parent that was killed six times, 25 s apart, whatever brings it back: each run
// of it is a new cause, and says nothing of its child.
func TestLaw2AChildIsNotGivenUpForItsParentsRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Family("web", "vpn")...)
		for range 12 {
			Pass(25 * time.Second)
			w.Dies("b2")
			w.Runs("b2")
		}
		Pass(5 * time.Minute)
		w.WantHeld("web", "")
		p := w.Snapshot()
		if !p.Get("a1").Started.After(p.Get("b2").Started) {
			t.Error("the child has not joined its parent's network")
		}
		if s := w.Standing("web"); s.GaveUp || s.Streak != 0 {
			t.Errorf("given up: %t, streak %d; want neither", s.GaveUp, s.Streak)
		}
	})
}

func TestLaw2AllChildrenOfOneParentAreRestartedWithinTheConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := Family("batch-00", "vpn")
		for i := range 13 {
			c := Up(fmt.Sprintf("c%02d", i), fmt.Sprintf("batch-%02d", i+1))
			c.Started, c.StartSeenAt = time.Now(), time.Now()
			ChildOf("vpn")(c)
			cs = append(cs, c)
		}
		w := NewWorld(t, Usual(), append(cs, Up("d1", "web"))...)
		w.OnStart(func(_ context.Context, c *engine.Container) error { time.Sleep(time.Second); w.Runs(c.ID); return nil })
		Pass(time.Hour)
		w.Runs("b2")
		Pass(10 * time.Second)
		if starts, most := w.Begun(); len(starts) != 14 || most != 4 {
			t.Errorf("%d restarts, %d at a time; want 14 and 4", len(starts), most)
		}
		w.TurnsUnhealthy("d1") // the limit is for others
		Pass(10 * time.Second)
		w.WantHeld("web", "")
	})
}

func TestAChildIsRestartedOnceItsParentIsHealthy(t *testing.T) {
	for name, row := range map[string]struct {
		after time.Duration // the parent becomes healthy so long after its start
		want  string
	}{
		"in time":  {20 * time.Second, "1h0m20s web"},
		"too late": {10 * time.Minute, "1h1m0s web"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cs := Family("web", "vpn")
				cs[1].HealthCheck, cs[1].Health = true, engine.Healthy
				w := NewWorld(t, Usual(), cs...)
				Pass(time.Hour)
				w.Edit("b2", func(c *engine.Container) {
					c.Started, c.StartSeenAt, c.Health = time.Now(), time.Now(), engine.Starting
				})
				synctest.Wait()
				w.WantHeld("web", outcome.ParentDown)
				Pass(row.after)
				w.Edit("b2", func(c *engine.Container) { c.Health = engine.Healthy })
				Pass(time.Hour)
				w.WantStarts(row.want)
			})
		})
	}
}

func TestARestartAfterTheParentThatFailsIsRepeatedForEver(t *testing.T) {
	for name, fault := range map[string]error{
		"failed": errors.New("cannot kill container"), "refused": engine.ErrRefused, "not answered": engine.ErrNoAnswer,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWorld(t, Usual(), Family("web", "vpn")...)
				w.OnStart(func(context.Context, *engine.Container) error { return fault })
				Pass(time.Minute)
				w.Runs("b2")
				Pass(24 * time.Hour)
				if s := w.Standing("web"); s.GaveUp || s.Streak != 0 {
					t.Errorf("given up: %t, streak %d; want neither", s.GaveUp, s.Streak)
				}
				if starts, _ := w.Begun(); len(starts) < 280 {
					t.Errorf("%d attempts in a day, want one in 5 minutes", len(starts))
				}
				if got := w.Count("defib_restarts_total", "web", "dependency"); got < 280 {
					t.Errorf("defib_restarts_total %v, want every attempt", got)
				}
			})
		})
	}
}

func TestAnAlertForAChildWithoutNetworkGetsTheRestartThatItNeedsAnyway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Family("web", "vpn")...)
		w.OnStart(func(_ context.Context, c *engine.Container) error { time.Sleep(time.Second); w.Runs(c.ID); return nil })
		Pass(time.Hour)
		w.Dies("b2")
		Post(t, h, Firing("container", "web")).Want(200, outcome.Outcome(outcome.ParentDown))
		w.Runs("b2")
		Post(t, h, Firing("container", "web", "again", "yes")).Want(200, outcome.Restarted)
		w.WantStarts("1h0m0s web")
		if !strings.Contains(w.Log.String(), "trigger=dependency") {
			t.Errorf("it was restarted for another reason:\n%s", w.Log.String())
		}
	})
}

// What shares processes with another is killed with it, each time; one that shares
// IPC runs on with what nobody else has.
func TestChildrenOfOtherNamespacesFollowTheirParent(t *testing.T) {
	for shares, dies := range map[engine.Namespace]bool{engine.Network: false, engine.PID: true, engine.IPC: false} {
		t.Run(string(shares), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cs := Family("web", "vpn")
				cs[0].Parents = []engine.Parent{{Namespace: shares, Container: "b2"}}
				w := NewWorld(t, Usual(), cs...)
				for range 6 {
					Pass(20 * time.Minute)
					if dies { // a moment before its parent, as far as the engine tells
						w.Edit("a1", func(c *engine.Container) {
							c.State, c.Finished, c.ExitSeenAt, c.ExitCause = engine.Exited, time.Now(), time.Now(), engine.CauseSelf
							c.Exit = engine.Exit{Known: true, Code: 137}
						})
						Pass(10 * time.Millisecond)
					}
					w.Dies("b2")
					w.WantHeld("web", outcome.ParentDown)
					Pass(20 * time.Minute)
					w.Runs("b2")
					Pass(time.Second)
				}
				if starts, _ := w.Begun(); len(starts) != 6 {
					t.Errorf("%v, want one for each run of the parent", starts)
				}
				if s := w.Standing("web"); s.Streak != 0 || s.Reason != "" {
					t.Errorf("streak %d, held for %q; want neither", s.Streak, s.Reason)
				}
				if got := w.Count("defib_restarts_total", "web", "dependency"); got != 6 {
					t.Errorf("defib_restarts_total %v, want 6", got)
				}
				want := "namespace=" + string(shares)
				if dies {
					want = "reason=parent_down " + want
				}
				if !strings.Contains(w.Log.String(), want) {
					t.Errorf("the log does not say %q:\n%s", want, w.Log.String())
				}
			})
		})
	}
}

// The engine's own policy restarts it, mostly in vain, as long as its parent is down.
func TestWhatTheEngineTriesWithAChildThatWasKilledWithItsParentDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := Family("web", "vpn")
		cs[0].Parents = []engine.Parent{{Namespace: engine.PID, Container: "b2"}}
		cs[0].RestartPolicy = "always"
		w := NewWorld(t, Usual(), cs...)
		for range 6 {
			Pass(25 * time.Second)
			w.Edit("a1", func(c *engine.Container) {
				c.State, c.RestartCount, c.Finished, c.ExitSeenAt, c.ExitCause = engine.Restarting, 1, time.Now(), time.Now(), engine.CauseSelf
				c.Exit = engine.Exit{Known: true, Code: 137}
			})
			w.Dies("b2")
			w.Edit("a1", func(c *engine.Container) {
				c.State, c.Error = engine.Exited, "cannot join PID of a non running container"
			})
			w.Runs("b2")
			w.Edit("a1", func(c *engine.Container) { c.RestartCount = 0 })
		}
		Pass(5 * time.Minute)
		if s := w.Standing("web"); s.Streak != 0 || !s.Container.Up() {
			t.Errorf("streak %d, %s; want 0, and that it runs", s.Streak, s.Container.State)
		}
	})
}

// A child may share several namespaces, with different parents.
func TestAChildOfTwoParentsFollowsEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := append(Family("web", "vpn"), Up("c3", "db"))
		cs[2].Started, cs[2].StartSeenAt = time.Now(), time.Now()
		Sharing(engine.IPC, "db")(cs[0])
		w := NewWorld(t, Usual(), cs...)
		Pass(time.Hour)
		w.Runs("b2")
		Pass(time.Hour)
		w.Runs("c3")
		Pass(time.Hour)
		w.Dies("b2")
		w.Runs("c3")
		Pass(time.Hour)
		w.Runs("b2")
		Pass(time.Hour)
		w.WantStarts("1h0m0s web", "2h0m0s web", "4h0m0s web")
	})
}
