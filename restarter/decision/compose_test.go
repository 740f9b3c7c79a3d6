package decision

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/history"
	. "defib/restarter/internal/fixture"
	"defib/restarter/policy"
)

func TestOfTwoContainersOfOneInstanceTheLaterCounts(t *testing.T) {
	old := func(edits ...func(*engine.Container)) *engine.Container {
		return Ended(engine.CauseSelf, append([]func(*engine.Container){Named("a1", "a1_shop_db_1"), First}, edits...)...)
	}
	twin := func(edits ...func(*engine.Container)) *engine.Container {
		return Ended(engine.CauseSelf, append([]func(*engine.Container){Named("b2", "shop_db_1"), First, StartedSince(time.Minute)}, edits...)...)
	}
	for name, row := range map[string]struct {
		c, twin *engine.Container
		record  *history.Record // the twin's
		policy  []func(*policy.Policy)
		want    string
	}{
		"the twin runs":                                       {c: old(), twin: twin(State(engine.Running)), want: "superseded"},
		"the twin runs, started before it":                    {c: old(), twin: twin(State(engine.Running), StartedSince(2*time.Hour)), want: "superseded"},
		"the twin is paused":                                  {c: old(), twin: twin(State(engine.Paused)), want: "superseded"},
		"the engine restarts the twin":                        {c: old(), twin: twin(State(engine.Restarting)), want: "superseded"},
		"the twin is not whitelisted":                         {c: old(), twin: twin(State(engine.Running), Labelled(policy.LabelEnable, "false")), want: "superseded"},
		"both are down, the twin was later":                   {c: old(), twin: twin(), want: "superseded"},
		"both are down, the twin was earlier":                 {c: old(), twin: twin(StartedSince(2 * time.Hour)), want: "start"},
		"both are down, started at once":                      {c: old(), twin: twin(StartedSince(time.Hour)), want: "superseded"},
		"an action on the twin is under way":                  {c: old(), twin: twin(StartedSince(2 * time.Hour)), record: &history.Record{Acting: true}, want: "superseded"},
		"a start of the twin was not answered":                {c: old(), twin: twin(StartedSince(2 * time.Hour)), record: &history.Record{Late: true, Attempts: 9, LastEnd: Ago(30 * time.Second)}, want: "superseded 1m30s"},
		"the same, long ago":                                  {c: old(), twin: twin(StartedSince(2 * time.Hour)), record: &history.Record{Late: true, Attempts: 9, LastEnd: Ago(2 * time.Minute)}, want: "start"},
		"the twin is being removed":                           {c: old(), twin: twin(State(engine.Removing)), want: "start"},
		"the twin's first start failed":                       {c: old(), twin: twin(Unstarted), record: &history.Record{Attempts: 9, LastEnd: Noon}, want: "start"},
		"the twin is about to be started":                     {c: old(), twin: twin(CreatedAgo(30 * time.Second)), want: "stopped_delay 1m30s"},
		"the twin was never started":                          {c: old(), twin: twin(CreatedAgo(2 * time.Minute)), want: "start"},
		"the twin is about to be started, and it was stopped": {c: old(EndedAgo(time.Minute), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), twin: twin(CreatedAgo(30 * time.Second)), want: "stopped_delay 1m30s"},
		"the twin was stopped a moment ago, or is being restarted": {
			c: old(Unstarted, EndedAgo(time.Hour)), twin: twin(EndedAgo(time.Second), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), want: "stopped_delay 9s",
		},
		"the same, without a delay for what is stopped": {
			c: old(Unstarted, EndedAgo(time.Hour)), twin: twin(EndedAgo(time.Second), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }),
			policy: []func(*policy.Policy){func(p *policy.Policy) { p.StoppedDelay = 0 }}, want: "stopped_delay 1s",
		},
		"the same, and the delay is its own, not the twin's": {
			c:    old(Unstarted, EndedAgo(time.Hour), Labelled(policy.LabelStoppedDelay, "1m")),
			twin: twin(EndedAgo(time.Second), Labelled(policy.LabelStoppedDelay, "1h"), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), want: "stopped_delay 59s",
		},
		"the twin was stopped longer ago": {
			c: old(Unstarted, EndedAgo(time.Hour)), twin: twin(EndedAgo(10*time.Second), func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), want: "start",
		},
		"nobody saw how the twin ended a moment ago": {
			c: old(), twin: twin(StartedSince(2*time.Hour), EndedAgo(time.Second), func(c *engine.Container) { c.ExitCause = engine.CauseUnknown }), want: "stopped_delay 9s",
		},
		"its own first start failed":              {c: old(Unstarted), twin: twin(), record: &history.Record{Attempts: 9, LastEnd: Noon}, want: "start"},
		"its own first start failed, twin runs":   {c: old(Unstarted), twin: twin(State(engine.Running)), want: "superseded"},
		"its own failed, the twin's is under way": {c: old(Unstarted), twin: twin(), record: &history.Record{Acting: true}, want: "superseded"},
		"it was never started":                    {c: old(State(engine.Created)), twin: twin(State(engine.Running)), want: "created"},
		"somebody stopped it":                     {c: old(func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), twin: twin(State(engine.Running)), want: "superseded"},
		"deaths are left to alerts":               {c: old(), twin: twin(State(engine.Running)), policy: []func(*policy.Policy){Triggers()}, want: "superseded"},

		"it runs, and so does the twin":   {c: old(State(engine.Running), UnhealthyFor(0)), twin: twin(State(engine.Running)), want: "restart unhealthy"},
		"another number":                  {c: old(), twin: twin(State(engine.Running), Labelled(compose.LabelNumber, "2")), want: "start"},
		"another service":                 {c: old(), twin: twin(State(engine.Running), In("shop", "app")), want: "start"},
		"another project":                 {c: old(), twin: twin(State(engine.Running), In("toys", "db")), want: "start"},
		"another directory":               {c: old(), twin: twin(State(engine.Running), Labelled(compose.LabelWorkingDir, "/home/joe/shop")), want: "start"},
		"no directory, of an old compose": {c: old(), twin: twin(State(engine.Running), Labelled(compose.LabelWorkingDir, "")), want: "superseded"},
		"no number, labelled by hand": {
			c: old(Labelled(compose.LabelNumber, "")), twin: twin(State(engine.Running), Labelled(compose.LabelNumber, "")), want: "start",
		},
		"the other is a one-off command": {c: old(), twin: twin(State(engine.Running), Labelled(compose.LabelOneOff, "True")), want: "start"},
	} {
		t.Run(name, func(t *testing.T) {
			past := history.History{Records: map[string]*history.Record{}}
			if row.record != nil {
				past.Records[row.twin.ID] = row.record
			}
			if got := ran(Decide(Noon, Usual(row.policy...), SnapshotOf(row.c, row.twin), past, nil), row.c.ID); got != row.want {
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
		past := history.History{Records: map[string]*history.Record{}}
		p := SnapshotOf()
		for i := range 2 + r.IntN(3) {
			c := Ended(engine.CauseSelf, Named(fmt.Sprint(i), fmt.Sprint("db-", i)), First, StartedSince(time.Duration(r.IntN(4))*time.Minute))
			switch r.IntN(4) {
			case 0:
				State(engine.States[r.IntN(len(engine.States))])(c)
			case 1:
				Unstarted(c)
			}
			p.Containers = append(p.Containers, c)
			past.Records[c.ID] = &history.Record{Acting: r.IntN(6) == 0, SlotUntil: Noon.Add(time.Minute), Attempts: r.IntN(2), LastEnd: Ago(time.Minute)}
		}
		var starts, runs int
		for _, v := range Decide(Noon, Usual(), p, past, nil).Verdicts {
			if v.Act && !v.Restarts() {
				starts++
			}
		}
		for _, c := range p.Containers {
			if c.Up() || c.State == engine.Paused || c.State == engine.Restarting || past.At(c.ID).Acting {
				runs++
			}
		}
		if starts > 1 || starts == 1 && runs > 0 {
			t.Fatalf("seed %d: starts %d beside %d that run or are acted upon", seed, starts, runs)
		}
	}
}

func TestWhatADeployLeftBehindIsToldFromWhatNobodyWantsToRun(t *testing.T) {
	app := func(d time.Duration, edits ...func(*engine.Container)) *engine.Container {
		return Ended("", append([]func(*engine.Container){Named("a1", "shop-app"), In("shop", "db"), Labelled(compose.LabelWorkingDir, "/srv/shop"), CreatedAgo(d)}, edits...)...)
	}
	cache := func(edits ...func(*engine.Container)) *engine.Container {
		return Running(append([]func(*engine.Container){Named("b2", "shop-cache"), In("shop", "cache"), Labelled(compose.LabelWorkingDir, "/srv/shop"), StartedSince(time.Minute)}, edits...)...)
	}
	numbered := Labelled(compose.LabelNumber, "1")
	for name, row := range map[string]struct {
		c, other *engine.Container
		policy   []func(*policy.Policy)
		want     string
	}{
		"10 minutes after a deploy":             {c: app(10 * time.Minute), other: cache(), want: "not_started"},
		"until then it may go on":               {c: app(9 * time.Minute), other: cache(), want: "created 1m0s"},
		"the other one is down by now":          {c: app(time.Hour), other: Ended(engine.CauseSelf, Named("b2", "cache"), In("shop", "cache")), want: "created"},
		"the other one is down, started since":  {c: app(time.Hour), other: cache(State(engine.Exited)), want: "not_started"},
		"nothing was started since":             {c: app(time.Hour), other: cache(StartedSince(2 * time.Hour)), want: "created"},
		"nothing was ever started":              {c: app(time.Hour), other: cache(CreatedAgo(time.Hour)), want: "created"},
		"another project was":                   {c: app(time.Hour), other: cache(In("toys", "cache")), want: "created"},
		"the same name in another directory":    {c: app(time.Hour), other: cache(Labelled(compose.LabelWorkingDir, "/home/joe")), want: "created"},
		"the other's directory is not known":    {c: app(time.Hour), other: cache(Labelled(compose.LabelWorkingDir, "")), want: "not_started"},
		"its directory is not known":            {c: app(time.Hour, Labelled(compose.LabelWorkingDir, "")), other: cache(), want: "not_started"},
		"it is of no project":                   {c: app(time.Hour, In("", ""), Labelled(policy.LabelEnable, "true")), other: cache(In("", "")), want: "created"},
		"only a one-off command was run":        {c: app(time.Hour), other: cache(Labelled(compose.LabelOneOff, "True")), want: "created"},
		"it is one itself":                      {c: app(time.Hour, Labelled(compose.LabelOneOff, "True")), other: cache(), want: "one_off"},
		"its service runs in another container": {c: app(time.Hour, numbered), other: cache(In("shop", "db"), numbered), want: "created"},
		"its first start failed":                {c: app(time.Hour, func(c *engine.Container) { c.Error, c.ExitCause = "no such device", engine.CauseSelf }), other: cache(), want: "start"},
		"it is on hold":                         {c: app(time.Hour), other: cache(), policy: []func(*policy.Policy){HoldFor("shop/db", time.Minute)}, want: "on_hold 1m0s"},
		"a dry run says so, too":                {c: app(time.Hour), other: cache(), policy: []func(*policy.Policy){func(p *policy.Policy) { p.DryRun = true }}, want: "not_started"},
		"the engine's clock is another":         {c: app(time.Hour, func(c *engine.Container) { c.Created = Noon.Add(time.Hour) }), other: cache(StartedSince(-2 * time.Hour)), want: "not_started"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ran(Decide(Noon, Usual(row.policy...), SnapshotOf(row.c, row.other), history.History{}, nil), row.c.ID); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
