package decision

import (
	"testing"
	"time"

	"defib/engine"
	"defib/restarter/history"
	. "defib/restarter/internal/fixture"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// What one decision does about a task of Swarm, a1.
func TestTaskIsEndedForAnAlertOnly(t *testing.T) {
	task := func(edits ...func(*engine.Container)) *engine.Container {
		return Running(append([]func(*engine.Container){TaskOf("api.1", "a1")}, edits...)...)
	}
	down := func(c *engine.Container) { *c = *Ended(engine.CauseSelf, TaskOf("api.1", "a1")) }
	for name, row := range map[string]struct {
		policy policy.Policy
		c      *engine.Container
		quiet  bool // no alert asks for it
		record history.Record
		want   string
	}{
		"an alert asks for it": {c: task(), want: "restart alert"},
		"nobody does":          {c: task(), quiet: true, want: ""},
		"an alert asks for it, and it is unhealthy": {c: task(UnhealthyFor(time.Minute)), want: "restart alert"},
		"it is unhealthy":                       {c: task(UnhealthyFor(time.Minute)), quiet: true, want: "swarm_task"},
		"it is down":                            {c: task(down), quiet: true, want: "swarm_task"},
		"an alert asks for it, and it is down":  {c: task(down), want: "swarm_task"},
		"it has no such label":                  {c: task(func(c *engine.Container) { delete(c.Labels, policy.LabelSwarm) }), want: "swarm_task"},
		"its label is empty":                    {c: task(Labelled(policy.LabelSwarm, "")), want: "bad_label"},
		"it is not whitelisted":                 {c: task(Labelled(policy.LabelEnable, "false")), want: ""},
		"its label says something else":         {c: task(Labelled(policy.LabelSwarm, "stop")), want: "bad_label"},
		"its label is in upper case":            {c: task(Labelled(policy.LabelSwarm, " Restart")), want: "restart alert"},
		"the trigger is off":                    {c: task(), policy: Usual(Triggers(policy.TriggerUnhealthy)), want: "trigger_disabled"},
		"a dry run":                             {c: task(), policy: Usual(func(p *policy.Policy) { p.DryRun = true }), want: "dry_run"},
		"it is on hold":                         {c: task(), policy: Usual(func(p *policy.Policy) { p.HoldAll = true }), want: "on_hold"},
		"it is too young":                       {c: task(BegunAgo(time.Second)), want: "too_young 59s"},
		"its health check has not settled":      {c: task(HealthCheck(engine.Starting)), want: "too_young"},
		"it is paused":                          {c: task(State(engine.Paused)), want: "swarm_task"},
		"the engine does not answer for it":     {c: task(func(c *engine.Container) { c.Inspected = false }), want: "not_inspected"},
		"somebody stops it":                     {c: task(func(c *engine.Container) { c.StopSeenAt, c.StopTimeout = Ago(time.Second), 9*time.Second }), want: "in_progress 28s"},
		"it is being ended":                     {c: task(), record: history.Record{Acting: true}, want: ""},
		"an end of it may still go on":          {c: task(func(c *engine.Container) { c.StopTimeout = 9 * time.Second }), record: history.Record{Late: true, LastEnd: Ago(time.Minute)}, want: "in_progress 4m0s"},
		"the last end of its slot did not help": {c: task(), record: history.Record{Attempts: 3, LastEnd: Ago(time.Second)}, want: "back_off 3s"},
		"none of five did":                      {c: task(), record: history.Record{Restarts: 5}, want: "gave_up"},
		"Swarm would not replace it":            {c: task(), record: history.Record{Attempts: 3, LastEnd: Ago(time.Second), Declined: outcome.NotReplaced}, want: "not_replaced 3s"},
		"as many are being restarted as may be": {c: task(), policy: Usual(func(p *policy.Policy) { p.Concurrency = 0 }), want: "rate_limited"},
	} {
		t.Run(name, func(t *testing.T) {
			pol := row.policy
			if pol.Triggers == nil {
				pol = Usual()
			}
			asked := map[string]time.Time{}
			if !row.quiet {
				asked["a1"] = Ago(time.Second)
			}
			records := history.History{Records: map[string]*history.Record{"a1": &row.record}}
			if got := ran(Decide(Noon, pol, SnapshotOf(row.c), records, asks(asked)), "a1"); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
