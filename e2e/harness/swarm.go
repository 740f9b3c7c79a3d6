package harness

import (
	"context"
	"strings"
	"testing"

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
	if err != nil {
		tb.Fatal("making a swarm:", err)
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
	return v
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
		all, err := s.Engine.ContainerList(ctx, container.ListOptions{
			Filters: filters.NewArgs(filters.Arg("label", "com.docker.swarm.service.name="+v.Name)),
		})
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
