package docker

import (
	"context"
	"time"

	"defib/engine/docker/call"
	"defib/engine/internal/refusal"
)

// answered explains the error of a refused call. It says so when a dispensable call begins
// to be refused, and when it is allowed again: of a call about a container, whose ID is not
// "", when that is so for the last one that was refused, since others may never have been, or
// long after that.
// An error that came of the context's end is no answer: it may tell why another call was
// refused.
func (e *Engine) answered(ctx context.Context, name, id string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	err = call.WithHint(name, err)
	if !call.Dispensable(name) {
		return err
	}
	switch {
	case refusal.Refused(err):
		if e.refused.Begins(time.Now(), name, id) {
			e.Logger.Warn("call refused", "call", name, "err", err)
		}
	case err == nil:
		if e.refused.Ends(time.Now(), name, id) {
			e.Logger.Info("call allowed again", "call", name)
		}
	}
	return err
}
