package e2e

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// step is one call of a re-creation.
type step struct {
	name, kind string
	old        bool // it is to the container that is replaced
}

// steps are all, in their order.
var steps = []step{
	{"create", "create", false},
	{"update the new one", "update", false},
	{"rename the old one", "rename", true},
	{"rename the new one", "rename", false},
	{"update the old one", "update", true},
	{"stop the old one", "stop", true},
	{"start the new one", "start", false},
	{"remove the old one", "remove", true},
}

// ordeal is a re-creation in the midst of which Defib dies, or the engine.
type ordeal struct {
	*family
	step
	nth  int
	late bool // once the engine has answered
	old  *harness.Container
	gate *harness.Gate
	d    *harness.Defib
	args []string

	held  time.Time // when the call came that was held
	found string    // right after the death
	over  time.Time // when all was as it is to be
}

// String names an ordeal in a table.
func (o *ordeal) String() string {
	when := "before"
	if o.late {
		when = "after "
	}
	return fmt.Sprintf("%s %-18s", when, o.name)
}

var everyDeath = flag.Bool("deaths.all", false, "end Defib and the engine both before and after each step of a re-creation, and not before one and after the next")

// newOrdeals lays out one for each step, before it or after it: the first before it if first
// is even, the second after it, and so on; with -deaths.all, both. Each has a Defib of its
// own, that knows of no other container; half of them are of a compose project,
// and their Defibs keep no state.
func newOrdeals(t *testing.T, e *harness.Engine, first int) (all []*ordeal) {
	t.Helper()
	for i := range 2 * len(steps) {
		if !*everyDeath && (i+i/2+first)%2 == 1 {
			continue
		}
		s := harness.NewEnv(t, e)
		o := &ordeal{step: steps[i/2], nth: i / 2, late: i%2 == 1}
		project := ""
		if (i/4+first)%2 == 1 {
			project = s.Prefix + "stack"
		}
		o.family = &family{Env: s, spec: vpn(project, false), mounts: map[string][]string{}}
		o.parent = s.Run("vpn", o.spec)
		o.old = s.Run("web", harness.ChildOf(o.parent, harness.Spec{
			Volumes: []string{"/data"}, Restart: "always",
			Labels: memberOf(project, "web", recreateLabel, "true", "com.docker.compose.depends_on", "vpn:service_started:true"),
		}))
		o.adopt(o.old)
		// The first to be held waits for the last.
		o.args = []string{harness.Whitelist(o.old), "--restart.stopped-delay=1s", fmt.Sprint("--docker.timeout=", harness.Limit)}
		if project == "" {
			o.args = append(o.args, "--state.file="+filepath.Join(t.TempDir(), "state.json"))
		}
		o.gate = harness.NewGate(t, e, o.late, func(c harness.Call) bool { return c.Kind == o.kind && (c.ID == o.old.ID) == o.step.old })
		o.d = harness.StartDefib(t, o.gate.Host, o.args...)
		o.d.Ready()
		o.d.Knows(s)
		all = append(all, o)
	}
	return all
}

// recreateParent is the deed that begins it.
func (o *ordeal) recreateParent() {
	o.Helper()
	o.parent = o.parent.Recreate(harness.Recreators["person"], o.spec)
}

// each does something once for each ordeal that is ready for it, until none is left.
func each(t *testing.T, all []*ordeal, limit time.Duration, what string, try func(*ordeal) bool) {
	t.Helper()
	left := slices.Clone(all)
	defer func() {
		for _, o := range left {
			t.Logf("not %s: %v: %s", what, o, o.describe())
		}
	}()
	harness.EventuallyWithin(t, limit, "each ordeal to be "+what, func() bool {
		left = slices.DeleteFunc(left, try)
		return len(left) == 0
	})
}

// describe says which containers there are of a child: by their names, the old one and others.
func (o *ordeal) describe() string {
	o.Helper()
	var found []string
	for _, suffix := range o.Names() {
		if harness.BaseName(suffix) != "web" {
			continue
		}
		b, is := o.Lookup(o.Prefix + suffix)
		if b == nil {
			continue
		}
		which, name := "new", "web"
		if b.ID == o.old.ID {
			which = "old"
		}
		if suffix != "web" {
			name = "web.defib-…"
		}
		found = append(found, fmt.Sprintf("%s is the %s one, %s, policy %s", name, which, is.State.Status, is.HostConfig.RestartPolicy.Name))
	}
	return strings.Join(found, "; ")
}

// ended reports whether all is as it is to be: there are the parent and the child, and the
// child is another one, which is in the network of the parent.
func (o *ordeal) ended() bool {
	o.Helper()
	if !slices.Equal(o.Names(), []string{"vpn", "web"}) {
		return false
	}
	b, is := o.Lookup(o.old.Name)
	ended := b != nil && b.ID != o.old.ID && is.State.Running && is.HostConfig.NetworkMode == container.NetworkMode("container:"+o.parent.ID)
	if ended {
		o.over = time.Now()
	}
	return ended
}

// judge checks that nothing was lost, and that no two ran at a time. All runs ended when
// the engine did.
func (o *ordeal) judge(ends ...time.Time) {
	o.Helper()
	fresh, is := o.Lookup(o.old.Name)
	if fresh == nil {
		o.Errorf("%v: the container is lost", o)
		return
	}
	fresh.AwaitAlive()
	o.joined(fresh, o.parent)
	if policy := is.HostConfig.RestartPolicy.Name; policy != "always" {
		o.Errorf("%v: the restart policy is %q, want always", o, policy)
	}
	events := o.Engine.Recorder.All()
	for _, double := range harness.Doubles(events, o.old.Name, ends...) {
		o.Errorf("%v: %s", o, double)
	}
	own := map[string]bool{"": true} // create is of none
	for _, e := range events {
		if harness.BaseName(e.Name) == o.old.Name {
			own[e.ID] = true
		}
	}
	for _, c := range o.gate.Calls() {
		if !own[c.ID] && strings.Trim(c.ID, "0") != "" {
			o.Errorf("%v: %s of %s, which is none of its containers", o, c.Kind, c.ID)
		}
	}
}

// table prints what was found after each death, and what it came to.
func table(t *testing.T, what string, all []*ordeal) {
	t.Helper()
	var out strings.Builder
	for _, o := range all {
		end := "not at its end: " + o.describe()
		if !o.over.IsZero() {
			end = fmt.Sprintf("created anew %v later", o.over.Sub(o.held).Round(time.Second))
		}
		fmt.Fprintf(&out, "| %v | %s | %s |\n", o, o.found, end)
	}
	t.Logf("%s:\n%s", what, out.String())
}
