package e2e

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
)

// docker runs the docker command against the engine.
func (e *engine) docker(tb testing.TB, env []string, args ...string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(tb, "docker.io", "docker"), append([]string{"-H", e.host}, args...)...)
	cmd.Env = append(cleanEnv(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("docker %v: %v\n%s", args, err, out)
	}
}

// task waits for the container of a service to run and returns it.
func (s *env) task(service string) *testContainer {
	s.Helper()
	b := &testContainer{env: s}
	eventually(s, "a task of "+service, func() bool {
		s.must("listing tasks", func(ctx context.Context) error {
			all, err := s.engine.ContainerList(ctx, container.ListOptions{
				Filters: filters.NewArgs(filters.Arg("label", "com.docker.swarm.service.name="+service)),
			})
			if len(all) > 0 {
				b.id, b.name = all[0].ID, strings.TrimPrefix(all[0].Names[0], "/")
			}
			return err
		})
		return b.id != ""
	})
	return b
}

// output is what the container has written so far.
func (b *testContainer) output() string {
	b.Helper()
	var out bytes.Buffer
	b.must("reading the output of "+b.name, func(ctx context.Context) error {
		r, err := b.engine.ContainerLogs(ctx, b.id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = out.ReadFrom(r)
		return err
	})
	return out.String()
}

// TestStackHealsBesideTheSwarm deploys the example on a swarm of one node: Defib
// reaches the engine, heals a container that is no task, and leaves tasks alone.
// Prometheus is not there: no node has its image.
func TestStackHealsBesideTheSwarm(t *testing.T) {
	dockerOnly(t, noSwarm)
	t.Parallel()
	e := privateEngine(t)
	s := newEnv(t, e)
	s.importDefib("defib:latest", "USER 65534:65534")
	s.must("making a swarm", func(ctx context.Context) error {
		_, err := e.SwarmInit(ctx, swarm.InitRequest{
			ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1",
			// On a busy machine a node that is late would lose its tasks.
			Spec: swarm.Spec{Dispatcher: swarm.DispatcherConfig{HeartbeatPeriod: limit}},
		})
		return err
	})
	stack := file(t, "stack.yaml", edited(t, "deploy/swarm/stack.yaml",
		"./defib.token", file(t, "token", strings.Repeat("secret", 6)),
		"./prometheus.yml", repository("deploy/swarm/prometheus.yml"),
		"../../alerts/containers.yml", repository("alerts/containers.yml"),
		"node.role == manager", "node.role == worker"))
	e.docker(t, []string{"DOCKER_SOCKET_DIR=" + e.daemon.dir}, "stack", "deploy", "--resolve-image=never", "-c", stack, "defib")
	d := s.task("defib_defib")
	eventually(t, "the task of Defib to be healthy and to watch its engine", func() bool {
		state := d.inspect()
		return state.Health != nil && state.Health.Status == container.Healthy && strings.Contains(d.output(), "engine connected")
	})

	loner := s.run("loner", spec{labels: map[string]string{"defib.enable": "true"}})
	loner.crash()
	loner.awaitEvents("start", 2)

	service := s.prefix + "service"
	s.must("creating a service", func(ctx context.Context) error {
		_, err := e.ServiceCreate(ctx, swarm.ServiceSpec{
			Annotations: swarm.Annotations{Name: service},
			TaskTemplate: swarm.TaskSpec{
				ContainerSpec: &swarm.ContainerSpec{Image: testappImage, Labels: map[string]string{"defib.enable": "true"}},
			},
		}, swarm.ServiceCreateOptions{})
		return err
	})
	task := s.task(service)
	task.crash()
	eventually(t, "Defib to leave the task to the swarm", func() bool {
		return strings.Contains(d.output(), "container="+task.name) && strings.Contains(d.output(), "reason=swarm_task")
	})
	task.startedTimes(1)
}
