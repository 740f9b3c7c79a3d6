package decision

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/history"
	. "defib/restarter/internal/fixture"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// hex is an ID.
func hex(digit string) string { return strings.Repeat(digit, 64) }

// meant says what a plan has in mind for a container: "recreate PARENT", "finish" what has
// begun, "remove", or as ran.
func meant(p Plan, id string) string {
	for _, v := range p.Verdicts {
		switch {
		case v.Container.ID != id || !v.Act:
		case v.Removes:
			return "remove"
		case v.Recreation != nil && v.Recreation.New != nil:
			return "finish"
		case v.Recreation != nil:
			return "recreate in " + v.Recreation.Parent.Name
		}
	}
	return ran(p, id)
}

// child is a whitelisted container that runs in the network of one that is gone, and may
// be re-created.
func child(edits ...func(*engine.Container)) *engine.Container {
	return Running(append([]func(*engine.Container){Named(hex("a"), "web"), ChildOf(hex("d")), Labelled(policy.LabelRecreate, "true"), BegunAgo(2 * time.Hour), Existing(3 * time.Hour)}, edits...)...)
}

// vpn is a container that has taken the place of the parent.
func vpn(edits ...func(*engine.Container)) *engine.Container {
	return Running(append([]func(*engine.Container){Named(hex("b"), "vpn"), BegunAgo(time.Hour), Existing(time.Hour)}, edits...)...)
}

// Existing says when a container was created.
func Existing(d time.Duration) func(*engine.Container) {
	return func(c *engine.Container) { c.Created, c.CreatedSeenAt = Ago(d), Ago(d) }
}

// known has Defib remember the parent by these names.
func known(names ...string) *history.Record {
	return &history.Record{Parent: history.NetworkParent{ID: hex("d"), Names: names}}
}

