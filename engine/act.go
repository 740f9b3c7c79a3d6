package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// startPatience is how long a start may take. Docker 29 cancels a start whose
// caller leaves.
const startPatience = 2 * time.Minute

var (
	// ErrGone says that the container does not exist any more.
	ErrGone = errors.New("the container is gone")
	// ErrRefused says that the engine, or a proxy before it, forbids the call.
	ErrRefused = errors.New("refused")
)

// Start starts a container that is down, and returns after a fresh inspect of it
// has been published: until then the action is under way, also when the call
// timed out, since an engine may carry on. An error means that the container has
// not been started since; it may be ErrGone or ErrRefused. If the context ends
// first, its error is returned and nothing is known.
func (e *Engine) Start(ctx context.Context, c *Container) error {
	e.inbox.post(func(time.Time) { e.book.acting(c.ID, +1) })
	defer e.inbox.post(func(time.Time) { e.book.acting(c.ID, -1) })

	callCtx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	err := e.call(callCtx, callStart, func(ctx context.Context) error {
		return e.api.Load().ContainerStart(ctx, c.ID, container.StartOptions{})
	})

	fresh := make(chan *Container, 1)
	e.inbox.post(func(time.Time) { e.book.refresh(c.ID, fresh) })
	var now *Container
	select {
	case <-ctx.Done():
		return ctx.Err()
	case now = <-fresh:
	}
	switch {
	case now == nil:
		return ErrGone
	case now.Up(), now.Started.After(c.Started):
		return nil
	case errdefs.IsPermissionDenied(err):
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case err != nil:
		return fmt.Errorf("start: %w", err)
	}
	return errors.New("start: the engine accepted it, but the container did not start")
}
