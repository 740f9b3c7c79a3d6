package harness

import (
	"cmp"
	"context"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Mounting gives a container a bind mount of dir, without which it cannot start.
func Mounting(dir string) func(*container.HostConfig) {
	return func(h *container.HostConfig) {
		h.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: dir, Target: "/data"}}
	}
}

// Spec is what a container is made of; the zero value lives until told to stop.
type Spec struct {
	Args        []string              // of the testapp
	Program     string                // instead of the image's
	Image       string                // "": the testapp's
	Network     container.NetworkMode // "": that of the engine, which starts in half the time that "none" takes
	Labels      map[string]string
	Volumes     []string // paths of anonymous ones, docker run -v PATH
	Restart     container.RestartPolicyMode
	TTY         bool
	StopTimeout int // seconds; 0: the engine's own
	Health      *container.HealthConfig
	Host        func(*container.HostConfig)
}

// InNetworkOf is a container that lives in the network of another.
func InNetworkOf(parent *Container) Spec {
	return Spec{Host: func(h *container.HostConfig) { h.NetworkMode = container.NetworkMode("container:" + parent.Name) }}
}

// Checked is a container that becomes unhealthy within a second of being made
// sick.
func Checked() Spec {
	return Spec{Health: &container.HealthConfig{
		Test: []string{"CMD", "/testapp", "-healthcheck"}, Interval: time.Second, Timeout: Limit, Retries: 1,
	}}
}

// SeldomChecked is for what lives long: each check costs as much as a start.
func SeldomChecked() Spec {
	p := Checked()
	p.Health.Interval = 5 * time.Second
	return p
}

// CreateTestapp makes a container and returns its id.
func (e *Engine) CreateTestapp(ctx context.Context, name string, p Spec) (string, error) {
	config := &container.Config{Image: cmp.Or(p.Image, TestappImage), Cmd: p.Args, Labels: p.Labels, Healthcheck: p.Health, Tty: p.TTY}
	if p.Program != "" {
		config.Entrypoint = []string{p.Program}
	}
	for _, path := range p.Volumes {
		if config.Volumes == nil {
			config.Volumes = map[string]struct{}{}
		}
		config.Volumes[path] = struct{}{}
	}
	if p.StopTimeout > 0 {
		config.StopTimeout = &p.StopTimeout
	}
	host := &container.HostConfig{
		NetworkMode:   cmp.Or(p.Network, e.kind().Network, "host"),
		RestartPolicy: container.RestartPolicy{Name: p.Restart},
	}
	if p.Host != nil {
		p.Host(host)
	}
	answer, err := e.ContainerCreate(ctx, config, host, nil, nil, name)
	return answer.ID, err
}
