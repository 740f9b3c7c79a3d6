package harness

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// SwarmPort is where managers listen.
const SwarmPort = ":2377"

// ManageSwarm makes an engine the first manager of a swarm, at this address of its own.
func (e *Engine) ManageSwarm(tb testing.TB, address string) {
	tb.Helper()
	_, err := e.SwarmInit(tb.Context(), swarm.InitRequest{
		ListenAddr: address + SwarmPort, AdvertiseAddr: address,
		// On a busy machine a node that is late would lose its tasks.
		Spec: swarm.Spec{Dispatcher: swarm.DispatcherConfig{HeartbeatPeriod: Limit}},
	})
	e.awaitSwarm(tb, err)
}

// awaitSwarm waits until the engine is in the swarm that it was to make or join: on a busy
// machine it answers with an error after 20 s, and goes on.
func (e *Engine) awaitSwarm(tb testing.TB, answer error) {
	tb.Helper()
	deadline := time.Now().Add(Limit)
	for {
		info, err := e.Info(tb.Context())
		if err == nil && info.Swarm.LocalNodeState == swarm.LocalNodeStateActive {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("waiting for the swarm: %q %s %v, after the answer %v", info.Swarm.LocalNodeState, info.Swarm.Error, err, answer)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Service is a service of a swarm whose manager the engine of its Env is.
type Service struct {
	*Env
	ID, Name string
}

// Service makes a service of the testapp, whose tasks may be ended by alert unless edit says
// otherwise.
func (s *Env) Service(suffix string, edit func(*swarm.ServiceSpec)) *Service {
	s.Helper()
	v := &Service{Env: s, Name: s.Prefix + suffix}
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: v.Name},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{
			Image: TestappImage, Labels: map[string]string{"defib.enable": "true", "defib.swarm": "restart"},
		}},
	}
	if edit != nil {
		edit(&spec)
	}
	s.Must("creating the service "+v.Name, func(ctx context.Context) error {
		created, err := s.Engine.ServiceCreate(ctx, spec, swarm.ServiceCreateOptions{})
		v.ID = created.ID
		return err
	})
	s.Cleanup(v.remove)
	return v
}

// remove removes the service, and then its containers beside Swarm, which replaces none any
// more: Docker 20.10 has those of a job run on.
func (v *Service) remove() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context()), Limit)
	defer cancel()
	if err := v.Engine.ServiceRemove(ctx, v.ID); err != nil {
		v.Error("removing the service", v.Name, err)
		return
	}
	Eventually(v.Env, "the containers of "+v.Name+" to be gone", func() bool {
		all, err := v.Engine.ContainerList(ctx, v.containers(true))
		for _, c := range all {
			_ = v.Engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})
		}
		return err == nil && len(all) == 0
	})
}

// containers lists those of the service, also those that are down.
func (v *Service) containers(down bool) container.ListOptions {
	return container.ListOptions{All: down, Filters: filters.NewArgs(filters.Arg("label", "com.docker.swarm.service.name="+v.Name))}
}

// Replicas has a service have so many.
func Replicas(n uint64) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) { s.Mode.Replicated = &swarm.ReplicatedService{Replicas: &n} }
}

// Update changes the specification of the service.
func (v *Service) Update(edit func(*swarm.ServiceSpec)) {
	v.Helper()
	v.Must("updating the service "+v.Name, func(ctx context.Context) error {
		now, _, err := v.Engine.ServiceInspectWithRaw(ctx, v.ID, swarm.ServiceInspectOptions{})
		if err != nil {
			return err
		}
		edit(&now.Spec)
		_, err = v.Engine.ServiceUpdate(ctx, v.ID, now.Version, now.Spec, swarm.ServiceUpdateOptions{})
		return err
	})
}

