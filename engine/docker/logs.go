package docker

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"defib/engine"
	"defib/engine/docker/call"
	"defib/engine/internal/logs"
	"defib/engine/internal/refusal"
)

// logsTimeout is how long a log may take that nobody waits for.
const logsTimeout = 10 * time.Second

// Logs returns the last lines of a container's log that are not later than a moment on
// the engine's clock, most at most, the newest last. An error may be ErrGone, ErrRefused
// or ErrNoLog.
func (e *Engine) Logs(ctx context.Context, c *engine.Container, until time.Time, most int) (lines []engine.LogLine, err error) {
	ctx, cancel := context.WithTimeout(ctx, logsTimeout)
	defer cancel()
	unreadable := false // by nobody's fault
	err = e.callOf(ctx, call.Logs, c.ID, func(ctx context.Context) error {
		lines, err = logs.Before(ctx, func(ctx context.Context, tail int, until time.Time) (io.ReadCloser, error) {
			o := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: strconv.Itoa(tail)}
			if !until.IsZero() {
				o.Until = stamp(until)
			}
			return e.api.Load().ContainerLogs(ctx, c.ID, o)
		}, until, most)
		if unreadable = err != nil && (errdefs.IsNotImplemented(err) || strings.Contains(err.Error(), "cannot read logs")); unreadable {
			return nil
		}
		return err
	})
	switch {
	case unreadable:
		return nil, engine.ErrNoLog
	case refusal.Absent(err):
		return nil, engine.ErrGone
	case refusal.Refused(err):
		return nil, fmt.Errorf("%w: %w", engine.ErrRefused, err)
	}
	return lines, err
}
