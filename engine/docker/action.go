package docker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/engine"
	"defib/engine/docker/call"
	"defib/engine/docker/swarm"
	"defib/engine/internal/refusal"
)

// actionTimeout is how long a start may take: Docker 29 cancels one whose caller
// leaves. A restart may take the container's stop timeout on top.
const actionTimeout = 2 * time.Minute

// Start starts a container that is down, and returns after a fresh inspect of it
// has been published: until then the action is under way, also when the call
// timed out, since an engine may carry on. An error means that the container has
// not been started since; it may be ErrGone, ErrRefused or ErrNoAnswer. If the
// context ends first, it is ErrNoAnswer and the context's: nothing is known.
func (e *Engine) Start(ctx context.Context, c *engine.Container) error {
	now, err := e.act(ctx, call.Start, c, actionTimeout, func(ctx context.Context, id string) error {
		return e.api.Load().ContainerStart(ctx, id, container.StartOptions{})
	})
	switch {
	case now != nil && now.Up():
		return nil // whoever started it
	case err == nil && now.Started.Equal(c.Started):
		return errors.New("the engine accepted the request, but the container did not start")
	}
	return err
}

// Restart stops a container that runs, with its own signal and timeout, and
// starts it. It returns as Start does. The engine carries on with a restart whose
// caller leaves.
func (e *Engine) Restart(ctx context.Context, c *engine.Container) error {
	seconds := int(c.StopTimeout / time.Second) // without it, Podman kills at once
	now, err := e.act(ctx, call.Restart, c, max(0, c.StopTimeout)+actionTimeout, func(ctx context.Context, id string) error {
		return e.api.Load().ContainerRestart(ctx, id, container.StopOptions{Timeout: &seconds})
	})
	if err == nil && now.Started.Equal(c.Started) {
		return errors.New("the engine accepted the request, but the container was not restarted")
	}
	return err
}

// EndTask has a task of Swarm stop, unless its service can be read and that says that it is not
// to be ended. It returns nil once a fresh inspect that shows it down, or gone, has been
// published; otherwise as Start does. An error is also ErrNotBegun if nothing was stopped, and
// may then be ErrNotReplaced, ErrServiceUpdating or ErrServiceShort. The engine carries on with
// a stop whose caller leaves.
func (e *Engine) EndTask(ctx context.Context, c *engine.Container) error {
	reader := swarm.Reader{API: e.api.Load(), Call: e.call, Timeout: e.Timeout}
	grace, err := reader.MayEnd(ctx, c)
	if err != nil {
		return fmt.Errorf("%w: %w", engine.ErrNotBegun, failed(err))
	}
	options, timeout := container.StopOptions{}, max(0, c.StopTimeout)
	if grace != nil {
		options.Timeout, timeout = new(int(math.Ceil(grace.Seconds()))), *grace
	}
	var stopErr error
	now, err := e.act(ctx, call.Stop, c, timeout+actionTimeout, func(ctx context.Context, id string) error {
		stopErr = e.api.Load().ContainerStop(ctx, id, options)
		return stopErr
	})
	switch {
	case errors.Is(err, engine.ErrGone) && stopErr == nil, now != nil && !now.Alive():
		return nil
	case err == nil:
		return errors.New("the engine accepted the request, but the task was not ended")
	}
	return err
}

// act makes one request for the container's ID, waits for the container to be inspected
// anew, and returns what it is now. What the inspect shows counts more than the
// request's answer.
func (e *Engine) act(ctx context.Context, name string, c *engine.Container, timeout time.Duration, request func(ctx context.Context, id string) error) (*engine.Container, error) {
	e.inbox.Post(func(time.Time) { e.store.Acting(c.ID, true) })
	defer e.inbox.Post(func(time.Time) { e.store.Acting(c.ID, false) })

	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := e.callOf(callCtx, name, c.ID, func(ctx context.Context) error {
		act := func(id string) error { return request(ctx, id) }
		return refusal.Revealed(act(c.ID), act)
	})

	now, ended := e.fresh(ctx, c.ID)
	if ended != nil {
		return nil, failed(ended)
	}
	switch {
	case now == nil:
		return nil, engine.ErrGone
	case !now.Started.Equal(c.Started): // its clock may have been set back
		return now, nil
	}
	return now, failed(err)
}

// fresh has a container inspected anew, waits until that has been published, and returns
// what it is now: nil if it is gone.
func (e *Engine) fresh(ctx context.Context, id string) (*engine.Container, error) {
	fresh := make(chan *engine.Container, 1)
	e.inbox.Post(func(now time.Time) { e.store.Refresh(now, id, fresh) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case now := <-fresh:
		return now, nil
	}
}

// failed says of an error what callers tell apart.
func failed(err error) error {
	switch {
	case refusal.Refused(err):
		return fmt.Errorf("%w: %w", engine.ErrRefused, err)
	case call.Unanswered(err):
		return fmt.Errorf("%w: %w", engine.ErrNoAnswer, err)
	}
	return err
}
