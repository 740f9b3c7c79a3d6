package e2e

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
)

// TestComposeBetweenTheStepsOfARecreation: docker compose finds two containers of each
// service. Before 2.35 it may take the wrong one for its own, and fail, also to give it
// its name; when it has succeeded, there is one of each, with its volumes.
func TestComposeBetweenTheStepsOfARecreation(t *testing.T) {
	t.Parallel()
	v := newVPNStack(t)
	volumes := v.volumes()
	v.Defib(v.flags...)
	v.Run("up", "--detach", "--force-recreate", "--no-deps", "vpn")
	harness.Eventually(t, "one that was replaced to be kept for a while", func() bool {
		for name := range v.Containers() {
			if strings.Contains(name, ".defib-") {
				return true
			}
		}
		return false
	})
	harness.Eventually(t, "docker compose up to succeed", func() bool {
		_, err := v.Try(t.Context(), "up", "--detach")
		if err != nil {
			t.Log(err)
		}
		return err == nil
	})
	harness.Eventually(t, "one container of each service", func() bool { return len(v.Containers()) == len(stackChildren)+1 })
	after := map[string]map[string]string{}
	for _, b := range v.Containers() { // by label: the name may be one that docker compose gives in passing
		b.AwaitState(container.StateRunning)
		c := v.inspect(b)
		service := c.Config.Labels["com.docker.compose.service"]
		if service == "vpn" {
			continue
		}
		after[service] = map[string]string{}
		for _, m := range c.Mounts {
			after[service][m.Destination] = m.Name
		}
		if path := stackChildren[service]; path != "" && !v.has(b, path) {
			t.Errorf("%s has lost %s", b.Name, path)
		}
	}
	if diff := cmp.Diff(volumes, after); diff != "" {
		t.Errorf("volumes by service (-before +after):\n%s", diff)
	}
}
