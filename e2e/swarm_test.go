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

	"defib/e2e/harness"
)

// docker runs the docker command against the engine.
func docker(e *harness.Engine, tb testing.TB, env []string, args ...string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), harness.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Program(tb, "docker.io", "docker"), append([]string{"-H", e.Host}, args...)...)
	cmd.Env = append(harness.CleanEnv(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("docker %v: %v\n%s", args, err, out)
	}
}

// task waits for the container of a service to run and returns it.
func task(s *harness.Env, service string) *harness.Container {
	s.Helper()
	b := &harness.Container{Env: s}
	harness.Eventually(s, "a task of "+service, func() bool {
		s.Must("listing tasks", func(ctx context.Context) error {
			all, err := s.Engine.ContainerList(ctx, container.ListOptions{
				Filters: filters.NewArgs(filters.Arg("label", "com.docker.swarm.service.name="+service)),
			})
			if len(all) > 0 {
				b.ID, b.Name = all[0].ID, strings.TrimPrefix(all[0].Names[0], "/")
			}
			return err
		})
		return b.ID != ""
	})
	return b
}

// output is what the container has written so far.
func output(b *harness.Container) string {
	b.Helper()
	var out bytes.Buffer
	b.Must("reading the output of "+b.Name, func(ctx context.Context) error {
		r, err := b.Engine.ContainerLogs(ctx, b.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true})
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
	harness.DockerOnly(t, harness.NoSwarm)
	t.Parallel()
	e := harness.PrivateEngine(t)
	s := harness.NewEnv(t, e)
	s.ImportDefib("defib:latest", "USER 65534:65534")
	s.Must("making a swarm", func(ctx context.Context) error {
		_, err := e.SwarmInit(ctx, swarm.InitRequest{
			ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1",
			// On a busy machine a node that is late would lose its tasks.
			Spec: swarm.Spec{Dispatcher: swarm.DispatcherConfig{HeartbeatPeriod: harness.Limit}},
		})
		return err
	})
	stack := harness.File(t, "stack.yaml", harness.Edited(t, "deploy/swarm/stack.yaml",
		"./defib.token", harness.File(t, "token", strings.Repeat("secret", 6)),
		"./prometheus.yml", harness.Repository("deploy/swarm/prometheus.yml"),
		"../../alerts/containers.yml", harness.Repository("alerts/containers.yml"),
		"node.role == manager", "node.role == worker"))
	docker(e, t, []string{"DOCKER_SOCKET_DIR=" + e.Daemon.Dir}, "stack", "deploy", "--resolve-image=never", "-c", stack, "defib")
	d := task(s, "defib_defib")
	harness.Eventually(t, "the task of Defib to be healthy and to watch its engine", func() bool {
		state := d.Inspect()
		return state.Health != nil && state.Health.Status == container.Healthy && strings.Contains(output(d), "engine connected")
	})

	loner := s.Run("loner", harness.Spec{Labels: map[string]string{"defib.enable": "true"}})
	loner.Crash()
	loner.AwaitEvents("start", 2)

	service := s.Prefix + "service"
	s.Must("creating a service", func(ctx context.Context) error {
		_, err := e.ServiceCreate(ctx, swarm.ServiceSpec{
			Annotations: swarm.Annotations{Name: service},
			TaskTemplate: swarm.TaskSpec{
				ContainerSpec: &swarm.ContainerSpec{Image: harness.TestappImage, Labels: map[string]string{"defib.enable": "true"}},
			},
		}, swarm.ServiceCreateOptions{})
		return err
	})
	task := task(s, service)
	task.Crash()
	harness.Eventually(t, "Defib to leave the task to the swarm", func() bool {
		return strings.Contains(output(d), "container="+task.Name) && strings.Contains(output(d), "reason=swarm_task")
	})
	task.StartedTimes(1)
}
