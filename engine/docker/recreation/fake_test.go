package recreation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/call"
)

// The IDs of the containers that the tests begin with, and of what is created.
var (
	oldID    = strings.Repeat("a", 64)
	parentID = strings.Repeat("b", 64)
	newID    = fmt.Sprintf("%064x", 1)
)

// fake is an engine that keeps state.
type fake struct {
	t          *testing.T
	containers map[string]*container.InspectResponse
	images     map[string]string // ID by name
	created    int
	calls      []string                // those that change something, and which container they are about
	two        bool                    // two of one name have run at a time
	before     func(step string) error // what happens before a call: its error is the answer
	after      func(step string) error // the same after it was carried out
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, containers: map[string]*container.InspectResponse{}, images: map[string]string{"app": "sha256:app"}}
	f.put(parentID, "vpn", container.StateRunning).HostConfig.NetworkMode = "none"
	old := f.put(oldID, "web", container.StateRunning)
	old.HostConfig.NetworkMode = container.NetworkMode("container:" + strings.Repeat("c", 64))
	old.HostConfig.RestartPolicy = container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}
	old.Config.Volumes = map[string]struct{}{"/data": {}}
	old.Mounts = []container.MountPoint{{Type: mount.TypeVolume, Name: "anonymous", Destination: "/data", RW: true}}
	return f
}

func (f *fake) put(id, name string, state container.ContainerState) *container.InspectResponse {
	c := &container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: id, Name: "/" + name, Image: "sha256:app", Created: "2026-03-01T11:00:00Z",
			State:      &container.State{Status: state, Running: state == container.StateRunning, StartedAt: "2026-03-01T12:00:00Z"},
			HostConfig: &container.HostConfig{RestartPolicy: container.RestartPolicy{Name: "no"}},
		},
		Config: &container.Config{Image: "app"},
	}
	f.containers[id] = c
	return c
}

// what is a step as tests name it: a call, and the container that it is about.
func (f *fake) what(call, id string) string {
	switch id {
	case oldID:
		return call + " old"
	case parentID:
		return call + " parent"
	}
	return call + " new"
}

