package restarter

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/policy"
)

// noon is the moment of every decision in these tests, on our clock and on the
// engine's.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// ended returns a whitelisted container that ran for an hour and exited with 1,
// a second ago, as edited.
func ended(how engine.ExitCause, edits ...func(*engine.Container)) *engine.Container {
	c := &engine.Container{
		ID: "a1", Name: "web", Inspected: true, State: engine.Exited, RestartPolicy: "no",
		Created: ago(2 * time.Hour), Started: ago(time.Hour), Finished: ago(time.Second),
		Exit: engine.Exit{Known: true, Code: 1}, ExitCause: how, ExitSeenAt: ago(time.Second),
	}
	for _, edit := range edits {
		edit(c)
	}
	return c
}

func labelled(kv ...string) func(*engine.Container) {
	return func(c *engine.Container) {
		labels := map[string]string{}
		maps.Copy(labels, c.Labels)
		for i := 0; i < len(kv); i += 2 {
			labels[kv[i]] = kv[i+1]
		}
		c.Labels = labels
	}
}

func in(project, service string) func(*engine.Container) {
	return labelled("com.docker.compose.project", project, "com.docker.compose.service", service)
}

func state(s engine.State) func(*engine.Container) {
	return func(c *engine.Container) { c.State, c.ExitCause, c.ExitSeenAt = s, engine.CauseNone, time.Time{} }
}

func code(n int) func(*engine.Container) { return func(c *engine.Container) { c.Exit.Code = n } }

func restartPolicy(p string) func(*engine.Container) {
	return func(c *engine.Container) { c.RestartPolicy = p }
}

func endedAgo(d time.Duration) func(*engine.Container) {
	return func(c *engine.Container) { c.ExitSeenAt, c.Finished = ago(d), ago(d) }
}

func named(id, name string) func(*engine.Container) {
	return func(c *engine.Container) { c.ID, c.Name = id, name }
}

func childOf(parent string) func(*engine.Container) { return sharing(engine.Network, parent) }

// sharing puts a container into a namespace of another.
func sharing(n engine.Namespace, parent string) func(*engine.Container) {
	return func(c *engine.Container) {
		c.Parents = append(slices.Clone(c.Parents), engine.Parent{Namespace: n, Container: parent})
	}
}

// running returns a whitelisted container that has been up for an hour, as edited.
func running(edits ...func(*engine.Container)) *engine.Container {
	c := ended(engine.CauseNone, state(engine.Running))
	c.StartSeenAt, c.Finished, c.Exit = ago(time.Hour), time.Time{}, engine.Exit{}
	for _, edit := range edits {
		edit(c)
	}
	return c
}

func begunAgo(d time.Duration) func(*engine.Container) {
	return func(c *engine.Container) { c.StartSeenAt, c.Started = ago(d), ago(d) }
}

// sickFor makes a container unhealthy.
func sickFor(d time.Duration) func(*engine.Container) {
	return func(c *engine.Container) { c.HealthCheck, c.Health, c.UnhealthySince = true, engine.Unhealthy, ago(d) }
}

// healthCheck gives a container one that says so.
func healthCheck(h engine.Health) func(*engine.Container) {
	return func(c *engine.Container) { c.HealthCheck, c.Health = true, h }
}

func triggers(ts ...policy.Trigger) func(*policy.Policy) {
	return func(p *policy.Policy) { p.Triggers = ts }
}

// parent is the container in whose network others live, as edited.
func parent(edits ...func(*engine.Container)) []*engine.Container {
	return []*engine.Container{running(append([]func(*engine.Container){named("b2", "vpn")}, edits...)...)}
}