// On returns the tasks of the service that run on the engine of an Env.
func (v *Service) On(s *Env) (found []*Container) {
	v.Helper()
	v.Must("listing the tasks of "+v.Name, func(ctx context.Context) error {
		all, err := s.Engine.ContainerList(ctx, v.containers(false))
		found = nil
		for _, c := range all {
			found = append(found, &Container{Env: s, ID: c.ID, Name: strings.TrimPrefix(c.Names[0], "/")})
		}
		return err
	})
	return found
}

// Await waits until n tasks run on the engine of the service's Env, and returns them.
func (v *Service) Await(n int) (found []*Container) {
	v.Helper()
	Eventually(v.Env, "the tasks of "+v.Name, func() bool {
		found = v.On(v.Env)
		return len(found) == n
	})
	return found
}

// Alert is one about the service, with these labels beside.
func (v *Service) Alert(labels ...string) Alert {
	return FiringAlert(append([]string{"container_label_com_docker_swarm_service_name", v.Name}, labels...)...)
}

// SwarmOf makes a swarm of so many engines, of which the first is its manager. Each is in a
// network namespace of its own; a bridge in the manager's joins them, and nothing else is
// reached from there.
func SwarmOf(tb testing.TB, n int) (nodes []*Env) {
	tb.Helper()
	Program(tb, "iproute2", "ip")
	for range n {
		nodes = append(nodes, NewEnv(tb, PrivateEngine(tb)))
	}
	manager := nodes[0].Engine
	manager.ip(tb, "link", "add", "swarm", "type", "bridge")
	for i, node := range nodes {
		if i > 0 {
			end := fmt.Sprint("node", i)
			manager.ip(tb, "link", "add", end, "type", "veth", "peer", "name", "swarm", "netns", fmt.Sprint(node.Engine.Daemon.Cmd.Process.Pid))
			manager.ip(tb, "link", "set", end, "master", "swarm", "up")
		}
		node.Engine.ip(tb, "address", "add", address(i)+"/24", "dev", "swarm")
		node.Engine.ip(tb, "link", "set", "swarm", "up")
	}
	manager.ManageSwarm(tb, address(0))
	cluster, err := manager.SwarmInspect(tb.Context())
	if err != nil {
		tb.Fatal("asking for the join token:", err)
	}
	for i, node := range nodes[1:] {
		err := node.Engine.SwarmJoin(tb.Context(), swarm.JoinRequest{
			ListenAddr: address(i+1) + SwarmPort, AdvertiseAddr: address(i + 1),
			RemoteAddrs: []string{address(0) + SwarmPort}, JoinToken: cluster.JoinTokens.Worker,
		})
		node.Engine.awaitSwarm(tb, err)
	}
	return nodes
}

// address is that of a node of a swarm.
func address(i int) string { return fmt.Sprint("192.168.221.", i+1) }

// ip configures the network of an engine.
func (e *Engine) ip(tb testing.TB, args ...string) {
	tb.Helper()
	within := []string{"--target", fmt.Sprint(e.Daemon.Cmd.Process.Pid), "--net", "ip"}
	if out, err := exec.CommandContext(tb.Context(), "nsenter", append(within, args...)...).CombinedOutput(); err != nil {
		tb.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

// Node is the ID by which the swarm knows an engine.
func (e *Engine) Node(tb testing.TB) string {
	tb.Helper()
	info, err := e.Info(tb.Context())
	if err != nil {
		tb.Fatal("asking for the ID of the node:", err)
	}
	return info.Swarm.NodeID
}

// Avoid has a manager give a node no new tasks, or some again. Those that it has run on.
func (e *Engine) Avoid(tb testing.TB, node string, avoid bool) {
	tb.Helper()
	now, _, err := e.NodeInspectWithRaw(tb.Context(), node)
	if err != nil {
		tb.Fatal("asking for the node:", err)
	}
	now.Spec.Availability = swarm.NodeAvailabilityActive
	if avoid {
		now.Spec.Availability = swarm.NodeAvailabilityPause
	}
	if err := e.NodeUpdate(tb.Context(), node, now.Version, now.Spec); err != nil {
		tb.Fatal("changing the node:", err)
	}
}