func TestContainerIsCreatedAnewInTheNetworkOfItsNewParentAlone(t *testing.T) {
	shop := func(service string) func(*engine.Container) { return In("shop", service) }
	depends := func(label string) func(*engine.Container) {
		return Labelled("com.docker.compose.project", "shop", "com.docker.compose.service", "db", compose.LabelDependsOn, label)
	}
	exited := func(c *engine.Container) {
		c.State, c.ExitCause, c.ExitSeenAt, c.Exit, c.StartSeenAt = engine.Exited, engine.CauseSelf, Ago(time.Minute), engine.Exit{Known: true, Code: 1}, time.Time{}
	}
	for _, row := range []struct {
		name    string
		c       *engine.Container
		others  []*engine.Container
		record  *history.Record
		project time.Duration // since it last changed
		edit    func(*policy.Policy)
		want    string
	}{
		{name: "one whose parent was re-created is too", c: child(), others: []*engine.Container{vpn()}, record: known("vpn"), want: "recreate in vpn"},
		{name: "one that is down as well", c: child(exited), others: []*engine.Container{vpn()}, record: known("vpn"), want: "recreate in vpn"},
		{name: "without its label it is not", c: child(Labelled(policy.LabelRecreate, "false")), others: []*engine.Container{vpn()}, record: known("vpn"), want: "parent_gone"},
		{name: "one that is not whitelisted is not", c: child(Named(hex("a"), "other")), others: []*engine.Container{vpn()}, record: known("vpn"), want: ""},
		{name: "a name that the parent had before it was renamed counts", c: child(), others: []*engine.Container{vpn()}, record: known("vpn", "xyz"), want: "recreate in vpn"},
		{name: "one whose parent nobody knows is not", c: child(), others: []*engine.Container{vpn()}, record: &history.Record{}, want: "parent_gone"},
		{name: "what was known of another parent says nothing", c: child(), others: []*engine.Container{vpn()}, record: &history.Record{Parent: history.NetworkParent{ID: hex("e"), Names: []string{"vpn"}}}, want: "parent_gone"},
		{name: "a container of a foreign project is never the parent", c: child(shop("db")), others: []*engine.Container{vpn(In("mail", "vpn"))}, record: known("vpn"), want: "parent_gone"},
		{name: "nor one of no project that of a project's", c: child(shop("db")), others: []*engine.Container{vpn()}, record: known("vpn"), want: "parent_gone"},
		{name: "nor one of a project that of none's", c: child(), others: []*engine.Container{vpn(In("mail", "vpn"))}, record: known("vpn"), want: "parent_gone"},
		{name: "one that is older than the child is not", c: child(), others: []*engine.Container{vpn(Existing(4 * time.Hour))}, record: known("vpn"), want: "parent_gone"},
		{name: "one that is down is not", c: child(), others: []*engine.Container{vpn(exited)}, record: known("vpn"), want: "parent_gone"},
		{name: "one that is not healthy is not", c: child(), others: []*engine.Container{vpn(HealthCheck(engine.Unhealthy))}, record: known("vpn"), want: "parent_gone"},
		{name: "it is given half a minute after its start", c: child(), others: []*engine.Container{vpn(BegunAgo(10 * time.Second))}, record: known("vpn"), want: "parent_gone 20s"},
		{name: "or as long as what was stopped is left alone", c: child(), others: []*engine.Container{vpn(BegunAgo(40 * time.Second))}, record: known("vpn"), edit: func(p *policy.Policy) { p.StoppedDelay = time.Minute }, want: "parent_gone 20s"},
		{name: "compose is left alone with its project", c: child(shop("db")), others: []*engine.Container{vpn(shop("vpn"))}, record: known("vpn"), project: 12 * time.Second, want: "parent_gone 18s"},
		{name: "of a service, the one that bears its name", c: child(shop("db")), others: []*engine.Container{vpn(shop("vpn"), Named(hex("b"), "shop-vpn-2"))}, record: &history.Record{Parent: history.NetworkParent{ID: hex("d"), Names: []string{"shop-vpn-1"}, Project: "shop", Service: "vpn"}}, project: time.Hour, want: "recreate in shop-vpn-2"},
		{name: "of two of a service, none", c: child(shop("db")), others: []*engine.Container{vpn(shop("vpn"), Named(hex("b"), "shop-vpn-2")), vpn(shop("vpn"), Named(hex("c"), "shop-vpn-3"))}, record: &history.Record{Parent: history.NetworkParent{ID: hex("d"), Names: []string{"shop-vpn-1"}, Project: "shop", Service: "vpn"}}, project: time.Hour, want: "parent_gone"},
		{name: "compose has noted whose network it is", c: child(depends("vpn:service_started:true,cache:service_started:false")), others: []*engine.Container{vpn(shop("vpn"))}, project: time.Hour, want: "recreate in vpn"},
		{name: "but not what somebody has written", c: child(depends("vpn:service_healthy:true")), others: []*engine.Container{vpn(shop("vpn"))}, project: time.Hour, want: "parent_gone"},
		{name: "a service of its own project is not that of another one", c: child(shop("db")), others: []*engine.Container{vpn(shop("app"), Named(hex("b"), "shop-app-1"))}, record: &history.Record{Parent: history.NetworkParent{ID: hex("d"), Names: []string{"gluetun"}, Project: "vpn", Service: "app"}}, project: time.Hour, want: "parent_gone"},
		{name: "but not if two might be meant", c: child(depends("vpn:service_started:true,cache:service_started:true")), others: []*engine.Container{vpn(shop("vpn"))}, project: time.Hour, want: "parent_gone"},
		{name: "one with links is not", c: child(func(c *engine.Container) { c.Links = []string{"/db:/web/db"} }), others: []*engine.Container{vpn()}, record: known("vpn"), want: "parent_gone"},
		{name: "nor one that others are linked to", c: child(), others: []*engine.Container{vpn(), vpn(Named(hex("c"), "front"), func(c *engine.Container) { c.Links = []string{"/web:/front/w"} })}, record: known("vpn"), want: "parent_gone"},
		{name: "nor one whose volumes others take", c: child(), others: []*engine.Container{vpn(), vpn(Named(hex("c"), "front"), func(c *engine.Container) { c.VolumesFrom = []string{"web:ro"} })}, record: known("vpn"), want: "parent_gone"},
		{name: "nor one whose processes others share", c: child(), others: []*engine.Container{vpn(), vpn(Named(hex("c"), "front"), Sharing(engine.PID, hex("a")))}, record: known("vpn"), want: "parent_gone"},
		{name: "nor one that shares more than a network", c: child(Sharing(engine.PID, hex("d"))), others: []*engine.Container{vpn()}, record: known("vpn"), want: "parent_gone"},
		{name: "one that lost its processes alone is not", c: Running(Named(hex("a"), "web"), Sharing(engine.PID, hex("d")), Labelled(policy.LabelRecreate, "true"), Existing(3*time.Hour)), others: []*engine.Container{vpn()}, record: known("vpn"), want: "parent_gone"},
		{name: "docker run --rm", c: child(func(c *engine.Container) { c.AutoRemove = true }), others: []*engine.Container{vpn()}, record: known("vpn"), want: "auto_remove"},
		{name: "a one-off command", c: child(shop("db"), Labelled(compose.LabelOneOff, "True")), others: []*engine.Container{vpn(shop("vpn"))}, record: known("vpn"), want: "one_off"},
		{name: "a task of Swarm", c: child(Labelled("com.docker.swarm.task.id", "x")), others: []*engine.Container{vpn()}, record: known("vpn"), want: "swarm_task"},
		{name: "one on hold", c: child(), others: []*engine.Container{vpn()}, record: known("vpn"), edit: HoldFor("web", time.Hour), want: "on_hold 1h0m0s"},
		{name: "with --dry-run", c: child(), others: []*engine.Container{vpn()}, record: known("vpn"), edit: func(p *policy.Policy) { p.DryRun = true }, want: "dry_run"},
		{name: "without the trigger dependency", c: child(), others: []*engine.Container{vpn()}, record: known("vpn"), edit: Triggers(policy.TriggerExited), want: "trigger_disabled"},
		{name: "one that was stopped on purpose", c: child(exited, func(c *engine.Container) { c.ExitCause = engine.CauseStopped }), others: []*engine.Container{vpn()}, record: known("vpn"), edit: Mode(policy.UnlessStopped), want: "stopped"},
		{name: "after an attempt that failed there is a wait", c: child(), others: []*engine.Container{vpn()}, record: &history.Record{Parent: known("vpn").Parent, Attempts: 3, LastEnd: Noon}, want: "back_off 4s"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := Usual()
			if row.edit != nil {
				row.edit(&p)
			}
			snapshot := SnapshotOf(append(row.others, row.c)...)
			snapshot.Projects["shop"] = Ago(row.project)
			past := history.History{Records: map[string]*history.Record{}}
			if row.record != nil {
				past.Records[hex("a")] = row.record
			}
			for _, c := range row.others {
				past.Records[c.ID] = &history.Record{ReadySince: c.StartSeenAt}
			}
			plan := Decide(Noon, p, snapshot, past, nil)
			if got := meant(plan, hex("a")); got != row.want {
				t.Errorf("%q, want %q; detail: %s", got, row.want, detailOf(plan))
			}
			if strings.HasPrefix(row.want, "parent_gone") && row.c.Labels[policy.LabelRecreate] == "true" && detailOf(plan) == "" {
				t.Error("nothing says why it is not re-created")
			}
		})
	}
}

