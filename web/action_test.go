package web

import (
	"testing"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

func triggers(ts ...policy.Trigger) func(s *restarter.ContainerStatus) {
	return func(s *restarter.ContainerStatus) { s.Rule.Triggers = ts }
}

// removed says that to act upon it is to remove it.
func removed(s *restarter.ContainerStatus) { s.Removes = true }

func TestWhatWillHappenIsTheTruth(t *testing.T) {
	off := func(t string) string {
		return leaves + "the trigger " + t + " is off (--restart.triggers, or its label defib.triggers)."
	}
	const counts = leaves + "it counts as stopped, since it exited "
	failed := as(func(c *engine.Container) { c.Error = "no such image" })
	for name, row := range map[string]struct {
		p    view
		next string
	}{
		"unhealthy for a moment, its trigger is off":   {view{ContainerStatus: but(runs("web", hour), unhealthy, triggers(policy.TriggerExited))}, off("unhealthy")},
		"the same, but an alert may ask":               {view{ContainerStatus: but(runs("web", hour), unhealthy, triggers(policy.TriggerAlert))}, off("unhealthy") + " An alert can still ask for it."},
		"down, only alerts ask":                        {view{ContainerStatus: died("web", minAgo, 1, triggers(policy.TriggerAlert), held(outcome.TriggerDisabled, 0))}, off("exited") + " An alert can still ask for it."},
		"down, nothing asks":                           {view{ContainerStatus: died("web", minAgo, 1, triggers(), held(outcome.TriggerDisabled, 0))}, off("exited")},
		"an alert asks, and may not":                   {view{ContainerStatus: but(runs("web", hour), triggers(policy.TriggerExited), held(outcome.TriggerDisabled, 0), asked(policy.TriggerAlert))}, off("alert")},
		"Defib itself is restarting it":                {view{ContainerStatus: but(runs("web", hour), held(outcome.InProgress, 0), as(func(c *engine.Container) { c.StopSeenAt = night }))}, "Defib is restarting it now."},
		"nobody saw it end, long ago":                  {view{ContainerStatus: died("web", hour, 1, ending(engine.CauseUnknown), held(outcome.Stopped, 0))}, counts + "long before Defib began to watch. It stays down until somebody starts it."},
		"nobody saw it end, its policy left it down":   {view{ContainerStatus: died("web", hour, 1, ending(engine.CauseUnknown), policed("always"), held(outcome.Stopped, 0))}, counts + "while Defib was not watching and its own restart policy has not restarted it. It stays down until somebody starts it."},
		"nobody saw it end, its policy failed":         {view{ContainerStatus: died("web", hour, 128, ending(engine.CauseUnknown), policed("always"), failed, held(outcome.Stopped, 0))}, counts + "long before Defib began to watch. It stays down until somebody starts it."},
		"not inspected, not whitelisted":               {view{ContainerStatus: died("web", hour, 1, bare, as(func(c *engine.Container) { c.Inspected = false }))}, "Defib cannot fix this: " + outcome.Reasons[outcome.NotInspected] + "."},
		"its parent is gone, not whitelisted":          {view{ContainerStatus: died("web", hour, 1, bare, tied(decision.Tie{Namespace: engine.PID, Reason: outcome.ParentGone}))}, "Defib cannot fix this: the container whose processes it shares no longer exists: re-create it."},
		"left by a re-creation":                        {view{ContainerStatus: died("web", hour, 0, removed, held(outcome.InProgress, 0))}, "Defib is removing it now: a re-creation has left it behind."},
		"left by a re-creation, removed in vain":       {view{ContainerStatus: died("web", hour, 0, removed, held(outcome.BackOff, halfMin))}, "Defib tries again to remove it in 30 s: a re-creation has left it behind."},
		"left by a re-creation, and may not be":        {view{ContainerStatus: died("web", hour, 0, removed, held(outcome.Refused, halfMin))}, "Defib tries again in 30 s: the engine, or a proxy in front of it, refuses to remove containers."},
		"left by a re-creation, and others come first": {view{ContainerStatus: died("web", hour, 0, removed, held(outcome.RateLimited, 0))}, "Defib removes it as soon as other actions have ended: a re-creation has left it behind."},
		"left by a re-creation, in a dry run":          {view{ContainerStatus: died("web", hour, 0, removed, held(outcome.DryRun, 0))}, "Defib would remove it without --dry-run."},
		"to be re-created, in a dry run":               {view{ContainerStatus: but(runs("web", hour), func(s *restarter.ContainerStatus) { s.Recreates = true }, held(outcome.DryRun, 0))}, "Defib would re-create it without --dry-run."},
		"unhealthy, in a dry run":                      {view{ContainerStatus: but(runs("web", hour), unhealthy, held(outcome.DryRun, 0))}, "Defib would restart it without --dry-run."},
		"to be created anew by compose":                {view{ContainerStatus: died("web", minAgo, 128, held(outcome.BackOff, halfMin), failed, compose("shop", "web", ""))}, "Defib starts it again in 30 s. Run docker compose in the directory of its compose file."},
	} {
		row.p.now, row.p.reset = night, 15*time.Minute
		if _, _, next := toldOf(row.p); next != row.next {
			t.Errorf("%s: next\n%s\nwant\n%s", name, next, row.next)
		}
	}
}

// A start that fails leaves an exit code that is not that of the last run.
func TestAFailedStartIsNoExit(t *testing.T) {
	failed := as(func(c *engine.Container) { c.Error = "no such file" })
	never := as(func(c *engine.Container) { c.Started = time.Time{} })
	for want, s := range map[string]restarter.ContainerStatus{
		"It exited 1 min ago after running for 1 h, and has failed to start since. The engine says: “no such file”.":           died("web", minAgo, 127, failed),
		"Somebody stopped it 1 min ago after running for 1 h, and has failed to start since. The engine says: “no such file”.": died("web", minAgo, 128, failed, ending(engine.CauseStopped)),
		"It exited 1 min ago and has failed to start since. The engine says: “no such file”.":                                  died("web", minAgo, 128, failed, never),
		"It exited 1 min ago with exit code 1, after running for 1 h. The engine says: “no such file”.":                        died("web", minAgo, 1, failed),
		"It exited 1 min ago with exit code 127 (command not found), after running for 1 h.":                                   died("web", minAgo, 127),
	} {
		if _, story, _ := told(s, false); story != want {
			t.Errorf("told as\n%s\nwant\n%s", story, want)
		}
	}
}
