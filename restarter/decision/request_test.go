package decision

import (
	"testing"
	"time"

	"defib/engine"
	"defib/restarter/history"
	. "defib/restarter/internal/fixture"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/target"
)

// What becomes of one request for container a1, which came a second ago and whose caller
// waits for eight more.
func TestEveryRequestGetsItsAnswer(t *testing.T) {
	late := func(q *Request) { q.Asked, q.Deadline = Ago(9*time.Second), Noon }
	start := func(q *Request) { q.Start = true }
	ended := func(q *Request) { q.result = outcome.Answer{Outcome: outcome.Restarted} }
	for _, row := range []struct {
		name   string
		policy policy.Policy
		c      *engine.Container // nil: there is none
		others []*engine.Container
		record history.Record
		edit   []func(*Request)
		away   bool // the engine is unavailable
		acts   bool
		want   outcome.Outcome // "": it waits, or gets none
		until  time.Duration
		next   time.Duration // when the plan is to be made again, after Noon
	}{
		{name: "the container has gone", want: outcome.Gone, next: time.Second},
		{name: "it is not whitelisted", c: Running(Named("a1", "other")), want: outcome.NotWhitelisted, next: time.Second},
		{name: "its labels are not understood", c: Running(Labelled(policy.LabelEnable, "si")), want: outcome.Outcome(outcome.BadLabel), next: time.Second},
		{name: "it runs and is to be up", c: Running(), edit: []func(*Request){start}, want: outcome.AlreadyRunning, next: time.Second},
		{name: "it was acted upon for the firing", c: Running(), edit: []func(*Request){func(q *Request) { q.firing.Acted = Ago(time.Minute) }}, want: outcome.AlreadyRestarted, next: time.Second},
		{name: "that was longer ago than the cooldown", c: Running(), edit: []func(*Request){func(q *Request) { q.firing.Acted = Ago(5 * time.Minute) }}, acts: true, next: 8 * time.Second},
		{name: "that was less long ago than its own cooldown", c: Running(Labelled(policy.LabelCooldown, "1h")), edit: []func(*Request){func(q *Request) { q.firing.Acted = Ago(5 * time.Minute) }}, want: outcome.AlreadyRestarted, next: time.Second},
		{name: "that was longer ago than its own cooldown", c: Running(Labelled(policy.LabelCooldown, "10s")), edit: []func(*Request){func(q *Request) { q.firing.Acted = Ago(time.Minute) }}, acts: true, next: 8 * time.Second},
		{name: "somebody started it since the firing came", c: Running(BegunAgo(2 * time.Minute)), edit: []func(*Request){func(q *Request) { q.firing.Heard = Ago(3 * time.Minute) }}, want: outcome.AlreadyRestarted, next: time.Second},
		{name: "it ended after it was acted upon", c: Ended(engine.CauseSelf), edit: []func(*Request){func(q *Request) { q.firing.Acted = Ago(time.Minute) }}, acts: true, next: 8 * time.Second},
		{name: "it is restarted", c: Running(), acts: true, next: 8 * time.Second},
		{name: "it is started for another cause", c: Ended(engine.CauseSelf), edit: []func(*Request){start}, acts: true, next: 8 * time.Second},
		{name: "an action is under way", c: Running(), record: history.Record{Acting: true}, next: 8 * time.Second},
		{name: "an action is under way for too long", c: Running(), record: history.Record{Acting: true}, edit: []func(*Request){late}, want: outcome.Outcome(outcome.InProgress)},
		{name: "an action is under way, and it was answered", c: Running(), record: history.Record{Acting: true}, edit: []func(*Request){late, func(q *Request) { q.Answered = true }}},
		{name: "an action has ended since", c: Running(), edit: []func(*Request){ended}, want: outcome.Restarted, next: time.Second},
		{name: "an action has ended, and the container has gone", edit: []func(*Request){ended}, want: outcome.Restarted, next: time.Second},
		{name: "its caller has left", c: Running(), edit: []func(*Request){func(q *Request) { q.Withdrawn = true }}, next: time.Second},
		{name: "its caller has left while an action is under way", c: Running(), record: history.Record{Acting: true}, edit: []func(*Request){func(q *Request) { q.Withdrawn = true }}, next: 8 * time.Second},
		{name: "it is paused", c: Ended("", State(engine.Paused)), want: outcome.Outcome(outcome.Paused), next: time.Second},
		{name: "it is too young for longer than the caller waits", c: Running(BegunAgo(20 * time.Second)), want: outcome.Outcome(outcome.TooYoung), until: 40 * time.Second, next: time.Second},
		{name: "it is too young for less than that", c: Running(BegunAgo(55 * time.Second)), next: 5 * time.Second},
		{name: "it may have been stopped for a moment", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseStopped), next: time.Second},
		{name: "it has been stopped for longer", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseStopped), edit: []func(*Request){func(q *Request) { q.Asked = Ago(2 * time.Second) }}, want: outcome.Outcome(outcome.Stopped), next: time.Second},
		{name: "others are acted upon first", policy: Usual(func(p *policy.Policy) { p.Concurrency = 1 }), c: Running(), others: []*engine.Container{Running(Named("b2", "batch-1"), UnhealthyFor(time.Minute))}, next: 8 * time.Second},
		{name: "others are acted upon for too long", policy: Usual(func(p *policy.Policy) { p.Concurrency = 1 }), c: Running(), others: []*engine.Container{Running(Named("b2", "batch-1"), UnhealthyFor(time.Minute))}, edit: []func(*Request){late}, want: outcome.Outcome(outcome.RateLimited), next: time.Second},
		{name: "the engine is unavailable", c: Running(), away: true, next: 8 * time.Second},
		{name: "the engine is unavailable for too long", c: Running(), away: true, edit: []func(*Request){late}, want: outcome.EngineUnavailable, next: time.Second},
		{name: "the engine is unavailable for too long, and an action under way", c: Running(), record: history.Record{Acting: true}, away: true, edit: []func(*Request){late}, want: outcome.Outcome(outcome.InProgress)},
		{name: "the engine is unavailable, and an action has ended", c: Running(), edit: []func(*Request){ended}, away: true, want: outcome.Restarted, next: time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			pol := row.policy
			if pol.Whitelist == nil {
				pol = Usual()
			}
			var cs []*engine.Container
			if row.c != nil {
				cs = append(cs, row.c)
			}
			p := SnapshotOf(append(cs, row.others...)...)
			p.Connected = !row.away
			q := &Request{Container: "a1", Name: "web", Alert: Alert{Asked: Ago(time.Second), Deadline: Noon.Add(8 * time.Second)}, firing: &history.Firing{Heard: Ago(time.Second)}}
			for _, edit := range row.edit {
				edit(q)
			}
			before := *q
			plan := Decide(Noon, pol, p, history.History{Records: map[string]*history.Record{"a1": &row.record}}, []*Request{q})
			if *q != before {
				t.Errorf("the decision has changed the request: %+v", q)
			}
			var got outcome.Answer
			for _, a := range plan.Answers {
				got = a.Answer
			}
			if got.Outcome != row.want || !got.Until.IsZero() && got.Until.Sub(Noon) != row.until || got.Until.IsZero() && row.until != 0 || len(plan.Answers) > 1 {
				t.Errorf("answers %+v, want %q until %s", plan.Answers, row.want, row.until)
			}
			acts := false
			for _, v := range plan.Verdicts {
				acts = acts || v.Container.ID == "a1" && v.Act
			}
			if acts != row.acts {
				t.Errorf("acts: %t, want %t; %+v", acts, row.acts, plan.Verdicts)
			}
			if look := max(0, plan.Next.Sub(Noon)); look != row.next {
				t.Errorf("looks again after %s, want %s", look, row.next)
			}
		})
	}
}