func detailOf(p Plan) string {
	for _, v := range p.Verdicts {
		if v.Container.ID == hex("a") {
			return v.Detail
		}
	}
	return ""
}

// TestReCreationThatHasBegunIsFoundByNames has each state that the death of a Defib or an
// engine can leave.
func TestReCreationThatHasBegunIsFoundByNames(t *testing.T) {
	untouched := func(c *engine.Container) {
		State(engine.Created)(c)
		c.Started, c.StartSeenAt, c.Finished, c.Exit = time.Time{}, time.Time{}, time.Time{}, engine.Exit{}
	}
	down := func(c *engine.Container) {
		c.State, c.ExitCause, c.ExitSeenAt, c.StartSeenAt = engine.Exited, engine.CauseStopped, Ago(time.Second), time.Time{}
	}
	failed := func(c *engine.Container) { untouched(c); c.Error = "no such device" }
	// The old one is a, the new one c; its parent b runs.
	oldOne := func(name string, edits ...func(*engine.Container)) *engine.Container {
		return child(append([]func(*engine.Container){Named(hex("a"), name)}, edits...)...)
	}
	newOne := func(name string, edits ...func(*engine.Container)) *engine.Container {
		inItsNetwork := func(c *engine.Container) {
			c.Parents = []engine.Parent{{Namespace: engine.Network, Container: hex("b")}}
		}
		return child(append([]func(*engine.Container){Named(hex("c"), name), BegunAgo(time.Minute), Existing(time.Minute), inItsNetwork}, edits...)...)
	}
	byOld, byNew := engine.PassingName("web", hex("a")), engine.PassingName("web", hex("c"))
	for _, row := range []struct {
		name           string
		old, new       *engine.Container
		acting         string
		edit           func(*policy.Policy)
		wantA, wantC   string
		uninspected    bool
		theNameIsTaken bool
	}{
		{name: "created: it is undone, and the old one waits for that", old: oldOne("web"), new: newOne(byOld, untouched), wantA: "parent_gone", wantC: "remove"},
		{name: "created, and the old one went: it is removed", new: newOne(byOld, untouched), wantC: "remove"},
		{name: "created, and the old one was renamed: it is removed", old: oldOne("web2"), new: newOne(byOld, untouched), wantA: "", wantC: "remove"},
		{name: "created, and on hold: nothing", old: oldOne("web"), new: newOne(byOld, untouched), edit: HoldFor("web", time.Hour), wantA: "on_hold 1h0m0s", wantC: "on_hold 1h0m0s"},
		{name: "created, in a dry run: nothing", old: oldOne("web"), new: newOne(byOld, untouched), edit: func(p *policy.Policy) { p.DryRun = true }, wantA: "parent_gone", wantC: "dry_run"},
		{name: "created, and not whitelisted any more: nothing", old: oldOne("web"), new: newOne(byOld, untouched), edit: func(p *policy.Policy) { p.Whitelist = Patterns("other") }},
		{name: "created, and started by somebody: both are left alone", old: oldOne("web"), new: newOne(byOld), wantA: "parent_gone", wantC: "superseded"},
		{name: "the first is renamed: forward", old: oldOne(byNew), new: newOne(byOld, untouched), wantA: "finish", wantC: "created"},
		{name: "both are renamed: forward", old: oldOne(byNew), new: newOne("web", untouched), wantA: "finish", wantC: "created"},
		{name: "the old one is stopped, by whomever: forward", old: oldOne(byNew, down), new: newOne("web", untouched), wantA: "finish", wantC: "created"},
		{name: "the new one did not start: it is like any other", old: oldOne(byNew, down), new: newOne("web", failed), wantA: "superseded", wantC: "start"},
		{name: "the new one runs: the old one waits", old: oldOne(byNew, down), new: newOne("web", BegunAgo(10*time.Second)), wantA: "superseded 20s", wantC: ""},
		{name: "the new one runs for long: the old one is removed", old: oldOne(byNew, down), new: newOne("web"), wantA: "remove", wantC: ""},
		{name: "but not if it is not healthy", old: oldOne(byNew, down), new: newOne("web", HealthCheck(engine.Starting)), wantA: "superseded", wantC: ""},
		{name: "the new one died: the old one stays", old: oldOne(byNew, down), new: newOne("web", down, func(c *engine.Container) { c.ExitCause = engine.CauseSelf }), wantA: "superseded", wantC: "start"},
		{name: "the new one has lost its parent as well: the old one makes room", old: oldOne(byNew, down), new: newOne("web", failed, func(c *engine.Container) { c.Parents[0].Container = hex("e") }), wantA: "remove", wantC: "parent_gone"},
		{name: "somebody has started the old one: it is left alone", old: oldOne(byNew), new: newOne("web"), wantA: "superseded", wantC: ""},
		{name: "the new one is gone: the old one stays", old: oldOne(byNew, down), wantA: "superseded"},
		{name: "the new one is gone, and somebody has the name: the old one is removed", old: oldOne(byNew, down), theNameIsTaken: true, wantA: "remove"},
		{name: "while an action is under way nothing else is done", old: oldOne(byNew), new: newOne("web", untouched), acting: hex("a"), wantA: "in_progress", wantC: "in_progress"},
		{name: "also after the new one was started", old: oldOne(byNew, down), new: newOne("web"), acting: hex("a"), wantA: "in_progress", wantC: "in_progress"},
		{name: "the new one is not started while nobody knows what the old one does", old: oldOne(byNew, func(c *engine.Container) { c.Inspected = false }), new: newOne("web", untouched), wantA: "not_inspected", wantC: "not_inspected"},
		{name: "which is which is not known without an inspect", old: oldOne("web"), new: newOne(byOld, untouched), uninspected: true, wantA: "parent_gone", wantC: "not_inspected"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cs := []*engine.Container{vpn()}
			past := history.History{Records: map[string]*history.Record{hex("b"): {ReadySince: Ago(time.Hour)}}}
			for _, c := range []*engine.Container{row.old, row.new} {
				if c == nil {
					continue
				}
				cs = append(cs, c)
				rec := known("vpn")
				rec.Acting = c.ID == row.acting
				if c.Ready() {
					rec.ReadySince = c.StartSeenAt
				}
				past.Records[c.ID] = rec
			}
			if row.uninspected {
				row.new.Inspected = false
			}
			if row.theNameIsTaken {
				cs = append(cs, child(Named(hex("e"), "web"), Existing(time.Minute), func(c *engine.Container) { c.Parents = nil }))
				past.Records[hex("e")] = &history.Record{ReadySince: Ago(time.Minute)}
			}
			p := Usual()
			if row.edit != nil {
				row.edit(&p)
			}
			plan := Decide(Noon, p, SnapshotOf(cs...), past, nil)
			if a, c := meant(plan, hex("a")), meant(plan, hex("c")); a != row.wantA || c != row.wantC {
				t.Errorf("old %q, new %q; want %q and %q", a, c, row.wantA, row.wantC)
			}
			for _, v := range plan.Verdicts {
				if v.Act && v.Removes && v.Container.Alive() {
					t.Error("what runs would be removed:", fmt.Sprint(v.Container.Name))
				}
			}
		})
	}
}

