package web

import (
	"slices"
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// told is what the page says of a standing: kind, story and what is next.
func told(s restarter.ContainerStatus, orphaned bool) (k Kind, story, next string) {
	p := view{ContainerStatus: s, now: night, reset: 15 * time.Minute}
	if orphaned {
		p.Tie = decision.Tie{Namespace: engine.Network, Lost: true}
	}
	return toldOf(p)
}

func toldOf(p view) (k Kind, story, next string) {
	texts := make([]string, 0, 4)
	for _, sentence := range p.summary() {
		texts = append(texts, sentence.String())
	}
	return p.kind(), strings.Join(texts, " "), p.nextAction().String()
}

func tied(t decision.Tie) func(s *restarter.ContainerStatus) {
	return func(s *restarter.ContainerStatus) { s.Tie = t }
}

// but edits a standing.
func but(s restarter.ContainerStatus, edits ...func(s *restarter.ContainerStatus)) restarter.ContainerStatus {
	for _, f := range edits {
		f(&s)
	}
	return s
}

func ending(e engine.ExitCause) func(s *restarter.ContainerStatus) {
	return as(func(c *engine.Container) { c.ExitCause = e })
}

func state(now engine.State) func(s *restarter.ContainerStatus) {
	return as(func(c *engine.Container) { c.State = now })
}

func streak(n int) func(s *restarter.ContainerStatus) {
	return func(s *restarter.ContainerStatus) { s.Streak = n }
}

func asked(trigger policy.Trigger) func(s *restarter.ContainerStatus) {
	return func(s *restarter.ContainerStatus) { s.Trigger = trigger }
}

func vetoed(r outcome.Reason) func(s *restarter.ContainerStatus) {
	return func(s *restarter.ContainerStatus) { s.Veto = r }
}

var unhealthy = as(func(c *engine.Container) {
	c.HealthCheck, c.Health, c.HealthOutput, c.UnhealthySince = true, engine.Unhealthy, "no route", night.Add(-2*time.Minute)
})

// engineTime is a moment of an engine's clock that is far off.
var engineTime = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

func mislabelled(s *restarter.ContainerStatus) {
	s.Rule.BadLabels = []string{`defib.enable: "si" is neither true nor false`}
}

const notUnderstood = `Defib leaves it alone, since it does not understand the label “defib.enable: "si" is neither true nor false”. Correct the label and re-create the container.`

const (
	hour     = time.Hour
	halfMin  = 30 * time.Second
	minAgo   = time.Minute
	leaves   = "Defib leaves it alone: "
	unlisted = "Defib leaves it alone: it is not whitelisted."
)

// Nothing is healed until somebody corrects the file.
func TestABrokenHoldFileThatHoldsEverythingNeedsSomebody(t *testing.T) {
	p := view{ContainerStatus: died("web", minAgo, 1, held(outcome.OnHold, 0)), now: night, holdAll: true}
	k, _, next := toldOf(p)
	if want := "Everything is on hold, since the hold file cannot be read. Correct or delete the file: the top of this page says what is wrong with it."; k != NeedsAttention || next != want {
		t.Errorf("%s, next %q; want %s, %q", k, next, NeedsAttention, want)
	}
	if got := p.commands(); len(got) != 2 || got[1] != "docker start web" {
		t.Errorf("commands %q", got)
	}
	p.ContainerStatus = but(runs("web", hour), held(outcome.OnHold, 0), asked(policy.TriggerAlert))
	if k, _, _ := toldOf(p); k != Fine {
		t.Errorf("one that runs well is %s, want %s", k, Fine)
	}
	for all, want := range map[bool]string{true: "Everything is on hold until it can be read", false: "What is on hold stays on hold until it expires"} {
		h := newHost(runs("web", hour))
		h.report.HoldAll, h.report.HoldFault = all, "holds: line 1: \"<b>\": want a name and a time"
		body, data := h.get(t, "/").Body.String(), h.get(t, "/api/v1/status").Body.String()
		if !strings.Contains(body, want) || !strings.Contains(body, "line 1: &#34;&lt;b&gt;&#34;: want a name") || !strings.Contains(body, "icon-need.svg") {
			t.Errorf("the page does not say %q, or not why", want)
		}
		if !strings.Contains(data, `"hold_file_error":"holds: line 1:`) || strings.Contains(data, `"hold_all":true`) != all {
			t.Errorf("the data do not say so: %s", data)
		}
	}
}

func TestEachCaseIsToldInSentences(t *testing.T) {
	for name, row := range map[string]struct {
		s           restarter.ContainerStatus
		kind        Kind
		story, next string
	}{
		"it runs":                                {runs("web", hour), Fine, "", ""},
		"it runs, and its check has not settled": {but(runs("web", hour), as(func(c *engine.Container) { c.HealthCheck, c.Health = true, engine.Starting })), Fine, "", ""},
		"it was started once and runs":           {but(runs("web", minAgo), streak(1)), Fine, "", ""},
		"it runs for now, in a loop": {
			but(runs("web", minAgo), streak(5)), NeedsAttention,
			"It is running for now; it started 1 min ago. It has been started or restarted 5 times since it last stayed up and well for 15 min. Restarts do not help: fix the cause.", "",
		},
		"it has just died, and no decision speaks of it": {
			died("web", 0, 1), Healing,
			"It exited 0 s ago with exit code 1, after running for 1 h.", "Defib is checking it.",
		},
		"it is being started": {
			died("web", 0, 139, held(outcome.InProgress, 0)), Healing,
			"It exited 0 s ago with exit code 139 (segmentation fault), after running for 1 h.", "Defib is starting it now.",
		},
		"it waits in a back-off": {
			died("web", minAgo, 1, held(outcome.BackOff, halfMin), streak(1)), Healing,
			"It exited 1 min ago with exit code 1, after running for 1 h. It has been started or restarted once since it last stayed up and well for 15 min.", "Defib starts it again in 30 s.",
		},
		"it waits in a back-off, in a loop": {
			died("web", minAgo, 127, held(outcome.BackOff, 5*time.Minute+halfMin), streak(1234)), NeedsAttention,
			"It exited 1 min ago with exit code 127 (command not found), after running for 1 h. It has been started or restarted 1,234 times since it last stayed up and well for 15 min. Restarts do not help: fix the cause.",
			"Defib starts it again in 5 min 30 s.",
		},
		"its start fails": {
			died("web", minAgo, 128, held(outcome.BackOff, halfMin), as(func(c *engine.Container) { c.Error = "port is already allocated" })), Healing,
			"It exited 1 min ago after running for 1 h, and has failed to start since. The engine says: “port is already allocated”.", "Defib starts it again in 30 s.",
		},
		"its first start fails": {
			died("web", minAgo, 128, held(outcome.BackOff, halfMin), as(func(c *engine.Container) {
				c.State, c.Error, c.Exit, c.Started, c.Finished = engine.Created, "port is already allocated", engine.Exit{}, time.Time{}, time.Time{}
			})), Healing,
			"It failed to start 1 min ago. The engine says: “port is already allocated”.", "Defib starts it again in 30 s.",
		},
		"somebody stopped it": {
			died("web", minAgo, 143, held(outcome.StoppedDelay, halfMin), ending(engine.CauseStopped)), Healing,
			"Somebody stopped it 1 min ago with exit code 143 (terminated), after running for 1 h.", "Defib starts it in 30 s, unless somebody starts it first: a deploy may be under way.",
		},
		"somebody stopped it, and it stays so": {
			died("web", hour, 0, held(outcome.Stopped, 0), ending(engine.CauseStopped)), Stopped,
			"Somebody stopped it 1 h ago with exit code 0 (no error), after running for 1 h.", leaves + outcome.Reasons[outcome.Stopped] + ".",
		},
		"the engine was shut down": {
			died("web", minAgo, 0, held(outcome.RateLimited, 0), ending(engine.CauseEngine)), Healing,
			"The engine was shut down, and stopped it 1 min ago with exit code 0 (no error), after running for 1 h.", "Defib starts it as soon as others have been started or restarted.",
		},
		"nobody watched": {
			died("web", minAgo, 1, held(outcome.StoppedDelay, halfMin), ending(engine.CauseUnknown)), Healing,
			"It exited 1 min ago with exit code 1, after running for 1 h. Whether somebody stopped it is not known.", "Defib starts it in 30 s, unless somebody starts it first: a deploy may be under way.",
		},
		"it ended as it was meant to": {
			died("web", minAgo, 0, held(outcome.Finished, 0)), Finished,
			"It exited 1 min ago with exit code 0 (no error), after running for 1 h.", leaves + outcome.Reasons[outcome.Finished] + ".",
		},
		"it is on hold": {
			died("web", minAgo, 1, held(outcome.OnHold, 2*hour+halfMin)), OnHold,
			"It exited 1 min ago with exit code 1, after running for 1 h.", "It is on hold for maintenance. The hold ends in 2 h. To end it sooner, run defib release (in Defib's container, if it runs in one).",
		},
		"it runs, an alert asks for it, and it is on hold": {but(runs("web", hour), held(outcome.OnHold, hour), asked(policy.TriggerAlert)), Fine, "", ""},
		"the proxy refuses": {
			died("web", minAgo, 1, held(outcome.Refused, halfMin)), NeedsAttention,
			"It exited 1 min ago with exit code 1, after running for 1 h.", "Defib tries again in 30 s: the engine, or a proxy in front of it, refuses to start or restart containers.",
		},
		"a dry run": {
			died("web", minAgo, 1, held(outcome.DryRun, 0)), NeedsAttention,
			"It exited 1 min ago with exit code 1, after running for 1 h.", "Defib would start it without --dry-run.",
		},
		"its trigger is off": {
			died("web", minAgo, 1, held(outcome.TriggerDisabled, 0)), NeedsAttention,
			"It exited 1 min ago with exit code 1, after running for 1 h.", leaves + "the trigger exited is off (--restart.triggers, or its label defib.triggers). An alert can still ask for it.",
		},
		"its label is not understood": {
			died("web", minAgo, 1, held(outcome.BadLabel, 0), mislabelled), NeedsAttention,
			"It exited 1 min ago with exit code 1, after running for 1 h.", notUnderstood,
		},
		"it runs, and its label is not understood": {
			but(runs("web", hour), held(outcome.BadLabel, 0), mislabelled, asked("")), NeedsAttention,
			"It is running; it started 1 h ago.", notUnderstood,
		},
		"its network is gone": {
			died("web", minAgo, 1, held(outcome.ParentGone, 0)), NeedsAttention,
			"It exited 1 min ago with exit code 1, after running for 1 h.", leaves + outcome.Reasons[outcome.ParentGone] + ".",
		},
		"it waits for its network": {
			died("web", minAgo, 1, held(outcome.ParentDown, 0)), Healing,
			"It exited 1 min ago with exit code 1, after running for 1 h.", leaves + outcome.Reasons[outcome.ParentDown] + ".",
		},
		"the engine could not remove it": {
			died("web", minAgo, 1, held(outcome.Dead, 0), state(engine.Dead)), NeedsAttention,
			"The engine tried to remove it and failed; it can never run again.", leaves + outcome.Reasons[outcome.Dead] + ".",
		},
		"it is being removed": {
			died("web", minAgo, 1, held(outcome.Removing, 0), state(engine.Removing)), NotManaged,
			"It is being removed.", leaves + outcome.Reasons[outcome.Removing] + ".",
		},
		"it is paused": {
			but(runs("web", hour), state(engine.Paused), held(outcome.Paused, 0)), Paused,
			"Somebody has paused it.", leaves + outcome.Reasons[outcome.Paused] + ".",
		},
		"it was never started": {
			died("web", minAgo, 0, held(outcome.Created, 0), as(func(c *engine.Container) {
				c.State, c.Exit, c.Created = engine.Created, engine.Exit{}, engineTime
				c.Started, c.Finished, c.ExitSeenAt, c.ExitCause = time.Time{}, time.Time{}, time.Time{}, engine.CauseNone
			})), Created,
			"It was created on 2026-01-02 at 03:04:05 UTC by the engine's clock and never started.", leaves + outcome.Reasons[outcome.Created] + ".",
		},
		"its own policy restarts it": {
			died("web", minAgo, 1, held(outcome.EngineRestarting, 0), state(engine.Restarting)), Healing,
			"Its own restart policy is restarting it: it exited 1 min ago with exit code 1, after running for 1 h.", leaves + outcome.Reasons[outcome.EngineRestarting] + ".",
		},
		"the engine does not tell": {
			but(runs("web", hour), as(func(c *engine.Container) { c.Inspected = false }), held(outcome.NotInspected, 0)), NeedsAttention,
			"The engine lists it as running, but does not answer an inspect of it.", leaves + outcome.Reasons[outcome.NotInspected] + ".",
		},
		"it was created anew from another image": {
			died("web", minAgo, 1, held(outcome.BackOff, halfMin), func(s *restarter.ContainerStatus) {
				s.Container.Created, s.Predecessor = night.Add(-minAgo), &engine.Container{ID: "old", Image: "web:1"}
			}), Healing,
			"It exited 1 min ago with exit code 1, after running for 1 h. It was re-created 1 min ago from “registry.example/web:1.4”; before, it was from “web:1”.", "Defib starts it again in 30 s.",
		},
		"it was created anew from the same name, which means another image": {
			died("web", minAgo, 1, held(outcome.BackOff, halfMin), func(s *restarter.ContainerStatus) {
				s.Container.Created, s.Predecessor = night.Add(-minAgo), &engine.Container{ID: "old", Image: s.Container.Image, ImageID: "sha256:1"}
			}), Healing,
			"It exited 1 min ago with exit code 1, after running for 1 h. It was re-created 1 min ago from “registry.example/web:1.4”, a name that means another image now.", "Defib starts it again in 30 s.",
		},
		"it was created anew from the same image": {
			died("web", minAgo, 1, held(outcome.BackOff, halfMin), func(s *restarter.ContainerStatus) {
				s.Container.Created, s.Predecessor = night.Add(-minAgo), &engine.Container{ID: "old", Image: s.Container.Image}
			}), Healing,
			"It exited 1 min ago with exit code 1, after running for 1 h. It was re-created 1 min ago from “registry.example/web:1.4”, the same image as before.", "Defib starts it again in 30 s.",
		},

		"an alert asks for it": {
			but(runs("web", minAgo), held(outcome.TooYoung, halfMin), asked(policy.TriggerAlert)), Healing,
			"It started 1 min ago, and an alert asks for its restart.", leaves + outcome.Reasons[outcome.TooYoung] + ". Defib checks it again in 30 s.",
		},
		"a restart was not answered": {
			but(runs("web", minAgo), held(outcome.InProgress, halfMin)), Healing,
			"It started 1 min ago.", "Defib leaves it alone: the engine may still carry out a request that it has not answered.",
		},
		"it is being restarted": {
			but(runs("web", minAgo), held(outcome.InProgress, 0), asked(policy.TriggerAlert)), Healing,
			"It started 1 min ago and is being restarted.", "Defib is restarting it now.",
		},
		"somebody else is stopping it": {
			but(runs("web", minAgo), held(outcome.InProgress, hour), as(func(c *engine.Container) { c.StopSeenAt = night })), Healing,
			"It started 1 min ago, and somebody is stopping it.", "Defib leaves it alone: somebody is stopping it.",
		},
		"it is unhealthy, and will be restarted": {
			but(runs("web", hour), unhealthy, func(s *restarter.ContainerStatus) { s.HealthDue = night.Add(3 * time.Minute) }), Healing,
			"It started 1 h ago and became unhealthy 2 min ago. Its health check says: “no route”.", "Defib restarts it in 3 min 0 s, unless it is healthy by then.",
		},
		"it is unhealthy, and its trigger is off": {
			but(runs("web", hour), unhealthy, held(outcome.TriggerDisabled, 0), asked(policy.TriggerUnhealthy)), NeedsAttention,
			"It started 1 h ago and became unhealthy 2 min ago. Its health check says: “no route”.", leaves + "the trigger unhealthy is off (--restart.triggers, or its label defib.triggers). An alert can still ask for it.",
		},
		"it is unhealthy and not whitelisted": {
			but(runs("web", hour), unhealthy, func(s *restarter.ContainerStatus) { s.Rule = policy.Rule{} }), NeedsAttention,
			"It started 1 h ago and became unhealthy 2 min ago. Its health check says: “no route”.", unlisted,
		},
		"restarts do not help": {
			but(runs("web", hour), unhealthy, held(outcome.GaveUp, 0), asked(policy.TriggerUnhealthy), func(s *restarter.ContainerStatus) { s.GaveUp = true }), NeedsAttention,
			"It started 1 h ago and became unhealthy 2 min ago. Its health check says: “no route”.", leaves + outcome.Reasons[outcome.GaveUp] + ".",
		},
		"restarts did not help, and it runs for now": {
			but(runs("web", minAgo), func(s *restarter.ContainerStatus) { s.GaveUp = true }), NeedsAttention,
			"It is running for now; it started 1 min ago.", "Defib has given up: " + outcome.Reasons[outcome.GaveUp] + ".",
		},

		"a deploy left it behind": {
			died("web", minAgo, 0, state(engine.Created), held(outcome.NotStarted, 0), as(func(c *engine.Container) { c.CreatedSeenAt = night.Add(-hour) })), NeedsAttention,
			"It was created 1 h ago and never started.", leaves + "others of its compose project were started since, so a deploy has left it behind. Start it, or run docker compose up --detach in the directory of its compose file.",
		},
		"not whitelisted, it failed of late":              {died("web", hour, 1, bare), NeedsAttention, "It exited 1 h ago with exit code 1, after running for 1 h.", unlisted},
		"not whitelisted, it failed long ago":             {died("web", 30*hour, 1, bare), Old, "It exited 30 h ago with exit code 1, after running for 1 h.", ""},
		"not whitelisted, it ended well":                  {died("web", hour, 0, bare), Finished, "It exited 1 h ago with exit code 0 (no error), after running for 1 h.", ""},
		"not whitelisted, it was stopped":                 {died("web", hour, 137, bare, ending(engine.CauseStopped)), Stopped, "Somebody stopped it 1 h ago with exit code 137 (killed), after running for 1 h.", ""},
		"not whitelisted, stopped while nobody watched":   {died("web", hour, 143, bare, ending(engine.CauseUnknown)), Stopped, "It exited 1 h ago with exit code 143 (terminated), after running for 1 h. Whether somebody stopped it is not known.", ""},
		"not whitelisted, ran out of memory unwatched":    {died("web", hour, 137, bare, ending(engine.CauseUnknown), as(func(c *engine.Container) { c.Exit.OOMKilled = true })), NeedsAttention, "It exited 1 h ago with exit code 137 (out of memory), after running for 1 h. Whether somebody stopped it is not known.", unlisted},
		"not whitelisted, its own policy restarts it":     {died("web", minAgo, 1, bare, state(engine.Restarting), vetoed(outcome.EngineRestarting)), Healing, "Its own restart policy is restarting it: it exited 1 min ago with exit code 1, after running for 1 h.", "The engine takes care of it."},
		"not whitelisted, its own policy loops":           {died("web", minAgo, 1, bare, state(engine.Restarting), vetoed(outcome.EngineRestarting), streak(9)), NeedsAttention, "Its own restart policy is restarting it: it exited 1 min ago with exit code 1, after running for 1 h. It has been started or restarted 9 times since it last stayed up and well for 15 min. Restarts do not help: fix the cause.", "The engine takes care of it."},
		"not whitelisted, a task of Swarm's":              {died("web", minAgo, 1, bare, vetoed(outcome.SwarmTask)), Swarm, "It exited 1 min ago with exit code 1, after running for 1 h.", "Swarm takes care of it."},
		"not whitelisted, the engine could not remove it": {died("web", minAgo, 1, bare, state(engine.Dead), vetoed(outcome.Dead)), NeedsAttention, "The engine tried to remove it and failed; it can never run again.", "Defib cannot fix this: " + outcome.Reasons[outcome.Dead] + "."},
	} {
		t.Run(name, func(t *testing.T) {
			k, story, next := told(row.s, false)
			if k != row.kind || story != row.story || next != row.next {
				t.Errorf("it is told as\n%s: %s\nnext: %s\nwant\n%s: %s\nnext: %s", k, story, next, row.kind, row.story, row.next)
			}
		})
	}
}

func bare(s *restarter.ContainerStatus) { s.Rule = policy.Rule{} }

func TestALostNetworkIsToldThoughTheContainerRuns(t *testing.T) {
	const story = "It runs without a network: the container whose network it shares is down, was removed, or was started after it."
	for name, row := range map[string]struct {
		s    restarter.ContainerStatus
		kind Kind
		next string
	}{
		"not whitelisted":         {but(runs("web", hour), bare), NeedsAttention, unlisted},
		"its trigger is off":      {but(runs("web", hour), held(outcome.TriggerDisabled, 0), asked(policy.TriggerDependency)), NeedsAttention, leaves + "the trigger dependency is off (--restart.triggers, or its label defib.triggers). An alert can still ask for it."},
		"it waits for its parent": {but(runs("web", hour), held(outcome.ParentDown, 0), asked(policy.TriggerDependency)), Healing, leaves + "the container whose network it shares is down, or was just started and is not healthy yet."},
	} {
		k, got, next := told(row.s, true)
		if k != row.kind || got != story || next != row.next {
			t.Errorf("%s: told as\n%s: %s\nnext: %s\nwant\n%s: %s\nnext: %s", name, k, got, next, row.kind, story, row.next)
		}
	}
}

func TestThePageSaysWhatIsSharedWithAParent(t *testing.T) {
	const gone = "no longer exists: re-create it."
	for shares, want := range map[engine.Namespace]string{
		engine.Network: "It runs without a network: the container whose network it shares is down, was removed, or was started after it. Defib leaves it alone: the container whose network it shares " + gone,
		engine.IPC:     "It runs without its shared IPC: the container whose IPC it shares is down, was removed, or was started after it. Defib leaves it alone: the container whose IPC it shares " + gone,
		engine.PID:     "It runs without its shared processes: the container whose processes it shares is down, was removed, or was started after it. Defib leaves it alone: the container whose processes it shares " + gone,
	} {
		lost := tied(decision.Tie{Namespace: shares, Reason: outcome.ParentGone, Lost: true})
		s := but(runs("web", hour), held(outcome.ParentGone, 0), asked(policy.TriggerDependency), lost)
		c := newStatus(night, newHost(s).report, nil, nil).Containers[0]
		if got := c.Summary[0].String() + " " + c.Next.String(); got != want || c.Kind != NeedsAttention {
			t.Errorf("%s, told as\n%s\nwant\n%s", c.Kind, got, want)
		}
	}
}

// Every reason for which a container is left alone has a kind and a sentence.
func TestEveryReasonIsTold(t *testing.T) {
	for reason := range outcome.Reasons {
		k, story, next := told(died("web", minAgo, 1, held(reason, 0)), false)
		if !slices.Contains(Kinds, k) || k == Fine || story == "" || next == "" {
			t.Errorf("%s is told as %q: %q, next %q", reason, k, story, next)
		}
	}
}

func TestTheSummaryCountsInOneLine(t *testing.T) {
	for want, counts := range map[string]map[Kind]int{
		"no containers":                     {},
		"33 fine":                           {Fine: 33},
		"1 needs attention":                 {NeedsAttention: 1},
		"1 needs attention · 2 not managed": {NeedsAttention: 1, NotManaged: 2},
		"2 need attention · 1 being healed · 1,033 fine · 2 stopped by hand": {Stopped: 2, Fine: 1033, Healing: 1, NeedsAttention: 2},
	} {
		if got := summary(counts); got != want {
			t.Errorf("%v: %q, want %q", counts, got, want)
		}
	}
	for _, k := range Kinds {
		if counted[k] == "" {
			t.Errorf("%s has no words", k)
		}
	}
}
