package web

import (
	"testing"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/policy"
)

func triggers(ts ...policy.Trigger) func(s *restarter.ContainerStatus) {
	return func(s *restarter.ContainerStatus) { s.Rule.Triggers = ts }
}

func TestWhatWillHappenIsTheTruth(t *testing.T) {
	off := func(t string) string {
		return leaves + t + " is not among its triggers (--restart.triggers, or its label defib.triggers)"
	}
	const counts = leaves + "it counts as stopped, since nobody saw it end and "
	failed := as(func(c *engine.Container) { c.Error = "no such image" })
	for name, row := range map[string]struct {
		p    view
		next string
	}{
		"unhealthy for a moment, its trigger is off": {view{ContainerStatus: but(runs("web", hour), unhealthy, triggers(policy.TriggerExited))}, off("unhealthy") + "."},
		"the same, but an alert may ask":             {view{ContainerStatus: but(runs("web", hour), unhealthy, triggers(policy.TriggerAlert))}, off("unhealthy") + ", unless an alert asks for it."},
		"down, only alerts ask":                      {view{ContainerStatus: died("web", minAgo, 1, triggers(policy.TriggerAlert), held(decision.TriggerDisabled, 0))}, off("exited") + ", unless an alert asks for it."},
		"down, nothing asks":                         {view{ContainerStatus: died("web", minAgo, 1, triggers(), held(decision.TriggerDisabled, 0))}, off("exited") + "."},
		"an alert asks, and may not":                 {view{ContainerStatus: but(runs("web", hour), triggers(policy.TriggerExited), held(decision.TriggerDisabled, 0), asked(policy.TriggerAlert))}, off("alert") + "."},
		"Defib itself is restarting it":              {view{ContainerStatus: but(runs("web", hour), held(decision.InProgress, 0), as(func(c *engine.Container) { c.StopSeenAt = night }))}, "Defib is at it now."},
		"nobody saw it end, long ago":                {view{ContainerStatus: died("web", hour, 1, ending(engine.CauseUnknown), held(decision.Stopped, 0))}, counts + "that was long before Defib looked, and stays down until somebody starts it."},
		"nobody saw it end, its policy left it down": {view{ContainerStatus: died("web", hour, 1, ending(engine.CauseUnknown), policed("always"), held(decision.Stopped, 0))}, counts + "its own restart policy has not brought it back, and stays down until somebody starts it."},
		"nobody saw it end, its policy failed":       {view{ContainerStatus: died("web", hour, 128, ending(engine.CauseUnknown), policed("always"), failed, held(decision.Stopped, 0))}, counts + "that was long before Defib looked, and stays down until somebody starts it."},
		"not inspected, not whitelisted":             {view{ContainerStatus: died("web", hour, 1, bare, as(func(c *engine.Container) { c.Inspected = false }))}, "Defib can do nothing about it: " + decision.Reasons[decision.NotInspected] + "."},
		"its parent is gone, not whitelisted":        {view{ContainerStatus: died("web", hour, 1, bare, tied(decision.Tie{Namespace: engine.PID, Reason: decision.ParentGone}))}, "Defib can do nothing about it: the container whose processes it shares no longer exists: re-create it."},
		"to be created anew by compose":              {view{ContainerStatus: died("web", minAgo, 128, held(decision.BackOff, halfMin), failed, compose("shop", "web", ""))}, "Defib starts it again in 30 s. Run docker compose in the directory of its compose file."},
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
		"It exited 1 min ago after 1 h; since then it could not be started. The engine says: “no such file”.":           died("web", minAgo, 127, failed),
		"Somebody stopped it 1 min ago after 1 h; since then it could not be started. The engine says: “no such file”.": died("web", minAgo, 128, failed, ending(engine.CauseStopped)),
		"It exited 1 min ago; since then it could not be started. The engine says: “no such file”.":                     died("web", minAgo, 128, failed, never),
		"It exited 1 min ago, exit code 1; it had run for 1 h. The engine says: “no such file”.":                        died("web", minAgo, 1, failed),
		"It exited 1 min ago, exit code 127: command not found; it had run for 1 h.":                                    died("web", minAgo, 127),
	} {
		if _, story, _ := told(s, false); story != want {
			t.Errorf("told as\n%s\nwant\n%s", story, want)
		}
	}
}
