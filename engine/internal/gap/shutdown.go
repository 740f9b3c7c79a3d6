package gap

import (
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
func ShutdownBegan(runs map[string]engine.Remembered, gone time.Time) time.Time {
	earliest := gone.Add(-ShutdownWindow)
	var told, untold []run
	tell := func(began, at time.Time) {
		if !at.Before(earliest) {
			told = append(told, run{began, at})
		}
	}
	for _, r := range runs {
		switch {
		case r.Own, r.Phase == engine.PhaseStarted:
		case r.Phase == engine.PhaseRunning && r.StopAt.IsZero() && r.FirstSignalAt.Before(earliest): // or told to reload, long ago
			untold = append(untold, run{r.StartedAt, gone})
		case !r.FirstSignalAt.IsZero(): // the end may be a moment earlier, since its event comes after the signal
			tell(r.StartedAt, r.FirstSignalAt)
		case r.Cause == engine.CauseStopped: // when it was told is forgotten
			tell(r.FinishedAt, r.FinishedAt)
		}
	}
	if len(untold) >= len(told) { // else they may be such as a shutdown could not tell
		told = append(told, untold...)
	}
	return beginning(told, gone)
}

// beginning goes back from the last to be told to the first before whom there was a pause.
func beginning(told []run, gone time.Time) time.Time {
	for first := gone.Add(1); ; {
		began, before := gone, time.Time{}
		for _, r := range told {
			switch {
			case r.until.Before(first):
				before = engine.Later(before, r.until)
			case r.began.Before(began):
				began = r.began
			}
		}
		if before.IsZero() {
			return before
		}
		if first.Sub(before) > shutdownPause && began.Before(before) {
			return first
		}
		first = before
	}
}
