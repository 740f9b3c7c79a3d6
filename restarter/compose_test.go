package restarter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// first is an edit that makes a container the first of service db of project shop,
// as compose labels it.
func first(c *engine.Container) {
	in("shop", "db")(c)
	labelled(labelNumber, "1", labelOneOff, "False", labelWorkingDir, "/srv/shop")(c)
}

func startedAgo(d time.Duration) func(*engine.Container) {
	return func(c *engine.Container) { c.Started = ago(d) }
}

// unstarted makes a container one whose first start failed a moment ago.
func unstarted(c *engine.Container) {
	c.State, c.Error, c.Created, c.Started, c.Finished = engine.Created, "no such device", ago(2*time.Second), time.Time{}, time.Time{}
}

// created makes a container one that was created so long ago and never started.
func created(d time.Duration) func(*engine.Container) {
	return func(c *engine.Container) {
		state(engine.Created)(c)
		c.Created, c.CreatedSeenAt, c.Started, c.Finished, c.Exit = ago(d), ago(d), time.Time{}, time.Time{}, engine.Exit{}
	}
}

func TestOfTwoContainersOfOneInstanceTheLaterCounts(t *testing.T) {
	old := func(edits ...func(*engine.Container)) *engine.Container {
		return ended(engine.CauseSelf, append([]func(*engine.Container){named("a1", "a1_shop_db_1"), first}, edits...)...)
	}
	twin := func(edits ...func(*engine.Container)) *engine.Container {
		return ended(engine.CauseSelf, append([]func(*engine.Container){named("b2", "shop_db_1"), first, startedAgo(time.Minute)}, edits...)...)
	}
	for name, row := range map[string]struct {
		c, twin *engine.Container
		record  *record // the twin's
		policy  []func(*policy.Policy)
		want    string
	}{
		"the twin runs":                                       {c: old(), twin: twin(state(engine.Running)), want: "superseded"},
		"the twin runs, started before it":                    {c: old(), twin: twin(state(engine.Running), startedAgo(2*time.Hour)), want: "superseded"},
		"the twin is paused":                                  {c: old(), twin: twin(state(engine.Paused)), want: "superseded"},
		"the engine restarts the twin":                        {c: old(), twin: twin(state(engine.Restarting)), want: "superseded"},
		"the twin is not whitelisted":                         {c: old(), twin: twin(state(engine.Running), labelled(policy.LabelEnable, "false")), want: "superseded"},
		"both are down, the twin was later":                   {c: old(), twin: twin(), want: "superseded"},
		"both are down, the twin was earlier":                 {c: old(), twin: twin(startedAgo(2 * time.Hour)), want: "start"},
		"both are down, started at once":                      {c: old(), twin: twin(startedAgo(time.Hour)), want: "superseded"},
		"an action on the twin is under way":                  {c: old(), twin: twin(startedAgo(2 * time.Hour)), record: &record{acting: true}, want: "superseded"},
		"a start of the twin was not answered":                {c: old(), twin: twin(startedAgo(2 * time.Hour)), record: &record{late: true, attempts: 9, lastEnd: ago(30 * time.Second)}, want: "superseded 1m30s"},
		"the same, long ago":                                  {c: old(), twin: twin(startedAgo(2 * time.Hour)), record: &record{late: true, attempts: 9, lastEnd: ago(2 * time.Minute)}, want: "start"},
		"the twin is being removed":                           {c: old(), twin: twin(state(engine.Removing)), want: "start"},
		"the twin's first start failed":                       {c: old(), twin: twin(unstarted), record: &record{attempts: 9, lastEnd: noon}, want: "start"},
		"the twin is about to be started":                     {c: old(), twin: twin(created(30 * time.Second)), want: "stopped_delay 1m30s"},
		"the twin was never started":                          {c: old(), twin: twin(created(2 * time.Minute)), want: "start"},
		"the twin is about to be started, and it was stopped": {c: old(endedAgo(time.Minute), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), twin: twin(created(30 * time.Second)), want: "stopped_delay 1m30s"},
		"the twin was stopped a moment ago, or is being restarted": {
			c: old(unstarted, endedAgo(time.Hour)), twin: twin(endedAgo(time.Second), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), want: "stopped_delay 9s",
		},
		"the same, without a delay for what is stopped": {
			c: old(unstarted, endedAgo(time.Hour)), twin: twin(endedAgo(time.Second), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }),
			policy: []func(*policy.Policy){func(p *policy.Policy) { p.StoppedDelay = 0 }}, want: "stopped_delay 1s",
		},
		"the twin was stopped longer ago": {
			c: old(unstarted, endedAgo(time.Hour)), twin: twin(endedAgo(10*time.Second), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), want: "start",
		},
		"nobody saw how the twin ended a moment ago": {
			c: old(), twin: twin(startedAgo(2*time.Hour), endedAgo(time.Second), func(c *engine.Container) { c.ExitCause = engine.CauseUnknown }), want: "stopped_delay 9s",
		},
		"its own first start failed":              {c: old(unstarted), twin: twin(), record: &record{attempts: 9, lastEnd: noon}, want: "start"},
		"its own first start failed, twin runs":   {c: old(unstarted), twin: twin(state(engine.Running)), want: "superseded"},
		"its own failed, the twin's is under way": {c: old(unstarted), twin: twin(), record: &record{acting: true}, want: "superseded"},
		"it was never started":                    {c: old(state(engine.Created)), twin: twin(state(engine.Running)), want: "created"},
		"somebody stopped it":                     {c: old(func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), twin: twin(state(engine.Running)), want: "superseded"},
		"deaths are left to alerts":               {c: old(), twin: twin(state(engine.Running)), policy: []func(*policy.Policy){triggers()}, want: "superseded"},

		"it runs, and so does the twin":   {c: old(state(engine.Running), sickFor(0)), twin: twin(state(engine.Running)), want: "restart unhealthy"},
		"another number":                  {c: old(), twin: twin(state(engine.Running), labelled(labelNumber, "2")), want: "start"},
		"another service":                 {c: old(), twin: twin(state(engine.Running), in("shop", "app")), want: "start"},
		"another project":                 {c: old(), twin: twin(state(engine.Running), in("toys", "db")), want: "start"},
		"another directory":               {c: old(), twin: twin(state(engine.Running), labelled(labelWorkingDir, "/home/joe/shop")), want: "start"},
		"no directory, of an old compose": {c: old(), twin: twin(state(engine.Running), labelled(labelWorkingDir, "")), want: "superseded"},
		"no number, labelled by hand": {
			c: old(labelled(labelNumber, "")), twin: twin(state(engine.Running), labelled(labelNumber, "")), want: "start",
		},
		"the other is a one-off command": {c: old(), twin: twin(state(engine.Running), labelled(labelOneOff, "True")), want: "start"},
	} {
		t.Run(name, func(t *testing.T) {
			past := history{records: map[string]*record{}}
			if row.record != nil {
				past.records[row.twin.ID] = row.record
			}
			if got := ran(decide(noon, usual(row.policy...), snapshotOf(row.c, row.twin), past, nil), row.c.ID); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// Whatever two containers of an instance are and however they ended: no plan makes
// both run, nor one beside another that runs or is being started.
func TestNoPlanMakesTwoOfOneInstanceRun(t *testing.T) {
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 7))
		past := history{records: map[string]*record{}}
		p := snapshotOf()
		for i := range 2 + r.IntN(3) {
			c := ended(engine.CauseSelf, named(fmt.Sprint(i), fmt.Sprint("db-", i)), first, startedAgo(time.Duration(r.IntN(4))*time.Minute))
			switch r.IntN(4) {
			case 0:
				state(engine.States[r.IntN(len(engine.States))])(c)
			case 1:
				unstarted(c)
			}
			p.Containers = append(p.Containers, c)
			past.records[c.ID] = &record{acting: r.IntN(6) == 0, slotUntil: noon.Add(time.Minute), attempts: r.IntN(2), lastEnd: ago(time.Minute)}
		}
		var starts, runs int
		for _, v := range decide(noon, usual(), p, past, nil).verdicts {
			if v.act && !v.restarts() {
				starts++
			}
		}
		for _, c := range p.Containers {
			if c.Up() || c.State == engine.Paused || c.State == engine.Restarting || past.at(c.ID).acting {
				runs++
			}
		}
		if starts > 1 || starts == 1 && runs > 0 {
			t.Fatalf("seed %d: starts %d beside %d that run or are acted upon", seed, starts, runs)
		}
	}
}

