// Package recreation re-creates a container, in the network of another parent, in steps
// of which all that can fail come before the old one is stopped.
package recreation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/call"
	"defib/engine/internal/refusal"
)

// API is what is called of Docker's client.
type API interface {
	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
	ContainerCreate(ctx context.Context, config *container.Config, host *container.HostConfig, networking *network.NetworkingConfig, platform *ocispec.Platform, name string) (container.CreateResponse, error)
	ContainerRename(ctx context.Context, id, name string) error
	ContainerUpdate(ctx context.Context, id string, config container.UpdateConfig) (container.UpdateResponse, error)
	ContainerStop(ctx context.Context, id string, options container.StopOptions) error
	ContainerStart(ctx context.Context, id string, options container.StartOptions) error
	ContainerRemove(ctx context.Context, id string, options container.RemoveOptions) error
}

// Steps are those by which containers are re-created.
type Steps struct {
	API API
	// Call makes one of package call, counts it, and explains why it is refused.
	Call func(ctx context.Context, name string, f func(context.Context) error) error
	// Timeout is that of a call which an engine answers at once.
	Timeout time.Duration
	// ActionTimeout is that of what takes the engine longer: a stop has it beside the
	// container's own timeout.
	ActionTimeout time.Duration
	Logger        *slog.Logger
}

// inspect asks what a container is now; ErrGone: there is none.
func (s *Steps) inspect(ctx context.Context, id string) (in container.InspectResponse, err error) {
	err = s.call(ctx, call.Inspect, s.Timeout, func(ctx context.Context) error {
		in, err = s.API.ContainerInspect(ctx, id)
		return err
	})
	switch {
	case refusal.Absent(err):
		return in, engine.ErrGone
	case err == nil && (in.ContainerJSONBase == nil || in.State == nil || in.HostConfig == nil || in.Config == nil):
		return in, errors.New("the engine does not say what the container is")
	}
	return in, err
}

func (s *Steps) rename(ctx context.Context, id, name string) error {
	return s.call(ctx, call.Rename, s.Timeout, func(ctx context.Context) error { return s.API.ContainerRename(ctx, id, name) })
}

// restartBy gives a container a restart policy; one without a name changes nothing.
func (s *Steps) restartBy(ctx context.Context, id string, policy container.RestartPolicy) error {
	return s.call(ctx, call.Update, s.Timeout, func(ctx context.Context) error {
		_, err := s.API.ContainerUpdate(ctx, id, container.UpdateConfig{RestartPolicy: policy})
		return err
	})
}

// stop stops a container with its own signal and timeout.
func (s *Steps) stop(ctx context.Context, c *engine.Container) error {
	return s.call(ctx, call.Stop, max(0, c.StopTimeout)+s.ActionTimeout, func(ctx context.Context) error {
		return s.API.ContainerStop(ctx, c.ID, container.StopOptions{})
	})
}

func (s *Steps) start(ctx context.Context, id string) error {
	return s.call(ctx, call.Start, s.ActionTimeout, func(ctx context.Context) error {
		act := func(id string) error { return s.API.ContainerStart(ctx, id, container.StartOptions{}) }
		err := refusal.Revealed(act(id), act)
		if refusal.Absent(err) && !strings.Contains(err.Error(), id) {
			return errors.New(err.Error()) // it is not this one that is gone, but its parent
		}
		return err
	})
}

// Discard removes a container that is still what it was when that was decided, and down.
func (s *Steps) Discard(ctx context.Context, c *engine.Container) error {
	in, err := s.inspect(ctx, c.ID)
	switch now := answer.Container(in); {
	case errors.Is(err, engine.ErrGone):
		return nil
	case err != nil:
		return err
	case now.Name != c.Name || !now.Started.Equal(c.Started) || now.Alive():
		return changed("it was renamed or started")
	}
	return s.Remove(ctx, c.ID)
}

// Remove removes a container that is down. Its volumes stay, also those without a name:
// another one may have them by now.
func (s *Steps) Remove(ctx context.Context, id string) error {
	err := s.call(ctx, call.Remove, s.ActionTimeout, func(ctx context.Context) error {
		return s.API.ContainerRemove(ctx, id, container.RemoveOptions{})
	})
	if refusal.Absent(err) {
		return nil
	}
	return err
}

func (s *Steps) call(ctx context.Context, name string, timeout time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.Call(ctx, name, f)
}

// name is the name of a container, without its slash.
func name(in container.InspectResponse) string { return strings.TrimPrefix(in.Name, "/") }

// runs reports whether a container has a process, paused and restarting ones too.
func runs(in container.InspectResponse) bool {
	switch in.State.Status {
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return true
	}
	return false
}

// restartless reports whether the engine itself never starts a container.
func restartless(in container.InspectResponse) bool {
	policy := in.HostConfig.RestartPolicy.Name
	return policy == "" || policy == container.RestartPolicyDisabled
}

func changed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", engine.ErrChanged, fmt.Sprintf(format, a...))
}