// Removals take what places starts leave.
func TestLaw2RemovalsAreLimitedAndComeLast(t *testing.T) {
	past := history.History{Began: Ago(time.Hour), Since: Ago(time.Hour), Records: map[string]*history.Record{}}
	cs := []*engine.Container{vpn()}
	for _, digit := range []string{"1", "2", "3", "4", "5"} {
		now, old := digit+strings.Repeat("c", 63), digit+strings.Repeat("a", 63)
		name := "web" + digit
		cs = append(cs,
			child(Named(now, name), BegunAgo(time.Minute), Existing(time.Minute), func(c *engine.Container) { c.Parents[0].Container = hex("b") }),
			child(Named(old, engine.PassingName(name, now)), func(c *engine.Container) {
				c.State, c.ExitCause, c.ExitSeenAt, c.StartSeenAt = engine.Exited, engine.CauseStopped, Ago(time.Minute), time.Time{}
			}))
		past.Records[now] = &history.Record{Parent: known("vpn").Parent, ReadySince: Ago(time.Minute)}
		past.Records[old] = known("vpn")
	}
	down := Ended(engine.CauseSelf, Named(hex("f"), "token"))
	p := Usual()
	p.Whitelist, p.Concurrency = Patterns("web*,token"), 3
	removes, starts := 0, 0
	for _, v := range Decide(Noon, p, SnapshotOf(append(cs, down)...), past, nil).Verdicts {
		switch {
		case v.Act && v.Removes:
			removes++
		case v.Act && v.Container == down:
			starts++
		case v.Removes && v.Reason != outcome.RateLimited:
			t.Errorf("%s is left for %q", v.Container.Name, v.Reason)
		}
	}
	if removes != 2 || starts != 1 {
		t.Errorf("%d removals and %d starts at a time, want 2 and 1", removes, starts)
	}
}

