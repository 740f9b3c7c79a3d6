package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
)

// orphan is a child that is not created anew, though its parent was.
type orphan struct {
	name    string
	labels  map[string]string // nil: it is to be created anew
	host    func(h *container.HostConfig)
	after   func(child *harness.Container)         // it has been created
	happens func(parent, child *harness.Container) // nil: docker rm and docker run
	reasons []string                               // nil: parent_gone
	child   *harness.Container
}

// by re-creates a parent as a person does, from this.
func by(p harness.Spec) func(parent, child *harness.Container) {
	p.Network = "none"
	return func(parent, _ *harness.Container) { parent.Recreate(harness.Recreators["person"], p) }
}

// orphans are all rows. Elder is a container that is older than any of them.
func orphans(s *harness.Env, elder *harness.Container) []*orphan {
	stack, other := s.Prefix+"stack", s.Prefix+"other"
	sick := harness.Checked()
	sick.Health.Test = []string{"CMD", "/nothing"}
	none := harness.Spec{Network: "none"}
	return []*orphan{
		{name: "without the label", labels: map[string]string{}},
		{name: "with a label that says no", labels: map[string]string{recreateLabel: "false"}},
		{name: "with a label that nobody understands", labels: map[string]string{recreateLabel: "perhaps"}, reasons: []string{"parent_gone", "bad_label"}},
		{name: "of docker run --rm", host: func(h *container.HostConfig) { h.AutoRemove = true }, reasons: []string{"parent_gone", "auto_remove"}},
		{name: "of docker compose run", labels: memberOf(stack, "run", recreateLabel, "true", "com.docker.compose.oneoff", "True"), reasons: []string{"parent_gone", "one_off"}},
		{name: "whose volumes another one takes", after: func(child *harness.Container) {
			s.Create("borrower", harness.Spec{Network: "none", Host: func(h *container.HostConfig) { h.VolumesFrom = []string{child.Name} }})
		}},
		{name: "whose parent is gone for good", happens: func(parent, _ *harness.Container) { parent.Remove() }},
		{name: "whose parent is not started", happens: func(parent, _ *harness.Container) {
			parent.Remove()
			s.Create(parent.Name[len(s.Prefix):], none)
		}},
		{name: "whose parent is unhealthy", happens: by(sick)},
		{name: "whose parent is another project's by now", labels: memberOf(stack, "foreign", recreateLabel, "true"), happens: by(harness.Spec{Labels: memberOf(other, "parent-of-foreign")})},
		{name: "whose parent is a project's by now", happens: by(harness.Spec{Labels: memberOf(other, "parent-of-mine")})},
		{name: "whose parent is older than it", happens: func(parent, _ *harness.Container) {
			parent.Remove()
			elder.Rename(parent.Name)
		}},
		{name: "whose parent could be either of two", labels: memberOf(stack, "torn", recreateLabel, "true", "com.docker.compose.depends_on", "vpn:service_started:true"), happens: func(parent, _ *harness.Container) {
			parent.Remove()
			for _, n := range []string{"2", "3"} {
				s.Run("vpn-"+n, harness.Spec{Network: "none", Labels: memberOf(stack, "vpn", "com.docker.compose.container-number", n)})
			}
		}},
		{name: "that shares processes", host: func(h *container.HostConfig) { h.NetworkMode = "none" }},
		{name: "that is on hold", reasons: []string{"parent_gone", "on_hold"}},
	}
}

// run runs the parent and the child of a row, the nth.
func (o *orphan) run(s *harness.Env, suffix string) (parent *harness.Container) {
	if o.labels == nil {
		o.labels = map[string]string{recreateLabel: "true"}
	}
	if o.reasons == nil {
		o.reasons = []string{"parent_gone"}
	}
	if o.happens == nil {
		o.happens = by(harness.Spec{Labels: memberOf(o.labels["com.docker.compose.project"], suffix+"-vpn")})
	}
	project := o.labels["com.docker.compose.project"]
	parent = s.Run(suffix+"-vpn", harness.Spec{Network: "none", Labels: memberOf(project, suffix+"-vpn")})
	p := harness.ChildOf(parent, harness.Spec{Labels: o.labels})
	network := p.Host
	p.Host = func(h *container.HostConfig) {
		network(h)
		if o.host != nil {
			o.host(h)
		}
		if h.NetworkMode == "none" {
			h.PidMode = container.PidMode("container:" + parent.ID)
		}
	}
	o.child = s.Run(suffix, p)
	if o.after != nil {
		o.after(o.child)
	}
	return parent
}

// TestRecreationIsDeclined: what Defib is not told to create anew, cannot, or knows no
// parent for, stays as it is. Others that it does create anew, in the same life, say that
// there was time enough.
func TestRecreationIsDeclined(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	elder := s.Run("elder", harness.Spec{Network: "none"})
	f := newFamily(s, "", false) // the others
	rows := orphans(s, elder)
	stranger, rehearsed := &orphan{name: "that is not listed"}, &orphan{name: "of a dry run"}
	listed, parents := slices.Clone(f.children), map[*orphan]*harness.Container{}
	for i, row := range append(rows, stranger, rehearsed) {
		parents[row] = row.run(s, "orphan"+string(rune('a'+i)))
		if row != stranger && row != rehearsed {
			listed = append(listed, row.child)
		}
	}
	onHold := rows[len(rows)-1].child
	holds := harness.File(t, "holds", onHold.Name+" "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+"\n")
	d := s.Defib(harness.Whitelist(listed...), "--restart.stopped-delay=1s", "--restart.hold-file="+holds, "--docker.resync-interval=5s")
	dry := s.Defib(harness.Whitelist(rehearsed.child), "--restart.stopped-delay=1s", "--dry-run")
	for row, parent := range parents {
		row.happens(parent, row.child)
	}
	f.parent = f.parent.Recreate(harness.Recreators["person"], f.spec)
	before := s.Names()
	for _, child := range f.children {
		f.recreated(child)
	}
	f.rests(before...)
	told(d, f.children...)
	for row := range parents {
		now, _ := s.Lookup(row.child.Name)
		if now == nil || now.ID != row.child.ID {
			t.Errorf("a child %s was created anew", row.name)
		}
	}
	for _, row := range rows {
		if reason := heldAs(d, row.child); !slices.Contains(row.reasons, reason) {
			t.Errorf("a child %s is held as %q, want one of %q", row.name, reason, row.reasons)
		}
	}
	if diff := cmp.Diff(map[string]int{}, recreations(dry)); diff != "" {
		t.Errorf("the dry run says that it created something:\n%s", diff)
	}
	if reason := heldAs(dry, rehearsed.child); reason != "dry_run" {
		t.Errorf("the child of the dry run is held as %q, want dry_run", reason)
	}

	if err := os.Remove(holds); err != nil {
		t.Fatal(err)
	}
	f.recreated(onHold)
	f.rests(before...)
}

// TestRecreationWithoutAName: a life that has seen no parent, and has no file that tells of
// it, knows of none.
func TestRecreationWithoutAName(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	row := &orphan{}
	parent := row.run(s, "orphan")
	row.happens(parent, row.child)
	f := newFamily(s, "", false)
	d := s.Defib(harness.Whitelist(append(f.children, row.child)...), "--restart.stopped-delay=1s", "--state.file="+filepath.Join(t.TempDir(), "state.json"))
	f.parent = f.parent.Recreate(harness.Recreators["person"], f.spec)
	for _, child := range f.children {
		f.recreated(child)
	}
	f.rests("vpn", "web", "cache", "db", "orphan", "orphan-vpn")
	d.AwaitHeld(row.child, "parent_gone")
}
