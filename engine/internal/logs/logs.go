// Package logs reads the end of a container's log: the last lines up to the end of one of
// its runs, both streams in order.
package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"defib/engine"
)

const (
	// slack is how many more messages are asked for than lines are wanted: a run that
	// begins meanwhile adds some, and a long line is several.
	slack = 64
	// again is how many times as many are asked for if those were too few.
	again = 64
	// maxBytes is how much is read of an answer. The engine may send 16 KiB for a line.
	maxBytes = 32 << 20
)

// Source asks an engine for the last messages of a log, with their times, but for those
// later than until; zero: for all.
type Source func(ctx context.Context, tail int, until time.Time) (io.ReadCloser, error)

// errTooLong says that the engine had more to send than is read.
var errTooLong = errors.New("its last lines are longer than Defib reads")

// Before returns the last lines that are not later than a moment on the engine's clock,
// most at most, the newest last.
//
// An engine counts the last messages from the end of the whole log, and leaves out those
// that are too late afterwards: a new run that writes much at once can displace all that
// the last one wrote. Without a count it would decode the whole file, which may have
// gigabytes. So the first answer, of few messages, shows whether there are later ones, and
// only then more are asked for.
// Source: https://github.com/moby/moby/blob/v20.10.24/daemon/logger/loggerutils/logfile.go
func Before(ctx context.Context, ask Source, end time.Time, most int) ([]engine.LogLine, error) {
	asked := most + slack
	t, err := read(ctx, ask, asked, time.Time{}, end, most)
	if err == nil && t.later && len(t.lines) < most && max(t.frames, t.whole) >= asked {
		t, err = read(ctx, ask, again*asked, end, end, most)
	}
	if err != nil {
		return nil, err
	}
	return t.kept(), nil
}

func read(ctx context.Context, ask Source, asked int, until, end time.Time, most int) (*tail, error) {
	body, err := ask(ctx, asked, until)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	t, limited := &tail{end: end, most: most}, &io.LimitedReader{R: body, N: maxBytes}
	if err := t.read(limited); err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if limited.N <= 0 {
		return nil, errTooLong
	}
	return t, nil
}