// TestWhatAHeldReCreationWouldDoIsKnown whatever holds it: else the removal of a container would
// be spoken of as a start.
func TestWhatAHeldReCreationWouldDoIsKnown(t *testing.T) {
	untouched := func(c *engine.Container) {
		State(engine.Created)(c)
		c.Started, c.StartSeenAt, c.Finished, c.Exit = time.Time{}, time.Time{}, time.Time{}, engine.Exit{}
	}
	down := func(c *engine.Container) {
		c.State, c.ExitCause, c.ExitSeenAt, c.StartSeenAt = engine.Exited, engine.CauseStopped, Ago(time.Second), time.Time{}
	}
	newID := Named(hex("c"), "web")
	byOld, byNew := Named(hex("c"), engine.PassingName("web", hex("a"))), Named(hex("a"), engine.PassingName("web", hex("c")))
	younger, ready := Existing(time.Minute), &history.Record{ReadySince: Ago(time.Minute)}
	dry := func(p *policy.Policy) { p.DryRun = true }
	for _, row := range []struct {
		name         string
		old, new     *engine.Container
		record       *history.Record // of the old one
		edit         func(*policy.Policy)
		wantA, wantC string
	}{
		{name: "the old one is removed", old: child(byNew, down), new: child(newID, younger), edit: dry, wantA: "dry_run: remove"},
		{name: "it could not be removed", old: child(byNew, down), new: child(newID, younger), record: &history.Record{Attempts: 1, LastEnd: Noon}, wantA: "back_off: remove"},
		{name: "it is being removed", old: child(byNew, down), new: child(newID, younger), record: &history.Record{Acting: true}, wantA: "in_progress: remove", wantC: "in_progress: restart"},
		{name: "it waits", old: child(byNew, down), new: child(newID, untouched, younger), edit: dry, wantA: "dry_run: re-create", wantC: "created: re-create"},
		{name: "the new one is removed", old: child(), new: child(byOld, untouched, younger), edit: dry, wantA: "parent_gone: restart", wantC: "dry_run: remove"},
		{name: "the new one has just been created", old: child(), new: child(byOld, untouched, younger), record: &history.Record{Acting: true}, wantA: "in_progress: re-create", wantC: "in_progress: re-create"},
		{name: "somebody has started the new one", old: child(), new: child(byOld, younger), record: &history.Record{Acting: true}, wantA: "in_progress: restart", wantC: "in_progress: restart"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := Usual()
			if row.edit != nil {
				row.edit(&p)
			}
			past := history.History{Records: map[string]*history.Record{hex("a"): row.record, hex("c"): ready}}
			if row.record == nil {
				past.Records[hex("a")] = &history.Record{}
			}
			got := map[string]string{}
			for _, v := range Decide(Noon, p, SnapshotOf(row.old, row.new), past, nil).Verdicts {
				what := "start"
				switch {
				case v.Removes:
					what = "remove"
				case v.Recreation != nil:
					what = "re-create"
				case v.Restarts():
					what = "restart"
				}
				got[v.Container.ID] = fmt.Sprintf("%s: %s", v.Reason, what)
			}
			if got[hex("a")] != row.wantA || row.wantC != "" && got[hex("c")] != row.wantC {
				t.Errorf("the old one %q, the new one %q; want %q and %q", got[hex("a")], got[hex("c")], row.wantA, row.wantC)
			}
		})
	}
}

