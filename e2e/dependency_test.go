package e2e

import (
	"context"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// TestChildOfARestartedNetworkIsRestarted: a container in the network of another
// goes on running without one when that is started anew, whoever does it.
func TestChildOfARestartedNetworkIsRestarted(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		policy  container.RestartPolicyMode
		listed  bool // the parent
		restart func(*testContainer)
	}{
		"by a person":            {restart: (*testContainer).restart},
		"by the engine's policy": {policy: "always", restart: (*testContainer).crash},
		"by Defib":               {listed: true, restart: (*testContainer).crash},
		"by a stop and a start":  {restart: func(b *testContainer) { b.stop(); b.start() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			parent := s.run("vpn", spec{args: []string{"-code=1"}, restart: row.policy})
			child, stranger := s.run("web", inNetworkOf(parent)), s.run("stranger", inNetworkOf(parent))
			listed := []*testContainer{child}
			if row.listed {
				listed = append(listed, parent)
			}
			d := s.defib(whitelist(listed...), "--restart.policy=unless-stopped")
			d.shows(series("docker_container_network_orphaned", "name", child.name), 0)
			row.restart(parent)
			d.awaitLine(1, "container restarted", "container", child.name, "trigger", "dependency")
			if back, up := child.awaitEvents("start", 2)[1], parent.awaitEvents("start", 2)[1]; back.Before(up) {
				t.Errorf("the child was started %v before its parent", up.Sub(back))
			}
			d.awaitValue(series("docker_container_network_orphaned", "name", child.name), 0)
			d.awaitValue(series("docker_container_network_orphaned", "name", stranger.name), 1)
			d.awaitValue(series("defib_recovery_seconds_count", "trigger", "dependency"), 1)
			child.startedTimes(2)
			stranger.startedTimes(1)
		})
	}
}

// TestChildOfARestartThatNoEventToldOf: a list tells that the parent runs, as it
// did before, and that it has not done so for long.
func TestChildOfARestartThatNoEventToldOf(t *testing.T) {
	t.Parallel()
	s := newEnv(t, privateEngine(t)) // of which nothing else is lost
	parent := s.run("vpn", spec{})
	child := s.run("web", inNetworkOf(parent))
	m := newMeddler(t, s.engine, 1)
	d := startDefib(t, m.host(), whitelist(child), "--docker.resync-interval=5s")
	d.knows(s)
	m.begin(faultDrop, 1, "events")
	const lists = "defib_engine_resyncs_total"
	before, _ := d.now(lists)
	eventually(t, "a list after which there is time for a restart", func() bool {
		n, _ := d.now(lists)
		return n > before
	})
	parent.restart()
	child.awaitEvents("start", 2)
	d.awaitLine(1, "container restarted", "container", child.name, "trigger", "dependency")
	d.awaitValue(series("docker_container_network_orphaned", "name", child.name), 0)
	child.startedTimes(2)
}

func TestChildWaitsForItsNetworkParent(t *testing.T) {
	dockerOnly(t, keepsParents)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	parent := s.run("vpn", spec{})
	child := s.run("web", inNetworkOf(parent))
	d := s.defib(whitelist(child))
	parent.stop()
	d.awaitHeld(child, "parent_down")
	d.shows(series("docker_container_up", "name", child.name), 1)
	child.startedTimes(1)

	// Defib is killed, and sees nothing of the start.
	d.kill()
	parent.start()
	parent.awaitAlive()
	d = s.defib(whitelist(child))
	child.awaitEvents("start", 2)
	d.awaitLine(1, "container restarted", "container", child.name, "trigger", "dependency")

	parent.remove()
	d.awaitHeld(child, "parent_gone")
	d.awaitValue(series("docker_container_network_orphaned", "name", child.name), 1)
	child.startedTimes(2)
}

// TestFamilyComesBackWithTheEngine: one that shuts down stops all, and starts
// those with a policy of its own in whatever order.
func TestFamilyComesBackWithTheEngine(t *testing.T) {
	dockerOnly(t, noDaemon)
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	parent := s.run("vpn", spec{restart: "always"})
	child := s.run("web", inNetworkOf(parent))
	d := s.defib(whitelist(child))
	s.must("stopping the engine", func(ctx context.Context) error { return s.engine.daemon.end(ctx, 15) })
	d.awaitAway()
	s.boot()
	parent.awaitState(container.StateRunning)
	eventually(t, "the child to run in its parent's network", func() bool {
		return child.inspect().Running && child.startedAt().After(parent.startedAt())
	})
	d.awaitValue(series("docker_container_network_orphaned", "name", child.name), 0)
}

// sharing is a container that lives in a namespace of another.
func sharing(n string, parent *testContainer) spec {
	return spec{host: func(h *container.HostConfig) {
		switch mode := "container:" + parent.name; n {
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
	dockerOnly(t, keepsParents)
	t.Parallel()
	for shares, up := range map[string]float64{"pid": 0, "ipc": 1} {
		t.Run(shares, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			parent := s.run("app", spec{host: func(h *container.HostConfig) { h.IpcMode = "shareable" }})
			child := s.run("web", sharing(shares, parent))
			d := s.defib(whitelist(child))
			parent.stop()
			d.awaitHeld(child, "parent_down")
			d.awaitValue(series("docker_container_up", "name", child.name), up)
			child.startedTimes(1)

			parent.start()
			child.awaitEvents("start", 2)
			d.awaitValue(series("defib_restarts_total", "name", child.name, "trigger", "dependency"), 1)
			parent.restart()
			child.awaitEvents("start", 3)
			d.awaitValue(series("docker_container_up", "name", child.name), 1)
			d.shows(series("defib_restarts_total", "name", child.name, "trigger", "dependency"), 2)
			d.shows(series("defib_restarts_total", "name", child.name, "trigger", "exited"), 0)
			d.shows(series("defib_container_restart_streak", "name", child.name), 0)
			if back, up := child.startedAt(), parent.startedAt(); back.Before(up) {
				t.Errorf("the child was started %v before its parent", up.Sub(back))
			}

			parent.remove()
			d.awaitHeld(child, "parent_gone")
			child.startedTimes(3)
		})
	}
}

// TestChildIsNotGivenUpForItsParentsRestarts, and waits for its health.
func TestChildIsNotGivenUpForItsParentsRestarts(t *testing.T) {
	dockerOnly(t, noHealthTimer)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	parent := s.run("vpn", checked())
	child := s.run("web", inNetworkOf(parent))
	d := s.defib(whitelist(child), "--restart.max-attempts=2", "--restart.max-per-minute=1", "--restart.backoff-initial=100ms", "--restart.backoff-max=200ms")
	for n := range 4 {
		parent.awaitEvents("health_status: healthy", n+1)
		parent.restart()
		started := child.awaitEvents("start", n+2)[n+1]
		if healthy := parent.awaitEvents("health_status: healthy", n+2)[n+1]; started.Before(healthy) {
			t.Errorf("the child was restarted %v before its parent was healthy", healthy.Sub(started))
		}
	}
	d.awaitValue(series("docker_container_network_orphaned", "name", child.name), 0)
	d.shows(series("defib_container_gave_up", "name", child.name), 0)
	d.shows(series("defib_container_restart_streak", "name", child.name), 0)
	d.shows(series("defib_restarts_total", "name", child.name, "trigger", "dependency"), 4)
}
