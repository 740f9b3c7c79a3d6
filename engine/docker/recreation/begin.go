package recreation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/call"
	"defib/engine/internal/refusal"
)

// attempt is one that has begun in this life of Defib, so that it can be undone until the
// old container has been stopped.
type attempt struct {
	*Steps
	engine.Recreation
	leaving <-chan struct{} // closed once Defib is to end

	old     container.InspectResponse // before anything was done
	passing string                    // the name under which the new one is created
	newID   string                    // "": it is not known to have been created
	byID    bool                      // it was created from the ID of the image

	// What is to be found, unless somebody changes it.
	oldName, newName string
	policy           container.RestartPolicy // of the old one
	forbade          bool                    // that was changed, or may have been
}

// Begin creates r.Old anew and returns the new container's ID. An error that comes before
// the old one was stopped means that all has been undone, or says what has not; then and
// when the new one is not known there is no ID. Once leaving is closed, nothing is begun
// that can be undone.
func (s *Steps) Begin(ctx context.Context, leaving <-chan struct{}, r engine.Recreation) (newID string, err error) {
	a := &attempt{Steps: s, Recreation: r, leaving: leaving, passing: engine.PassingName(r.Name, r.Old.ID), oldName: r.Old.Name}
	if err := a.look(ctx); err != nil {
		return "", err
	}
	for _, step := range []func(context.Context) error{
		a.create, a.tryUpdate, a.renameOld, a.renameNew, a.forbidRestart, a.stopOld,
	} {
		if err = a.undisturbed(ctx); err == nil {
			err = step(ctx)
		}
		switch {
		case errors.Is(err, errUnanswered): // the old one may be stopping: the way is forward
			return a.newID, err
		case err != nil:
			return "", a.undo(ctx, err)
		}
	}
	err = s.startNew(ctx, r.Old.ID, a.newID)
	if err == nil && a.byID {
		s.Logger.Info("re-created from the image ID: its name now refers to another image, or is unknown", "container", r.Name, "image", a.old.Config.Image)
	}
	return a.newID, err
}

// look inspects the old one for the first time: it must be what the decision was about.
func (a *attempt) look(ctx context.Context) (err error) {
	if a.old, err = a.inspect(ctx, a.Old.ID); err != nil {
		return err
	}
	a.policy = a.old.HostConfig.RestartPolicy
	now := answer.Container(a.old)
	if now.Name != a.Old.Name || now.State != a.Old.State || !now.Started.Equal(a.Old.Started) || now.RestartPolicy != a.Old.RestartPolicy {
		return changed("it is no longer what it was when this was decided")
	}
	return nil
}

// undisturbed reports as an error whether Defib is to end, or somebody has changed one of
// the containers since the last step.
func (a *attempt) undisturbed(ctx context.Context) error {
	select {
	case <-a.leaving:
		return fmt.Errorf("defib ends: %w", context.Canceled)
	default:
	}
	old, err := a.inspect(ctx, a.Old.ID)
	switch {
	case err != nil:
		return err
	case name(old) != a.oldName:
		return changed("it is called %s now", name(old))
	case runs(old) != runs(a.old) || old.State.StartedAt != a.old.State.StartedAt:
		return changed("it was started or stopped")
	case old.HostConfig.RestartPolicy != a.policy:
		return changed("it has another restart policy")
	}
	if err := a.parentUndisturbed(ctx); err != nil || a.newID == "" {
		return err
	}
	created, err := a.inspect(ctx, a.newID)
	switch {
	case errors.Is(err, engine.ErrGone):
		return changed("the new one was removed")
	case err != nil:
		return err
	case name(created) != a.newName || created.State.Status != container.StateCreated:
		return changed("the new one was renamed or started")
	}
	return nil
}

func (a *attempt) parentUndisturbed(ctx context.Context) error {
	in, err := a.inspect(ctx, a.Parent.ID)
	if errors.Is(err, engine.ErrGone) {
		return changed("the container whose network it is to share is gone")
	}
	if err != nil {
		return err
	}
	now := answer.Container(in)
	if now.Name != a.Parent.Name || !now.Well() || !now.Started.Equal(a.Parent.Started) {
		return changed("the container whose network it is to share was renamed, stopped or started, or is unhealthy")
	}
	return nil
}

// create makes the new one, by the name of the image if that means the same image, else by
// its ID.
func (a *attempt) create(ctx context.Context) error {
	byName := a.old.Config.Image
	if a.Old.ImageStatus == engine.ImageCurrent {
		same, err := a.createFrom(ctx, byName)
		if err != nil || same {
			return err
		}
		if err := a.Remove(ctx, a.newID); err != nil {
			return err
		}
		a.newID = ""
	}
	a.byID = byName != a.old.Image
	same, err := a.createFrom(ctx, a.old.Image)
	if err == nil && !same {
		err = errors.New("the engine created it from another image")
	}
	return err
}

