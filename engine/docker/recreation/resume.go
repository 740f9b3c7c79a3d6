package recreation

import (
	"context"
	"errors"
	"fmt"

	"github.com/docker/docker/api/types/container"

	"defib/engine"
)

// Resume goes on with what this or an earlier life of Defib has begun: the old one has its
// passing name already. From wherever it is, the new one gets the name, the old one is
// stopped and the new one started. It creates nothing, and does nothing twice.
func (s *Steps) Resume(ctx context.Context, r engine.Recreation) error {
	old, err := s.inspect(ctx, r.Old.ID)
	there := !errors.Is(err, engine.ErrGone)
	if err != nil && there {
		return err
	}
	if there && name(old) != engine.PassingName(r.Name, r.New.ID) {
		return changed("it is called %s, not %s", name(old), engine.PassingName(r.Name, r.New.ID))
	}
	created, err := s.inspect(ctx, r.New.ID)
	if err != nil {
		return fmt.Errorf("the new one: %w", err)
	}
	if name(created) != r.Name {
		if err := s.rename(ctx, r.New.ID, r.Name); err != nil {
			return fmt.Errorf("give the new one its name: %w", err)
		}
	}
	if there {
		if err := s.settle(ctx, r.Old, old); err != nil {
			return err
		}
	}
	if runs(created) {
		return nil
	}
	return s.startNew(ctx, r.Old.ID, r.New.ID)
}

// settle has the old one down, for good.
func (s *Steps) settle(ctx context.Context, old *engine.Container, now container.InspectResponse) error {
	if !restartless(now) {
		if err := s.restartBy(ctx, old.ID, container.RestartPolicy{Name: container.RestartPolicyDisabled}); err != nil {
			return fmt.Errorf("keep the engine from starting the old one: %w", err)
		}
	}
	if !runs(now) {
		return nil
	}
	if err := s.stop(ctx, old); err != nil {
		return fmt.Errorf("stop the old one: %w", err)
	}
	return nil
}

// startNew starts the new one. Never two run at a time: an old one that does stays as it
// is, and the next attempt stops it.
func (s *Steps) startNew(ctx context.Context, oldID, newID string) error {
	old, err := s.inspect(ctx, oldID)
	switch {
	case err == nil && runs(old):
		return errors.New("the old one runs again")
	case err != nil && !errors.Is(err, engine.ErrGone):
		return err
	}
	if err := s.start(ctx, newID); err != nil {
		return fmt.Errorf("start the new one: %w", err)
	}
	return nil
}
