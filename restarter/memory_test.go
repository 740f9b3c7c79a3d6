package restarter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/heartbeat"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/webhook"
)

// disk keeps the newest memory, as JSON.
type disk struct {
	t     *testing.T
	mu    sync.Mutex
	data  []byte
	saved []time.Time
	aside string
}

func (d *disk) Put(v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, err := json.Marshal(v)
	if err != nil {
		d.t.Error(err)
	}
	d.data, d.saved = data, append(d.saved, time.Now())
}

func (d *disk) SetAside(why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.aside = why
}

// memory is what is kept; nil if nothing is.
func (d *disk) memory() *restarter.Memory {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.data == nil {
		return nil
	}
	m := &restarter.Memory{}
	if err := json.Unmarshal(d.data, m); err != nil {
		d.t.Fatal(err)
	}
	return m
}

// saves is how often it was written.
func (d *disk) saves() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.saved)
}

// life is a Restarter over these containers that goes on from what is kept.
func (d *disk) life(p policy.Policy, cs ...*engine.Container) *World {
	return NewWorldOf(d.t, p, func(r *restarter.Restarter) { r.Keep(d.memory(), d) }, cs...)
}

// kill ends a life so that it can leave nothing more.
func (d *disk) kill(w *World) {
	left := d.data
	w.End()
	d.data = left
}

// webhookOf is the webhook of a life, of whose containers a restart takes three seconds.
func webhookOf(w *World) *webhook.Webhook {
	w.OnStart(func(_ context.Context, c *engine.Container) error {
		time.Sleep(3 * time.Second)
		w.Runs(c.ID)
		return nil
	})
	return webhook.New(w.Restarter, webhook.Guard{}, nil, w.Logger)
}

func TestLaw4ACrashLoopGoesOnWhereItWasInTheNextLife(t *testing.T) {
	for name, killed := range map[string]bool{"after SIGTERM": false, "after SIGKILL": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &disk{t: t}
				w := d.life(Usual(), Up("a1", "web"))
				w.OnStart(func(_ context.Context, c *engine.Container) error {
					w.Runs(c.ID)
					time.AfterFunc(100*time.Millisecond, func() {
						w.Edit(c.ID, func(c *engine.Container) {
							c.State, c.Finished, c.ExitCause, c.ExitSeenAt = engine.Exited, time.Now(), engine.CauseSelf, time.Now()
						})
					})
					return nil
				})
				w.Dies("a1")
				Pass(9 * time.Second) // starts at 0 s, 1.1 s, 3.2 s and 7.3 s: the fifth is due 8 s after the last death
				w.WantStarts("0s web", "1.1s web", "3.2s web", "7.3s web")
				died := w.Snapshot().Get("a1").ExitSeenAt
				if killed {
					d.kill(w)
				} else {
					w.End()
				}
				w = d.life(Usual(), w.Snapshot().Containers...)
				Pass(time.Minute)
				w.WantStarts(died.Add(8*time.Second).Sub(w.BeganAt).String() + " web")
				if got := w.Streak("web"); got != 5 {
					t.Errorf("the streak is %d, want 5", got)
				}
			})
		})
	}
}

func TestLaw2ContainerThatWasGivenUpStaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), Up("a1", "web"))
		for range 4 {
			w.TurnsUnhealthy("a1")
			Pass(time.Minute)
		}
		w.WantHeld("web", outcome.GaveUp)
		starts, _ := w.Begun()
		d.kill(w)
		if len(starts) != 2 {
			t.Fatalf("%d restarts, want 2", len(starts))
		}
		w = d.life(Usual(func(p *policy.Policy) { p.MaxAttempts = 2 }), w.Snapshot().Containers...)
		Pass(10 * time.Minute)
		w.WantHeld("web", outcome.GaveUp)
		w.WantStarts()
	})
}