func TestLaw10WhatIsTooMuchIsNotRemembered(t *testing.T) {
	p, h := SnapshotOf(Replica("a1", "db-1"), Replica("b2", "db-2")), history.New(Noon)
	a := Alert{Since: Ago(time.Minute), Target: target.Target{Project: "shop", Service: "db"}, Asked: Noon, Deadline: Noon.Add(time.Second)}
	if requests, container, none := Receive(Noon, &h, p, a, 1); len(requests) != 0 || container != "shop/db" || none.Outcome != outcome.Busy || len(h.Firings) != 0 {
		t.Errorf("%d requests for %s, %+v, %d firings remembered", len(requests), container, none, len(h.Firings))
	}
	if requests, container, _ := Receive(Noon, &h, p, a, 2); len(requests) != 2 || container != "shop/db" || len(h.Firings) != 2 {
		t.Errorf("%d requests for %s, %d firings remembered", len(requests), container, len(h.Firings))
	}
}

func TestTasksOfASwarmServiceAreCalledByItsName(t *testing.T) {
	task := func(id string) *engine.Container {
		return Running(Named(id, "shop_web."+id), Labelled("com.docker.swarm.task.id", id, "com.docker.swarm.service.name", "shop_web"))
	}
	h := history.New(Noon)
	a := Alert{Since: Ago(time.Minute), Target: target.Target{SwarmService: "shop_web"}, Asked: Noon, Deadline: Noon.Add(time.Second)}
	if requests, container, _ := Receive(Noon, &h, SnapshotOf(task("a1"), task("b2")), a, 2); len(requests) != 2 || container != "shop_web" {
		t.Errorf("%d requests for %q, want 2 for shop_web", len(requests), container)
	}
}

