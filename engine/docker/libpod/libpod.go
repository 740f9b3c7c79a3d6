// Package libpod asks Podman for what it tells by its own API only.
package libpod

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/internal/notation"
	"defib/engine/internal/store"
)

// recordsSince is the version from which Podman tells by an inspect whether somebody
// stopped a container. Source: https://github.com/containers/podman/commit/589867d716
const recordsSince = "4.7"

// Podman is what an engine says of itself; the zero value: it is Docker.
type Podman struct {
	Is         bool
	Version    string
	apiVersion string // of its own API
}

// Read reads the answer of an engine that was asked for its version.
func Read(v types.Version) (p Podman) {
	for _, c := range v.Components {
		if strings.HasPrefix(c.Name, "Podman") {
			p = Podman{Is: true, Version: c.Version, apiVersion: cmp.Or(c.Details["APIVersion"], c.Version)}
		}
	}
	return p
}

// StopsTold is how it tells that somebody stopped a container.
func (p Podman) StopsTold() store.Stops {
	switch {
	case !p.Is:
		return store.StopsAnnounced
	case versions.LessThan(p.Version, recordsSince):
		return store.StopsUntold
	}
	return store.StopsRecorded
}

// Client makes a client of its own API, by Docker's, which takes the first part of every
// path for its version.
func (p Podman) Client(opts []client.Opt) (*client.Client, error) {
	return client.NewClientWithOpts(append(opts, client.WithVersion(p.apiVersion+"/libpod"))...)
}

// Probe makes the call once, for a container that does not exist.
func (p Podman) Probe(ctx context.Context, opts []client.Opt, id string) error {
	api, err := p.Client(opts)
	if err != nil {
		return err
	}
	defer api.Close()
	_, err = api.ContainerInspect(ctx, id)
	return err
}

// Amend reads in Docker's sense what an inspect says in Podman's: a stop timeout of 0 is the
// default, and a start that found the container running has not failed.
func Amend(c *engine.Container) {
	if c.StopTimeout == 0 {
		c.StopTimeout = answer.DefaultStopTimeout
	}
	if strings.HasSuffix(c.Error, ": container is running") {
		c.Error = ""
	}
}

// restartWindow is how long Podman may take to start a container by its restart policy. It
// has no back-off.
const restartWindow = 10 * time.Second

// Ended asks how the run of a container ended, which is down, and sets its ExitCause. One
// that Podman is about to start by its restart policy is Restarting, as Docker calls it: to
// Podman it is exited. If the answer is of another run, an event is on its way, and nothing
// is set. Now is on the engine's clock.
func Ended(ctx context.Context, api *client.Client, c *engine.Container, now time.Time) error {
	_, raw, err := api.ContainerInspectWithRaw(ctx, c.ID, false)
	if raw == nil { // else it is not of Docker's form, which does not matter
		return err
	}
	var in struct {
		State struct {
			Status, FinishedAt string
			StoppedByUser      bool
		}
		HostConfig struct {
			RestartPolicy struct{ MaximumRetryCount int }
		}
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("read the answer of libpod: %w", err)
	}
	retries := in.HostConfig.RestartPolicy.MaximumRetryCount
	switch {
	case notation.State(in.State.Status) != c.State, !notation.Time(in.State.FinishedAt).Equal(c.Finished):
	case in.State.StoppedByUser:
		c.ExitCause = engine.CauseStopped
	case now.Sub(c.Finished).Abs() < restartWindow && (c.AlwaysRestarts() || c.RestartPolicy == "on-failure" && c.Exit.Code != 0 && (retries == 0 || c.RestartCount < retries)):
		c.State = engine.Restarting
	default:
		c.ExitCause = engine.CauseSelf
	}
	return nil
}
