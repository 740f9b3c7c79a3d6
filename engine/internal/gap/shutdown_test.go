package gap

import (
	"strconv"
	"testing"
	"time"

	"defib/engine"
)

// What the runs of containers tell of the shutdown of an engine that is gone at the last
// look: its first moment.
func TestWhenAShutdownBegan(t *testing.T) {
	const none = time.Hour // nobody knows
	// told is a run that was told to stop so long after the last look, and died at once.
	told := func(at time.Duration) engine.Remembered {
		return engine.Remembered{Phase: engine.PhaseDied, StartedAt: began, FinishedAt: look.Add(at), FirstStopAt: look.Add(at), Cause: engine.CauseStopped}
	}
	// forgotten is one of which only the end is remembered.
	forgotten := func(at time.Duration) engine.Remembered {
		return engine.Remembered{Phase: engine.PhaseDown, StartedAt: began, FinishedAt: look.Add(at), Cause: engine.CauseStopped}
	}
	since := func(at time.Duration, r engine.Remembered) engine.Remembered {
		r.StartedAt = look.Add(at)
		return r
	}
	running := engine.Remembered{Phase: engine.PhaseRunning, StartedAt: began}
	reloaded := engine.Remembered{Phase: engine.PhaseRunning, StartedAt: began, SignalAt: look.Add(-20 * time.Second)}
	withstood := engine.Remembered{Phase: engine.PhaseRunning, StartedAt: began, StopAt: look.Add(-time.Hour), FirstStopAt: look.Add(-time.Hour)}
	dying := engine.Remembered{Phase: engine.PhaseRunning, StartedAt: began, StopAt: look.Add(-time.Second), FirstStopAt: look.Add(-20 * time.Second)}
	for _, tc := range []struct {
		name string
		runs []engine.Remembered
		want time.Duration
	}{
		{"there is no container", nil, none},
		{"all are told at once", []engine.Remembered{told(-2 * time.Second), told(-2 * time.Second)}, none},
		{"one is stopped, and 45 s later the other by the shutdown", []engine.Remembered{told(-46 * time.Second), told(-time.Second)}, -6 * time.Second},
		{"that of the first is remembered only as an end", []engine.Remembered{forgotten(-46 * time.Second), told(-time.Second)}, -6 * time.Second},
		{"that of the other too, which so may have been told before", []engine.Remembered{forgotten(-46 * time.Second), forgotten(-time.Second)}, none},
		{"one is stopped 11 s before the others", []engine.Remembered{told(-13 * time.Second), told(-2 * time.Second), told(-time.Second)}, -7 * time.Second},
		{"the host is under load: they are told one by one", []engine.Remembered{told(-29 * time.Second), told(-20 * time.Second), told(-10 * time.Second), told(-time.Second)}, none},
		{"those that are slow to die were told at once", []engine.Remembered{told(-20 * time.Second), dying}, none},
		{"all that there was is stopped before", []engine.Remembered{told(-46 * time.Second), told(-46 * time.Second)}, none},
		{"the other was started after the stop", []engine.Remembered{told(-46 * time.Second), since(-40*time.Second, told(-time.Second))}, none},
		{"the other was told more than a minute before, and dies late", []engine.Remembered{told(-46 * time.Second), told(-2 * time.Minute)}, none},
		{"one is stopped, the other runs on untold, as when the engine is killed", []engine.Remembered{told(-46 * time.Second), running}, -15 * time.Second},
		{"so it is, and the other has withstood a stop, long before", []engine.Remembered{told(-46 * time.Second), withstood}, -15 * time.Second},
		{"one of two hangs, and the engine waits for it", []engine.Remembered{told(-16 * time.Second), running}, none},
		{"so it is, and the other was told to reload", []engine.Remembered{told(-46 * time.Second), reloaded}, -15 * time.Second},
		{"one is stopped just before that", []engine.Remembered{told(-5 * time.Second), running}, none},
		{"one of three hangs, and cannot be told", []engine.Remembered{told(-20 * time.Second), told(-20 * time.Second), running}, none},
		{"our own restart is under way, or has failed", []engine.Remembered{told(-46 * time.Second), {Phase: engine.PhaseDown, StartedAt: began, FinishedAt: look, Cause: engine.CauseSelf, Own: true}}, none},
		{"the other has just been started", []engine.Remembered{told(-46 * time.Second), {Phase: engine.PhaseStarted, StartedAt: began}}, none},
		{"the other crashed", []engine.Remembered{told(-46 * time.Second), {Phase: engine.PhaseDown, StartedAt: began, FinishedAt: look, Cause: engine.CauseSelf}}, none},
	} {
		t.Run(tc.name, func(t *testing.T) {
			byID := map[string]engine.Remembered{}
			for i, r := range tc.runs {
				byID[strconv.Itoa(i)] = r
			}
			got := none
			if at := ShutdownBegan(byID, look); !at.IsZero() {
				got = at.Sub(look)
			}
			if got != tc.want {
				t.Errorf("%v after the look, want %v", got, tc.want)
			}
		})
	}
}