// createFrom makes the new one from this image and reports whether it has the image of the
// old one.
func (a *attempt) createFrom(ctx context.Context, image string) (same bool, err error) {
	s, err := specOf(a.old, image, a.Parent.ID)
	if err != nil {
		return false, err
	}
	err = a.call(ctx, call.Create, a.ActionTimeout, func(ctx context.Context) error {
		made, err := a.API.ContainerCreate(ctx, s.config, s.host, nil, s.platform, a.passing)
		a.newID, a.newName = made.ID, a.passing
		return refusal.Revealed(err, func(string) error { return nil })
	})
	if err != nil {
		return false, err
	}
	made, err := a.inspect(ctx, a.newID)
	switch {
	case errors.Is(err, engine.ErrGone):
		return false, changed("the new one was removed")
	case err != nil:
		return false, err
	}
	if same = made.Image == a.old.Image && digest(made) == digest(a.old); same && !maps.Equal(places(made), places(a.old)) {
		err = errors.New("the engine gave the new one other mounts")
	}
	return same, err
}

// tryUpdate proves that update is allowed, before it matters, by changing nothing.
func (a *attempt) tryUpdate(ctx context.Context) error { return a.restartBy(ctx, a.newID, a.policy) }

func (a *attempt) renameOld(ctx context.Context) error {
	to := engine.PassingName(a.Name, a.newID)
	err := a.rename(ctx, a.Old.ID, to)
	if err == nil {
		a.oldName = to
	}
	return err
}

func (a *attempt) renameNew(ctx context.Context) error {
	err := a.rename(ctx, a.newID, a.Name)
	if err == nil {
		a.newName = a.Name
	}
	return err
}

// forbidRestart has the engine never start the old one again: not when it comes back
// itself, either.
func (a *attempt) forbidRestart(ctx context.Context) error {
	if restartless(a.old) {
		return nil
	}
	a.forbade = true
	never := container.RestartPolicy{Name: container.RestartPolicyDisabled}
	err := a.restartBy(ctx, a.Old.ID, never)
	if err == nil {
		a.policy = never
	}
	return err
}

// errUnanswered says that nobody knows whether the old one is being stopped.
var errUnanswered = errors.New("no answer to the stop")

// stopOld stops the old one. What the engine says counts less than what an inspect shows.
func (a *attempt) stopOld(ctx context.Context) error {
	if !runs(a.old) {
		return nil
	}
	err := a.stop(ctx, a.Old)
	switch {
	case err == nil:
		return nil
	case call.Unanswered(err):
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	if now, look := a.inspect(ctx, a.Old.ID); look == nil && !runs(now) {
		return nil
	}
	return err
}

// undoTimeout is how long undoing may take, also when Defib ends.
const undoTimeout = 6 * time.Second

// undo takes back what was done, and returns why. It looks what there is, since a call may
// have been carried out though it failed. It stops at the first thing that cannot be
// undone: what there is then, a later look at the names can go on from.
func (a *attempt) undo(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := a.restore(ctx); err != nil {
		return fmt.Errorf("%w; what was done could not be undone: %w", why, err)
	}
	return why
}

func (a *attempt) restore(ctx context.Context) error {
	made, err := a.made(ctx)
	if err != nil {
		return err
	}
	if err := a.restoreNames(ctx, made); err != nil {
		return err
	}
	if made == nil || made.State.Status != container.StateCreated {
		return nil // whoever started it wants it
	}
	return a.Remove(ctx, made.ID)
}

// made returns the new one, nil if there is none.
func (a *attempt) made(ctx context.Context) (*container.InspectResponse, error) {
	id := a.newID
	if id == "" {
		id = a.passing
	}
	in, err := a.inspect(ctx, id)
	switch {
	case errors.Is(err, engine.ErrGone):
		return nil, nil //nolint:nilnil // there is none
	case err != nil:
		return nil, err
	}
	return &in, nil
}

// restoreNames gives the old one its restart policy, and both their names back: last, since
// nobody knows the policy of one that has its name but its own inspect.
func (a *attempt) restoreNames(ctx context.Context, made *container.InspectResponse) error {
	old, err := a.inspect(ctx, a.Old.ID)
	if errors.Is(err, engine.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.forbade && restartless(old) {
		if err := a.restartBy(ctx, a.Old.ID, a.old.HostConfig.RestartPolicy); err != nil {
			return err
		}
	}
	if made != nil && name(*made) == a.Name && name(old) != a.Name {
		if err := a.rename(ctx, made.ID, a.passing); err != nil {
			return err
		}
	}
	if a.newID != "" && name(old) != a.Old.Name && name(old) == engine.PassingName(a.Name, a.newID) {
		if err := a.rename(ctx, a.Old.ID, a.Old.Name); err != nil {
			return err
		}
	}
	return nil
}
