package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"defib/e2e/harness"
)

// TestChildrenOfARecreatedContainerAreRecreated: whoever creates the parent anew, its
// children follow, once, into its network, and lose nothing of what their volumes hold.
func TestChildrenOfARecreatedContainerAreRecreated(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	for name, row := range map[string]struct {
		by      string // who does it
		project bool
		checked bool // the parent has a health check
		down    bool // one of the children
		away    bool // Defib, meanwhile
	}{
		"by an updater":                {by: "updater", checked: true},
		"by an updater, in a project":  {by: "updater", project: true},
		"by docker rm and docker run":  {by: "person", down: true},
		"by compose":                   {by: "compose", project: true, checked: true},
		"while Defib is not there":     {by: "person", away: true},
		"by an updater, Defib is away": {by: "updater", project: true, away: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			project := ""
			if row.project {
				project = s.Prefix + "stack"
			}
			f := newFamily(s, project, row.checked)
			state := filepath.Join(t.TempDir(), "state.json")
			run := func() *harness.Defib {
				return s.Defib(harness.Whitelist(f.children...), "--restart.stopped-delay=1s", "--state.file="+state)
			}
			d := run()
			if row.away {
				d.Terminate()
			}
			f.parent = f.parent.Recreate(harness.Recreators[row.by], f.spec)
			began := time.Now()
			if row.down {
				f.children[0].StopAtOnce()
			}
			if row.away {
				d = run()
			}
			for _, child := range f.children {
				fresh := f.recreated(child)
				if waited := fresh.StartedAt().Sub(f.parent.StartedAt()); waited < 30*time.Second {
					t.Errorf("%s was started %v after its parent, which is no time of quiet", child.Name, waited)
				}
				f.joined(fresh, f.parent)
				fresh.StartedTimes(1)
			}
			t.Logf("the last was created anew after %v", time.Since(began).Round(time.Second))
			told(d, f.children...)
			f.rests("vpn", "web", "cache", "db")
			for _, child := range f.children {
				d.AwaitValue(harness.Series("docker_container_network_orphaned", "name", child.Name), 0)
			}
			told(d, f.children...) // and not once more
		})
	}
}

// TestRecreationOfChildrenOfChildren: parents first, each into the network of the new one.
func TestRecreationOfChildrenOfChildren(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	f := &family{Env: s, spec: vpn("", false), mounts: map[string][]string{}}
	f.parent = s.Run("vpn", f.spec)
	child := harness.Spec{Volumes: []string{"/data"}, Labels: map[string]string{recreateLabel: "true"}, Restart: "unless-stopped"}
	f.adopt(s.Run("proxy", harness.ChildOf(f.parent, child)))
	f.adopt(s.Run("web", harness.ChildOf(f.children[0], child)))
	d := s.Defib(harness.Whitelist(f.children...), "--restart.stopped-delay=1s")
	f.parent = f.parent.Recreate(harness.Recreators["updater"], f.spec)
	proxy := f.recreated(f.children[0])
	web := f.recreated(f.children[1])
	if first, second := proxy.StartedAt(), web.StartedAt(); second.Before(first) {
		t.Errorf("the child's child was started %v before the child", first.Sub(second))
	}
	f.joined(proxy, f.parent)
	f.joined(web, f.parent)
	f.rests("vpn", "proxy", "web")
	told(d, f.children...)
}