// A recreation by docker-compose 1.29 whose start failed: the old container was
// stopped and renamed, the new one cannot start.
func TestARecreationThatFailedNeverMakesTwoRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := ended(engine.CauseStopped, named("a1", "a1_shop_db_1"), first)
		fresh := ended(engine.CauseSelf, named("b2", "shop_db_1"), first, unstarted)
		for _, c := range []*engine.Container{old, fresh} {
			c.ExitSeenAt = time.Now()
		}
		old.Started, old.Finished = time.Now().Add(-time.Hour), time.Now()
		w := newWorld(t, usual())
		works := false
		w.onStart(func(_ context.Context, c *engine.Container) error {
			time.Sleep(100 * time.Millisecond)
			if c.ID == "b2" && !works {
				return errors.New("no such device")
			}
			w.runs(c.ID)
			return nil
		})
		w.set(old, fresh)
		pass(time.Hour)
		if got, want := w.standing("a1_shop_db_1").Container.State, engine.Running; got != want {
			t.Errorf("the old one is %s, want %s", got, want)
		}
		w.wantHeld("shop_db_1", Superseded)

		works = true
		w.dies("a1") // it may be either now, but not both
		pass(time.Hour)
		var up []string
		for _, c := range w.Snapshot().Containers {
			if c.Up() {
				up = append(up, c.Name)
			}
		}
		if _, most := w.begun(); len(up) != 1 || most != 1 {
			t.Errorf("%v run, and %d starts were under way at a time; want 1 each", up, most)
		}
	})
}

