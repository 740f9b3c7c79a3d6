package store

import (
	"testing"
	"time"

	"defib/engine"
)

// The clock of a host is set once that knows the time, and Defib may have started before.
func TestClockThatIsSetIsFollowed(t *testing.T) {
	for _, set := range []time.Duration{-48 * time.Hour, -2 * time.Hour, 2 * time.Hour, 48 * time.Hour} {
		l := watching(t, "a")
		l.set = set
		l.pass(time.Hour)
		l.happens("a", "kill", "15")
		l.look()
		if l.get("a").StopSeenAt.IsZero() {
			t.Errorf("set by %s: that it was told to stop is not shown", set)
		}
		l.happens("a", "die", "0")
		l.look()
		if got := l.get("a").ExitCause; got != engine.CauseStopped {
			t.Errorf("set by %s: its end counts as %q", set, got)
		}
		l.pass(set.Abs() + time.Hour)
		l.happens("a", "rename", "")
		l.look()
		if got := l.get("a").ExitCause; got != engine.CauseStopped {
			t.Errorf("set by %s: when the clock has gone on, its end counts as %q", set, got)
		}
		l.happens("new", "create", "")
		l.look()
		if ago := l.now.Sub(l.get("new").CreatedSeenAt); ago > time.Second {
			t.Errorf("set by %s: what was created just now was seen created %s ago", set, ago)
		}
	}
}

func TestClockIsNotTakenFromWhatIsOutOfTime(t *testing.T) {
	l := watching(t, "a")
	for name, at := range map[string]time.Time{"late": l.engineNow().Add(-clockSlack), "without a time": time.Unix(0, 0)} {
		l.ClockTold(l.now, at)
		if got := l.engineTime(l.now); !got.Equal(l.engineNow()) {
			t.Errorf("%s: the engine's clock is taken to be at %s, want %s", name, got, l.engineNow())
		}
	}
}

// A life that has judged a stop leaves that to the next one, for which the clock has gone on.
func TestStopIsJudgedOnceOverTwoLives(t *testing.T) {
	c := &engine.Container{ID: "a", State: engine.Exited, Inspected: true, Started: noon, Finished: noon.Add(-4 * time.Minute)}
	for name, stopAt := range map[string]time.Time{"a signal told of it": c.Finished, "the engine did": {}} {
		now := noon.Add(time.Minute)
		l := recalled(engine.Remembered{Phase: engine.PhaseDown, Cause: engine.CauseStopped, StartedAt: c.Started, FinishedAt: c.Finished, StopAt: stopAt}, true, c.Started, now)
		l.observeInspect(c, nil, now, now)
		if l.cause != engine.CauseStopped {
			t.Errorf("%s: it counts as %q", name, l.cause)
		}
	}
}