func TestLaw2RestartsOfTheLastMinuteCountInTheNextLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		few := Usual(func(p *policy.Policy) { p.MaxPerMinute = 2 })
		w := d.life(few, Up("a1", "web"), Up("b2", "batch-1"), Up("c3", "batch-2"))
		w.TurnsUnhealthy("a1")
		w.TurnsUnhealthy("b2")
		w.WantStarts("0s web", "0s batch-1")
		Pass(2 * time.Second)
		d.kill(w)
		w = d.life(few, w.Snapshot().Containers...)
		Pass(10 * time.Second)
		w.TurnsUnhealthy("c3")
		w.WantHeld("batch-2", outcome.RateLimited)
		Pass(time.Minute)
		w.WantStarts("58s batch-2")
	})
}

func TestLaw7AlertThatWasActedUponIsNotActedUponByTheNextLife(t *testing.T) {
	for name, lost := range map[string]bool{"it is remembered": false, "it came after the last save": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &disk{t: t}
				web := Up("a1", "web")
				web.Started, web.StartSeenAt = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)
				w := d.life(Usual(Eager), web)
				h := webhookOf(w)
				Pass(time.Hour)
				early := d.data
				alert := Firing("name", "web")
				Post(t, h, alert).Want(200, outcome.Restarted)
				Pass(2 * time.Second)
				w.WantStarts("1h0m0s web")
				d.kill(w)
				if lost {
					d.data = early
				}
				w = d.life(Usual(Eager), w.Snapshot().Containers...)
				Pass(time.Minute)
				Post(t, webhookOf(w), alert).Want(200, outcome.AlreadyRestarted)
				w.WantStarts()
			})
		})
	}
}

// The clocks of two machines are not compared where the memory tells more: an alert
// that begins to fire while the engine's clock is ahead of its sender's is a new one.
func TestLaw7FreshAlertIsNotSwallowedByTheClockOfItsSender(t *testing.T) {
	for name, row := range map[string]struct {
		memory bool
		want   outcome.Outcome
	}{
		"with a memory":    {true, outcome.Restarted},
		"without a memory": {false, outcome.AlreadyRestarted},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &disk{t: t}
				w := d.life(Usual(Eager), Up("a1", "web"))
				Pass(time.Hour)
				w.Dies("a1")
				Pass(2 * time.Second)
				w.WantStarts("1h0m0s web")
				w.End()
				if !row.memory {
					d.data = nil
				}
				w = d.life(Usual(Eager), w.Snapshot().Containers...)
				h := webhookOf(w)
				Pass(time.Minute)
				alert := Firing("name", "web")
				alert.StartsAt = time.Now().Add(-2 * time.Minute) // by a clock that is behind
				Post(t, h, alert).Want(200, row.want)
			})
		})
	}
}

func TestChildThatJoinedItsParentHasNotLostIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(), Family("web", "vpn")...)
		Pass(time.Minute)
		w.Edit("b2", func(c *engine.Container) { // and the engine's clock is ahead, until it is set back
			c.Started, c.StartSeenAt = time.Now().Add(time.Hour), time.Now()
		})
		Pass(5 * time.Second)
		w.WantStarts("1m0s web")
		d.kill(w)
		w = d.life(Usual(), w.Snapshot().Containers...)
		Pass(time.Hour)
		w.WantStarts()
	})
}

// A clock that was set back, or a snapshot of a machine that was restored.
func TestTimesInTheFutureHoldNobodyDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(Eager), Up("a1", "web"), Up("b2", "batch-1"))
		h := webhookOf(w)
		w.Dies("a1")
		Pass(5 * time.Second)
		alert := Firing("name", "batch-1")
		Post(t, h, alert).Want(200, outcome.Restarted)
		Pass(2 * time.Second)
		d.kill(w)

		m := d.memory()
		ahead := 1000 * time.Hour
		m.Saved, m.History.Since = m.Saved.Add(ahead), m.History.Since.Add(ahead)
		web := m.History.Records["a1"]
		web.LastEnd, web.HealthySince = web.LastEnd.Add(ahead), web.HealthySince.Add(ahead)
		m.History.Records["a1"] = web
		for i := range m.History.Restarts {
			m.History.Restarts[i] = m.History.Restarts[i].Add(ahead)
		}
		for i := range m.History.Firings {
			f := &m.History.Firings[i]
			f.Heard, f.Last, f.Acted = f.Heard.Add(ahead), f.Last.Add(ahead), f.Acted.Add(ahead)
		}
		d.Put(m)
		cs := slices.Clone(w.Snapshot().Containers)
		w = d.life(Usual(Eager), cs...)
		h = webhookOf(w)
		Pass(time.Second)
		w.Dies("a1")
		Pass(10 * time.Second)
		w.WantStarts("2s web") // a second after its death
		Pass(5 * time.Minute)  // what was started by an earlier life is told by that
		Post(t, h, Firing("name", "batch-1")).Want(200, outcome.Restarted)
	})
}

