package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

// A run of the container, which started, was told to stop and ended at these moments,
// and the next one, of which only inspects tell.
var (
	startedAt  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	signalAt   = startedAt.Add(time.Minute)
	endedAt    = signalAt.Add(time.Second)
	heardAt    = endedAt.Add(30 * time.Millisecond) // its die event
	restartAt  = endedAt.Add(time.Minute)
	endAgainAt = restartAt.Add(time.Minute)
)

// inputs are what moves the state machine on. The inspect before showed a first run,
// if it was up yet, or the end of it, if it is down.
var inputs = map[string]func(l *lifecycle){
	"start":     func(l *lifecycle) { l.observeStart(startedAt.Add(skew)) },
	"kill TERM": func(l *lifecycle) { l.observeKill(signalAt, signalAt.Add(skew), true) },
	"kill HUP":  func(l *lifecycle) { l.observeKill(signalAt, signalAt.Add(skew), false) },
	"stop":      func(l *lifecycle) { l.observeStop(signalAt, signalAt.Add(skew)) },
	"die":       func(l *lifecycle) { l.observeDie(heardAt, heardAt.Add(skew), true) },
	"gap":       func(l *lifecycle) { l.observeGap() },
	"acting":    func(l *lifecycle) { l.acting = true },
	"running": func(l *lifecycle) {
		l.observeInspect(&engine.Container{State: engine.Running, Started: startedAt}, inspectBefore(l), endedAt.Add(skew), endedAt)
	},
	"running again": func(l *lifecycle) {
		l.observeInspect(&engine.Container{State: engine.Running, Started: restartAt}, inspectBefore(l), endedAt.Add(skew), endedAt)
	},
	"exited": func(l *lifecycle) {
		l.observeInspect(&engine.Container{State: engine.Exited, Started: startedAt, Finished: endedAt}, inspectBefore(l), endedAt.Add(skew), endedAt)
	},
	"exited again": func(l *lifecycle) {
		l.observeInspect(&engine.Container{State: engine.Exited, Started: restartAt, Finished: endAgainAt}, inspectBefore(l), endedAt.Add(skew), endedAt)
	},
	"start failed": func(l *lifecycle) {
		l.observeInspect(&engine.Container{State: engine.Created, Error: "no such bind mount"}, &engine.Container{State: engine.Created}, endedAt.Add(skew), endedAt)
	},
}

func inspectBefore(l *lifecycle) *engine.Container {
	switch l.phase {
	case unknown:
		return nil
	case down:
		return &engine.Container{State: engine.Exited, Started: startedAt, Finished: endedAt}
	}
	return &engine.Container{State: engine.Running, Started: startedAt}
}

func after(t *testing.T, inputNames ...string) *lifecycle {
	t.Helper()
	l := &lifecycle{}
	for _, name := range inputNames {
		input, ok := inputs[name]
		if !ok {
			t.Fatalf("there is no input %q", name)
		}
		input(l)
	}
	return l
}

// text is a state in words.
func (l *lifecycle) text() string {
	words := []string{[...]string{"unknown", "started", "running", "died", "down"}[l.phase]}
	if l.cause != engine.CauseNone {
		words = append(words, "by "+string(l.cause))
	}
	if !l.over() && !l.evidence.stopSeenAt.IsZero() {
		words = append(words, "stopping")
	}
	if l.acting {
		words = append(words, "acting")
	}
	return strings.Join(words, " ")
}