func TestAnAlertForASupersededContainerIsAnsweredSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh := up("b2", "shop_db_1")
		first(fresh)
		w, h := webhookHarness(t, usual(), ended(engine.CauseSelf, named("a1", "a1_shop_db_1"), first), fresh)
		for _, heal := range []string{"start", "restart"} {
			post(t, h, firing("container", "a1_shop_db_1", "heal", heal)).want(200, Outcome(Superseded))
		}
		w.wantStarts()
	})
}

func TestOneProjectOfTwoDirectoriesIsWarnedOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := up("a1", "db"), up("b2", "shop_db_1")
		more := up("c3", "shop_app_1")
		for _, c := range []*engine.Container{here, there, more} {
			first(c)
		}
		labelled(labelWorkingDir, "/home/joe/shop")(there)
		labelled(labelWorkingDir, "/home/ann/shop")(more)
		w := newWorld(t, usual(), here)
		if strings.Contains(w.log.String(), "compose project") {
			t.Error("warned before there are two")
		}
		w.set(here, there)
		pass(time.Minute)
		w.set(here, there, more)
		pass(time.Hour)
		if got := strings.Count(w.log.String(), "two directories use the same compose project name"); got != 1 {
			t.Errorf("%d warnings, want 1:\n%s", got, w.log.String())
		}
	})
}

