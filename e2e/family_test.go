package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
)

// recreationLimit bounds the wait for what Defib does after 30 seconds of quiet, or removes
// after another 30.
const recreationLimit = 4 * harness.Limit

// family is a container, and others in its network that are to be created anew when it is.
type family struct {
	*harness.Env
	parent   *harness.Container
	spec     harness.Spec // of the parent
	children []*harness.Container
	mounts   map[string][]string // of the children, by name
}

// memberOf are the labels of the first container of a service, as compose has them; none
// without a project.
func memberOf(project, service string, more ...string) map[string]string {
	labels := map[string]string{}
	if project != "" {
		labels = map[string]string{
			"com.docker.compose.project": project, "com.docker.compose.service": service,
			"com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False",
		}
	}
	for pair := range slices.Chunk(more, 2) {
		labels[pair[0]] = pair[1]
	}
	return labels
}

const recreateLabel = "defib.recreate"

// vpn is what the parent of a family is made of; checked: it has a health check.
func vpn(project string, checked bool) harness.Spec {
	p := harness.Spec{}
	if checked {
		p = harness.SeldomChecked()
	}
	p.Network, p.Restart, p.Labels = "none", "always", memberOf(project, "vpn")
	return p
}

// newFamily runs a parent, and three children with something to lose: a named volume, an
// anonymous one, and health.
func newFamily(s *harness.Env, project string, checked bool) *family {
	s.Helper()
	f := &family{Env: s, spec: vpn(project, checked), mounts: map[string][]string{}}
	f.parent = s.Run("vpn", f.spec)
	healthy := harness.SeldomChecked()
	healthy.Volumes = []string{"/data"}
	for suffix, p := range map[string]harness.Spec{
		"web": {Host: func(h *container.HostConfig) {
			h.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: s.Prefix + "data", Target: "/data"}}
		}},
		"cache": {Volumes: []string{"/data"}},
		"db":    healthy,
	} {
		p.Restart = "unless-stopped"
		p.Labels = memberOf(project, suffix, recreateLabel, "true", "com.docker.compose.depends_on", "vpn:service_started:true")
		f.adopt(s.Run(suffix, harness.ChildOf(f.parent, p)))
	}
	return f
}

// adopt has a child write into its volume.
func (f *family) adopt(child *harness.Container) {
	f.Helper()
	child.Work("-keep", child.Name)
	f.children = append(f.children, child)
	f.mounts[child.Name] = f.mountsOf(child)
}

// mountsOf says which volumes a container has, and where.
func (f *family) mountsOf(b *harness.Container) (mounts []string) {
	f.Helper()
	_, found := f.Lookup(b.Name)
	for _, m := range found.Mounts {
		mounts = append(mounts, string(m.Type)+" "+m.Name+" on "+m.Destination)
	}
	slices.Sort(mounts)
	return mounts
}

// recreated waits until another container has a child's name, and runs.
func (f *family) recreated(child *harness.Container) *harness.Container {
	f.Helper()
	var fresh *harness.Container
	harness.EventuallyWithin(f, recreationLimit, child.Name+" to be created anew", func() bool {
		now, found := f.Lookup(child.Name)
		fresh = now
		return now != nil && now.ID != child.ID && found.State.Running
	})
	fresh.AwaitAlive()
	return fresh
}

// joined checks that a child that was created anew is in the network of its parent, and has
// lost nothing that it had put into its volume.
func (f *family) joined(fresh, parent *harness.Container) {
	f.Helper()
	if !fresh.InNetworkWith(parent) {
		f.Errorf("%s is not in the network of %s", fresh.Name, parent.Name)
	}
	if got := fresh.Work("-kept"); got != fresh.Name {
		f.Errorf("the volume of %s holds %q, want its name", fresh.Name, got)
	}
	if d := cmp.Diff(f.mounts[fresh.Name], f.mountsOf(fresh)); d != "" {
		f.Errorf("the mounts of %s are others (-before +after):\n%s", fresh.Name, d)
	}
}

// rests waits until there are these containers and no others, and checks that no two of
// one name ever ran at a time.
func (f *family) rests(suffixes ...string) {
	f.Helper()
	slices.Sort(suffixes)
	var got []string
	harness.EventuallyWithin(f, recreationLimit, "one container of each name to be there", func() bool {
		got = f.Names()
		return slices.Equal(got, suffixes)
	})
	for _, suffix := range suffixes {
		for _, double := range harness.Doubles(f.Engine.Recorder.All(), f.Prefix+suffix) {
			f.Error(double)
		}
	}
}

// heldAs is why Defib leaves a container alone; "" if it does not.
func heldAs(d *harness.Defib, b *harness.Container) string {
	d.Helper()
	found := d.Current()
	for _, key := range found.WithPrefix(`defib_container_held{name="` + b.Name + `",reason="`) {
		if found[key] == 1 {
			_, reason, _ := strings.Cut(key, `reason="`)
			return strings.TrimSuffix(reason, `"}`)
		}
	}
	return ""
}

// recreations are those of Defib that its status tells of, by the names of the containers.
func recreations(d *harness.Defib) map[string]int {
	d.Helper()
	var status struct {
		Actions []struct{ Container, Outcome string }
	}
	code, body, err := d.Get("/api/v1/status")
	if err == nil && code == http.StatusOK {
		err = json.Unmarshal([]byte(body), &status)
	}
	if err != nil || code != http.StatusOK {
		d.Fatalf("/api/v1/status: status %d, %v", code, err)
	}
	n := map[string]int{}
	for _, a := range status.Actions {
		if a.Outcome == "recreated" {
			n[a.Container]++
		}
	}
	return n
}

// told checks that Defib counts one re-creation of each of these and no other, and shows it.
func told(d *harness.Defib, children ...*harness.Container) {
	d.Helper()
	want := map[string]int{}
	for _, child := range children {
		want[child.Name] = 1
		d.AwaitValue(harness.Series("defib_recreations_total", "name", child.Name), 1)
	}
	if wrong := cmp.Diff(want, recreations(d)); wrong != "" {
		d.Errorf("re-creations in the status (-want +got):\n%s", wrong)
	}
	_, page, err := d.Get("/")
	if err != nil || !strings.Contains(page, `class="outcome">recreated`) {
		d.Errorf("the page does not show a re-creation (%v)", err)
	}
}