// families is a random snapshot of children whose parents may be gone, and of what
// re-creations may have left.
func families(r *rand.Rand) (*engine.Snapshot, history.History) {
	pick := func(n int) int { return r.IntN(n) }
	past := history.History{Records: map[string]*history.Record{}}
	var ids []string
	for _, digit := range "0123456789abcdef"[:3+pick(8)] {
		ids = append(ids, hex(string(digit)))
	}
	var cs []*engine.Container
	taken := map[string]bool{}
	for _, id := range ids {
		name := []string{"web", "db", "vpn", "other"}[pick(4)]
		if pick(2) == 0 {
			name = engine.PassingName(name, ids[pick(len(ids))])
		}
		if taken[name] {
			continue
		}
		taken[name] = true
		c := Running(Named(id, name), BegunAgo(time.Duration(pick(90))*time.Second), Existing(time.Duration(100+pick(100))*time.Second))
		switch pick(3) {
		case 0:
			c.State, c.Started, c.StartSeenAt, c.ExitCause = engine.Created, time.Time{}, time.Time{}, engine.CauseNone
			c.Error = []string{"", "no such container"}[pick(2)]
		case 1:
			c.State, c.StartSeenAt, c.ExitCause, c.ExitSeenAt = engine.States[pick(len(engine.States))], time.Time{}, engine.CauseSelf, Ago(time.Second)
		}
		if pick(3) > 0 {
			Labelled(policy.LabelRecreate, "true")(c)
		}
		if pick(3) > 0 {
			ChildOf(append(ids, hex("f"))[pick(len(ids)+1)])(c)
		}
		c.Inspected = pick(6) > 0
		past.Records[id] = &history.Record{
			Acting: pick(6) == 0, Kind: history.Kind(pick(3)), SlotUntil: Ago(time.Duration(pick(2)*2-1) * time.Minute), Attempts: pick(2), LastEnd: Ago(time.Duration(pick(3)) * time.Second),
			Parent: history.NetworkParent{ID: hex("f"), Names: []string{"vpn"}},
		}
		if c.Ready() {
			past.Records[id].ReadySince = c.StartSeenAt
		}
		cs = append(cs, c)
	}
	return SnapshotOf(cs...), past
}

