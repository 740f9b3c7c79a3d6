package harness

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/docker/docker/api/types/container"
)

// Recreator is a way in which others than Defib re-create a container: in the end another one
// that runs has its name, and it is gone. Create creates the other one, under a name.
type Recreator func(ctx context.Context, e *Engine, id, name string, create func(ctx context.Context, name string) (string, error)) (newID string, err error)

// Recreators are all of them, by who does so.
var Recreators = map[string]Recreator{"updater": asUpdater, "person": asPerson, "compose": asCompose}

var aSecond = 1 // until a container that is told to stop is killed

// asUpdater gives the old one a name that says nothing, has the new one run, and removes
// the old one, as watchtower does.
func asUpdater(ctx context.Context, e *Engine, id, name string, create func(context.Context, string) (string, error)) (string, error) {
	if err := e.ContainerRename(ctx, id, fmt.Sprintf("%s%08x", name, rand.Uint32())); err != nil {
		return "", err
	}
	fresh, err := create(ctx, name)
	if err != nil {
		return "", err
	}
	if err := e.ContainerStart(ctx, fresh, container.StartOptions{}); err != nil {
		return fresh, err
	}
	if err := e.ContainerStop(ctx, id, container.StopOptions{Timeout: &aSecond}); err != nil {
		return fresh, err
	}
	return fresh, e.ContainerRemove(ctx, id, container.RemoveOptions{})
}

// asPerson is docker rm -f, and docker run.
func asPerson(ctx context.Context, e *Engine, id, name string, create func(context.Context, string) (string, error)) (string, error) {
	if err := e.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}); err != nil {
		return "", err
	}
	fresh, err := create(ctx, name)
	if err != nil {
		return "", err
	}
	return fresh, e.ContainerStart(ctx, fresh, container.StartOptions{})
}

// asCompose creates the new one under a passing name, as docker compose up
// --force-recreate does.
func asCompose(ctx context.Context, e *Engine, id, name string, create func(context.Context, string) (string, error)) (string, error) {
	// In front is the ID with compose, where here the tests have their prefix.
	fresh, err := create(ctx, name+"_"+id[:12])
	if err != nil {
		return "", err
	}
	if err := e.ContainerStop(ctx, id, container.StopOptions{Timeout: &aSecond}); err != nil {
		return fresh, err
	}
	if err := e.ContainerRemove(ctx, id, container.RemoveOptions{}); err != nil {
		return fresh, err
	}
	if err := e.ContainerRename(ctx, fresh, name); err != nil {
		return fresh, err
	}
	return fresh, e.ContainerStart(ctx, fresh, container.StartOptions{})
}

// Recreate has others re-create a container, from this Spec, and returns the new one.
func (b *Container) Recreate(by Recreator, p Spec) *Container {
	b.Helper()
	fresh := &Container{Env: b.Env, Name: b.Name, stopTimeout: p.StopTimeout}
	b.Must("re-creating "+b.Name, func(ctx context.Context) (err error) {
		fresh.ID, err = by(ctx, b.Engine, b.ID, b.Name, func(ctx context.Context, name string) (string, error) {
			return b.Engine.CreateTestapp(ctx, name, p)
		})
		return err
	})
	return fresh
}

// ChildOf is a container that lives in the network of another, as compose has it: by the
// ID of that one.
func ChildOf(parent *Container, p Spec) Spec {
	others := p.Host
	p.Host = func(h *container.HostConfig) {
		if others != nil {
			others(h)
		}
		h.NetworkMode = container.NetworkMode("container:" + parent.ID)
	}
	return p
}

// InNetworkWith reports whether two containers that run share one network.
func (b *Container) InNetworkWith(other *Container) bool {
	b.Helper()
	return b.Work("-network") == other.Work("-network")
}
