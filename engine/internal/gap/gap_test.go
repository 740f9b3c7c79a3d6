package gap

import (
	"testing"
	"time"

	"defib/engine"
)

var (
	look  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	began = look.Add(-time.Hour)
	boot  = look.Add(time.Hour)
)

func ended(at time.Duration) *engine.Container {
	return &engine.Container{Inspected: true, State: engine.Exited, Started: began, Finished: look.Add(at), Exit: engine.Exit{Known: true}}
}

// One container that ran at the last look, unless said otherwise, and ended since.
func TestOneContainer(t *testing.T) {
	ran := engine.Remembered{Phase: engine.PhaseRunning, StartedAt: began}
	stopped := engine.Remembered{Phase: engine.PhaseDown, StartedAt: began, Cause: engine.CauseStopped}
	lost := ended(2 * time.Hour)
	lost.Exit.Code = exitLost
	again := ended(20 * time.Second)
	again.Started = look.Add(10 * time.Second)
	for _, tc := range []struct {
		name      string
		kind      Kind
		podman    bool
		was, is   string // boot IDs
		unknownAt bool   // when the host booted
		r         engine.Remembered
		c         *engine.Container
		cause     engine.ExitCause
		want      bool
	}{
		{name: "the engine was restarted", kind: Restarted, r: ran, c: ended(time.Second), want: true},
		{name: "the engine was restarted, and it ended much later", kind: Restarted, r: ran, c: ended(3 * time.Minute)},
		{name: "the engine was restarted, and it ended after the host booted, long ago", kind: Restarted, was: "a", is: "a", r: ran, c: ended(2 * time.Hour)},
		{name: "the engine was restarted, and it ended by itself with that exit code", kind: Restarted, was: "a", is: "a", r: ran, c: lost},
		{name: "events were missed", kind: Missed, r: ran, c: ended(time.Second)},
		{name: "nothing was missed", kind: None, r: ran, c: ended(time.Second)},
		{name: "it crashed", kind: Restarted, r: ran, c: ended(time.Second), cause: engine.CauseSelf},
		{name: "the host was rebooted", kind: Missed, was: "a", is: "b", r: ran, c: ended(2 * time.Hour), want: true},
		{name: "the host was rebooted, after it had ended", kind: Missed, was: "a", is: "b", r: ran, c: ended(30 * time.Minute)},
		{name: "the host was rebooted, nobody knows when, after it had ended", kind: Missed, was: "a", is: "b", unknownAt: true, r: ran, c: ended(30 * time.Minute)},
		{name: "the host was rebooted, nobody knows when, and Docker found it dead", kind: Missed, was: "a", is: "b", unknownAt: true, r: ran, c: lost, want: true},
		{name: "what boot it was is not known", kind: Missed, is: "b", r: ran, c: ended(2 * time.Hour)},
		{name: "what boot it is is not known", kind: Missed, was: "a", r: ran, c: ended(2 * time.Hour)},
		{name: "the engine endures what looks like a reboot", kind: None, was: "a", is: "b", r: ran, c: ended(2 * time.Hour)},
		{name: "Podman holds its events over a reboot", kind: None, podman: true, was: "a", is: "b", r: ran, c: ended(2 * time.Hour), want: true},
		{name: "Podman has forgotten its events", kind: Restarted, podman: true, r: ran, c: ended(time.Second)},
		{name: "it was stopped before the look", kind: Restarted, r: stopped, c: ended(-time.Second), cause: engine.CauseStopped, want: true},
		{name: "it was stopped before the look, started and stopped again", kind: Restarted, r: stopped, c: again, cause: engine.CauseStopped},
		{name: "it was started again and ended unheard", kind: Restarted, r: ran, c: again},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := boot
			if tc.unknownAt {
				at = time.Time{}
			}
			if tc.was == tc.is {
				at = began.Add(-time.Hour)
			}
			if tc.cause == "" {
				tc.cause = engine.CauseUnknown
			}
			g := New(engine.Memory{BootID: tc.was, Looked: look, Ended: true}, tc.kind, !tc.podman, tc.is, at)
			g.See(tc.r, tc.c)
			if got := g.ByEngine(tc.r, tc.c, tc.cause, time.Time{}); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

// What only a list tells of a container proves nothing: neither when it was started.
func TestContainerThatWasNotInspectedProvesNothing(t *testing.T) {
	ran := engine.Remembered{Phase: engine.PhaseRunning, StartedAt: began}
	g := New(engine.Memory{Looked: look}, Restarted, true, "", time.Time{})
	g.See(ran, &engine.Container{State: engine.Running, Started: began})
	g.See(engine.Remembered{}, &engine.Container{State: engine.Running})
	if c := ended(time.Second); !g.ByEngine(ran, c, engine.CauseUnknown, time.Time{}) {
		t.Error("it is taken for one that ran on")
	}
	if g.ByEngine(ran, &engine.Container{State: engine.Exited, Started: began}, engine.CauseUnknown, time.Time{}) {
		t.Error("it is judged")
	}
}
