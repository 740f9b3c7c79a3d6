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
	// One that hangs it cannot tell, and so ends 15 seconds later, or as long after the longest
	// stop timeout (dockerd's --shutdown-timeout). Who was not told counts as told so long
	// before the engine went: another one that was told a pause before that was stopped by
	// somebody.
	untoldFor = 10 * time.Second
)

// run is when the run of a container began, and when it was told to stop.
type run struct{ began, told time.Time }

// ShutdownBegan returns a moment before which a shutdown told no container to stop, if the
// engine went away at the given one: by what was known then of the newest runs, on the clock
// of the engine. If a container ran on untold for longer than a shutdown takes, and no other
// was told meanwhile, what was told before was stopped by somebody. Zero: none did.
func ShutdownBegan(runs map[string]engine.Remembered, gone time.Time) time.Time {
	var all []run
	tell := func(began, at time.Time) {
		if at.After(gone.Add(-ShutdownWindow)) {
			all = append(all, run{began, at})
		}
	}
	for _, r := range runs {
		switch {
		case r.Own, r.Phase == engine.PhaseStarted:
		case r.Phase == engine.PhaseRunning && !r.StopAt.After(gone.Add(-engine.StopWindow)):
			tell(r.StartedAt, gone.Add(-untoldFor))
		case !r.FirstStopAt.IsZero():
			tell(r.StartedAt, r.FirstStopAt)
		case r.Cause == engine.CauseStopped: // told at its end, or before
			tell(r.FinishedAt, r.FinishedAt)
		}
	}
	return beginning(all, gone)
}

// beginning goes back from the last to be told to the first before whom there was a pause. The
// moment is in that pause: an end may be noted a moment before the signal that brought it.
func beginning(all []run, gone time.Time) time.Time {
	for first := gone.Add(1); ; {
		began, before := gone, time.Time{}
		for _, r := range all {
			switch {
			case r.told.Before(first):
				before = engine.Later(before, r.told)
			case r.began.Before(began):
				began = r.began
			}
		}
		if before.IsZero() {
			return before
		}
		if first.Sub(before) > shutdownPause && began.Before(before) {
			return first.Add(-shutdownPause / 2)
		}
		first = before
	}
}
