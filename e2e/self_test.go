package e2e

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// TestDefibNeverRestartsItself is about a Defib in a container that its whitelist
// names, whatever it can see of that.
func TestDefibNeverRestartsItself(t *testing.T) {
	t.Parallel()
	cgroup := func(mode container.CgroupnsMode) func(*container.HostConfig, *harness.Container) {
		return func(h *container.HostConfig, _ *harness.Container) { h.CgroupnsMode = mode }
	}
	for name, change := range map[string]func(*container.HostConfig, *harness.Container){
		"the host's cgroups": cgroup(container.CgroupnsModeHost),
		"cgroups of its own": cgroup(container.CgroupnsModePrivate),
		"cgroups of its own in the network of another": func(h *container.HostConfig, other *harness.Container) {
			h.CgroupnsMode, h.NetworkMode = container.CgroupnsModePrivate, container.NetworkMode("container:"+other.Name)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.PrivateEngine(t))
			other := s.Run("other", harness.Spec{Network: "none"})
			d := s.Contain(func(h *container.HostConfig) { change(h, other) }, "--restart.whitelist=*", hasty)
			for _, a := range []harness.Alert{d.Container.Alert(), d.Container.Alert("container", "", "id", d.Container.ID)} {
				d.Post(a).Is(t, 200, "self", "own container")
			}
			harness.Watch(t, 2*time.Second, "long enough for a restart that was only put off")
			d.Container.MustBe(container.StateRunning)
			d.Container.StartedTimes(1)
			d.Heals(other.Alert())
		})
	}
}