// A watch that was cut off may have gone on for minutes after its last save.
func TestOnlyTheLastSaveSaysThatTheWatchEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(), Up("a1", "web"))
		Pass(10 * time.Second)
		if d.memory().Engine.Ended {
			t.Error("a life that goes on says that its watch has ended")
		}
		w.End()
		if !d.memory().Engine.Ended {
			t.Error("a life that ended in order does not say so")
		}
	})
}

func TestMemoryOfAnotherEngineIsSetAside(t *testing.T) {
	three := func() []*engine.Container {
		return []*engine.Container{Up("a1", "web"), Up("b2", "batch-1"), Up("c3", "batch-2")}
	}
	fresh := func(n int) (cs []*engine.Container) {
		for i := range n {
			cs = append(cs, Up(fmt.Sprint("f", i), fmt.Sprint("batch-", i)))
		}
		return cs
	}
	for name, row := range map[string]struct {
		before, after []*engine.Container
		id, other     string
		want          string
	}{
		"the same":                              {before: three(), after: three(), id: "X", other: "X"},
		"another ID, the same containers":       {before: three(), after: three(), id: "X", other: "Y", want: "it is of an engine with another ID"},
		"an ID that is not known any more":      {before: three(), after: three(), id: "X"},
		"none of three containers":              {before: three(), after: fresh(5), want: "this engine has none of the containers in it"},
		"none of three containers, the same ID": {before: three(), after: fresh(5), id: "X", other: "X", want: "this engine has none of the containers in it"},
		"one of three containers":               {before: three(), after: append([]*engine.Container{Up("b2", "batch-1")}, fresh(5)...)},
		"none of two containers":                {before: three()[:2], after: fresh(5)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &disk{t: t}
				w := d.life(Usual(), row.before...)
				w.Dies("a1")
				p := &engine.Snapshot{Connected: true, First: w.BeganAt, Containers: w.Snapshot().Containers, EngineID: row.id}
				w.Publish(p)
				Pass(time.Second)
				w.End()
				w = NewWorldFrom(t, Usual(), func(r *restarter.Restarter) { r.Keep(d.memory(), d) },
					&engine.Snapshot{Connected: true, First: time.Now(), Containers: row.after, EngineID: row.other})
				if d.aside != row.want {
					t.Errorf("set aside because %q, want %q", d.aside, row.want)
				}
				if got, want := len(w.Report().Actions), map[bool]int{true: 1, false: 0}[row.want == ""]; got != want {
					t.Errorf("it reports %d actions of the earlier life, want %d", got, want)
				}
			})
		})
	}
}

func TestThePageGoesBackOverRestartsOfDefib(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(Eager), Up("a1", "web"))
		h := webhookOf(w)
		w.Dies("a1")
		Pass(5 * time.Second)
		Post(t, h, Firing("name", "nobody")).Want(200, outcome.NotFound)
		Pass(2 * time.Second) // it is recorded a little after it was answered
		before := w.Report()
		d.kill(w)
		w = d.life(Usual(Eager), w.Snapshot().Containers...)
		w.Dies("a1")
		Pass(time.Minute)
		after := w.Report()
		if len(before.Actions) != 1 || len(before.Alerts) != 1 || len(after.Actions) != 2 || len(after.Alerts) != 1 {
			t.Fatalf("%d and %d actions, %d and %d alerts", len(before.Actions), len(after.Actions), len(before.Alerts), len(after.Alerts))
		}
		if a, b := before.Actions[0], after.Actions[0]; !a.Began.Equal(b.Began) || a.ID != b.ID || a.Outcome != b.Outcome {
			t.Errorf("the first action was %+v and is %+v", a, b)
		}
		if a, b := before.Alerts[0], after.Alerts[0]; !a.ReceivedAt.Equal(b.ReceivedAt) || a.Alert != b.Alert || a.Message != b.Message {
			t.Errorf("the alert was %+v and is %+v", a, b)
		}
	})
}

