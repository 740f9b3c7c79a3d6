package e2e

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// TestDefibNeverRestartsItself is about a Defib in a container that its whitelist
// names, whatever it can see of that.
func TestDefibNeverRestartsItself(t *testing.T) {
	t.Parallel()
	cgroup := func(mode container.CgroupnsMode) func(*container.HostConfig, *testContainer) {
		return func(h *container.HostConfig, _ *testContainer) { h.CgroupnsMode = mode }
	}
	for name, change := range map[string]func(*container.HostConfig, *testContainer){
		"the host's cgroups": cgroup(container.CgroupnsModeHost),
		"cgroups of its own": cgroup(container.CgroupnsModePrivate),
		"cgroups of its own in the network of another": func(h *container.HostConfig, other *testContainer) {
			h.CgroupnsMode, h.NetworkMode = container.CgroupnsModePrivate, container.NetworkMode("container:"+other.name)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, privateEngine(t))
			other := s.run("other", spec{})
			d := s.contain(func(h *container.HostConfig) { change(h, other) }, "--restart.whitelist=*", hasty)
			for _, a := range []alert{d.box.alarm(), d.box.alarm("container", "", "id", d.box.id)} {
				d.post(a).is(t, 200, "self", "own container")
			}
			watch(t, 2*time.Second, "long enough for a restart that was only put off")
			d.box.mustBe(container.StateRunning)
			d.box.startedTimes(1)
			d.heals(other.alarm())
		})
	}
}
