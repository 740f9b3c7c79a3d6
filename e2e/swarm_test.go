package e2e

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
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
	e.ManageSwarm(t, "127.0.0.1")
	stack := harness.File(t, "stack.yaml", harness.Edited(t, "deploy/swarm/stack.yaml",
		"./defib.token", harness.File(t, "token", strings.Repeat("secret", 6)),
		"./prometheus.yml", harness.Repository("deploy/swarm/prometheus.yml"),
		"../../alerts/containers.yml", harness.Repository("alerts/containers.yml"),
		"node.role == manager", "node.role == worker"))
	docker(e, t, []string{"DOCKER_SOCKET_DIR=" + e.Daemon.Dir}, "stack", "deploy", "--resolve-image=never", "-c", stack, "defib")
	d := (&harness.Service{Env: s, Name: "defib_defib"}).Await(1)[0]
	harness.Eventually(t, "the task of Defib to be healthy and to watch its engine", func() bool {
		state := d.Inspect()
		return state.Health != nil && state.Health.Status == container.Healthy && strings.Contains(output(d), "engine connected")
	})

	loner := s.Run("loner", harness.Spec{Labels: map[string]string{"defib.enable": "true"}})
	loner.Crash()
	loner.AwaitEvents("start", 2)

	task := s.Service("service", func(spec *swarm.ServiceSpec) { delete(spec.TaskTemplate.ContainerSpec.Labels, "defib.swarm") }).Await(1)[0]
	task.Crash()
	harness.Eventually(t, "Defib to leave the task to the swarm", func() bool {
		return strings.Contains(output(d), "container="+task.Name) && strings.Contains(output(d), "reason=swarm_task")
	})
	task.StartedTimes(1)
}
