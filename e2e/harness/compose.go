package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// ComposeVariable names the docker compose of the tests: by default that of
// scripts/install.sh, else the plugin of the docker on this machine.
const ComposeVariable = "DEFIB_E2E_COMPOSE"

// composeLimit bounds one call, which waits for health checks.
const composeLimit = 2 * Limit

// Compose is a project of the real docker compose v2.
type Compose struct {
	*Env
	Project string
	program []string // with the arguments that all calls have
}

// Compose is the project of these compose files, of which later ones complete earlier
// ones. Its containers are of the Env, as its name has the prefix.
func (s *Env) Compose(name string, files ...string) *Compose {
	s.Helper()
	c := &Compose{Env: s, Project: s.Prefix + name, program: s.composeProgram()}
	c.program = append(c.program, "--project-name", c.Project)
	for _, file := range files {
		c.program = append(c.program, "--file", file)
	}
	s.Cleanup(func() { // its containers are the Env's
		ctx := context.WithoutCancel(s.Context())
		if s.Failed() {
			out, err := c.Try(ctx, "ps", "--all")
			s.Log(out, err)
		}
		_, _ = c.Try(ctx, "down", "--volumes", "--timeout=1")
	})
	s.Logf("uses docker-compose %s", strings.TrimSpace(c.Run("version", "--short")))
	return c
}

func (s *Env) composeProgram() []string {
	s.Helper()
	if fields := strings.Fields(os.Getenv(ComposeVariable)); len(fields) > 0 {
		return fields
	}
	if path, err := exec.LookPath("docker-compose-v2"); err == nil {
		return []string{path}
	}
	if exec.CommandContext(s.Context(), "docker", "compose", "version").Run() != nil {
		Unavailable(s, "docker compose v2 is neither docker's plugin nor docker-compose-v2 on the PATH: scripts/install.sh installs it")
	}
	return []string{"docker", "compose"}
}

// Try runs docker compose, and returns what it wrote to standard output.
func (c *Compose) Try(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, composeLimit)
	defer cancel()
	args = append(slices.Clone(c.program), args...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(CleanEnv(), "DOCKER_HOST="+c.Engine.Host, "DOCKER_GID=987")
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker compose %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// Run is Try of what must not fail.
func (c *Compose) Run(args ...string) string {
	c.Helper()
	out, err := c.Try(c.Context(), args...)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

// Config decodes what docker compose makes of its files; global stands for its own options.
func (c *Compose) Config(into any, global ...string) {
	c.Helper()
	if err := json.Unmarshal([]byte(c.Run(append(global, "config", "--format=json")...)), into); err != nil {
		c.Fatal(err)
	}
}

// Containers are all containers of the project, in any state, by name.
func (c *Compose) Containers() map[string]*Container {
	c.Helper()
	all := map[string]*Container{}
	c.Must("listing the project", func(ctx context.Context) error {
		list, err := c.Engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
			filters.Arg("label", "com.docker.compose.project="+c.Project))})
		for _, found := range list {
			name := strings.TrimPrefix(found.Names[0], "/")
			all[name] = &Container{Env: c.Env, Name: name, ID: found.ID}
		}
		return err
	})
	return all
}

// Service is the one container of a service, under the name that docker compose gives it.
func (c *Compose) Service(service string) *Container {
	c.Helper()
	found := c.Containers()[c.Project+"-"+service+"-1"]
	if found == nil {
		c.Fatalf("the service %s has no container", service)
	}
	return found
}