// A container of a re-creation is judged by the name that both are about: a request is answered
// by the same rule, or it would never be.
func TestRequestForAContainerOfAReCreationGetsItsAnswer(t *testing.T) {
	passing := engine.PassingName("web", hex("c"))
	excluding := func(p *policy.Policy) { p.Exclude = Patterns("web") }
	for _, row := range []struct {
		name string
		c    *engine.Container
		edit func(*policy.Policy)
		want outcome.Outcome
	}{
		{name: "its name alone is whitelisted, and it may not be re-created", c: Running(Named(hex("a"), passing), Labelled(policy.LabelEnable, "true")), edit: func(*policy.Policy) {}, want: outcome.NotWhitelisted},
		{name: "the name of both is excluded meanwhile", c: Running(Named(hex("a"), passing), Labelled(policy.LabelEnable, "true", policy.LabelRecreate, "true")), edit: excluding, want: outcome.NotWhitelisted},
		{name: "the name of both is whitelisted", c: Running(Named(hex("a"), passing), Labelled(policy.LabelRecreate, "true")), edit: func(*policy.Policy) {}, want: outcome.Outcome(outcome.Superseded)},
	} {
		t.Run(row.name, func(t *testing.T) {
			q := &Request{Container: row.c.ID, Name: row.c.Name, Alert: Alert{Asked: Ago(9 * time.Second), Deadline: Noon}, firing: &history.Firing{Heard: Ago(9 * time.Second)}}
			answers := Decide(Noon, Usual(row.edit), SnapshotOf(row.c), history.History{Records: map[string]*history.Record{}}, []*Request{q}).Answers
			if len(answers) != 1 || answers[0].Outcome != row.want {
				t.Errorf("answers %+v, want %s", answers, row.want)
			}
		})
	}
}

// TestLateRequestWithoutAVerdictIsAnswered whatever the decision has forgotten.
func TestLateRequestWithoutAVerdictIsAnswered(t *testing.T) {
	q := &Request{Alert: Alert{Asked: Ago(9 * time.Second), Deadline: Noon}}
	if a, _ := q.waits(Noon, Verdict{}, false); a.Outcome != outcome.NotWhitelisted {
		t.Errorf("answered %+v", a)
	}
}
