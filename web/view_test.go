package web

import (
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

func policed(name string) func(s *restarter.ContainerStatus) {
	return as(func(c *engine.Container) { c.RestartPolicy = name })
}

// An engine that is shut down ends its containers, whatever they make of it.
func TestWhatTheEngineEndedIsNotFinished(t *testing.T) {
	for name, row := range map[string]struct {
		s    restarter.ContainerStatus
		kind Kind
		next string
	}{
		"nobody brings it back":                 {died("web", minAgo, 0, bare, ending(engine.CauseEngine)), NeedsAttention, unlisted},
		"its policy does":                       {died("web", minAgo, 0, bare, ending(engine.CauseEngine), policed("always")), Healing, "The engine takes care of it."},
		"its policy should have":                {died("web", hour, 0, bare, ending(engine.CauseEngine), policed("unless-stopped")), NeedsAttention, unlisted},
		"its policy takes that for an end":      {died("web", minAgo, 0, bare, ending(engine.CauseEngine), policed("on-failure")), NeedsAttention, unlisted},
		"its policy takes that for a failure":   {died("web", minAgo, 137, bare, ending(engine.CauseEngine), policed("on-failure")), Healing, "The engine takes care of it."},
		"its policy does, but it cannot start":  {died("web", minAgo, 128, bare, ending(engine.CauseEngine), policed("always"), as(func(c *engine.Container) { c.Error = "no port" })), NeedsAttention, unlisted},
		"long ago":                              {died("web", 30*hour, 0, bare, ending(engine.CauseEngine)), Old, ""},
		"whitelisted, and not yet decided upon": {died("web", 0, 0, ending(engine.CauseEngine)), Healing, "Defib is checking it."},
	} {
		if k, _, next := told(row.s, false); k != row.kind || next != row.next {
			t.Errorf("%s: %s, next %q; want %s, %q", name, k, next, row.kind, row.next)
		}
	}
}

func TestAReplicaThatWaitsForAnotherIsBeingHealed(t *testing.T) {
	k, what, next := told(but(runs("db-2", hour), held(outcome.InServiceRestart, 0)), false)
	if want := "Another replica of its service is being restarted. Once that one runs and is healthy, Defib restarts this one, if the alert still asks for it."; k != Healing || next != want {
		t.Errorf("%s, %q, next %q; want %s, %q", k, what, next, Healing, want)
	}
}

func TestWhatIsLeftToOthersNeedsNobody(t *testing.T) {
	enough := func(s *restarter.ContainerStatus) { s.Container.UnhealthySince = night.Add(-hour) }
	for name, row := range map[string]struct {
		s    restarter.ContainerStatus
		kind Kind
		next string
	}{
		"Swarm's, well":                          {but(runs("web", hour), vetoed(outcome.SwarmTask), streak(9)), Fine, ""},
		"Swarm's, unhealthy":                     {but(runs("web", hour), bare, unhealthy, vetoed(outcome.SwarmTask)), Swarm, "Swarm takes care of it."},
		"Swarm's, whitelisted, unhealthy":        {but(runs("web", hour), unhealthy, vetoed(outcome.SwarmTask)), Swarm, "Swarm takes care of it."},
		"Swarm's, whitelisted, unhealthy enough": {but(runs("web", hour), unhealthy, enough, vetoed(outcome.SwarmTask), held(outcome.SwarmTask, 0), streak(9)), Swarm, leaves + outcome.Reasons[outcome.SwarmTask] + "."},

		"a one-off command, well":                   {but(runs("web", hour), vetoed(outcome.OneOff)), Fine, ""},
		"a one-off command, unhealthy":              {but(runs("web", hour), bare, unhealthy, vetoed(outcome.OneOff)), NotManaged, ""},
		"a one-off command, whitelisted, unhealthy": {but(runs("web", hour), unhealthy, vetoed(outcome.OneOff), held(outcome.OneOff, 0)), NotManaged, leaves + outcome.Reasons[outcome.OneOff] + "."},
		"the same, not yet decided upon":            {but(runs("web", hour), unhealthy, vetoed(outcome.OneOff)), NotManaged, leaves + outcome.Reasons[outcome.OneOff] + "."},
		"a one-off command, failed":                 {died("web", minAgo, 1, bare, vetoed(outcome.OneOff)), NotManaged, ""},
		"a one-off command, done":                   {died("web", minAgo, 0, bare, vetoed(outcome.OneOff)), Finished, ""},
		"another has taken its place":               {died("web", minAgo, 0, held(outcome.Superseded, 0)), NotManaged, leaves + outcome.Reasons[outcome.Superseded] + "."},
		"to be removed by the engine, failed":       {died("web", minAgo, 1, vetoed(outcome.AutoRemove), held(outcome.AutoRemove, 0)), NotManaged, leaves + outcome.Reasons[outcome.AutoRemove] + "."},
		"to be removed by the engine, done":         {died("web", minAgo, 0, vetoed(outcome.AutoRemove), held(outcome.AutoRemove, 0)), Finished, leaves + outcome.Reasons[outcome.AutoRemove] + "."},
		"to be removed by the engine, unhealthy after a good run": {
			but(runs("web", hour), unhealthy, as(func(c *engine.Container) { c.Exit = engine.Exit{Known: true} }), vetoed(outcome.AutoRemove), held(outcome.AutoRemove, 0)),
			NotManaged, leaves + outcome.Reasons[outcome.AutoRemove] + ".",
		},
	} {
		if k, _, next := told(row.s, false); k != row.kind || next != row.next {
			t.Errorf("%s: %s, next %q; want %s, %q", name, k, next, row.kind, row.next)
		}
	}
	h := newHost(died("a", minAgo, 0, bare, vetoed(outcome.OneOff)), died("b", minAgo, 1, bare, vetoed(outcome.OneOff)))
	if got, want := newStatus(night, h.report, nil, nil).Summary, "1 finished · 1 not managed"; got != want {
		t.Errorf("counted as %q, want %q", got, want)
	}
	if body := h.get(t, "/").Body.String(); !strings.Contains(body, `class="case not_managed"`) {
		t.Error("what is left to itself is not on the page")
	}
}

// It runs, but without a network.
func TestALostNetworkIsNotFineForBeingOnHold(t *testing.T) {
	s := but(runs("web", hour), held(outcome.OnHold, hour), asked(policy.TriggerDependency))
	k, story, next := told(s, true)
	if k != OnHold || !strings.HasPrefix(story, "It runs without a network: ") || !strings.HasPrefix(next, "It is on hold ") {
		t.Errorf("it is told as %s: %s %s", k, story, next)
	}
}

// The engine may stand on another host, with a clock that is off by months.
func TestTheEnginesClockIsNotComparedWithOurs(t *testing.T) {
	off := as(func(c *engine.Container) {
		c.Finished, c.Started, c.Created = engineTime, engineTime.Add(-hour), engineTime.Add(-2*hour)
	})
	former := func(s *restarter.ContainerStatus) {
		s.Predecessor = &engine.Container{ID: "old", Image: s.Container.Image}
	}
	unknown := as(func(c *engine.Container) { c.ExitSeenAt, c.ExitCause = time.Time{}, engine.CauseNone })
	for name, row := range map[string]struct {
		s     restarter.ContainerStatus
		story string
	}{
		"its end was seen":     {died("web", minAgo, 1, off, former), "It exited 1 min ago with exit code 1, after running for 1 h. It was re-created 2 h 1 min ago from “registry.example/web:1.4”, the same image as before."},
		"its end was not seen": {died("web", minAgo, 1, off, former, ending(engine.CauseUnknown)), "It exited 1 min ago with exit code 1, after running for 1 h. Whether somebody stopped it is not known. It was re-created on 2026-01-02 at 01:04:05 UTC by the engine's clock from “registry.example/web:1.4”, the same image as before."},
		"it runs":              {but(runs("web", minAgo), off, former, streak(1), as(func(c *engine.Container) { c.Health = engine.Unhealthy })), "It started 1 min ago and is unhealthy. It has been started or restarted once since it last stayed up and well for 15 min. It was re-created 1 h 1 min ago from “registry.example/web:1.4”, the same image as before."},
		"it was being restarted when Defib came": {
			died("web", minAgo, 1, off, unknown, state(engine.Restarting), held(outcome.EngineRestarting, 0)),
			"Its own restart policy is restarting it: it exited on 2026-01-02 at 03:04:05 UTC by the engine's clock with exit code 1, after running for 1 h.",
		},
	} {
		if _, story, _ := told(row.s, false); story != row.story {
			t.Errorf("%s: told as\n%s\nwant\n%s", name, story, row.story)
		}
		if since := (view{ContainerStatus: row.s, now: night}).since(); !since.IsZero() && since.Before(night.Add(-hour)) {
			t.Errorf("%s: it has lasted since %s", name, since)
		}
	}
}

func TestWhatEndedNobodyKnowsWhenIsNotTakenForOld(t *testing.T) {
	s := died("web", minAgo, 1, bare, as(func(c *engine.Container) { c.ExitSeenAt = time.Time{} }))
	if k, _, _ := told(s, false); k != NeedsAttention {
		t.Errorf("it is %s, want %s", k, NeedsAttention)
	}
}
