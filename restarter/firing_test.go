package restarter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// eager is a policy by which a container may be restarted at any age.
func eager(p *policy.Policy) { p.MinUptime = 0 }

// startedAgo says that the container came up so long ago on our clock, and that the
// engine's clock is ahead of it.
func (w *world) startedAgo(id string, d, ahead time.Duration) {
	w.edit(id, func(c *engine.Container) {
		c.StartSeenAt = time.Now().Add(-d)
		c.Started = c.StartSeenAt.Add(ahead)
	})
	synctest.Wait()
}

// firingFor is the alert, which began to fire so long ago.
func firingFor(d time.Duration, a Alert) Alert {
	a.StartsAt = time.Now().Add(-d)
	return a
}

func TestLaw7AClockThatIsWrongSwallowsNoAlert(t *testing.T) {
	for name, row := range map[string]struct {
		up     time.Duration // how long the container has been up
		ahead  time.Duration // the engine's clock, of ours
		behind time.Duration // the sender's clock, of ours
		life   time.Duration // how long Defib has been up
	}{
		"the engine's ahead":                          {2 * time.Minute, 3 * time.Minute, 0, time.Hour},
		"the engine's ahead, before this life":        {2 * time.Minute, 3 * time.Minute, 0, 0},
		"the sender's behind":                         {2 * time.Minute, 0, 3 * time.Minute, time.Hour},
		"the sender's far behind":                     {2 * time.Minute, 0, 24 * time.Hour, time.Hour},
		"the sender's ahead":                          {2 * time.Minute, 0, -24 * time.Hour, time.Hour},
		"the engine's far ahead, the sender's behind": {90 * time.Second, 24 * time.Hour, 24 * time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := webhookHarness(t, usual(), up("a1", "web"))
				pass(row.life)
				w.startedAgo("a1", row.up, row.ahead)
				a := firingFor(30*time.Second+row.behind, firing("container", "web"))
				post(t, h, a).want(200, Restarted)
				post(t, h, a).want(200, AlreadyRestarted)
			})
		})
	}
}

func TestAStartByAnybodySinceAFiringFirstArrivedIsTheAnswerToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		w.startedAgo("a1", 30*time.Second, 0)
		a := firingFor(20*time.Second, firing("container", "web"))
		post(t, h, a).want(200, Outcome(TooYoung))
		pass(5 * time.Minute)
		w.runs("a1") // somebody restarts it
		pass(4 * time.Minute)
		post(t, h, a).want(200, AlreadyRestarted)
		post(t, h, firing("container", "web", "another", "alert")).want(200, Restarted)
		pass(6 * time.Minute)
		post(t, h, a).want(200, Restarted) // it still fires
	})
}

func TestAContainerThatIsCreatedAnewAnswersTheFiring(t *testing.T) {
	recreate := func(w *world) {
		c := up("b2", "web")
		c.StartSeenAt, c.Started = time.Now(), time.Now()
		w.set(c)
		synctest.Wait()
	}
	t.Run("after it was declined", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, h := webhookHarness(t, usual(), up("a1", "web"))
			w.startedAgo("a1", 30*time.Second, 0)
			a := firingFor(20*time.Second, firing("container", "web"))
			post(t, h, a).want(200, Outcome(TooYoung))
			pass(5 * time.Minute)
			recreate(w)
			pass(4 * time.Minute)
			post(t, h, a).want(200, AlreadyRestarted)
			post(t, h, firing("container", "web", "another", "alert")).want(200, Restarted)
		})
	})
	t.Run("after a restart for it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, h := webhookHarness(t, usual(), up("a1", "web"))
			a := firing("container", "web")
			post(t, h, a).want(200, Restarted)
			pass(4 * time.Minute)
			recreate(w)
			pass(4 * time.Minute)
			post(t, h, a).want(200, AlreadyRestarted)
			pass(2 * time.Minute)
			post(t, h, a).want(200, Restarted) // it still fires
		})
	})
}

func TestAFiringThatArrivesWhileTheEngineIsUnavailableIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), up("a1", "web"))
		pass(time.Hour)
		lost := &engine.Snapshot{First: w.began, Listed: time.Now(), Containers: w.Snapshot().Containers}
		w.publish(lost)
		synctest.Wait()
		a, asked := firing("container", "web"), time.Now()
		post(t, h, a).want(503, EngineUnavailable)
		post(t, h, firing("container", "nobody")).want(503, EngineUnavailable) // who knows
		if took := time.Since(asked); took != 0 {
			t.Errorf("answered after %s, want at once", took)
		}
		pass(30 * time.Second)
		w.runs("a1") // the engine is back, and has started it
		pass(2 * time.Minute)
		post(t, h, a).want(200, AlreadyRestarted)
		post(t, h, firingFor(20*time.Second, a)).want(200, Restarted) // it began to fire since
	})
}

