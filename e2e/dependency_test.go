package e2e

import (
	"context"
	"testing"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// TestChildOfARestartedNetworkIsRestarted: a container in the network of another
// goes on running without one when that is started anew, whoever does it.
func TestChildOfARestartedNetworkIsRestarted(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		policy  container.RestartPolicyMode
		listed  bool // the parent
		restart func(*harness.Container)
	}{
		"by a person":            {restart: (*harness.Container).Restart},
		"by the engine's policy": {policy: "always", restart: (*harness.Container).Crash},
		"by Defib":               {listed: true, restart: (*harness.Container).Crash},
		"by a stop and a start":  {restart: func(b *harness.Container) { b.Stop(); b.Start() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			parent := s.Run("vpn", harness.Spec{Args: []string{"-code=1"}, Restart: row.policy, Network: "none"})
			child, stranger := s.Run("web", harness.InNetworkOf(parent)), s.Run("stranger", harness.InNetworkOf(parent))
			listed := []*harness.Container{child}
			if row.listed {
				listed = append(listed, parent)
			}
			d := s.Defib(harness.Whitelist(listed...), "--restart.policy=unless-stopped")
			d.Shows(harness.Series("docker_container_network_orphaned", "name", child.Name), 0)
			row.restart(parent)
			d.AwaitLine(1, "container restarted", "container", child.Name, "trigger", "dependency")
			if back, up := child.AwaitEvents("start", 2)[1], parent.AwaitEvents("start", 2)[1]; back.Before(up) {
				t.Errorf("the child was started %v before its parent", up.Sub(back))
			}
			d.AwaitValue(harness.Series("docker_container_network_orphaned", "name", child.Name), 0)
			d.AwaitValue(harness.Series("docker_container_network_orphaned", "name", stranger.Name), 1)
			d.AwaitValue(harness.Series("defib_recovery_seconds_count", "trigger", "dependency"), 1)
			child.StartedTimes(2)
			stranger.StartedTimes(1)
		})
	}
}

// TestChildOfARestartThatNoEventToldOf: a list tells that the parent runs, as it
// did before, and that it has not done so for long.
func TestChildOfARestartThatNoEventToldOf(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t)) // of which nothing else is lost
	parent := s.Run("vpn", harness.Spec{Network: "none"})
	child := s.Run("web", harness.InNetworkOf(parent))
	m := harness.NewFaultProxy(t, s.Engine, 1)
	d := harness.StartDefib(t, m.Host(), harness.Whitelist(child), "--docker.resync-interval=5s")
	d.Knows(s)
	m.Begin(harness.FaultDrop, 1, "events")
	const lists = "defib_engine_resyncs_total"
	before, _ := d.Sample(lists)
	harness.Eventually(t, "a list after which there is time for a restart", func() bool {
		n, _ := d.Exposition().Value(lists)
		return n > before
	})
	parent.Restart()
	child.AwaitEvents("start", 2)
	d.AwaitLine(1, "container restarted", "container", child.Name, "trigger", "dependency")
	d.AwaitValue(harness.Series("docker_container_network_orphaned", "name", child.Name), 0)
	child.StartedTimes(2)
}

func TestChildWaitsForItsNetworkParent(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	parent := s.Run("vpn", harness.Spec{Network: "none"})
	child := s.Run("web", harness.InNetworkOf(parent))
	d := s.Defib(harness.Whitelist(child))
	parent.Stop()
	d.AwaitHeld(child, "parent_down")
	d.Shows(harness.Series("docker_container_up", "name", child.Name), 1)
	child.StartedTimes(1)

	// Defib is killed, and sees nothing of the start.
	d.Kill()
	parent.Start()
	parent.AwaitAlive()
	d = s.Defib(harness.Whitelist(child))
	child.AwaitEvents("start", 2)
	d.AwaitLine(1, "container restarted", "container", child.Name, "trigger", "dependency")

	parent.Remove()
	d.AwaitHeld(child, "parent_gone")
	d.AwaitValue(harness.Series("docker_container_network_orphaned", "name", child.Name), 1)
	child.StartedTimes(2)
}

