package gap

import (
	"iter"
	"slices"
	"time"

	"defib/engine"
)

const (
	// ShutdownWindow is how long before its last event an engine that shuts down stops its
	// first container.
	ShutdownWindow = time.Minute
	// An engine that shuts down tells all containers to stop at once. That may take some
	// seconds on a host under load, or of a container that it has to tell twice.
	shutdownPause = 10 * time.Second
)

// run is when the run of a container began, and how long it went on untold to stop.
type run struct{ began, until time.Time }

// ShutdownBegan returns the moment before which a shutdown told no container to stop, if the
// engine went away at the given one: by what was known then of the newest runs, on the clock
// of the engine. If a container ran on untold for longer than a shutdown takes, and no other
// was told meanwhile, what was told before was stopped by somebody. Zero: none did.
func ShutdownBegan(runs iter.Seq[engine.Remembered], gone time.Time) time.Time {
	var told, untold []run
	for r := range runs {
		switch {
		case r.Own, r.Phase == engine.PhaseStarted:
		case !r.FirstSignalAt.IsZero(): // the end may be a moment earlier, since its event comes after the signal
			told = append(told, run{r.StartedAt, r.FirstSignalAt})
		case r.Phase == engine.PhaseRunning:
			untold = append(untold, run{r.StartedAt, gone})
		case r.Cause == engine.CauseStopped: // when it was told is forgotten
			told = append(told, run{r.FinishedAt, r.FinishedAt})
		}
	}
	told = slices.DeleteFunc(told, func(r run) bool { return r.until.Before(gone.Add(-ShutdownWindow)) })
	if len(untold) >= len(told) { // else they may be such as a shutdown could not tell
		told = append(told, untold...)
	}
	slices.SortFunc(told, func(a, b run) int { return b.until.Compare(a.until) })
	began, first := gone, gone
	for i, r := range told {
		if i > 0 && first.Sub(r.until) > shutdownPause && began.Before(r.until) {
			return first
		}
		first = r.until
		if r.began.Before(began) {
			began = r.began
		}
	}
	return time.Time{}
}