func TestWhatADeployLeftBehindIsToldFromWhatNobodyWantsToRun(t *testing.T) {
	app := func(d time.Duration, edits ...func(*engine.Container)) *engine.Container {
		return ended("", append([]func(*engine.Container){named("a1", "shop-app"), in("shop", "db"), labelled(labelWorkingDir, "/srv/shop"), created(d)}, edits...)...)
	}
	cache := func(edits ...func(*engine.Container)) *engine.Container {
		return running(append([]func(*engine.Container){named("b2", "shop-cache"), in("shop", "cache"), labelled(labelWorkingDir, "/srv/shop"), startedAgo(time.Minute)}, edits...)...)
	}
	numbered := labelled(labelNumber, "1")
	for name, row := range map[string]struct {
		c, other *engine.Container
		policy   []func(*policy.Policy)
		want     string
	}{
		"10 minutes after a deploy":             {c: app(10 * time.Minute), other: cache(), want: "not_started"},
		"until then it may go on":               {c: app(9 * time.Minute), other: cache(), want: "created 1m0s"},
		"the other one is down by now":          {c: app(time.Hour), other: ended(engine.CauseSelf, named("b2", "cache"), in("shop", "cache")), want: "created"},
		"the other one is down, started since":  {c: app(time.Hour), other: cache(state(engine.Exited)), want: "not_started"},
		"nothing was started since":             {c: app(time.Hour), other: cache(startedAgo(2 * time.Hour)), want: "created"},
		"nothing was ever started":              {c: app(time.Hour), other: cache(created(time.Hour)), want: "created"},
		"another project was":                   {c: app(time.Hour), other: cache(in("toys", "cache")), want: "created"},
		"the same name in another directory":    {c: app(time.Hour), other: cache(labelled(labelWorkingDir, "/home/joe")), want: "created"},
		"the other's directory is not known":    {c: app(time.Hour), other: cache(labelled(labelWorkingDir, "")), want: "not_started"},
		"its directory is not known":            {c: app(time.Hour, labelled(labelWorkingDir, "")), other: cache(), want: "not_started"},
		"it is of no project":                   {c: app(time.Hour, in("", ""), labelled(policy.LabelEnable, "true")), other: cache(in("", "")), want: "created"},
		"only a one-off command was run":        {c: app(time.Hour), other: cache(labelled(labelOneOff, "True")), want: "created"},
		"it is one itself":                      {c: app(time.Hour, labelled(labelOneOff, "True")), other: cache(), want: "one_off"},
		"its service runs in another container": {c: app(time.Hour, numbered), other: cache(in("shop", "db"), numbered), want: "created"},
		"its first start failed":                {c: app(time.Hour, func(c *engine.Container) { c.Error, c.ExitCause = "no such device", engine.CauseSelf }), other: cache(), want: "start"},
		"it is on hold":                         {c: app(time.Hour), other: cache(), policy: []func(*policy.Policy){holdFor("shop/db", time.Minute)}, want: "on_hold 1m0s"},
		"a dry run says so, too":                {c: app(time.Hour), other: cache(), policy: []func(*policy.Policy){func(p *policy.Policy) { p.DryRun = true }}, want: "not_started"},
		"the engine's clock is another":         {c: app(time.Hour, func(c *engine.Container) { c.Created = noon.Add(time.Hour) }), other: cache(startedAgo(-2 * time.Hour)), want: "not_started"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ran(decide(noon, usual(row.policy...), snapshotOf(row.c, row.other), history{}, nil), row.c.ID); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// Nothing happens in those 10 minutes.
func TestWhatADeployLeftBehindIsFoundWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, cache := up("a1", "shop-app"), up("b2", "shop-cache")
		in("shop", "db")(app)
		in("shop", "cache")(cache)
		created(0)(app)
		app.CreatedSeenAt, app.Created = time.Now(), time.Now().Add(-2*time.Hour) // the clocks differ
		w, h := webhookHarness(t, usual(), app, cache)
		pass(10*time.Minute - time.Second)
		w.wantHeld("shop-app", Created)
		pass(time.Second)
		w.wantHeld("shop-app", NotStarted)
		post(t, h, firing("container", "shop-app", "heal", "start")).want(200, Outcome(NotStarted))
		w.wantStarts()
	})
}