// TestFamilyComesBackWithTheEngine: one that shuts down stops all, and starts
// those with a policy of its own in whatever order.
func TestFamilyComesBackWithTheEngine(t *testing.T) {
	harness.DockerOnly(t, harness.NoDaemon)
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	parent := s.Run("vpn", harness.Spec{Restart: "always", Network: "none"})
	child := s.Run("web", harness.InNetworkOf(parent))
	d := s.Defib(harness.Whitelist(child))
	s.Must("stopping the engine", func(ctx context.Context) error { return s.Engine.Daemon.End(ctx, 15) })
	d.AwaitUnavailable()
	s.Boot()
	parent.AwaitState(container.StateRunning)
	harness.Eventually(t, "the child to run in its parent's network", func() bool {
		return child.Inspect().Running && child.StartedAt().After(parent.StartedAt())
	})
	d.AwaitValue(harness.Series("docker_container_network_orphaned", "name", child.Name), 0)
}

// sharing is a container that lives in a namespace of another.
func sharing(n string, parent *harness.Container) harness.Spec {
	return harness.Spec{Host: func(h *container.HostConfig) {
		switch mode := "container:" + parent.Name; n {
		case "pid":
			h.PidMode = container.PidMode(mode)
		case "ipc":
			h.IpcMode = container.IpcMode(mode)
		}
	}}
}

// TestChildOfProcessesOrIPCFollowsItsParent: the kernel kills what shares the
// parent's processes, and what shares its IPC runs on with a dead one.
func TestChildOfProcessesOrIPCFollowsItsParent(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	for shares, up := range map[string]float64{"pid": 0, "ipc": 1} {
		t.Run(shares, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			parent := s.Run("app", harness.Spec{Host: func(h *container.HostConfig) { h.IpcMode = "shareable" }})
			child := s.Run("web", sharing(shares, parent))
			d := s.Defib(harness.Whitelist(child))
			parent.Stop()
			d.AwaitHeld(child, "parent_down")
			d.AwaitValue(harness.Series("docker_container_up", "name", child.Name), up)
			child.StartedTimes(1)

			parent.Start()
			child.AwaitEvents("start", 2)
			d.AwaitValue(harness.Series("defib_restarts_total", "name", child.Name, "trigger", "dependency"), 1)
			parent.Restart()
			child.AwaitEvents("start", 3)
			d.AwaitValue(harness.Series("defib_restarts_total", "name", child.Name, "trigger", "dependency"), 2)
			d.AwaitValue(harness.Series("docker_container_up", "name", child.Name), 1)
			d.Shows(harness.Series("defib_restarts_total", "name", child.Name, "trigger", "exited"), 0)
			d.Shows(harness.Series("defib_container_restart_streak", "name", child.Name), 0)
			if back, up := child.StartedAt(), parent.StartedAt(); back.Before(up) {
				t.Errorf("the child was started %v before its parent", up.Sub(back))
			}

			parent.Remove()
			d.AwaitHeld(child, "parent_gone")
			child.StartedTimes(3)
		})
	}
}

// TestChildIsNotGivenUpForItsParentsRestarts, and waits for its health.
func TestChildIsNotGivenUpForItsParentsRestarts(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	checked := harness.Checked()
	checked.Network = "none"
	parent := s.Run("vpn", checked)
	child := s.Run("web", harness.InNetworkOf(parent))
	d := s.Defib(harness.Whitelist(child), "--restart.max-attempts=2", "--restart.max-per-minute=1", "--restart.backoff-initial=100ms", "--restart.backoff-max=200ms")
	for n := range 4 {
		parent.AwaitEvents("health_status: healthy", n+1)
		parent.Restart()
		started := child.AwaitEvents("start", n+2)[n+1]
		if healthy := parent.AwaitEvents("health_status: healthy", n+2)[n+1]; started.Before(healthy) {
			t.Errorf("the child was restarted %v before its parent was healthy", healthy.Sub(started))
		}
	}
	d.AwaitValue(harness.Series("defib_restarts_total", "name", child.Name, "trigger", "dependency"), 4)
	d.AwaitValue(harness.Series("docker_container_network_orphaned", "name", child.Name), 0)
	d.Shows(harness.Series("defib_container_gave_up", "name", child.Name), 0)
	d.Shows(harness.Series("defib_container_restart_streak", "name", child.Name), 0)
}
