package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
)

// stackOverride makes of the compose file in docs/vpn.md one that runs anywhere: another
// image in place of each, no tunnel. It adds a child with an inline config, and a volume
// without a name, as images have it.
const stackOverride = `
services:
  defib: {profiles: [never]}
  vpn:
    image: %[1]s
    network_mode: none
    cap_add: !reset []
    devices: !reset []
    ports: !reset []
    healthcheck: {test: [CMD, /testapp, -healthcheck], interval: 1s, timeout: 60s, retries: 1}
  torrent: {image: %[1]s}
  indexer:
    image: %[1]s
    healthcheck: {test: [CMD, /testapp, -healthcheck], interval: 1s, timeout: 60s, retries: 1}
  cache: {image: %[1]s, volumes: [/anonymous]}
  configured:
    image: %[1]s
    network_mode: service:vpn
    configs: [{source: inline, target: /inline}]
    labels: {defib.enable: "true", defib.recreate: "true"}
configs:
  inline: {content: written by compose}
`

// vpnStack is the stack of docs/vpn.md, run by docker compose, and Defib with the flags
// that it has there.
type vpnStack struct {
	*harness.Compose
	flags []string
}

// stackChildren are the services in the network of vpn, and the file of each that must
// outlive it, if there is one.
var stackChildren = map[string]string{"torrent": "/config/kept", "indexer": "", "cache": "/anonymous/kept", "configured": ""}

func newVPNStack(t *testing.T) *vpnStack {
	t.Helper()
	harness.DockerOnly(t, harness.KeepsParents)
	page, err := os.ReadFile(harness.Repository("docs/vpn.md"))
	if err != nil {
		t.Fatal(err)
	}
	file := regexp.MustCompile("(?s)```yaml\n(services:.*?)```").FindSubmatch(page)
	if file == nil {
		t.Fatal("docs/vpn.md has no compose file")
	}
	s := harness.NewEnv(t, harness.PrivateEngine(t)) // to itself: the stack is whitelisted by labels
	v := &vpnStack{Compose: s.Compose("stack",
		harness.File(t, "compose.yaml", string(file[1])),
		harness.File(t, "override.yaml", fmt.Sprintf(stackOverride, harness.TestappImage)))}
	var config struct {
		Services map[string]struct{ Command []string }
	}
	v.Config(&config, "--profile=never")
	for _, flag := range config.Services["defib"].Command {
		v.flags = append(v.flags, strings.ReplaceAll(flag, "/var/lib/defib", t.TempDir()))
	}
	if len(v.flags) == 0 {
		t.Error("Defib has no flags in docs/vpn.md")
	}
	v.Run("up", "--detach")
	for service, path := range stackChildren {
		if path != "" {
			v.keep(v.Service(service), path)
		}
	}
	v.check(v.volumes())
	return v
}

// keep writes a file into a container.
func (v *vpnStack) keep(b *harness.Container, path string) {
	v.Helper()
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	if err := w.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o644}); err != nil {
		v.Fatal(err)
	}
	if err := w.Close(); err != nil {
		v.Fatal(err)
	}
	b.Must("writing into "+b.Name, func(ctx context.Context) error {
		return b.Engine.CopyToContainer(ctx, b.ID, filepath.Dir(path), &file, container.CopyToContainerOptions{})
	})
}

// has reports whether a file is in a container.
func (v *vpnStack) has(b *harness.Container, path string) (there bool) {
	v.Helper()
	b.Must("looking into "+b.Name, func(ctx context.Context) error {
		_, err := b.Engine.ContainerStatPath(ctx, b.ID, path)
		there = err == nil
		if errdefs.IsNotFound(err) {
			return nil
		}
		return err
	})
	return there
}

// ids are the containers of the project by name.
func (v *vpnStack) ids() map[string]string {
	v.Helper()
	ids := map[string]string{}
	for name, b := range v.Containers() {
		ids[name] = b.ID
	}
	return ids
}

// volumes are what each service has mounted, by destination.
func (v *vpnStack) volumes() map[string]map[string]string {
	v.Helper()
	all := map[string]map[string]string{}
	for service := range stackChildren {
		all[service] = map[string]string{}
		for _, m := range v.inspect(v.Service(service)).Mounts {
			all[service][m.Destination] = m.Name
		}
	}
	return all
}