// usual is the policy of the defaults with all triggers and the whitelist
// "web,shop/db,batch-*".
func usual(edits ...func(*policy.Policy)) policy.Policy {
	p := policy.Policy{
		Whitelist: patterns("web,shop/db,batch-*"), Triggers: policy.AllTriggers, Mode: policy.Always, StoppedDelay: 10 * time.Second,
		Concurrency: 4, MaxAttempts: 5, MaxPerMinute: 10, MinUptime: time.Minute, Cooldown: 5 * time.Minute,
		Backoff: policy.Backoff{Initial: time.Second, Max: 5 * time.Minute, Reset: 15 * time.Minute},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func mode(m policy.Mode) func(*policy.Policy) { return func(p *policy.Policy) { p.Mode = m } }

func patterns(s string) []policy.Pattern {
	ps, err := policy.ParsePatterns([]string{s})
	if err != nil {
		panic(err)
	}
	return ps
}

// first is when the snapshots of these tests began: two days before noon.
func snapshotOf(cs ...*engine.Container) *engine.Snapshot {
	slices.SortFunc(cs, func(a, b *engine.Container) int { return strings.Compare(a.ID, b.ID) })
	return &engine.Snapshot{Connected: true, First: ago(48 * time.Hour), Containers: cs, Projects: map[string]time.Time{}}
}

func firstSeen(d time.Duration) func(*engine.Snapshot) {
	return func(p *engine.Snapshot) { p.First = ago(d) }
}

// itself makes the container with this id Defib's own.
func itself(id string) func(*engine.Snapshot) { return func(p *engine.Snapshot) { p.Self = id } }

func holdFor(name string, left time.Duration) func(*policy.Policy) {
	return func(p *policy.Policy) { p.Holds = policy.Holds{{Pattern: patterns(name)[0], Until: noon.Add(left)}} }
}

func touched(project string, d time.Duration) func(*engine.Snapshot) {
	return func(p *engine.Snapshot) { p.Projects[project] = ago(d) }
}

// ran says what decide makes of one container: "start", "restart" and for what, ""
// if it does not matter, or the reason, with the wait if there is one.
func ran(p plan, id string) string {
	for _, v := range p.verdicts {
		switch {
		case v.container.ID != id:
		case v.act && v.restarts():
			return "restart " + string(v.trigger)
		case v.act:
			return "start"
		case v.until.IsZero():
			return string(v.reason)
		default:
			return fmt.Sprintf("%s %s", v.reason, v.until.Sub(noon))
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
		record   *record
		spent    []time.Time
		asked    bool
		want     string
	}{
		// Law 1: nothing that is not whitelisted.
		{name: "one that died by itself is started at once", policy: usual(), c: ended(engine.CauseSelf), want: "start"},
		{name: "one that runs does not matter", policy: usual(), c: ended(engine.CauseSelf, state(engine.Running)), want: ""},
		{name: "one that no entry names is left alone", policy: usual(), c: ended(engine.CauseSelf, named("a1", "other")), want: ""},
		{name: "with an empty whitelist all are left alone", policy: usual(func(p *policy.Policy) { p.Whitelist = nil }), c: ended(engine.CauseSelf), want: ""},
		{name: "an excluded one is left alone", policy: usual(func(p *policy.Policy) { p.Exclude = patterns("w*") }), c: ended(engine.CauseSelf), want: ""},
		{name: "an exclusion beats the label that adds", policy: usual(func(p *policy.Policy) { p.Exclude = patterns("web") }), c: ended(engine.CauseSelf, labelled(policy.LabelEnable, "true")), want: ""},
		{name: "the label adds one", policy: usual(), c: ended(engine.CauseSelf, named("a1", "other"), labelled(policy.LabelEnable, "true")), want: "start"},
		{name: "the label removes one", policy: usual(), c: ended(engine.CauseSelf, labelled(policy.LabelEnable, "false")), want: ""},
		{name: "the label removes one in the words of YAML", policy: usual(), c: ended(engine.CauseSelf, labelled(policy.LabelEnable, "no")), want: ""},
		{name: "a label with nonsense: hands off", policy: usual(), c: ended(engine.CauseSelf, labelled(policy.LabelEnable, "si")), want: "bad_label"},
		{name: "a label with nonsense on one that runs well", policy: usual(), c: running(labelled(policy.LabelEnable, "si")), want: "bad_label"},
		{name: "a label with nonsense on one that no entry names", policy: usual(), c: ended(engine.CauseSelf, named("a1", "other"), labelled(policy.LabelEnable, "")), want: "bad_label"},
		{name: "a label with nonsense on an excluded one", policy: usual(func(p *policy.Policy) { p.Exclude = patterns("web") }), c: ended(engine.CauseSelf, labelled(policy.LabelEnable, "si")), want: ""},
		{name: "a policy with nonsense on one that no entry names", policy: usual(), c: ended(engine.CauseSelf, named("a1", "other"), labelled(policy.LabelPolicy, "perhaps")), want: ""},
		{name: "a policy with nonsense on one that its label removes", policy: usual(), c: ended(engine.CauseSelf, labelled(policy.LabelEnable, "off", policy.LabelPolicy, "perhaps")), want: ""},
		{name: "triggers with nonsense, on one on hold and paused, which an alert asks for", policy: usual(holdFor("web", time.Hour)), c: ended("", state(engine.Paused), labelled(policy.LabelTriggers, "exited,crash")), asked: true, want: "bad_label"},
		{name: "a label in another case", policy: usual(), c: ended(engine.CauseSelf, labelled("Defib.Policy", "always")), want: "bad_label"},
		{name: "an unknown label changes nothing", policy: usual(), c: ended(engine.CauseSelf, labelled("defib.postmortem", "on")), want: "start"},
		{name: "a glob matches", policy: usual(), c: ended(engine.CauseSelf, named("a1", "batch-7")), want: "start"},
		{name: "a compose service matches", policy: usual(), c: ended(engine.CauseSelf, named("a1", "x"), in("shop", "db")), want: "start"},
		{name: "a service of another project does not", policy: usual(), c: ended(engine.CauseSelf, named("a1", "x"), in("toys", "db")), want: ""},

		// Policies and endings.
		{name: "always: a stopped one waits for the delay", policy: usual(), c: ended(engine.CauseStopped), want: "stopped_delay 9s"},
		{name: "always: a stopped one is started after the delay", policy: usual(), c: ended(engine.CauseStopped, endedAgo(10*time.Second)), want: "start"},
		{name: "always: one that the engine's shutdown stopped is started at once", policy: usual(), c: ended(engine.CauseEngine), want: "start"},
		{name: "always: exit code 0 is healed too", policy: usual(), c: ended(engine.CauseSelf, code(0)), want: "start"},
		{name: "unless-stopped: a stopped one stays down", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseStopped, endedAgo(time.Hour)), want: "stopped"},
		{name: "unless-stopped: one that died is started at once", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseSelf, code(0)), want: "start"},
		{name: "unless-stopped: one that the engine's shutdown stopped is started at once", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseEngine), want: "start"},
		{name: "on-failure: one that failed is started at once", policy: usual(mode(policy.OnFailure)), c: ended(engine.CauseSelf), want: "start"},
		{name: "on-failure: one that ended with 0 is left alone", policy: usual(mode(policy.OnFailure)), c: ended(engine.CauseSelf, code(0)), want: "finished"},
		{name: "on-failure: a stopped one stays down", policy: usual(mode(policy.OnFailure)), c: ended(engine.CauseStopped), want: "stopped"},
		{name: "the container's own label sets the policy", policy: usual(), c: ended(engine.CauseStopped, labelled(policy.LabelPolicy, "unless-stopped")), want: "stopped"},
		{name: "a policy label with nonsense: hands off", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseStopped, labelled(policy.LabelPolicy, "perhaps")), want: "bad_label"},

		// Nobody saw it.
		{name: "unknown: as a death, after the delay", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseUnknown), want: "stopped_delay 9s"},
		{name: "unknown: as a death, once the delay is over", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseUnknown, endedAgo(11*time.Second)), want: "start"},
		{
			name: "unknown: long before the first snapshot counts as stopped", policy: usual(mode(policy.UnlessStopped)),
			c: ended(engine.CauseUnknown, endedAgo(12*time.Minute)), snapshot: []func(*engine.Snapshot){firstSeen(time.Minute)}, want: "stopped",
		},
		{
			name: "unknown: shortly before the first snapshot counts as a death", policy: usual(mode(policy.UnlessStopped)),
			c: ended(engine.CauseUnknown, endedAgo(9*time.Minute)), snapshot: []func(*engine.Snapshot){firstSeen(time.Minute)}, want: "start",
		},
		{name: "unknown: the engine would have restarted it, so it was stopped", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseUnknown, restartPolicy("always")), want: "stopped"},
		{name: "unknown: the engine's unless-stopped tells the same", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseUnknown, restartPolicy("unless-stopped")), want: "stopped"},
		{
			name: "unknown: the engine tried to restart it and failed", policy: usual(mode(policy.UnlessStopped)),
			c: ended(engine.CauseUnknown, restartPolicy("always"), endedAgo(time.Minute), func(c *engine.Container) { c.Error = "port taken" }), want: "start",
		},
		{name: "unknown: the engine's on-failure tells nothing", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseUnknown, restartPolicy("on-failure"), endedAgo(time.Minute)), want: "start"},

		// The compose project.
		{
			name: "compose: the delay runs from the project's last change", policy: usual(), c: ended(engine.CauseStopped, in("shop", "db"), endedAgo(time.Minute)),
			snapshot: []func(*engine.Snapshot){touched("shop", 4*time.Second)}, want: "stopped_delay 6s",
		},
		{
			name: "compose: another project's change does not matter", policy: usual(), c: ended(engine.CauseStopped, in("shop", "db"), endedAgo(time.Minute)),
			snapshot: []func(*engine.Snapshot){touched("toys", 4*time.Second)}, want: "start",
		},
		{
			name: "compose: a sibling that is being stopped holds the project", policy: usual(), c: ended(engine.CauseStopped, in("shop", "db"), endedAgo(time.Minute)),
			others: []*engine.Container{ended("", named("b2", "slow"), in("shop", "slow"), state(engine.Running), func(c *engine.Container) { c.StopSeenAt = ago(30 * time.Second) })},
			want:   "stopped_delay 4m30s",
		},
		{
			name: "compose: one that was told to stop in vain holds it for 5 minutes only", policy: usual(), c: ended(engine.CauseStopped, in("shop", "db"), endedAgo(6*time.Minute)),
			others: []*engine.Container{ended("", named("b2", "slow"), in("shop", "slow"), state(engine.Running), func(c *engine.Container) { c.StopSeenAt = ago(5 * time.Minute) })},
			want:   "start",
		},
		{
			name: "compose: a death does not wait for the project", policy: usual(), c: ended(engine.CauseSelf, in("shop", "db")),
			snapshot: []func(*engine.Snapshot){touched("shop", 0)}, want: "start",
		},

		// Meant to end.
		{name: "not finished: nobody knows with which code", policy: usual(mode(policy.OnFailure)), c: ended(engine.CauseSelf, func(c *engine.Container) { c.Exit = engine.Exit{} }), want: "start"},
		{name: "not finished: its start failed, whatever the code", policy: usual(mode(policy.OnFailure)), c: ended(engine.CauseSelf, code(0), state(engine.Created), func(c *engine.Container) { c.Error = "port taken" }), want: "start"},
		{name: "finished: the engine's own policy is on-failure", policy: usual(), c: ended(engine.CauseSelf, code(0), restartPolicy("on-failure")), want: "finished"},
		{name: "not finished: the engine's on-failure gave up", policy: usual(), c: ended(engine.CauseSelf, restartPolicy("on-failure")), want: "start"},
		{
			name: "finished: a sibling waits for its completion", policy: usual(), c: ended(engine.CauseSelf, code(0), in("shop", "db")),
			others: []*engine.Container{ended("", named("b2", "app"), state(engine.Running), in("shop", "app"), labelled("com.docker.compose.depends_on", "x:service_started:false,db:service_completed_successfully:true"))},
			want:   "finished",
		},
		{
			name: "not finished: a sibling waits for its start", policy: usual(), c: ended(engine.CauseSelf, code(0), in("shop", "db")),
			others: []*engine.Container{ended("", named("b2", "app"), state(engine.Running), in("shop", "app"), labelled("com.docker.compose.depends_on", "db:service_started:true"))},
			want:   "start",
		},
		{
			name: "not finished: it is awaited, and failed", policy: usual(), c: ended(engine.CauseSelf, in("shop", "db")),
			others: []*engine.Container{ended("", named("b2", "app"), state(engine.Running), in("shop", "app"), labelled("com.docker.compose.depends_on", "db:service_completed_successfully:true"))},
			want:   "start",
		},
		{name: "old: only a glob matches it", policy: usual(), c: ended(engine.CauseUnknown, named("a1", "batch-1"), endedAgo(73*time.Hour)), want: "old"},
		{name: "not old: its name is on the whitelist", policy: usual(), c: ended(engine.CauseUnknown, endedAgo(73*time.Hour)), want: "start"},
		{name: "not old: its label names it", policy: usual(), c: ended(engine.CauseUnknown, named("a1", "batch-1"), labelled(policy.LabelEnable, "true"), endedAgo(73*time.Hour)), want: "start"},
		{name: "not old: it exited less than a day before the first snapshot", policy: usual(), c: ended(engine.CauseUnknown, named("a1", "batch-1"), endedAgo(71*time.Hour)), want: "start"},
		{name: "not old: only a glob matches it, and it has never ended", policy: usual(), c: ended(engine.CauseSelf, named("a1", "batch-1"), state(engine.Created), func(c *engine.Container) { c.Error, c.Finished = "port taken", time.Time{} }), want: "start"},

		// Vetoes.
		{name: "paused", policy: usual(), c: ended("", state(engine.Paused)), want: "paused"},
		{name: "the engine is restarting it", policy: usual(), c: ended("", state(engine.Restarting)), want: "engine_restarting"},
		{name: "being removed", policy: usual(), c: ended(engine.CauseSelf, state(engine.Removing)), want: "removing"},
		{name: "dead", policy: usual(), c: ended("", state(engine.Dead)), want: "dead"},
		{name: "created and never started", policy: usual(), c: ended("", state(engine.Created)), want: "created"},
		{name: "its first start failed", policy: usual(), c: ended(engine.CauseSelf, func(c *engine.Container) { c.State, c.Error = engine.Created, "no such bind" }), want: "start"},
		{name: "Swarm's", policy: usual(), c: ended(engine.CauseSelf, labelled("com.docker.swarm.task.id", "t")), want: "swarm_task"},
		{name: "docker run --rm", policy: usual(), c: ended(engine.CauseSelf, func(c *engine.Container) { c.AutoRemove = true }), want: "auto_remove"},
		{name: "compose run", policy: usual(), c: ended(engine.CauseSelf, in("shop", "db"), labelled("com.docker.compose.oneoff", "True")), want: "one_off"},
		{name: "an ordinary compose container says False", policy: usual(), c: ended(engine.CauseSelf, in("shop", "db"), labelled("com.docker.compose.oneoff", "False")), want: "start"},
		{name: "it could not be inspected", policy: usual(), c: ended(engine.CauseSelf, func(c *engine.Container) { c.Inspected = false }), want: "not_inspected"},
		{name: "its network parent is down", policy: usual(), c: ended(engine.CauseSelf, childOf("b2")), others: []*engine.Container{ended(engine.CauseSelf, named("b2", "p"))}, want: "parent_down"},
		{name: "its network parent is gone", policy: usual(), c: ended(engine.CauseSelf, childOf("b2")), want: "parent_gone"},
		{name: "its network parent runs", policy: usual(), c: ended(engine.CauseSelf, childOf("b2")), others: []*engine.Container{ended("", named("b2", "p"), state(engine.Running))}, want: "start"},
		{name: "its network parent, by name, runs", policy: usual(), c: ended(engine.CauseSelf, childOf("p")), others: []*engine.Container{ended("", named("b2", "p"), state(engine.Running))}, want: "start"},
		{name: "--dry-run", policy: usual(func(p *policy.Policy) { p.DryRun = true }), c: ended(engine.CauseSelf), want: "dry_run"},
		{name: "--dry-run says why it would not start one anyway", policy: usual(func(p *policy.Policy) { p.DryRun = true }), c: ended("", state(engine.Paused)), want: "paused"},

		// Back-off.
		{name: "an action is under way", policy: usual(), c: ended(engine.CauseSelf), record: &record{acting: true, attempts: 1}, want: "in_progress"},
		{name: "the second attempt waits a second after the death", policy: usual(), c: ended(engine.CauseSelf, endedAgo(400*time.Millisecond)), record: &record{attempts: 1, lastEnd: ago(time.Hour)}, want: "back_off 600ms"},
		{name: "the second attempt waits a second after a failed one", policy: usual(), c: ended(engine.CauseSelf, endedAgo(time.Hour)), record: &record{attempts: 1, lastEnd: ago(400 * time.Millisecond)}, want: "back_off 600ms"},
		{name: "the fourth waits four seconds", policy: usual(), c: ended(engine.CauseSelf), record: &record{attempts: 3, lastEnd: ago(time.Minute)}, want: "back_off 3s"},
		{name: "the hundredth waits the most", policy: usual(), c: ended(engine.CauseSelf), record: &record{attempts: 99, lastEnd: ago(time.Minute)}, want: "back_off 4m59s"},
		{name: "starts are never given up", policy: usual(), c: ended(engine.CauseSelf, endedAgo(5*time.Minute)), record: &record{attempts: 100000, lastEnd: ago(6 * time.Minute)}, want: "start"},
		{name: "a refusal is told from a failure", policy: usual(), c: ended(engine.CauseSelf), record: &record{attempts: 2, lastEnd: ago(time.Second), refused: true}, want: "refused 1s"},

		// Triggers.
		{name: "deaths are left to alerts", policy: usual(triggers(policy.TriggerAlert)), c: ended(engine.CauseSelf), want: "trigger_disabled"},
		{name: "a container's own label leaves its death to alerts", policy: usual(), c: ended(engine.CauseSelf, labelled(policy.LabelTriggers, "alert")), want: "trigger_disabled"},
		{name: "a container's own label turns a trigger on", policy: usual(triggers()), c: running(sickFor(0), labelled(policy.LabelTriggers, "unhealthy")), want: "restart unhealthy"},
		{name: "a container's own label turns all off", policy: usual(), c: running(sickFor(0), labelled(policy.LabelTriggers, "")), want: "trigger_disabled"},
		{name: "an alert starts what is down, where deaths are left to alerts", policy: usual(triggers(policy.TriggerAlert)), c: ended(engine.CauseSelf), asked: true, want: "start"},

		// Unhealthy.
		{name: "unhealthy: restarted at once", policy: usual(), c: running(sickFor(0)), want: "restart unhealthy"},
		{name: "unhealthy: not before it has lasted", policy: usual(func(p *policy.Policy) { p.UnhealthyFor = time.Minute }), c: running(sickFor(59 * time.Second)), want: ""},
		{name: "unhealthy: once it has lasted", policy: usual(func(p *policy.Policy) { p.UnhealthyFor = time.Minute }), c: running(sickFor(time.Minute)), want: "restart unhealthy"},
		{name: "unhealthy: the trigger is off", policy: usual(triggers(policy.TriggerExited, policy.TriggerAlert)), c: running(sickFor(time.Hour)), want: "trigger_disabled"},
		{name: "unhealthy: not one that no entry names", policy: usual(), c: running(sickFor(0), named("a1", "other")), want: ""},
		{name: "unhealthy: nor one that is paused", policy: usual(), c: running(sickFor(0), state(engine.Paused)), want: "paused"},
		{name: "unhealthy: however young", policy: usual(), c: running(sickFor(0), begunAgo(10*time.Second)), want: "restart unhealthy"},
		{name: "unhealthy: what came during a back-off is acted upon after it", policy: usual(), c: running(sickFor(3 * time.Second)), record: &record{attempts: 3, restarts: 3, lastEnd: ago(time.Second)}, want: "back_off 3s"},
		{name: "unhealthy: and then it is", policy: usual(), c: running(sickFor(6 * time.Second)), record: &record{attempts: 3, restarts: 3, lastEnd: ago(4 * time.Second)}, want: "restart unhealthy"},
		{name: "unhealthy: somebody is stopping it", policy: usual(), c: running(sickFor(0), func(c *engine.Container) { c.StopSeenAt, c.StopTimeout = ago(10*time.Second), 10*time.Second }), want: "in_progress 20s"},
		{name: "unhealthy: somebody is stopping it, which may take for ever", policy: usual(), c: running(sickFor(0), func(c *engine.Container) { c.StopSeenAt, c.StopTimeout = ago(time.Minute), -time.Second }), want: "in_progress 4m0s"},
		{name: "unhealthy: somebody is stopping it, which may take very long", policy: usual(), c: running(sickFor(0), func(c *engine.Container) { c.StopSeenAt, c.StopTimeout = ago(time.Minute), time.Hour }), want: "in_progress 4m0s"},
		{name: "unhealthy: somebody told it to stop in vain", policy: usual(), c: running(sickFor(0), func(c *engine.Container) { c.StopSeenAt = ago(5 * time.Minute) }), want: "restart unhealthy"},
		{name: "unhealthy: restarts did not help", policy: usual(), c: running(sickFor(0)), record: &record{attempts: 5, restarts: 5, lastEnd: ago(time.Hour)}, want: "gave_up"},
		{name: "unhealthy: starts are no restarts", policy: usual(), c: running(sickFor(0)), record: &record{attempts: 9, restarts: 4, lastEnd: ago(time.Hour)}, want: "restart unhealthy"},
		{name: "unhealthy: as many restarts on this host as a minute may have", policy: usual(), c: running(sickFor(0)), spent: slices.Repeat([]time.Time{ago(20 * time.Second)}, 10), want: "rate_limited 40s"},
		{name: "unhealthy: its network parent is down", policy: usual(), c: running(sickFor(0), childOf("b2")), others: parent(state(engine.Exited)), want: "parent_down"},
		{name: "--dry-run: a restart", policy: usual(func(p *policy.Policy) { p.DryRun = true }), c: running(sickFor(0)), want: "dry_run"},

		// Dependency.
		{name: "dependency: its parent was started after it", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(time.Second)), want: "restart dependency"},
		{name: "dependency: its parent, by name", policy: usual(), c: running(childOf("vpn")), others: parent(begunAgo(time.Second)), want: "restart dependency"},
		{name: "dependency: its parent was started before it", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(2 * time.Hour)), want: ""},
		{name: "dependency: whoever the parent is", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(time.Second), labelled(policy.LabelEnable, "false")), want: "restart dependency"},
		{name: "dependency: not one that no entry names", policy: usual(), c: running(childOf("b2"), named("a1", "other")), others: parent(begunAgo(time.Second)), want: ""},
		{name: "dependency: its parent is down", policy: usual(), c: running(childOf("b2")), others: parent(state(engine.Exited), begunAgo(2*time.Hour)), want: "parent_down"},
		{name: "dependency: its parent is being restarted", policy: usual(), c: running(childOf("b2")), others: parent(state(engine.Restarting), begunAgo(time.Second)), want: "parent_down"},
		{name: "dependency: a parent that is paused has its network still", policy: usual(), c: running(childOf("b2")), others: parent(state(engine.Paused), begunAgo(2*time.Hour)), want: ""},
		{name: "dependency: its parent is gone", policy: usual(), c: running(childOf("b2")), want: "parent_gone"},
		{name: "dependency: the trigger is off", policy: usual(triggers(policy.TriggerExited)), c: running(childOf("b2")), others: parent(begunAgo(time.Second)), want: "trigger_disabled"},
		{name: "dependency: within the limits", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(time.Second)), record: &record{attempts: 1, restarts: 1, lastEnd: ago(400 * time.Millisecond)}, want: "back_off 600ms"},
		{name: "dependency: restarts that did not help against something else do not count", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(time.Second)), record: &record{attempts: 5, restarts: 5, lastEnd: ago(time.Hour)}, want: "restart dependency"},
		{name: "dependency: nor do restarts on this host", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(time.Second)), spent: slices.Repeat([]time.Time{ago(20 * time.Second)}, 10), want: "restart dependency"},
		{name: "dependency: its parent's health check has not settled", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(20*time.Second), healthCheck(engine.Starting)), want: "parent_down 40s"},
		{name: "dependency: its parent is unhealthy", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(20*time.Second), healthCheck(engine.Unhealthy)), want: "parent_down 40s"},
		{name: "dependency: its parent has not become healthy in a minute", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(time.Minute), healthCheck(engine.Unhealthy)), want: "restart dependency"},
		{name: "dependency: its parent is healthy", policy: usual(), c: running(childOf("b2")), others: parent(begunAgo(20*time.Second), healthCheck(engine.Healthy)), want: "restart dependency"},
		{name: "dependency: what it suffers from its parent's restart waits for that, too", policy: usual(), c: running(childOf("b2"), sickFor(0)), others: parent(begunAgo(20*time.Second), healthCheck(engine.Starting)), asked: true, want: "parent_down 40s"},
		{name: "dependency: even where that was given up", policy: usual(), c: running(childOf("b2"), sickFor(0)), others: parent(begunAgo(20*time.Second), healthCheck(engine.Starting)), record: &record{restarts: 5}, asked: true, want: "parent_down 40s"},
		{name: "dependency: the trigger is off, and it waits with what else asks for it", policy: usual(triggers(policy.TriggerUnhealthy)), c: running(childOf("b2"), sickFor(0)), others: parent(begunAgo(20*time.Second), healthCheck(engine.Starting)), want: "parent_down 40s"},
		{name: "a child that ended with its parent waits for its health, too", policy: usual(), c: ended(engine.CauseSelf, childOf("b2")), others: parent(begunAgo(20*time.Second), healthCheck(engine.Starting)), want: "parent_down 40s"},
		{name: "for a minute at most", policy: usual(), c: ended(engine.CauseSelf, childOf("b2")), others: parent(begunAgo(time.Minute), healthCheck(engine.Unhealthy)), want: "start"},
		{name: "a child that died by itself does not wait for it", policy: usual(), c: ended(engine.CauseSelf, childOf("b2"), func(c *engine.Container) { c.Started = ago(10 * time.Second) }), others: parent(begunAgo(20*time.Second), healthCheck(engine.Starting)), want: "start"},
		{name: "nor does one whose network is there", policy: usual(), c: running(childOf("b2"), begunAgo(10*time.Second), sickFor(0)), others: parent(begunAgo(20*time.Second), healthCheck(engine.Starting)), want: "restart unhealthy"},
		{name: "dependency: a shared network of which only the beginning of the ID is said", policy: usual(), c: running(childOf("b")), others: parent(begunAgo(time.Second)), want: "restart dependency"},
		{name: "dependency: its IPC parent was started after it", policy: usual(), c: running(sharing(engine.IPC, "vpn")), others: parent(begunAgo(time.Second)), want: "restart dependency"},
		{name: "dependency: its IPC parent is down", policy: usual(), c: running(sharing(engine.IPC, "vpn")), others: parent(state(engine.Exited)), want: "parent_down"},
		{name: "dependency: its IPC parent is gone", policy: usual(), c: running(sharing(engine.IPC, "vpn")), want: "parent_gone"},
		{name: "dependency: of two parents the one that is gone counts", policy: usual(), c: running(childOf("b2"), sharing(engine.IPC, "x")), others: parent(begunAgo(time.Second)), want: "parent_gone"},
		{name: "dependency: of two parents the one that was restarted counts", policy: usual(), c: running(childOf("c3"), sharing(engine.IPC, "b2")), others: append(parent(begunAgo(time.Second)), running(named("c3", "db"), begunAgo(2*time.Hour))), want: "restart dependency"},
		{name: "dependency: its process parent is down", policy: usual(), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), code(137)), others: parent(state(engine.Exited)), want: "parent_down"},
		{name: "dependency: its process parent is gone", policy: usual(), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), code(137)), want: "parent_gone"},
		{name: "dependency: its process parent was started again", policy: usual(triggers(policy.TriggerDependency)), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), code(137)), others: parent(begunAgo(0)), want: "start"},
		{name: "dependency: it was killed, and its process parent is not healthy yet", policy: usual(), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), code(137)), others: parent(begunAgo(time.Second), healthCheck(engine.Starting)), want: "parent_down 59s"},
		{name: "dependency: it was killed, and its process parent does not become healthy", policy: usual(), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), code(137)), others: parent(begunAgo(time.Minute), healthCheck(engine.Unhealthy)), want: "start"},
		{name: "dependency: it was killed, and its process parent is healthy", policy: usual(), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), code(137)), others: parent(begunAgo(0), healthCheck(engine.Healthy)), want: "start"},
		{name: "dependency: it was killed a moment ago, and its process parent may be down", policy: usual(), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), code(137), endedAgo(400*time.Millisecond)), others: parent(begunAgo(2 * time.Hour)), want: "parent_down 9.6s"},
		{name: "dependency: it was killed, and its process parent is not down", policy: usual(triggers(policy.TriggerDependency)), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), code(137), endedAgo(10*time.Second)), others: parent(begunAgo(2 * time.Hour)), want: "trigger_disabled"},
		{name: "dependency: it died for a reason of its own", policy: usual(), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), endedAgo(0)), others: parent(begunAgo(2 * time.Hour)), want: "start"},
		{name: "dependency: it ran out of memory", policy: usual(), c: ended(engine.CauseSelf, sharing(engine.PID, "vpn"), endedAgo(0), func(c *engine.Container) { c.Exit = engine.Exit{Known: true, Code: 137, OOMKilled: true} }), others: parent(begunAgo(2 * time.Hour)), want: "start"},
		{name: "dependency: somebody stopped it before its process parent", policy: usual(mode(policy.UnlessStopped)), c: ended(engine.CauseStopped, sharing(engine.PID, "vpn"), code(137)), others: parent(begunAgo(0)), want: "stopped"},

		// Alerts.
		{name: "alert: restarted", policy: usual(), c: running(), asked: true, want: "restart alert"},
		{name: "alert: nobody asks", policy: usual(), c: running(), want: ""},
		{name: "alert: the trigger is off", policy: usual(triggers(policy.TriggerExited)), c: running(), asked: true, want: "trigger_disabled"},
		{name: "alert: it has only just come up", policy: usual(), c: running(begunAgo(20 * time.Second)), asked: true, want: "too_young 40s"},
		{name: "alert: its health check has not settled", policy: usual(), c: running(func(c *engine.Container) { c.HealthCheck, c.Health = true, engine.Starting }), asked: true, want: "too_young"},
		{name: "alert: restarts did not help", policy: usual(), c: running(), record: &record{restarts: 5}, asked: true, want: "gave_up"},
		{name: "alert: a sickness whose own trigger is off", policy: usual(triggers(policy.TriggerAlert)), c: running(sickFor(time.Minute)), asked: true, want: "restart alert"},
		{name: "alert: too young for it, and sick", policy: usual(), c: running(sickFor(0), begunAgo(20*time.Second)), asked: true, want: "restart unhealthy"},
		{name: "alert: why what it asks for waits counts more than a trigger that is off", policy: usual(triggers(policy.TriggerAlert)), c: running(sickFor(0), begunAgo(20*time.Second)), asked: true, want: "too_young 40s"},
		{name: "alert: its network parent is gone", policy: usual(), c: running(childOf("b2")), asked: true, want: "parent_gone"},

		// Holds, and Defib itself.
		{name: "on hold: a death", policy: usual(holdFor("web", time.Hour)), c: ended(engine.CauseSelf), want: "on_hold 1h0m0s"},
		{name: "on hold: a sickness", policy: usual(holdFor("*", time.Hour)), c: running(sickFor(0)), want: "on_hold 1h0m0s"},
		{name: "on hold: another one", policy: usual(holdFor("token", time.Hour)), c: ended(engine.CauseSelf), want: "start"},
		{name: "on hold: it is over", policy: usual(holdFor("web", 0)), c: ended(engine.CauseSelf), want: "start"},
		{name: "self: never, for no alert", policy: usual(), c: running(), snapshot: []func(*engine.Snapshot){itself("a1")}, asked: true, want: "self"},
		{name: "self: nor for its own sickness", policy: usual(), c: running(sickFor(0)), snapshot: []func(*engine.Snapshot){itself("a1")}, want: "self"},
		{name: "self: others are healed", policy: usual(), c: ended(engine.CauseSelf), snapshot: []func(*engine.Snapshot){itself("b2")}, want: "start"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := snapshotOf(append(row.others, row.c)...)
			for _, edit := range row.snapshot {
				edit(p)
			}
			past := history{records: map[string]*record{}, recentRestarts: row.spent}
			if row.record != nil {
				past.records[row.c.ID] = row.record
			}
			asked := map[string]time.Time{}
			if row.asked {
				asked[row.c.ID] = ago(time.Second)
			}
			if got := ran(decide(noon, row.policy, p, past, asked), row.c.ID); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestDecideTakesTheOldestCauseFirstWithinTheConcurrency(t *testing.T) {
	p := snapshotOf(
		ended(engine.CauseSelf, named("a1", "batch-a"), endedAgo(time.Second)),
		ended(engine.CauseSelf, named("b2", "batch-b"), endedAgo(3*time.Second)),
		ended(engine.CauseSelf, named("c3", "batch-c"), endedAgo(3*time.Second)),
		ended(engine.CauseSelf, named("d4", "batch-d"), endedAgo(2*time.Second)),
		ended(engine.CauseSelf, named("e5", "batch-e"), endedAgo(time.Hour)),
	)
	records := history{records: map[string]*record{"e5": {acting: true, slotUntil: noon.Add(time.Minute)}}}
	got := decide(noon, usual(func(p *policy.Policy) { p.Concurrency = 3 }), p, records, nil)
	var order []string
	for _, v := range got.verdicts {
		order = append(order, v.container.ID+" "+ran(got, v.container.ID))
	}
	want := []string{"b2 start", "c3 start", "d4 rate_limited", "a1 rate_limited", "e5 in_progress"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
}

func TestDecideLooksAgainWhenTheFirstWaitEnds(t *testing.T) {
	p := snapshotOf(
		ended(engine.CauseStopped, named("a1", "batch-a")),
		ended(engine.CauseSelf, named("b2", "batch-b"), endedAgo(0)),
		ended("", named("c3", "batch-c"), state(engine.Running)),
	)
	records := history{records: map[string]*record{"b2": {attempts: 3}, "c3": {attempts: 1, healthySince: ago(14 * time.Minute)}}}
	if got, want := decide(noon, usual(), p, records, nil).next, noon.Add(4*time.Second); !got.Equal(want) {
		t.Errorf("next look %s, want %s", got, want)
	}
	delete(records.records, "b2")
	p.Containers = p.Containers[2:]
	if got, want := decide(noon, usual(), p, records, nil).next, noon.Add(time.Minute); !got.Equal(want) {
		t.Errorf("next look %s, want %s, when past attempts are forgiven", got, want)
	}
	if got := decide(noon, usual(), snapshotOf(), records, nil).next; !got.IsZero() {
		t.Errorf("next look %s, want none", got)
	}
}

func TestDecideLooksAgainWhenAnyCauseMayBeRipe(t *testing.T) {
	c := running(sickFor(0), begunAgo(3*time.Second))
	records := history{records: map[string]*record{"a1": {attempts: 3, lastEnd: ago(0)}}}
	got := decide(noon, usual(), snapshotOf(c), records, map[string]time.Time{"a1": noon})
	if want := noon.Add(4 * time.Second); !got.next.Equal(want) {
		t.Errorf("next look %s, want %s, when the back-off of its sickness ends: %s", got.next, want, ran(got, "a1"))
	}
}

// scene is a random snapshot with records.
func scene(r *rand.Rand) (*engine.Snapshot, history, map[string]time.Time) {
	pick := func(n int) int { return r.IntN(n) }
	p := snapshotOf()
	records := history{records: map[string]*record{}}
	asked := map[string]time.Time{}
	for i := range 1 + pick(12) {
		c := ended(
			[]engine.ExitCause{engine.CauseNone, engine.CauseSelf, engine.CauseStopped, engine.CauseEngine, engine.CauseUnknown}[pick(5)],
			named(fmt.Sprintf("%02d", i), []string{"web", "other", "batch-1", "batch-2"}[pick(4)]),
			code(pick(2)), endedAgo(time.Duration(pick(400))*time.Second),
			restartPolicy([]string{"no", "always", "on-failure"}[pick(3)]),
		)
		c.State = engine.States[pick(len(engine.States))]
		c.Inspected = pick(5) > 0
		if pick(3) == 0 {
			in("shop", []string{"db", "app"}[pick(2)])(c)
		}
		if pick(4) == 0 {
			labelled(policy.LabelEnable, []string{"true", "false", "x"}[pick(3)])(c)
		}
		if pick(4) == 0 {
			sharing([]engine.Namespace{engine.Network, engine.PID, engine.IPC}[pick(3)], fmt.Sprintf("%02d", pick(12)))(c)
		}
		if pick(4) == 0 {
			sickFor(time.Duration(pick(90)) * time.Second)(c)
		}
		if pick(4) == 0 {
			c.StopSeenAt = ago(time.Duration(pick(600)) * time.Second)
		}
		p.Containers = append(p.Containers, c)
		if pick(2) == 0 {
			records.records[c.ID] = &record{
				acting: pick(4) == 0, restarting: pick(2) == 0, slotUntil: ago(time.Duration(pick(60)-30) * time.Second), attempts: pick(6), restarts: pick(6),
				lastEnd: ago(time.Duration(pick(60)) * time.Second), streak: pick(3),
			}
		}
		if pick(2) == 0 {
			asked[c.ID] = ago(time.Duration(pick(9)) * time.Second)
		}
	}
	p.Projects["shop"] = ago(time.Duration(pick(20)) * time.Second)
	p.First = ago(time.Duration(pick(100)) * time.Hour)
	if pick(3) == 0 {
		p.Self = fmt.Sprintf("%02d", pick(12))
	}
	for i := range pick(4) {
		records.recentRestarts = append(records.recentRestarts, ago(time.Duration(50-i)*time.Second))
	}
	return p, records, asked
}

func checkLaws(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	p, records, asked := scene(r)
	pol := usual(mode([]policy.Mode{policy.Always, policy.UnlessStopped, policy.OnFailure}[r.IntN(3)]), func(p *policy.Policy) {
		p.Concurrency, p.MaxPerMinute, p.UnhealthyFor = 1+r.IntN(4), 1+r.IntN(6), time.Duration(r.IntN(60))*time.Second
	})
	got := decide(noon, pol, p, records, asked)

	starts, restarts := records.active(noon)
	before, beforeRestarts := starts, restarts
	spent := len(records.recentRestarts)
	for _, v := range got.verdicts {
		c := v.container
		if !pol.For(c).Whitelisted {
			t.Errorf("seed %d, law 1: a verdict on %s, which is not whitelisted", seed, c.ID)
		}
		if v.act && c.ID == p.Self {
			t.Errorf("seed %d: Defib acts on its own container", seed)
		}
		if v.act {
			if records.at(c.ID).acting {
				t.Errorf("seed %d, law 2: a second action for %s", seed, c.ID)
			}
			switch {
			case c.Up() && asked[c.ID].IsZero() && c.UnhealthySince.IsZero() && !WorstTie(p, c).Lost:
				t.Errorf("seed %d: a restart of %s, for which nobody asks", seed, c.ID)
			case c.Up() && v.trigger == policy.TriggerDependency: // once per run of the parent
				restarts++
			case c.Up():
				restarts++
				spent++
			case c.State == engine.Exited || c.FailedStart():
				starts++
			default:
				t.Errorf("seed %d: a start of %s, which is %s", seed, c.ID, c.State)
			}
		}
		if v.act == (v.reason != "") {
			t.Errorf("seed %d: %s has act %t and reason %q", seed, c.ID, v.act, v.reason)
		}
		if _, known := Reasons[v.reason]; !v.act && !known {
			t.Errorf("seed %d: reason %q is not in the list", seed, v.reason)
		}
		if !v.until.IsZero() && !v.until.After(noon) {
			t.Errorf("seed %d, law 3: %s is looked at again at %s, which is past", seed, c.ID, v.until)
		}
	}
	if starts > max(pol.Concurrency, before) || restarts > max(pol.Concurrency, beforeRestarts) {
		t.Errorf("seed %d, law 2: %d starts and %d restarts at a time, want at most %d", seed, starts, restarts, pol.Concurrency)
	}
	if spent > max(pol.MaxPerMinute, len(records.recentRestarts)) {
		t.Errorf("seed %d, law 2: %d restarts in a minute, want at most %d", seed, spent, pol.MaxPerMinute)
	}
	if !got.next.IsZero() && !got.next.After(noon) {
		t.Errorf("seed %d, law 3: the next look is not in the future: %s", seed, got.next)
	}
	again := decide(noon, pol, p, records, asked)
	if diff := cmp.Diff(got, again, cmp.AllowUnexported(plan{}, verdict{}), cmp.Comparer(func(a, b *engine.Container) bool { return a == b })); diff != "" {
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
	p := snapshotOf()
	records := history{records: map[string]*record{}}
	for i := range 1000 {
		c := ended(engine.CauseSelf, named(fmt.Sprintf("%064x", i), fmt.Sprintf("batch-%d", i)), in("shop", fmt.Sprint(i)))
		if i%10 != 0 {
			state(engine.Running)(c)
		}
		p.Containers = append(p.Containers, c)
		records.records[c.ID] = &record{attempts: i % 3}
	}
	pol := usual()
	b.ReportAllocs()
	for b.Loop() {
		decide(noon, pol, p, records, nil)
	}
}
