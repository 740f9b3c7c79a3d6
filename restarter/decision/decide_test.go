package decision

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/history"
	. "defib/restarter/internal/fixture"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// asks are the requests of alerts that came so, by container ID.
func asks(came map[string]time.Time) []*Request {
	var requests []*Request
	for _, id := range slices.Sorted(maps.Keys(came)) {
		requests = append(requests, &Request{Container: id, Alert: Alert{Asked: came[id], Deadline: Noon.Add(9 * time.Second)}, firing: &history.Firing{Heard: Noon}})
	}
	return requests
}

// ran says what decide makes of one container: "start", "restart" and for what, ""
// if it does not matter, or the reason, with the wait if there is one.
func ran(p Plan, id string) string {
	for _, v := range p.Verdicts {
		switch {
		case v.Container.ID != id:
		case v.Act && v.Restarts():
			return "restart " + string(v.Trigger)
		case v.Act:
			return "start"
		case v.Until.IsZero():
			return string(v.Reason)
		default:
			return fmt.Sprintf("%s %s", v.Reason, v.Until.Sub(Noon))
		}
	}
	return ""
}

func TestDecide(t *testing.T) {
	for _, row := range []struct {
		name     string
		policy   policy.Policy
		c        *engine.Container
		others   []*engine.Container
		snapshot []func(*engine.Snapshot)
		record   *history.Record
		spent    []time.Time
		asked    bool
		want     string
	}{
		// Law 1: nothing that is not whitelisted.
		{name: "one that died by itself is started at once", policy: Usual(), c: Ended(engine.CauseSelf), want: "start"},
		{name: "one that runs does not matter", policy: Usual(), c: Ended(engine.CauseSelf, State(engine.Running)), want: ""},
		{name: "one that no entry names is left alone", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "other")), want: ""},
		{name: "with an empty whitelist all are left alone", policy: Usual(func(p *policy.Policy) { p.Whitelist = nil }), c: Ended(engine.CauseSelf), want: ""},
		{name: "an excluded one is left alone", policy: Usual(func(p *policy.Policy) { p.Exclude = Patterns("w*") }), c: Ended(engine.CauseSelf), want: ""},
		{name: "an exclusion beats the label that adds", policy: Usual(func(p *policy.Policy) { p.Exclude = Patterns("web") }), c: Ended(engine.CauseSelf, Labelled(policy.LabelEnable, "true")), want: ""},
		{name: "the label adds one", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "other"), Labelled(policy.LabelEnable, "true")), want: "start"},
		{name: "the label removes one", policy: Usual(), c: Ended(engine.CauseSelf, Labelled(policy.LabelEnable, "false")), want: ""},
		{name: "the label removes one in the words of YAML", policy: Usual(), c: Ended(engine.CauseSelf, Labelled(policy.LabelEnable, "no")), want: ""},
		{name: "a label with nonsense: hands off", policy: Usual(), c: Ended(engine.CauseSelf, Labelled(policy.LabelEnable, "si")), want: "bad_label"},
		{name: "a label with nonsense on one that runs well", policy: Usual(), c: Running(Labelled(policy.LabelEnable, "si")), want: "bad_label"},
		{name: "a label with nonsense on one that no entry names", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "other"), Labelled(policy.LabelEnable, "")), want: "bad_label"},
		{name: "a label with nonsense on an excluded one", policy: Usual(func(p *policy.Policy) { p.Exclude = Patterns("web") }), c: Ended(engine.CauseSelf, Labelled(policy.LabelEnable, "si")), want: ""},
		{name: "a policy with nonsense on one that no entry names", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "other"), Labelled(policy.LabelPolicy, "perhaps")), want: ""},
		{name: "a policy with nonsense on one that its label removes", policy: Usual(), c: Ended(engine.CauseSelf, Labelled(policy.LabelEnable, "off", policy.LabelPolicy, "perhaps")), want: ""},
		{name: "triggers with nonsense, on one on hold and paused, which an alert asks for", policy: Usual(HoldFor("web", time.Hour)), c: Ended("", State(engine.Paused), Labelled(policy.LabelTriggers, "exited,crash")), asked: true, want: "bad_label"},
		{name: "a label in another case", policy: Usual(), c: Ended(engine.CauseSelf, Labelled("Defib.Policy", "always")), want: "bad_label"},
		{name: "an unknown label changes nothing", policy: Usual(), c: Ended(engine.CauseSelf, Labelled("defib.postmortem", "on")), want: "start"},
		{name: "a glob matches", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "batch-7")), want: "start"},
		{name: "a compose service matches", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "x"), In("shop", "db")), want: "start"},
		{name: "a service of another project does not", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "x"), In("toys", "db")), want: ""},

		// Policies and endings.
		{name: "always: a stopped one waits for the delay", policy: Usual(), c: Ended(engine.CauseStopped), want: "stopped_delay 9s"},
		{name: "always: a stopped one is started after the delay", policy: Usual(), c: Ended(engine.CauseStopped, EndedAgo(10*time.Second)), want: "start"},
		{name: "always: one that the engine's shutdown stopped is started at once", policy: Usual(), c: Ended(engine.CauseEngine), want: "start"},
		{name: "always: exit code 0 is healed too", policy: Usual(), c: Ended(engine.CauseSelf, Code(0)), want: "start"},
		{name: "unless-stopped: a stopped one stays down", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseStopped, EndedAgo(time.Hour)), want: "stopped"},
		{name: "unless-stopped: one that died is started at once", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseSelf, Code(0)), want: "start"},
		{name: "unless-stopped: one that the engine's shutdown stopped is started at once", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseEngine), want: "start"},
		{name: "on-failure: one that failed is started at once", policy: Usual(Mode(policy.OnFailure)), c: Ended(engine.CauseSelf), want: "start"},
		{name: "on-failure: one that ended with 0 is left alone", policy: Usual(Mode(policy.OnFailure)), c: Ended(engine.CauseSelf, Code(0)), want: "finished"},
		{name: "on-failure: a stopped one stays down", policy: Usual(Mode(policy.OnFailure)), c: Ended(engine.CauseStopped), want: "stopped"},
		{name: "the container's own label sets the policy", policy: Usual(), c: Ended(engine.CauseStopped, Labelled(policy.LabelPolicy, "unless-stopped")), want: "stopped"},
		{name: "a policy label with nonsense: hands off", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseStopped, Labelled(policy.LabelPolicy, "perhaps")), want: "bad_label"},

		// Nobody saw it.
		{name: "unknown: as a death, after the delay", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseUnknown), want: "stopped_delay 9s"},
		{name: "unknown: as a death, once the delay is over", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseUnknown, EndedAgo(11*time.Second)), want: "start"},
		{
			name: "unknown: long before the first snapshot counts as stopped", policy: Usual(Mode(policy.UnlessStopped)),
			c: Ended(engine.CauseUnknown, EndedAgo(12*time.Minute)), snapshot: []func(*engine.Snapshot){FirstSeen(time.Minute)}, want: "stopped",
		},
		{
			name: "unknown: shortly before the first snapshot counts as a death", policy: Usual(Mode(policy.UnlessStopped)),
			c: Ended(engine.CauseUnknown, EndedAgo(9*time.Minute)), snapshot: []func(*engine.Snapshot){FirstSeen(time.Minute)}, want: "start",
		},
		{name: "unknown: the engine would have restarted it, so it was stopped", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseUnknown, RestartPolicy("always")), want: "stopped"},
		{name: "unknown: the engine's unless-stopped tells the same", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseUnknown, RestartPolicy("unless-stopped")), want: "stopped"},
		{
			name: "unknown: the engine tried to restart it and failed", policy: Usual(Mode(policy.UnlessStopped)),
			c: Ended(engine.CauseUnknown, RestartPolicy("always"), EndedAgo(time.Minute), func(c *engine.Container) { c.Error = "port taken" }), want: "start",
		},
		{name: "unknown: the engine's on-failure tells nothing", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseUnknown, RestartPolicy("on-failure"), EndedAgo(time.Minute)), want: "start"},

		// The compose project.
		{
			name: "compose: the delay runs from the project's last change", policy: Usual(), c: Ended(engine.CauseStopped, In("shop", "db"), EndedAgo(time.Minute)),
			snapshot: []func(*engine.Snapshot){Touched("shop", 4*time.Second)}, want: "stopped_delay 6s",
		},
		{
			name: "compose: another project's change does not matter", policy: Usual(), c: Ended(engine.CauseStopped, In("shop", "db"), EndedAgo(time.Minute)),
			snapshot: []func(*engine.Snapshot){Touched("toys", 4*time.Second)}, want: "start",
		},
		{
			name: "compose: a sibling that is being stopped holds the project", policy: Usual(), c: Ended(engine.CauseStopped, In("shop", "db"), EndedAgo(time.Minute)),
			others: []*engine.Container{Ended("", Named("b2", "slow"), In("shop", "slow"), State(engine.Running), func(c *engine.Container) { c.StopSeenAt = Ago(30 * time.Second) })},
			want:   "stopped_delay 4m30s",
		},
		{
			name: "compose: one that was told to stop in vain holds it for 5 minutes only", policy: Usual(), c: Ended(engine.CauseStopped, In("shop", "db"), EndedAgo(6*time.Minute)),
			others: []*engine.Container{Ended("", Named("b2", "slow"), In("shop", "slow"), State(engine.Running), func(c *engine.Container) { c.StopSeenAt = Ago(5 * time.Minute) })},
			want:   "start",
		},
		{
			name: "compose: a death does not wait for the project", policy: Usual(), c: Ended(engine.CauseSelf, In("shop", "db")),
			snapshot: []func(*engine.Snapshot){Touched("shop", 0)}, want: "start",
		},

		// Meant to end.
		{name: "not finished: nobody knows with which code", policy: Usual(Mode(policy.OnFailure)), c: Ended(engine.CauseSelf, func(c *engine.Container) { c.Exit = engine.Exit{} }), want: "start"},
		{name: "not finished: its start failed, whatever the code", policy: Usual(Mode(policy.OnFailure)), c: Ended(engine.CauseSelf, Code(0), State(engine.Created), func(c *engine.Container) { c.Error = "port taken" }), want: "start"},
		{name: "finished: the engine's own policy is on-failure", policy: Usual(), c: Ended(engine.CauseSelf, Code(0), RestartPolicy("on-failure")), want: "finished"},
		{name: "not finished: the engine's on-failure gave up", policy: Usual(), c: Ended(engine.CauseSelf, RestartPolicy("on-failure")), want: "start"},
		{
			name: "finished: a sibling waits for its completion", policy: Usual(), c: Ended(engine.CauseSelf, Code(0), In("shop", "db")),
			others: []*engine.Container{Ended("", Named("b2", "app"), State(engine.Running), In("shop", "app"), Labelled("com.docker.compose.depends_on", "x:service_started:false,db:service_completed_successfully:true"))},
			want:   "finished",
		},
		{
			name: "not finished: a sibling waits for its start", policy: Usual(), c: Ended(engine.CauseSelf, Code(0), In("shop", "db")),
			others: []*engine.Container{Ended("", Named("b2", "app"), State(engine.Running), In("shop", "app"), Labelled("com.docker.compose.depends_on", "db:service_started:true"))},
			want:   "start",
		},
		{
			name: "not finished: it is awaited, and failed", policy: Usual(), c: Ended(engine.CauseSelf, In("shop", "db")),
			others: []*engine.Container{Ended("", Named("b2", "app"), State(engine.Running), In("shop", "app"), Labelled("com.docker.compose.depends_on", "db:service_completed_successfully:true"))},
			want:   "start",
		},
		{name: "old: only a glob matches it", policy: Usual(), c: Ended(engine.CauseUnknown, Named("a1", "batch-1"), EndedAgo(73*time.Hour)), want: "old"},
		{name: "old: only an entry of a label matches it", policy: Usual(func(p *policy.Policy) { p.Whitelist = Patterns("label:team") }), c: Ended(engine.CauseUnknown, Labelled("team", "core"), EndedAgo(73*time.Hour)), want: "old"},
		{name: "a label: it is on the whitelist by one", policy: Usual(func(p *policy.Policy) { p.Whitelist = Patterns("label:team=c*") }), c: Ended(engine.CauseSelf, Named("a1", "other"), Labelled("team", "core")), want: "start"},
		{name: "a label: it is on hold by one", policy: Usual(HoldFor("label:team", time.Hour)), c: Ended(engine.CauseSelf, Labelled("team", "core")), want: "on_hold 1h0m0s"},
		{name: "not old: its name is on the whitelist", policy: Usual(), c: Ended(engine.CauseUnknown, EndedAgo(73*time.Hour)), want: "start"},
		{name: "not old: its label names it", policy: Usual(), c: Ended(engine.CauseUnknown, Named("a1", "batch-1"), Labelled(policy.LabelEnable, "true"), EndedAgo(73*time.Hour)), want: "start"},
		{name: "not old: it exited less than a day before the first snapshot", policy: Usual(), c: Ended(engine.CauseUnknown, Named("a1", "batch-1"), EndedAgo(71*time.Hour)), want: "start"},
		{name: "old: an earlier life of Defib saw it crash, and was not healing it", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "batch-1"), EndedAgo(73*time.Hour)), want: "old"},
		{name: "not old: this life of Defib heard it, and then the engine's clock was set back", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "batch-1")), snapshot: []func(*engine.Snapshot){FirstSeen(-48 * time.Hour)}, want: "start"},
		{name: "not old: an earlier life of Defib was healing it", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "batch-1"), EndedAgo(73*time.Hour)), record: &history.Record{Attempts: 1}, want: "start"},
		{name: "not old: it ended with its host, which was off for days", policy: Usual(), c: Ended(engine.CauseEngine, Named("a1", "batch-1"), EndedAgo(73*time.Hour)), want: "start"},
		{name: "not old: only a glob matches it, and it has never ended", policy: Usual(), c: Ended(engine.CauseSelf, Named("a1", "batch-1"), State(engine.Created), func(c *engine.Container) { c.Error, c.Finished = "port taken", time.Time{} }), want: "start"},

		// Vetoes.
		{name: "paused", policy: Usual(), c: Ended("", State(engine.Paused)), want: "paused"},
		{name: "the engine is restarting it", policy: Usual(), c: Ended("", State(engine.Restarting)), want: "engine_restarting"},
		{name: "being removed", policy: Usual(), c: Ended(engine.CauseSelf, State(engine.Removing)), want: "removing"},
		{name: "dead", policy: Usual(), c: Ended("", State(engine.Dead)), want: "dead"},
		{name: "created and never started", policy: Usual(), c: Ended("", State(engine.Created)), want: "created"},
		{name: "its first start failed", policy: Usual(), c: Ended(engine.CauseSelf, func(c *engine.Container) { c.State, c.Error = engine.Created, "no such bind" }), want: "start"},
		{name: "Swarm's", policy: Usual(), c: Ended(engine.CauseSelf, Labelled("com.docker.swarm.task.id", "t")), want: "swarm_task"},
		{name: "docker run --rm", policy: Usual(), c: Ended(engine.CauseSelf, func(c *engine.Container) { c.AutoRemove = true }), want: "auto_remove"},
		{name: "compose run", policy: Usual(), c: Ended(engine.CauseSelf, In("shop", "db"), Labelled("com.docker.compose.oneoff", "True")), want: "one_off"},
		{name: "an ordinary compose container says False", policy: Usual(), c: Ended(engine.CauseSelf, In("shop", "db"), Labelled("com.docker.compose.oneoff", "False")), want: "start"},
		{name: "it could not be inspected", policy: Usual(), c: Ended(engine.CauseSelf, func(c *engine.Container) { c.Inspected = false }), want: "not_inspected"},
		{name: "its network parent is down", policy: Usual(), c: Ended(engine.CauseSelf, ChildOf("b2")), others: []*engine.Container{Ended(engine.CauseSelf, Named("b2", "p"))}, want: "parent_down"},
		{name: "its network parent is gone", policy: Usual(), c: Ended(engine.CauseSelf, ChildOf("b2")), want: "parent_gone"},
		{name: "its network parent runs", policy: Usual(), c: Ended(engine.CauseSelf, ChildOf("b2")), others: []*engine.Container{Ended("", Named("b2", "p"), State(engine.Running))}, want: "start"},
		{name: "its network parent, by name, runs", policy: Usual(), c: Ended(engine.CauseSelf, ChildOf("p")), others: []*engine.Container{Ended("", Named("b2", "p"), State(engine.Running))}, want: "start"},
		{name: "--dry-run", policy: Usual(func(p *policy.Policy) { p.DryRun = true }), c: Ended(engine.CauseSelf), want: "dry_run"},
		{name: "--dry-run says why it would not start one anyway", policy: Usual(func(p *policy.Policy) { p.DryRun = true }), c: Ended("", State(engine.Paused)), want: "paused"},

		// Back-off.
		{name: "an action is under way", policy: Usual(), c: Ended(engine.CauseSelf), record: &history.Record{Acting: true, Attempts: 1}, want: "in_progress"},
		{name: "the second attempt waits a second after the death", policy: Usual(), c: Ended(engine.CauseSelf, EndedAgo(400*time.Millisecond)), record: &history.Record{Attempts: 1, LastEnd: Ago(time.Hour)}, want: "back_off 600ms"},
		{name: "the second attempt waits a second after a failed one", policy: Usual(), c: Ended(engine.CauseSelf, EndedAgo(time.Hour)), record: &history.Record{Attempts: 1, LastEnd: Ago(400 * time.Millisecond)}, want: "back_off 600ms"},
		{name: "the fourth waits four seconds", policy: Usual(), c: Ended(engine.CauseSelf), record: &history.Record{Attempts: 3, LastEnd: Ago(time.Minute)}, want: "back_off 3s"},
		{name: "the hundredth waits the most", policy: Usual(), c: Ended(engine.CauseSelf), record: &history.Record{Attempts: 99, LastEnd: Ago(time.Minute)}, want: "back_off 4m59s"},
		{name: "starts are never given up", policy: Usual(), c: Ended(engine.CauseSelf, EndedAgo(5*time.Minute)), record: &history.Record{Attempts: 100000, LastEnd: Ago(6 * time.Minute)}, want: "start"},
		{name: "a refusal is told from a failure", policy: Usual(), c: Ended(engine.CauseSelf), record: &history.Record{Attempts: 2, LastEnd: Ago(time.Second), Declined: outcome.Refused}, want: "refused 1s"},

		// Triggers.
		{name: "deaths are left to alerts", policy: Usual(Triggers(policy.TriggerAlert)), c: Ended(engine.CauseSelf), want: "trigger_disabled"},
		{name: "a container's own label leaves its death to alerts", policy: Usual(), c: Ended(engine.CauseSelf, Labelled(policy.LabelTriggers, "alert")), want: "trigger_disabled"},
		{name: "a container's own label turns a trigger on", policy: Usual(Triggers()), c: Running(UnhealthyFor(0), Labelled(policy.LabelTriggers, "unhealthy")), want: "restart unhealthy"},
		{name: "a container's own label turns all off", policy: Usual(), c: Running(UnhealthyFor(0), Labelled(policy.LabelTriggers, "")), want: "trigger_disabled"},
		{name: "an alert starts what is down, where deaths are left to alerts", policy: Usual(Triggers(policy.TriggerAlert)), c: Ended(engine.CauseSelf), asked: true, want: "start"},

		// Unhealthy.
		{name: "unhealthy: restarted at once", policy: Usual(), c: Running(UnhealthyFor(0)), want: "restart unhealthy"},
		{name: "unhealthy: not before it has lasted", policy: Usual(func(p *policy.Policy) { p.UnhealthyFor = time.Minute }), c: Running(UnhealthyFor(59 * time.Second)), want: ""},
		{name: "unhealthy: once it has lasted", policy: Usual(func(p *policy.Policy) { p.UnhealthyFor = time.Minute }), c: Running(UnhealthyFor(time.Minute)), want: "restart unhealthy"},
		{name: "unhealthy: the trigger is off", policy: Usual(Triggers(policy.TriggerExited, policy.TriggerAlert)), c: Running(UnhealthyFor(time.Hour)), want: "trigger_disabled"},
		{name: "unhealthy: not one that no entry names", policy: Usual(), c: Running(UnhealthyFor(0), Named("a1", "other")), want: ""},
		{name: "unhealthy: nor one that is paused", policy: Usual(), c: Running(UnhealthyFor(0), State(engine.Paused)), want: "paused"},
		{name: "unhealthy: however young", policy: Usual(), c: Running(UnhealthyFor(0), BegunAgo(10*time.Second)), want: "restart unhealthy"},
		{name: "unhealthy: what came during a back-off is acted upon after it", policy: Usual(), c: Running(UnhealthyFor(3 * time.Second)), record: &history.Record{Attempts: 3, Restarts: 3, LastEnd: Ago(time.Second)}, want: "back_off 3s"},
		{name: "unhealthy: and then it is", policy: Usual(), c: Running(UnhealthyFor(6 * time.Second)), record: &history.Record{Attempts: 3, Restarts: 3, LastEnd: Ago(4 * time.Second)}, want: "restart unhealthy"},
		{name: "unhealthy: somebody is stopping it", policy: Usual(), c: Running(UnhealthyFor(0), func(c *engine.Container) { c.StopSeenAt, c.StopTimeout = Ago(10*time.Second), 10*time.Second }), want: "in_progress 20s"},
		{name: "unhealthy: somebody is stopping it, which may take indefinitely", policy: Usual(), c: Running(UnhealthyFor(0), func(c *engine.Container) { c.StopSeenAt, c.StopTimeout = Ago(time.Minute), -time.Second }), want: "in_progress 4m0s"},
		{name: "unhealthy: somebody is stopping it, which may take very long", policy: Usual(), c: Running(UnhealthyFor(0), func(c *engine.Container) { c.StopSeenAt, c.StopTimeout = Ago(time.Minute), time.Hour }), want: "in_progress 4m0s"},
		{name: "unhealthy: somebody told it to stop in vain", policy: Usual(), c: Running(UnhealthyFor(0), func(c *engine.Container) { c.StopSeenAt = Ago(5 * time.Minute) }), want: "restart unhealthy"},
		{name: "unhealthy: restarts did not help", policy: Usual(), c: Running(UnhealthyFor(0)), record: &history.Record{Attempts: 5, Restarts: 5, LastEnd: Ago(time.Hour)}, want: "gave_up"},
		{name: "unhealthy: starts are no restarts", policy: Usual(), c: Running(UnhealthyFor(0)), record: &history.Record{Attempts: 9, Restarts: 4, LastEnd: Ago(time.Hour)}, want: "restart unhealthy"},
		{name: "unhealthy: as many restarts on this host as a minute may have", policy: Usual(), c: Running(UnhealthyFor(0)), spent: slices.Repeat([]time.Time{Ago(20 * time.Second)}, 10), want: "rate_limited 40s"},
		{name: "unhealthy: its network parent is down", policy: Usual(), c: Running(UnhealthyFor(0), ChildOf("b2")), others: Parent(State(engine.Exited)), want: "parent_down"},
		{name: "--dry-run: a restart", policy: Usual(func(p *policy.Policy) { p.DryRun = true }), c: Running(UnhealthyFor(0)), want: "dry_run"},

		// Dependency.
		{name: "dependency: its parent was started after it", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(time.Second)), want: "restart dependency"},
		{name: "dependency: its parent, by name", policy: Usual(), c: Running(ChildOf("vpn")), others: Parent(BegunAgo(time.Second)), want: "restart dependency"},
		{name: "dependency: its parent was started before it", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(2 * time.Hour)), want: ""},
		{name: "dependency: whoever the parent is", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(time.Second), Labelled(policy.LabelEnable, "false")), want: "restart dependency"},
		{name: "dependency: not one that no entry names", policy: Usual(), c: Running(ChildOf("b2"), Named("a1", "other")), others: Parent(BegunAgo(time.Second)), want: ""},
		{name: "dependency: its parent is down", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(State(engine.Exited), BegunAgo(2*time.Hour)), want: "parent_down"},
		{name: "dependency: its parent is being restarted", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(State(engine.Restarting), BegunAgo(time.Second)), want: "parent_down"},
		{name: "dependency: a parent that is paused has its network still", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(State(engine.Paused), BegunAgo(2*time.Hour)), want: ""},
		{name: "dependency: its parent is gone", policy: Usual(), c: Running(ChildOf("b2")), want: "parent_gone"},
		{name: "dependency: the trigger is off", policy: Usual(Triggers(policy.TriggerExited)), c: Running(ChildOf("b2")), others: Parent(BegunAgo(time.Second)), want: "trigger_disabled"},
		{name: "dependency: within the limits", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(time.Second)), record: &history.Record{Attempts: 1, Restarts: 1, LastEnd: Ago(400 * time.Millisecond)}, want: "back_off 600ms"},
		{name: "dependency: restarts that did not help against something else do not count", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(time.Second)), record: &history.Record{Attempts: 5, Restarts: 5, LastEnd: Ago(time.Hour)}, want: "restart dependency"},
		{name: "dependency: nor do restarts on this host", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(time.Second)), spent: slices.Repeat([]time.Time{Ago(20 * time.Second)}, 10), want: "restart dependency"},
		{name: "dependency: its parent's health check has not settled", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Starting)), want: "parent_down 40s"},
		{name: "dependency: its parent is unhealthy", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Unhealthy)), want: "parent_down 40s"},
		{name: "dependency: its parent has not become healthy in a minute", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(time.Minute), HealthCheck(engine.Unhealthy)), want: "restart dependency"},
		{name: "dependency: its parent is healthy", policy: Usual(), c: Running(ChildOf("b2")), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Healthy)), want: "restart dependency"},
		{name: "dependency: what it suffers from its parent's restart waits for that, too", policy: Usual(), c: Running(ChildOf("b2"), UnhealthyFor(0)), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Starting)), asked: true, want: "parent_down 40s"},
		{name: "dependency: even where that was given up", policy: Usual(), c: Running(ChildOf("b2"), UnhealthyFor(0)), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Starting)), record: &history.Record{Restarts: 5}, asked: true, want: "parent_down 40s"},
		{name: "dependency: the trigger is off, and it waits with what else asks for it", policy: Usual(Triggers(policy.TriggerUnhealthy)), c: Running(ChildOf("b2"), UnhealthyFor(0)), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Starting)), want: "parent_down 40s"},
		{name: "a child that ended with its parent waits for its health, too", policy: Usual(), c: Ended(engine.CauseSelf, ChildOf("b2")), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Starting)), want: "parent_down 40s"},
		{name: "for a minute at most", policy: Usual(), c: Ended(engine.CauseSelf, ChildOf("b2")), others: Parent(BegunAgo(time.Minute), HealthCheck(engine.Unhealthy)), want: "start"},
		{name: "a child that died by itself does not wait for it", policy: Usual(), c: Ended(engine.CauseSelf, ChildOf("b2"), func(c *engine.Container) { c.Started = Ago(10 * time.Second) }), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Starting)), want: "start"},
		{name: "nor does one whose network is there", policy: Usual(), c: Running(ChildOf("b2"), BegunAgo(10*time.Second), UnhealthyFor(0)), others: Parent(BegunAgo(20*time.Second), HealthCheck(engine.Starting)), want: "restart unhealthy"},
		{name: "dependency: a shared network of which only the beginning of the ID is said", policy: Usual(), c: Running(ChildOf("b")), others: Parent(BegunAgo(time.Second)), want: "restart dependency"},
		{name: "dependency: its IPC parent was started after it", policy: Usual(), c: Running(Sharing(engine.IPC, "vpn")), others: Parent(BegunAgo(time.Second)), want: "restart dependency"},
		{name: "dependency: its IPC parent is down", policy: Usual(), c: Running(Sharing(engine.IPC, "vpn")), others: Parent(State(engine.Exited)), want: "parent_down"},
		{name: "dependency: its IPC parent is gone", policy: Usual(), c: Running(Sharing(engine.IPC, "vpn")), want: "parent_gone"},
		{name: "dependency: of two parents the one that is gone counts", policy: Usual(), c: Running(ChildOf("b2"), Sharing(engine.IPC, "x")), others: Parent(BegunAgo(time.Second)), want: "parent_gone"},
		{name: "dependency: of two parents the one that was restarted counts", policy: Usual(), c: Running(ChildOf("c3"), Sharing(engine.IPC, "b2")), others: append(Parent(BegunAgo(time.Second)), Running(Named("c3", "db"), BegunAgo(2*time.Hour))), want: "restart dependency"},
		{name: "dependency: its process parent is down", policy: Usual(), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), Code(137)), others: Parent(State(engine.Exited)), want: "parent_down"},
		{name: "dependency: its process parent is gone", policy: Usual(), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), Code(137)), want: "parent_gone"},
		{name: "dependency: its process parent was started again", policy: Usual(Triggers(policy.TriggerDependency)), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), Code(137)), others: Parent(BegunAgo(0)), want: "start"},
		{name: "dependency: it was killed, and its process parent is not healthy yet", policy: Usual(), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), Code(137)), others: Parent(BegunAgo(time.Second), HealthCheck(engine.Starting)), want: "parent_down 59s"},
		{name: "dependency: it was killed, and its process parent does not become healthy", policy: Usual(), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), Code(137)), others: Parent(BegunAgo(time.Minute), HealthCheck(engine.Unhealthy)), want: "start"},
		{name: "dependency: it was killed, and its process parent is healthy", policy: Usual(), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), Code(137)), others: Parent(BegunAgo(0), HealthCheck(engine.Healthy)), want: "start"},
		{name: "dependency: it was killed a moment ago, and its process parent may be down", policy: Usual(), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), Code(137), EndedAgo(400*time.Millisecond)), others: Parent(BegunAgo(2 * time.Hour)), want: "parent_down 9.6s"},
		{name: "dependency: it was killed, and its process parent is not down", policy: Usual(Triggers(policy.TriggerDependency)), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), Code(137), EndedAgo(10*time.Second)), others: Parent(BegunAgo(2 * time.Hour)), want: "trigger_disabled"},
		{name: "dependency: it died for a reason of its own", policy: Usual(), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), EndedAgo(0)), others: Parent(BegunAgo(2 * time.Hour)), want: "start"},
		{name: "dependency: it ran out of memory", policy: Usual(), c: Ended(engine.CauseSelf, Sharing(engine.PID, "vpn"), EndedAgo(0), func(c *engine.Container) { c.Exit = engine.Exit{Known: true, Code: 137, OOMKilled: true} }), others: Parent(BegunAgo(2 * time.Hour)), want: "start"},
		{name: "dependency: somebody stopped it before its process parent", policy: Usual(Mode(policy.UnlessStopped)), c: Ended(engine.CauseStopped, Sharing(engine.PID, "vpn"), Code(137)), others: Parent(BegunAgo(0)), want: "stopped"},

		// Alerts.
		{name: "alert: restarted", policy: Usual(), c: Running(), asked: true, want: "restart alert"},
		{name: "alert: nobody asks", policy: Usual(), c: Running(), want: ""},
		{name: "alert: the trigger is off", policy: Usual(Triggers(policy.TriggerExited)), c: Running(), asked: true, want: "trigger_disabled"},
		{name: "alert: it has only just started", policy: Usual(), c: Running(BegunAgo(20 * time.Second)), asked: true, want: "too_young 40s"},
		{name: "alert: its health check has not settled", policy: Usual(), c: Running(func(c *engine.Container) { c.HealthCheck, c.Health = true, engine.Starting }), asked: true, want: "too_young"},
		{name: "alert: restarts did not help", policy: Usual(), c: Running(), record: &history.Record{Restarts: 5}, asked: true, want: "gave_up"},
		{name: "alert: a sickness whose own trigger is off", policy: Usual(Triggers(policy.TriggerAlert)), c: Running(UnhealthyFor(time.Minute)), asked: true, want: "restart alert"},
		{name: "alert: too young for it, and sick", policy: Usual(), c: Running(UnhealthyFor(0), BegunAgo(20*time.Second)), asked: true, want: "restart unhealthy"},
		{name: "alert: why what it asks for waits counts more than a trigger that is off", policy: Usual(Triggers(policy.TriggerAlert)), c: Running(UnhealthyFor(0), BegunAgo(20*time.Second)), asked: true, want: "too_young 40s"},
		{name: "alert: its network parent is gone", policy: Usual(), c: Running(ChildOf("b2")), asked: true, want: "parent_gone"},

		// Settings of its own.
		{name: "its own stopped delay", policy: Usual(), c: Ended(engine.CauseStopped, Labelled(policy.LabelStoppedDelay, "1m")), want: "stopped_delay 59s"},
		{name: "its own stopped delay: none", policy: Usual(), c: Ended(engine.CauseStopped, Labelled(policy.LabelStoppedDelay, "0s")), want: "start"},
		{name: "its own stopped delay: for an end that nobody saw", policy: Usual(), c: Ended(engine.CauseUnknown, Labelled(policy.LabelStoppedDelay, "1m")), want: "stopped_delay 59s"},
		{name: "its own stopped delay: not for a death", policy: Usual(), c: Ended(engine.CauseSelf, Labelled(policy.LabelStoppedDelay, "1m")), want: "start"},
		{
			name: "its own stopped delay: from the project's last change", policy: Usual(), c: Ended(engine.CauseStopped, In("shop", "db"), Labelled(policy.LabelStoppedDelay, "1h"), EndedAgo(2*time.Hour)),
			snapshot: []func(*engine.Snapshot){Touched("shop", 4*time.Second)}, want: "stopped_delay 59m56s",
		},
		{name: "its own stopped delay: one that is not understood", policy: Usual(), c: Ended(engine.CauseStopped, Labelled(policy.LabelStoppedDelay, "2d")), want: "stopped_delay 9s"},
		{name: "its own time to be unhealthy: longer", policy: Usual(), c: Running(UnhealthyFor(59*time.Second), Labelled(policy.LabelUnhealthyFor, "1m")), want: ""},
		{name: "its own time to be unhealthy: over", policy: Usual(), c: Running(UnhealthyFor(time.Minute), Labelled(policy.LabelUnhealthyFor, "1m")), want: "restart unhealthy"},
		{name: "its own time to be unhealthy: none", policy: Usual(func(p *policy.Policy) { p.UnhealthyFor = time.Hour }), c: Running(UnhealthyFor(0), Labelled(policy.LabelUnhealthyFor, "0s")), want: "restart unhealthy"},
		{name: "its own number of attempts: less", policy: Usual(), c: Running(UnhealthyFor(0), Labelled(policy.LabelMaxAttempts, "2")), record: &history.Record{Attempts: 2, Restarts: 2, LastEnd: Ago(time.Hour)}, want: "gave_up"},
		{name: "its own number of attempts: more", policy: Usual(), c: Running(UnhealthyFor(0), Labelled(policy.LabelMaxAttempts, "9")), record: &history.Record{Attempts: 8, Restarts: 8, LastEnd: Ago(time.Hour)}, want: "restart unhealthy"},

		// Holds, and Defib itself.
		{name: "on hold: a death", policy: Usual(HoldFor("web", time.Hour)), c: Ended(engine.CauseSelf), want: "on_hold 1h0m0s"},
		{name: "on hold: a sickness", policy: Usual(HoldFor("*", time.Hour)), c: Running(UnhealthyFor(0)), want: "on_hold 1h0m0s"},
		{name: "on hold: another one", policy: Usual(HoldFor("token", time.Hour)), c: Ended(engine.CauseSelf), want: "start"},
		{name: "on hold: it is over", policy: Usual(HoldFor("web", 0)), c: Ended(engine.CauseSelf), want: "start"},
		{name: "self: never, for no alert", policy: Usual(), c: Running(), snapshot: []func(*engine.Snapshot){Itself("a1")}, asked: true, want: "self"},
		{name: "self: nor for its own sickness", policy: Usual(), c: Running(UnhealthyFor(0)), snapshot: []func(*engine.Snapshot){Itself("a1")}, want: "self"},
		{name: "self: others are healed", policy: Usual(), c: Ended(engine.CauseSelf), snapshot: []func(*engine.Snapshot){Itself("b2")}, want: "start"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := SnapshotOf(append(row.others, row.c)...)
			for _, edit := range row.snapshot {
				edit(p)
			}
			past := history.History{Began: Ago(time.Hour), Records: map[string]*history.Record{}, RecentRestarts: row.spent}
			if row.record != nil {
				past.Records[row.c.ID] = row.record
			}
			asked := map[string]time.Time{}
			if row.asked {
				asked[row.c.ID] = Ago(time.Second)
			}
			if got := ran(Decide(Noon, row.policy, p, past, asks(asked)), row.c.ID); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestDecideTakesTheOldestCauseFirstWithinTheConcurrency(t *testing.T) {
	p := SnapshotOf(
		Ended(engine.CauseSelf, Named("a1", "batch-a"), EndedAgo(time.Second)),
		Ended(engine.CauseSelf, Named("b2", "batch-b"), EndedAgo(3*time.Second)),
		Ended(engine.CauseSelf, Named("c3", "batch-c"), EndedAgo(3*time.Second)),
		Ended(engine.CauseSelf, Named("d4", "batch-d"), EndedAgo(2*time.Second)),
		Ended(engine.CauseSelf, Named("e5", "batch-e"), EndedAgo(time.Hour)),
	)
	records := history.History{Records: map[string]*history.Record{"e5": {Acting: true, SlotUntil: Noon.Add(time.Minute)}}}
	got := Decide(Noon, Usual(func(p *policy.Policy) { p.Concurrency = 3 }), p, records, nil)
	var order []string
	for _, v := range got.Verdicts {
		order = append(order, v.Container.ID+" "+ran(got, v.Container.ID))
	}
	want := []string{"b2 start", "c3 start", "d4 rate_limited", "a1 rate_limited", "e5 in_progress"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
}

func TestDecideLooksAgainWhenTheFirstWaitEnds(t *testing.T) {
	p := SnapshotOf(
		Ended(engine.CauseStopped, Named("a1", "batch-a")),
		Ended(engine.CauseSelf, Named("b2", "batch-b"), EndedAgo(0)),
		Ended("", Named("c3", "batch-c"), State(engine.Running)),
	)
	records := history.History{Records: map[string]*history.Record{"b2": {Attempts: 3}, "c3": {Attempts: 1, HealthySince: Ago(14 * time.Minute)}}}
	if got, want := Decide(Noon, Usual(), p, records, nil).Next, Noon.Add(4*time.Second); !got.Equal(want) {
		t.Errorf("next look %s, want %s", got, want)
	}
	delete(records.Records, "b2")
	p.Containers = p.Containers[2:]
	if got, want := Decide(Noon, Usual(), p, records, nil).Next, Noon.Add(time.Minute); !got.Equal(want) {
		t.Errorf("next look %s, want %s, when past attempts are forgiven", got, want)
	}
	if got := Decide(Noon, Usual(), SnapshotOf(), records, nil).Next; !got.IsZero() {
		t.Errorf("next look %s, want none", got)
	}
}

func TestDecideLooksAgainWhenTheContainersOwnTimeIsOver(t *testing.T) {
	c := Running(UnhealthyFor(30*time.Second), Labelled(policy.LabelUnhealthyFor, "2m"))
	if got, want := Decide(Noon, Usual(), SnapshotOf(c), history.History{}, nil).Next, Noon.Add(90*time.Second); !got.Equal(want) {
		t.Errorf("next look %s, want %s", got, want)
	}
}

func TestDecideLooksAgainWhenAnyCauseMayBeRipe(t *testing.T) {
	c := Running(UnhealthyFor(0), BegunAgo(3*time.Second))
	records := history.History{Records: map[string]*history.Record{"a1": {Attempts: 3, LastEnd: Ago(0)}}}
	requests := asks(map[string]time.Time{"a1": Noon})
	requests[0].Deadline = Noon.Add(time.Minute) // it waits
	got := Decide(Noon, Usual(), SnapshotOf(c), records, requests)
	if want := Noon.Add(4 * time.Second); !got.Next.Equal(want) {
		t.Errorf("next look %s, want %s, when the back-off ends: %s", got.Next, want, ran(got, "a1"))
	}
}

// scene is a random snapshot with records.
func scene(r *rand.Rand) (*engine.Snapshot, history.History, map[string]time.Time) {
	pick := func(n int) int { return r.IntN(n) }
	p := SnapshotOf()
	records := history.History{Records: map[string]*history.Record{}}
	asked := map[string]time.Time{}
	quiet := pick(2) == 0 // nobody deploys anything
	for i := range 1 + pick(12) {
		c := Ended(
			[]engine.ExitCause{engine.CauseNone, engine.CauseSelf, engine.CauseStopped, engine.CauseEngine, engine.CauseUnknown}[pick(5)],
			Named(fmt.Sprintf("%02d", i), []string{"web", "other", "batch-1", "batch-2"}[pick(4)]),
			Code(pick(2)), EndedAgo(time.Duration(pick(400))*time.Second),
			RestartPolicy([]string{"no", "always", "on-failure"}[pick(3)]),
		)
		c.State = engine.States[pick(len(engine.States))]
		c.Inspected = pick(5) > 0
		if pick(3) == 0 {
			In("shop", []string{"db", "app"}[pick(2)])(c)
		}
		if pick(2) == 0 {
			State([]engine.State{engine.Running, engine.Running, engine.Created}[pick(3)])(c)
			conditions, services := []string{"service_started", compose.Healthy, compose.Completed}, []string{"db", "app", "api", "job"}
			Labelled(compose.LabelDependsOn, fmt.Sprintf("%s:%s:%t", services[pick(4)], conditions[pick(3)], pick(3) > 0))(c)
			In("shop", services[pick(4)])(c)
			BegunAgo(time.Duration(pick(200)) * time.Second)(c)
		}
		if pick(4) == 0 {
			HealthCheck(engine.Healthy)(c)
		}
		if pick(4) == 0 {
			Labelled(policy.LabelEnable, []string{"true", "false", "x"}[pick(3)])(c)
		}
		if pick(4) == 0 {
			Labelled("com.docker.swarm.task.id", c.ID, policy.LabelSwarm, []string{"restart", "restart", "x"}[pick(3)])(c)
		}
		for _, one := range [][]string{
			{policy.LabelStoppedDelay, "0s", "5m", "24h", "25h", "soon"},
			{policy.LabelUnhealthyFor, "0s", "45s", "-1s"},
			{policy.LabelMaxAttempts, "1", "3", "0"},
			{policy.LabelCooldown, "1s", "240h", "0s"},
		} {
			if n := pick(3 * len(one)); 0 < n && n < len(one) {
				Labelled(one[0], one[n])(c)
			}
		}
		if pick(4) == 0 {
			Sharing([]engine.Namespace{engine.Network, engine.PID, engine.IPC}[pick(3)], fmt.Sprintf("%02d", pick(12)))(c)
		}
		if pick(4) == 0 {
			UnhealthyFor(time.Duration(pick(90)) * time.Second)(c)
		}
		if !quiet && pick(4) == 0 {
			c.StopSeenAt = Ago(time.Duration(pick(600)) * time.Second)
		}
		p.Containers = append(p.Containers, c)
		if pick(2) == 0 {
			records.Records[c.ID] = &history.Record{
				Acting: pick(4) == 0, Kind: history.Kind(pick(3)), SlotUntil: Ago(time.Duration(pick(60)-30) * time.Second), Attempts: pick(6), Restarts: pick(6),
				LastEnd: Ago(time.Duration(pick(60)) * time.Second), Streak: pick(3), ReadySince: Ago(time.Duration(pick(60)) * time.Second),
			}
		}
		if pick(2) == 0 {
			asked[c.ID] = Ago(time.Duration(pick(9)) * time.Second)
		}
	}
	if !quiet {
		p.Projects["shop"] = Ago(time.Duration(pick(20)) * time.Second)
	}
	p.First = Ago(time.Duration(pick(100)) * time.Hour)
	if pick(3) == 0 {
		p.Self = fmt.Sprintf("%02d", pick(12))
	}
	for i := range pick(4) {
		records.RecentRestarts = append(records.RecentRestarts, Ago(time.Duration(50-i)*time.Second))
	}
	return p, records, asked
}

// dependsOnOthers reports whether a container depends on one of its project: one that was
// started after it, and after which it is to be restarted, if it runs.
func dependsOnOthers(p *engine.Snapshot, c *engine.Container) bool {
	return slices.ContainsFunc(compose.Dependencies(c), func(d compose.Dependency) bool {
		return slices.ContainsFunc(p.Containers, func(o *engine.Container) bool {
			return o.Project() == c.Project() && o.Service() == d.Service && (!c.Up() || d.Restart && o.Started.After(c.Started))
		})
	})
}

func checkLaws(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	p, records, asked := scene(r)
	pol := Usual(Mode([]policy.Mode{policy.Always, policy.UnlessStopped, policy.OnFailure}[r.IntN(3)]), func(p *policy.Policy) {
		p.Concurrency, p.MaxPerMinute, p.UnhealthyFor = 1+r.IntN(4), 1+r.IntN(6), time.Duration(r.IntN(60))*time.Second
	})
	requests := asks(asked)
	got := Decide(Noon, pol, p, records, requests)

	checkPlaces(t, seed, pol.Concurrency, records.Active(Noon), got.Verdicts)
	spent := len(records.RecentRestarts)
	for _, v := range got.Verdicts {
		c, rule := v.Container, pol.For(v.Container)
		if !rule.Whitelisted {
			t.Errorf("seed %d, law 1: a verdict on %s, which is not whitelisted", seed, c.ID)
		}
		if v.Act && c.ID == p.Self {
			t.Errorf("seed %d: Defib acts on its own container", seed)
		}
		if v.Act && c.Task() != "" && (!c.Up() || asked[c.ID].IsZero() || v.Trigger != policy.TriggerAlert || c.Labels[policy.LabelSwarm] != "restart") {
			t.Errorf("seed %d, law 1: an action on %s, which is Swarm's, for %s", seed, c.ID, v.Trigger)
		}
		if v.Act {
			if records.At(c.ID).Acting {
				t.Errorf("seed %d, law 2: a second action for %s", seed, c.ID)
			}
			switch {
			case v.Trigger == policy.TriggerDependsOn && !dependsOnOthers(p, c):
				t.Errorf("seed %d: %s is healed for what it does not depend on", seed, c.ID)
			case c.Up() && asked[c.ID].IsZero() && c.UnhealthySince.IsZero() && !WorstTie(p, &history.Record{}, c).Lost && v.Trigger != policy.TriggerDependsOn:
				t.Errorf("seed %d: a restart of %s, for which nobody asks", seed, c.ID)
			case c.Up() && v.Trigger != policy.TriggerDependency && records.At(c.ID).Restarts >= rule.MaxAttempts:
				t.Errorf("seed %d, law 2: restart %d of %s, want at most %d", seed, records.At(c.ID).Restarts+1, c.ID, rule.MaxAttempts)
			case c.Up() && v.Trigger == policy.TriggerUnhealthy && Noon.Sub(c.UnhealthySince) < rule.UnhealthyFor:
				t.Errorf("seed %d: a restart of %s, unhealthy for %s, want %s first", seed, c.ID, Noon.Sub(c.UnhealthySince), rule.UnhealthyFor)
			case !c.Up() && c.ExitCause == engine.CauseStopped && Noon.Sub(c.ExitSeenAt) < rule.StoppedDelay:
				t.Errorf("seed %d: a start of %s, stopped for %s, want %s first", seed, c.ID, Noon.Sub(c.ExitSeenAt), rule.StoppedDelay)
			case c.Up() && v.Trigger == policy.TriggerDependency: // once per run of the parent
			case c.Up():
				spent++
			case c.State != engine.Exited && !c.FailedStart() && (c.State != engine.Created || v.Trigger != policy.TriggerDependsOn):
				t.Errorf("seed %d: a start of %s, which is %s", seed, c.ID, c.State)
			}
		}
		if v.Act == (v.Reason != "") {
			t.Errorf("seed %d: %s has act %t and reason %q", seed, c.ID, v.Act, v.Reason)
		}
		if _, known := outcome.Reasons[v.Reason]; !v.Act && !known {
			t.Errorf("seed %d: reason %q is not in the list", seed, v.Reason)
		}
		if !v.Until.IsZero() && !v.Until.After(Noon) {
			t.Errorf("seed %d, law 3: %s is looked at again at %s, which is past", seed, c.ID, v.Until)
		}
	}
	if spent > max(pol.MaxPerMinute, len(records.RecentRestarts)) {
		t.Errorf("seed %d, law 2: %d restarts in a minute, want at most %d", seed, spent, pol.MaxPerMinute)
	}
	if !got.Next.IsZero() && !got.Next.After(Noon) {
		t.Errorf("seed %d, law 3: the next look is not in the future: %s", seed, got.Next)
	}
	again := Decide(Noon, pol, p, records, requests)
	if diff := cmp.Diff(got, again, cmp.AllowUnexported(Plan{}, Verdict{}), cmp.Comparer(func(a, b *engine.Container) bool { return a == b }), cmp.Comparer(func(a, b *Request) bool { return a == b })); diff != "" {
		t.Errorf("seed %d, law 3: the same facts gave another plan:\n%s", seed, diff)
	}
}

func TestLaw1Law2Law3HoldForAnyFacts(t *testing.T) {
	for seed := range uint64(5000) {
		checkLaws(t, seed)
	}
}

func FuzzLaws1To3(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkLaws)
}

func BenchmarkDecide1000(b *testing.B) {
	p := SnapshotOf()
	records := history.History{Records: map[string]*history.Record{}}
	for i := range 1000 {
		c := Ended(engine.CauseSelf, Named(fmt.Sprintf("%064x", i), fmt.Sprintf("batch-%d", i)), In("shop", fmt.Sprint(i)))
		if i%10 != 0 {
			State(engine.Running)(c)
		}
		p.Containers = append(p.Containers, c)
		records.Records[c.ID] = &history.Record{Attempts: i % 3}
	}
	pol := Usual()
	b.ReportAllocs()
	for b.Loop() {
		Decide(Noon, pol, p, records, nil)
	}
}