// do is what every call comes through.
func (f *fake) do(ctx context.Context, name, id string, act func(c *container.InspectResponse) error) error {
	step := f.what(name, id)
	if name != call.Inspect {
		f.calls = append(f.calls, step)
		if f.before != nil {
			if err := f.before(step); err != nil {
				return err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c := f.find(id)
	if c == nil && name != call.Create {
		return fmt.Errorf("%w: No such container: %s", errdefs.ErrNotFound, id)
	}
	if err := act(c); err != nil {
		return err
	}
	running := 0
	for _, c := range f.containers {
		if c.ID != parentID && c.State.Running {
			running++
		}
	}
	f.two = f.two || running > 1
	if f.after != nil && name != call.Inspect {
		return f.after(step)
	}
	return nil
}

func (f *fake) find(id string) *container.InspectResponse {
	if c := f.containers[id]; c != nil {
		return c
	}
	for _, c := range f.containers {
		if c.Name == "/"+id {
			return c
		}
	}
	return nil
}

func (f *fake) ContainerInspect(ctx context.Context, id string) (in container.InspectResponse, err error) {
	err = f.do(ctx, call.Inspect, id, func(c *container.InspectResponse) error {
		base, state, host, config := *c.ContainerJSONBase, *c.State, *c.HostConfig, *c.Config
		in = *c
		in.ContainerJSONBase, in.Config = &base, &config
		in.State, in.HostConfig = &state, &host
		return nil
	})
	return in, err
}

func (f *fake) ContainerCreate(ctx context.Context, config *container.Config, host *container.HostConfig, _ *network.NetworkingConfig, _ *ocispec.Platform, name string) (made container.CreateResponse, err error) {
	err = f.do(ctx, call.Create, "", func(*container.InspectResponse) error {
		image, ok := f.images[config.Image]
		if !ok && !strings.HasPrefix(config.Image, "sha256:") {
			return fmt.Errorf("%w: No such image: %s", errdefs.ErrNotFound, config.Image)
		}
		if !ok {
			image = config.Image
		}
		if f.find(name) != nil {
			return fmt.Errorf("%w: the name %s is in use", errdefs.ErrConflict, name)
		}
		f.created++
		made.ID = fmt.Sprintf("%064x", f.created)
		c := f.put(made.ID, name, container.StateCreated)
		c.State.StartedAt = "0001-01-01T00:00:00Z"
		c.Image, c.Config, c.HostConfig = image, config, host
		for _, m := range host.Mounts {
			c.Mounts = append(c.Mounts, container.MountPoint{Type: m.Type, Name: m.Source, Destination: m.Target, RW: !m.ReadOnly})
		}
		return nil
	})
	if err != nil {
		made.ID = "" // as the client has it
	}
	return made, err
}

func (f *fake) ContainerRename(ctx context.Context, id, name string) error {
	return f.do(ctx, call.Rename, id, func(c *container.InspectResponse) error {
		if f.find(name) != nil {
			return fmt.Errorf("%w: the name %s is in use", errdefs.ErrConflict, name)
		}
		c.Name = "/" + name
		return nil
	})
}

func (f *fake) ContainerUpdate(ctx context.Context, id string, update container.UpdateConfig) (none container.UpdateResponse, err error) {
	return none, f.do(ctx, call.Update, id, func(c *container.InspectResponse) error {
		c.HostConfig.RestartPolicy = update.RestartPolicy
		return nil
	})
}

func (f *fake) ContainerStop(ctx context.Context, id string, _ container.StopOptions) error {
	return f.do(ctx, call.Stop, id, func(c *container.InspectResponse) error {
		c.State.Status, c.State.Running = container.StateExited, false
		return nil
	})
}

func (f *fake) ContainerStart(ctx context.Context, id string, _ container.StartOptions) error {
	return f.do(ctx, call.Start, id, func(c *container.InspectResponse) error {
		c.State.Status, c.State.Running, c.State.StartedAt = container.StateRunning, true, "2026-03-01T13:00:00Z"
		return nil
	})
}

func (f *fake) ContainerRemove(ctx context.Context, id string, o container.RemoveOptions) error {
	return f.do(ctx, call.Remove, id, func(c *container.InspectResponse) error {
		switch {
		case o.RemoveVolumes || o.Force:
			f.t.Error("removed with its volumes, or by force")
		case c.State.Running:
			return fmt.Errorf("%w: it runs", errdefs.ErrConflict)
		}
		delete(f.containers, c.ID)
		return nil
	})
}

// steps are those against the fake.
func (f *fake) steps() *Steps {
	return &Steps{
		API: f, Timeout: time.Minute, ActionTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
		Call: func(ctx context.Context, _ string, call func(context.Context) error) error { return call(ctx) },
	}
}

// recreation is what is decided upon.
func (f *fake) recreation() engine.Recreation {
	return engine.Recreation{Name: "web", Old: f.describe(oldID), Parent: f.describe(parentID)}
}

func (f *fake) describe(id string) *engine.Container {
	c := f.containers[id]
	if c == nil {
		return nil
	}
	host := *c.HostConfig
	in := *c
	base := *c.ContainerJSONBase
	in.ContainerJSONBase, base.HostConfig = &base, &host
	described := answer.Container(in)
	described.ImageStatus = engine.ImageCurrent
	return described
}

// String is what there is: names, who runs, and restart policies.
func (f *fake) String() string {
	word := func(id, name string) string {
		c := f.containers[id]
		if c == nil {
			return name + " gone"
		}
		policy := ""
		if restartless(*c) {
			policy = " (no)"
		}
		called := strings.NewReplacer(engine.ShortID(oldID), "OLD", engine.ShortID(newID), "NEW").Replace(strings.TrimPrefix(c.Name, "/"))
		return fmt.Sprintf("%s %s as %s%s", name, c.State.Status, called, policy)
	}
	return word(oldID, "old") + ", " + word(newID, "new")
}

var errBroken = errors.New("broken")
