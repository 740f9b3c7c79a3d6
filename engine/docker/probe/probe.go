// Package probe has calls that tell how an engine takes them and change nothing.
package probe

import (
	"context"
	"errors"
	"io"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	types "github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"defib/engine/docker/call"
	"defib/engine/docker/swarm"
	"defib/engine/internal/refusal"
)

// Call is one call.
type Call struct {
	Name string
	Ask  func(context.Context) error
}

// Recreation are those that only a re-creation needs, for a container that does not exist.
func Recreation(api *client.Client, nobody string) []Call {
	return []Call{
		{Name: call.Create, Ask: func(ctx context.Context) error {
			_, err := api.ContainerCreate(ctx, &container.Config{Image: "sha256:" + nobody}, nil, nil, nil, "")
			return Known(err)
		}},
		{Name: call.Rename, Ask: func(ctx context.Context) error { return Known(api.ContainerRename(ctx, nobody, nobody)) }},
		{Name: call.Update, Ask: func(ctx context.Context) error {
			_, err := api.ContainerUpdate(ctx, nobody, container.UpdateConfig{})
			return Known(err)
		}},
		{Name: call.Remove, Ask: func(ctx context.Context) error {
			return Known(api.ContainerRemove(ctx, nobody, container.RemoveOptions{}))
		}},
	}
}

// Stop is the call that a re-creation needs, and the end of a task.
func Stop(api *client.Client, nobody string) Call {
	return Call{Name: call.Stop, Ask: func(ctx context.Context) error {
		return Known(api.ContainerStop(ctx, nobody, container.StopOptions{}))
	}}
}

// Swarm are those that only the end of a task needs, for a service that does not exist. That
// there is none is an answer, and a worker's is one, too.
func Swarm(api *client.Client, nobody string) []Call {
	answered := func(err error) error {
		if swarm.NoManager(err) || swarm.NoService(err, nobody) {
			return nil
		}
		return err
	}
	return []Call{
		{Name: call.Services, Ask: func(ctx context.Context) error {
			_, _, err := api.ServiceInspectWithRaw(ctx, nobody, types.ServiceInspectOptions{})
			return answered(err)
		}},
		{Name: call.Tasks, Ask: func(ctx context.Context) error {
			_, err := api.TaskList(ctx, types.TaskListOptions{Filters: swarm.TasksOf(nobody)})
			return answered(err)
		}},
	}
}

// Known reads the answer to a call for a container or an image that does not exist.
func Known(err error) error {
	switch {
	case err == nil:
		return errors.New("the server answered for a container that does not exist")
	case refusal.Absent(err), refusal.NoImage(err):
		return nil
	}
	return err
}

// Listens reads a stream of events that ends by itself.
func Listens(ctx context.Context, api *client.Client, options events.ListOptions) error {
	past, ended := api.Events(ctx, options)
	for {
		select {
		case <-past:
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