func (v *vpnStack) inspect(b *harness.Container) (answer container.InspectResponse) {
	v.Helper()
	b.Must("inspecting "+b.Name, func(ctx context.Context) (err error) {
		answer, err = b.Engine.ContainerInspect(ctx, b.ID)
		return err
	})
	return answer
}

// check waits until all is healthy, and looks at what the stack is made of: one container
// of each service, the children in the network of vpn's newest run, with these volumes and
// what was in them.
func (v *vpnStack) check(volumes map[string]map[string]string) {
	v.Helper()
	want := []string{v.Project + "-vpn-1"}
	for service := range stackChildren {
		want = append(want, v.Project+"-"+service+"-1")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(v.ids()))); diff != "" {
		v.Fatalf("the containers of the project (-want +got):\n%s", diff)
	}
	parent := v.Service("vpn")
	for service, path := range stackChildren {
		b := v.Service(service)
		harness.Eventually(v.TB, b.Name+" to be well", func() bool {
			now := b.Inspect()
			return now.Running && (now.Health == nil || now.Health.Status == container.Healthy)
		})
		if in := v.inspect(b).HostConfig.NetworkMode; in.ConnectedContainer() != parent.ID {
			v.Errorf("%s is in the network %s, want that of %s", b.Name, in, parent.ID)
		}
		if b.StartedAt().Before(parent.StartedAt()) {
			v.Errorf("%s runs in the network of an earlier run of its parent", b.Name)
		}
		if path != "" && !v.has(b, path) {
			v.Errorf("%s has lost %s", b.Name, path)
		}
	}
	if diff := cmp.Diff(volumes, v.volumes()); diff != "" {
		v.Errorf("volumes by service (-before +after):\n%s", diff)
	}
}

// TestRecreationBesideCompose: children are brought back after their parent alone was
// re-created, and docker compose takes them for its own afterwards. It creates them once
// more, as they are none that it made for this parent, and then no more.
func TestRecreationBesideCompose(t *testing.T) {
	t.Parallel()
	v := newVPNStack(t)
	before, volumes := v.ids(), v.volumes()
	d := v.Defib(v.flags...)
	v.Run("up", "--detach", "--force-recreate", "--no-deps", "vpn")
	for service := range stackChildren {
		d.AwaitLine(1, "container re-created", "container", v.Project+"-"+service+"-1")
	}
	harness.Eventually(t, "those that were replaced to be removed", func() bool { return len(v.ids()) == len(before) })
	v.check(volumes)
	for service := range stackChildren {
		if b := v.Service(service); before[b.Name] == b.ID {
			t.Errorf("%s was not created anew", b.Name)
		}
	}
	if v.has(v.Service("configured"), "/inline") {
		t.Error("an inline config is kept; docs/vpn.md says that it is lost")
	}

	parent := v.Service("vpn").ID
	v.Run("up", "--detach")
	v.check(volumes)
	if !v.has(v.Service("configured"), "/inline") {
		t.Error("docker compose up does not bring an inline config back; docs/vpn.md says that it does")
	}
	if v.Service("vpn").ID != parent {
		t.Error("docker compose created the parent anew")
	}
	settled := v.ids()
	v.Run("up", "--detach")
	if diff := cmp.Diff(settled, v.ids()); diff != "" {
		t.Errorf("a second docker compose up changed something (-before +after):\n%s", diff)
	}
	for service := range stackChildren {
		d.Shows(harness.Series("defib_recreations_total", "name", v.Project+"-"+service+"-1"), 1)
	}
}

// TestComposeRecreatesAllWithoutDefib: there is nothing to do for Defib.
func TestComposeRecreatesAllWithoutDefib(t *testing.T) {
	t.Parallel()
	v := newVPNStack(t)
	before, volumes := v.ids(), v.volumes()
	d := v.Defib(v.flags...)
	v.Run("up", "--detach", "--force-recreate")
	after := v.Containers()
	harness.Watch(t, 40*time.Second, "a re-creation comes after 30 s in which nothing changes")
	v.check(volumes)
	for name, b := range after {
		if b.ID == before[name] {
			t.Errorf("docker compose did not create %s anew", name)
		}
		b.StartedTimes(1)
		if n, _ := d.Exposition().Value(harness.Series("defib_recreations_total", "name", name)); n != 0 {
			t.Errorf("Defib created %s anew", name)
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(after)), slices.Sorted(maps.Keys(v.Containers()))); diff != "" {
		t.Errorf("the containers of the project (-before +after):\n%s", diff)
	}
}
