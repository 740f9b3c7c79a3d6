package swarm

import (
	"flag"
	"testing"

	"defib/e2e/harness"
)

var rounds = flag.Int("swarm.rounds", 0, "how often to have a task ended on a swarm of three nodes; 0: not at all")

// swarmOfThree is a manager and two workers, with a Defib for each.
func swarmOfThree(t *testing.T) (nodes []*harness.Env, defibs []*harness.Defib) {
	harness.DockerOnly(t, harness.NoSwarm)
	if *rounds == 0 {
		t.Skip("part of make soak")
	}
	nodes = harness.SwarmOf(t, 3)
	for _, node := range nodes {
		defibs = append(defibs, node.Defib("--webhook.min-uptime=5s"))
	}
	return nodes, defibs
}

// where waits until a service has one task, and says on which node.
func where(v *harness.Service, nodes []*harness.Env) (at int, task *harness.Container) {
	v.Helper()
	harness.Eventually(v.Env, "the one task of "+v.Name, func() bool {
		var all []*harness.Container
		for i, node := range nodes {
			if found := v.On(node); len(found) > 0 {
				at, all = i, append(all, found...)
			}
		}
		if len(all) != 1 {
			return false
		}
		task = all[0]
		return true
	})
	return at, task
}

// TestTaskIsReplacedOnAnotherNode has the Defib of whatever node a task is on end it, while that
// node and the one before it get no new ones, and follows it over the nodes.
func TestTaskIsReplacedOnAnotherNode(t *testing.T) {
	nodes, defibs := swarmOfThree(t)
	manager := nodes[0].Engine
	v := nodes[0].Service("web", nil)
	names, before := []string{"the manager", "a worker", "the other worker"}, ""
	for range *rounds {
		at, task := where(v, nodes)
		d, node := defibs[at], nodes[at].Engine.Node(t)
		manager.Avoid(t, node, true)
		d.AwaitValue(harness.Series("docker_container_up", "name", task.Name), 1)
		alert := v.Alert()
		harness.Eventually(t, "the task to be old enough", func() bool {
			outcome := d.Post(alert).Outcome()
			return outcome == "ended" || outcome == "already_restarted"
		})
		d.AwaitLine(1, "task ended", "container", task.Name, "trigger", "alert")
		next, heir := where(v, nodes)
		if next == at || heir.ID == task.ID {
			t.Fatalf("on %s, %s was replaced by %s on %s", names[at], task.Name, heir.Name, names[next])
		}
		t.Logf("alert on %s: %s was ended on %s, and replaced by %s on %s", v.Name, task.Name, names[at], heir.Name, names[next])
		d.Post(alert).Is(t, 200, "already_restarted", "")
		task.StartedTimes(1)
		if before != "" {
			manager.Avoid(t, before, false)
		}
		before = node
	}
	for i, d := range defibs {
		if len(d.Find("task ended")) == 0 {
			t.Errorf("%s has ended no task", names[i])
		}
		d.Shows(`defib_engine_request_failures_total{call="services"}`, 0)
	}
}