func TestAnIdleHostIsSavedEveryFiveMinutesAndABusyOneEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(), Up("a1", "web"), Up("b2", "other"))
		Pass(time.Hour)
		if got := d.saves(); got < 12 || got > 13 {
			t.Errorf("%d saves in an idle hour, want one every 5 minutes", got)
		}
		before := d.saves()
		for range 100 {
			w.Edit("b2", func(c *engine.Container) { c.Health = engine.Healthy }) // nothing that has to be known
			Pass(100 * time.Millisecond)
		}
		if got := d.saves() - before; got > 1 {
			t.Errorf("%d saves while nothing happened that has to be known", got)
		}
		before = d.saves()
		for range 100 {
			w.Runs("b2")
			Pass(100 * time.Millisecond)
		}
		if got := d.saves() - before; got < 9 || got > 11 {
			t.Errorf("%d saves in 10 busy seconds, want one a second", got)
		}
		for i, at := range d.saved[1:] {
			if at.Sub(d.saved[i]) < time.Second {
				t.Errorf("two saves within %s", at.Sub(d.saved[i]))
			}
		}
	})
}

func TestWhatMustNotBeLostIsSavedWithinASecond(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, w *World){
		"an action": func(_ *testing.T, w *World) { w.Dies("a1") },
		"a stop": func(_ *testing.T, w *World) {
			w.Edit("b2", func(c *engine.Container) {
				c.State, c.Finished, c.ExitCause, c.ExitSeenAt = engine.Exited, time.Now(), engine.CauseStopped, time.Now()
			})
		},
		"an alert":                    func(t *testing.T, w *World) { Post(t, webhookOf(w), Firing("name", "b2")) },
		"an alert that means nothing": func(t *testing.T, w *World) { Post(t, webhookOf(w), Firing("name", "nobody")) },
		"the engine becomes unavailable": func(_ *testing.T, w *World) {
			w.Publish(&engine.Snapshot{First: w.BeganAt, Lost: time.Now(), Containers: w.Snapshot().Containers})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &disk{t: t}
				w := d.life(Usual(), Up("a1", "web"), Up("b2", "other"))
				Pass(7*time.Minute + 300*time.Millisecond)
				before := d.saves()
				act(t, w)
				Pass(time.Second)
				if d.saves() == before {
					t.Error("it has not been saved")
				}
			})
		})
	}
}

func TestNothingIsSavedBeforeTheFirstSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(), Up("a1", "web"))
		w.Dies("a1")
		Pass(2 * time.Second)
		w.End()
		before := d.saves()
		w = NewWorldFrom(t, Usual(), func(r *restarter.Restarter) { r.Keep(d.memory(), d) }, &engine.Snapshot{})
		Pass(time.Hour)
		w.End()
		if d.saves() != before {
			t.Errorf("%d saves without an engine", d.saves()-before)
		}
	})
}

func TestLogSaysWhatIsRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(), Up("a1", "web"), Up("b2", "other"))
		Pass(time.Second)
		w.End()
		w = d.life(Usual(), w.Snapshot().Containers...)
		if !strings.Contains(w.Log.String(), `msg="state recalled" saved=`) || !strings.Contains(w.Log.String(), "containers=2") {
			t.Errorf("the log says\n%s", &w.Log)
		}
	})
}

func TestTheLast24HoursGoBackOverRestartsOfDefib(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		w := d.life(Usual(), Up("a1", "web"), Up("b2", "other"))
		Pass(time.Hour)
		w.Dies("b2") // which is not whitelisted
		Pass(6 * time.Minute)
		w.Runs("b2")
		Pass(time.Hour)
		before := w.Standing("other").Heartbeat.Day(time.Now())
		d.kill(w)
		w = d.life(Usual(), w.Snapshot().Containers...)
		after := w.Standing("other").Heartbeat.Day(time.Now())
		if before.Worst() != heartbeat.Down || after.Worst() != heartbeat.Down || after.Watched < 2*time.Hour {
			t.Errorf("%+v before, %+v after", before, after)
		}
	})
}
