package e2e

import (
	"testing"

	"defib/e2e/harness"
)

func TestHealingFromWithinAContainerWithoutRights(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	down, sick := s.Run("down", harness.Spec{Args: []string{"-code=1"}}), s.Run("sick", harness.Spec{})
	d := s.Contain(nil, harness.Whitelist(down, sick), hasty)
	down.Crash()
	down.AwaitEvents("start", 2)
	d.AwaitLine(1, "container started", "container", down.Name, "exit_code", 1)
	d.Heals(sick.Alert())
	sick.AwaitEvents("start", 2)
	d.Shows(harness.Series("docker_container_up", "name", d.Container.Name), 1)
	d.Shows("defib_engine_drift_total", 0)
	if refused := d.Notices("refuse"); len(refused) > 0 {
		t.Errorf("it lacks a right: %v", refused)
	}
}