// checkPlaces: no more at a time than are allowed, and nothing waits while there is a place.
func checkPlaces(t *testing.T, seed uint64, allowed int, before history.Places, verdicts []Verdict) {
	t.Helper()
	n := before
	for _, v := range verdicts {
		if v.Act {
			n[v.Action().Kind()]++
		}
	}
	starts, restarts, removals := n[history.Start], n[history.Restart], n[history.Removal]
	if starts > max(allowed, before[history.Start]) || restarts > max(allowed, before[history.Restart]) ||
		removals > before[history.Removal] && starts+removals > allowed {
		t.Errorf("seed %d, law 2: %v actions of each kind at a time, %v before, want at most %d", seed, n, before, allowed)
	}
	for _, v := range verdicts {
		if v.Reason == outcome.RateLimited && v.Until.IsZero() && n.Free(v.Action().Kind(), allowed) {
			t.Errorf("seed %d: %s waits, with %v actions of each kind under way, and %d are allowed", seed, v.Container.Name, n, allowed)
		}
	}
}

func checkFamilies(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	p, past := families(r)
	pol := Usual(func(p *policy.Policy) { p.Whitelist, p.Concurrency = Patterns("web,vpn"), 1+r.IntN(3) })
	verdicts := Decide(Noon, pol, p, past, nil).Verdicts
	checkPlaces(t, seed, pol.Concurrency, past.Active(Noon), verdicts)
	ups := map[string]int{} // actions that bring a container up, by the name that it has after that
	for _, v := range verdicts {
		if !v.Act {
			continue
		}
		c, name := v.Container, v.Container.Name
		base, otherID, passing := engine.ParsePassingName(name)
		if passing {
			name = base
		}
		other := p.ByPrefix(otherID)
		switch {
		case v.Removes && (c.Alive() || !passing):
			t.Errorf("seed %d: %s would be removed, which is %s", seed, c.Name, c.State)
		case v.Recreation != nil && v.Recreation.Name != name:
			t.Errorf("seed %d: %s would become %s", seed, c.Name, v.Recreation.Name)
		case v.Recreation != nil && v.Recreation.New == nil && (passing || v.Recreation.Parent == nil || !v.Recreation.Parent.Ready()):
			t.Errorf("seed %d: %s would be re-created", seed, c.Name)
		}
		if v.Removes || v.Recreation != nil {
			if name != "web" && name != "vpn" || c.Labels[policy.LabelRecreate] != "true" {
				t.Errorf("seed %d, law 1: %s would be replaced or removed", seed, c.Name)
			}
		}
		if past.Acting(c.ID) || other != nil && passing && other.Name == base && past.Acting(other.ID) {
			t.Errorf("seed %d, law 2: a second action for %s", seed, c.Name)
		}
		if !v.Removes && c.Inspected {
			ups[c.ID]++
			if v.Recreation != nil && v.Recreation.New != nil {
				ups[v.Recreation.New.ID]++
			}
		}
	}
	for id, n := range ups {
		if n > 1 {
			t.Errorf("seed %d, law 2: two actions would bring up %s", seed, p.Get(id).Name)
		}
	}
}

func TestLaw1Law2HoldForAnyReCreation(t *testing.T) {
	for seed := range uint64(10000) {
		checkFamilies(t, seed)
	}
}
