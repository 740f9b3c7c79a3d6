package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"defib/engine"
	"defib/engine/docker/call"
	"defib/engine/docker/recreation"
)

// Recreate re-creates a container, or goes on with that if r has the new one already, and
// returns what the new one is once a fresh inspect of it and of the old one has been
// published. Until the old one has been stopped, everything is undone after an error, and
// when leaving is closed; from then on it only goes forward, and another call goes on from
// where this one ended. An error may be ErrGone, ErrRefused, ErrNoAnswer, ErrChanged or
// ErrUnsupported. If the context ends first, its error is returned and nothing is known.
func (e *Engine) Recreate(ctx context.Context, leaving <-chan struct{}, r engine.Recreation) (*engine.Container, error) {
	if e.podman.Load() {
		return nil, fmt.Errorf("%w: podman keeps a container as long as another one shares its network", engine.ErrUnsupported)
	}
	var others []string
	if r.New != nil {
		others = []string{r.New.ID}
	}
	defer e.changes(r.Old.ID, others...)()
	s := e.steps(r.Old.ID)
	var newID string
	var err error
	if r.New == nil {
		newID, err = s.Begin(ctx, leaving, r)
	} else {
		newID, err = r.New.ID, s.Resume(ctx, r)
	}
	if _, ended := e.fresh(ctx, r.Old.ID); ended != nil {
		return nil, errors.Join(err, ended)
	}
	if newID == "" { // what was done is undone
		return nil, failed(err)
	}
	now, ended := e.fresh(ctx, newID)
	switch {
	case ended != nil:
		return nil, errors.Join(err, ended)
	case now == nil:
		return nil, errors.Join(engine.ErrGone, err)
	case now.Up():
		return now, nil // whoever started it
	case err == nil && now.Started.IsZero():
		return now, errors.New("the engine accepted the requests, but the new container did not start")
	}
	return now, failed(err)
}

// Discard removes a container that is down, without its volumes: one that another has
// replaced, or was to replace it. It returns once the snapshot shows that it is gone; errors
// are as those of Recreate.
func (e *Engine) Discard(ctx context.Context, c *engine.Container) error {
	defer e.changes(c.ID)()
	err := e.steps(c.ID).Discard(ctx, c)
	now, ended := e.fresh(ctx, c.ID)
	switch {
	case ended != nil:
		return errors.Join(err, ended)
	case now == nil:
		return nil // whoever removed it
	case err == nil:
		return errors.New("the engine accepted the request, but the container was not removed")
	}
	return failed(err)
}

// changes begins what is our own doing with a container, and with others that take part, and
// returns what ends it.
func (e *Engine) changes(id string, others ...string) (end func()) {
	e.inbox.Post(func(time.Time) { e.store.Changing(id, others...) })
	return func() {
		e.inbox.Post(func(now time.Time) {
			e.store.HasChanged(now, id)
			e.store.Acting(id, false)
		})
	}
}

// steps are those by which a container is re-created. It is acted upon from the moment at
// which it is stopped: a stop before that is somebody else's.
func (e *Engine) steps(id string) *recreation.Steps {
	call := func(ctx context.Context, name string, f func(context.Context) error) error {
		if name == call.Stop {
			e.inbox.Post(func(time.Time) { e.store.Acting(id, true) })
		}
		return e.call(ctx, name, f)
	}
	return &recreation.Steps{API: e.api.Load(), Call: call, Timeout: e.Timeout, ActionTimeout: actionTimeout, Logger: e.Logger}
}