func TestAContainerThatHasEndedSinceIsStartedForTheSameFiring(t *testing.T) {
	for _, heal := range []string{"start", "restart"} {
		t.Run(heal, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := webhookHarness(t, usual(), ended(engine.CauseSelf, named("a1", "batch-1"), labelled(policy.LabelTriggers, "alert")))
				a := firing("container", "batch-1", "heal", heal)
				post(t, h, a).want(200, Started)
				pass(2 * time.Minute)
				w.dies("a1") // which nothing but an alert heals
				post(t, h, a).want(200, Started)
				w.wantStarts("0s batch-1", "2m4s batch-1") // after the back-off
			})
		})
	}
}

func TestAfterARestartOfDefibTheStartOfTheContainerTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(eager), up("a1", "web"))
		w.startedAgo("a1", 20*time.Second, -time.Hour) // whatever the engine's clock says
		a := firing("container", "web")                // began a minute ago
		post(t, h, a).want(200, AlreadyRestarted)
		post(t, h, firingFor(10*time.Second, a)).want(200, Restarted) // it fired again since
		w.wantStarts("0s web")
	})
}

func TestLaw7TwoAlertsNeverShareAMemory(t *testing.T) {
	base := func() Alert {
		a := firingFor(time.Minute, Alert{Status: "firing", Fingerprint: "1", Labels: map[string]string{"heal": "restart", "container": "web", "a": "x", "b": "y"}})
		return a
	}
	for name, edit := range map[string]func(a *Alert){
		"another value":                   func(a *Alert) { a.Labels["b"] = "z" },
		"another label":                   func(a *Alert) { a.Labels["c"] = "z" },
		"an empty label":                  func(a *Alert) { a.Labels["c"] = "" },
		"one label fewer":                 func(a *Alert) { delete(a.Labels, "b") },
		"values exchanged":                func(a *Alert) { a.Labels["a"], a.Labels["b"] = "y", "x" },
		"a value that looks like a label": func(a *Alert) { delete(a.Labels, "b"); a.Labels["a"] = `x","b"="y` },
		"a later firing":                  func(a *Alert) { a.StartsAt = a.StartsAt.Add(time.Nanosecond) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, h := webhookHarness(t, usual(eager), up("a1", "web"))
				first, other := base(), base()
				edit(&other)
				post(t, h, first).want(200, Restarted)
				post(t, h, other).want(200, Restarted)
				post(t, h, first, other).want(200, AlreadyRestarted, AlreadyRestarted)
			})
		})
	}
	t.Run("the fingerprint does not tell alerts apart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, h := webhookHarness(t, usual(eager), up("a1", "web"))
			a, b := base(), base()
			b.Fingerprint = "2"
			post(t, h, a).want(200, Restarted)
			post(t, h, b).want(200, AlreadyRestarted)
		})
	})
}

func TestOfAnAlertThatDoesNotSaySinceWhenNothingIsRemembered(t *testing.T) {
	for name, since := range map[string]time.Time{"absent": {}, "in year 1": time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := webhookHarness(t, usual(eager), up("a1", "web"), up("b2", "batch-1"))
				byHand := func(name string) Alert {
					return Alert{Status: "firing", StartsAt: since, Labels: map[string]string{"heal": "restart", "container": name}}
				}
				post(t, h, byHand("web")).want(200, Restarted)
				post(t, h, byHand("batch-1")).want(200, Restarted)
				post(t, h, byHand("web")).want(200, Restarted)
				twice := post(t, h, byHand("web")) // joins what is under way
				post(t, h, byHand("web")).want(200, Restarted)
				twice.want(200, Restarted)
				w.wantStarts("0s web", "3s batch-1", "6s web", "11s web")
				if n := len(w.firings); n != 0 {
					t.Errorf("%d firings are remembered", n)
				}
			})
		})
	}
}

func TestLaw10WhatIsRememberedOfFiringsIsBounded(t *testing.T) {
	fs := firings{}
	ask := func(i int, now time.Time) firingKey {
		a := Alert{StartsAt: noon, Labels: map[string]string{"i": fmt.Sprint(i)}}
		q := &request{key: a.key("a1"), since: a.since(), asked: now}
		fs.hear(now, q)
		return q.key
	}
	oldest, newest := ask(0, noon), firingKey{}
	for i := range maxFirings {
		newest = ask(i+1, noon.Add(time.Duration(i+1)*time.Second))
	}
	fs.forget(noon)
	if len(fs) != maxFirings || fs[oldest] != nil || fs[newest] == nil {
		t.Errorf("%d firings, want the %d that were last heard of", len(fs), maxFirings)
	}
	fs.forget(noon.Add(maxFirings*time.Second + firingWindow))
	if len(fs) != 0 {
		t.Errorf("%d firings, want none: nobody has spoken of them for days", len(fs))
	}
}