// Each phase, with and without evidence and an action of our own, and what each input
// makes of it. An input that is not named changes nothing.
func TestTransitions(t *testing.T) {
	for _, tc := range []struct {
		inputs, state string
		next          map[string]string
	}{
		{"", "unknown", map[string]string{
			"start": "started", "kill TERM": "unknown stopping", "stop": "unknown stopping", "die": "died by unknown", "acting": "unknown acting",
			"running": "running", "running again": "running", "exited": "down by unknown", "exited again": "down by unknown", "start failed": "down by self",
		}},
		{"kill TERM", "unknown stopping", map[string]string{
			"start": "started", "die": "died by stopped", "acting": "unknown stopping acting",
			"running": "running stopping", "running again": "running", "exited": "down by stopped", "exited again": "down by stopped", "start failed": "down by self",
		}},
		{"start", "started", map[string]string{
			"kill TERM": "started stopping", "stop": "started stopping", "die": "died by self", "acting": "started acting",
			"running": "running", "running again": "running", "exited": "down by unknown", "exited again": "down by unknown", "start failed": "down by self",
		}},
		{"running", "running", map[string]string{
			"start": "started", "kill TERM": "running stopping", "stop": "running stopping", "die": "died by self", "acting": "running acting",
			"exited": "down by unknown", "exited again": "down by unknown", "start failed": "down by self",
		}},
		{"running,kill TERM", "running stopping", map[string]string{
			"start": "started", "die": "died by stopped", "acting": "running stopping acting",
			"running again": "running", "exited": "down by stopped", "exited again": "down by unknown", "start failed": "down by self",
		}},
		{"running,gap", "running", map[string]string{
			"start": "started", "kill TERM": "running stopping", "stop": "running stopping", "die": "died by unknown", "acting": "running acting",
			"exited": "down by unknown", "exited again": "down by unknown", "start failed": "down by self",
		}},
		{"running,die", "died by self", map[string]string{
			"start": "started", "stop": "died by stopped", "acting": "died by self acting",
			"running": "running", "running again": "running", "exited": "down by self", "exited again": "down by self",
		}},
		{"running,kill TERM,die", "died by stopped", map[string]string{
			"start": "started", "acting": "died by stopped acting",
			"running": "running stopping", "running again": "running", "exited": "down by stopped", "exited again": "down by unknown",
		}},
		{"running,die,gap", "died by self", map[string]string{
			"start": "started", "stop": "died by stopped", "die": "died by unknown", "acting": "died by self acting",
			"running": "running", "running again": "running", "exited": "down by self", "exited again": "down by unknown",
		}},
		{"running,die,exited", "down by self", map[string]string{
			"start": "started", "stop": "down by stopped", "die": "died by self", "acting": "down by self acting",
			"running": "running", "running again": "running", "exited again": "down by unknown",
		}},
		{"running,kill TERM,die,exited", "down by stopped", map[string]string{
			"start": "started", "die": "died by stopped", "acting": "down by stopped acting",
			"running": "running stopping", "running again": "running", "exited again": "down by unknown",
		}},
		{"running,start,exited again", "down by unknown", map[string]string{
			"start": "started", "stop": "down by stopped", "die": "died by self", "acting": "down by unknown acting",
			"running": "running", "running again": "running", "exited": "down by unknown",
		}},

		// Our own restart, then our own start.
		{"running,acting", "running acting", map[string]string{
			"start": "started by own acting", "die": "died by own acting",
			"running again": "running", "exited": "down by own acting", "exited again": "down by unknown", "start failed": "down by self acting",
		}},
		{"running,acting,die", "died by own acting", map[string]string{
			"start": "started by own", "stop": "died by own acting",
			"running": "running acting", "running again": "running", "exited": "down by own acting", "exited again": "down by own",
		}},
		{"running,acting,exited", "down by own acting", map[string]string{
			"start": "started by own", "running": "running acting", "running again": "running", "exited again": "down by unknown",
		}},
		{"running,die,exited,acting", "down by self acting", map[string]string{
			"start": "started by own", "stop": "down by stopped acting", "die": "died by own acting",
			"running": "running acting", "running again": "running", "exited again": "down by unknown",
		}},
		{"running,die,exited,acting,start", "started by own", map[string]string{
			"start": "started", "kill TERM": "started by own stopping", "stop": "started by own stopping", "die": "died by self", "acting": "started by own acting",
			"running": "running", "running again": "running", "exited": "down by unknown", "exited again": "down by unknown", "start failed": "down by self",
		}},
	} {
		names := strings.FieldsFunc(tc.inputs, func(r rune) bool { return r == ',' })
		if got := after(t, names...).text(); got != tc.state {
			t.Errorf("after %q it is %q, want %q", tc.inputs, got, tc.state)
			continue
		}
		for name := range tc.next {
			if inputs[name] == nil {
				t.Errorf("there is no input %q", name)
			}
		}
		for name, input := range inputs {
			t.Run(fmt.Sprintf("%s|%s", tc.inputs, name), func(t *testing.T) {
				want, ok := tc.next[name]
				if !ok {
					want = tc.state
				}
				l := after(t, names...)
				if input(l); l.text() != want {
					t.Errorf("%q becomes %q, want %q", tc.state, l.text(), want)
				}
			})
		}
	}
}

// The engine shows the end of a run that nobody heard as restarting first.
func TestEndIsKnownByItsFinishedAt(t *testing.T) {
	l := after(t, "running", "acting", "exited")
	l.acting = false
	before := &engine.Container{State: engine.Restarting, Started: restartAt, Finished: endAgainAt}
	l.observeInspect(before, inspectBefore(l), endAgainAt.Add(skew), endAgainAt)
	l.observeInspect(&engine.Container{State: engine.Exited, Started: restartAt, Finished: endAgainAt}, before, endAgainAt.Add(skew), endAgainAt)
	if got := l.text(); got != "down by unknown" {
		t.Errorf("it is %q, want that nobody knows how the new run ended", got)
	}
}

func TestWhatIsShownOfARun(t *testing.T) {
	began, ended := endedAt.Add(skew), heardAt.Add(skew) // as they were seen
	told := signalAt.Add(skew)
	for inputs, want := range map[string]engine.Container{
		"":                       {},
		"start":                  {},
		"running":                {StartSeenAt: began},
		"running,kill TERM":      {StartSeenAt: began, StopSeenAt: told},
		"running,kill TERM,die":  {ExitSeenAt: ended, ExitCause: engine.CauseStopped},
		"running,die":            {ExitSeenAt: ended, ExitCause: engine.CauseSelf},
		"running,die,exited":     {ExitSeenAt: ended, ExitCause: engine.CauseSelf},
		"running,acting,die":     {ExitSeenAt: ended, ExitCause: engine.CauseSelf},
		"running,die,start,stop": {StopSeenAt: told},
	} {
		got := engine.Container{StartSeenAt: noon, ExitSeenAt: noon, ExitCause: engine.CauseEngine, StopSeenAt: noon}
		after(t, strings.FieldsFunc(inputs, func(r rune) bool { return r == ',' })...).describe(&got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %q, -want +got:\n%s", inputs, diff)
		}
	}
}
