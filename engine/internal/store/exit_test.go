package store

import (
	"strings"
	"testing"
	"time"

	"defib/engine"
)

// play lets a container c live through a script: words separated by commas.
// "+5s" passes time, "(x)" is an x that no event tells of, "hold" keeps events
// on their way until "hear", "list" lists and "look" inspects anew, an action of
// "ours" is under way until "done"; anything else is an event, and an inspect
// follows at once.
func (l *harness) play(script string) {
	l.t.Helper()
	for word := range strings.SplitSeq(script, ",") {
		word = strings.TrimSpace(word)
		silent := strings.HasPrefix(word, "(")
		verb, detail, _ := strings.Cut(strings.Trim(word, "()"), " ")
		switch {
		case word[0] == '+':
			d, err := time.ParseDuration(word[1:])
			if err != nil {
				l.t.Fatal(err)
			}
			l.pass(d)
			continue
		case verb == "open":
			l.open()
			l.list()
		case verb == "cut":
			l.cut()
			continue
		case verb == "replaced":
			l.replaced()
		case verb == "hold":
			l.held = true
		case verb == "hear":
			l.held = false
			l.hear()
		case verb == "list":
			l.list()
		case verb == "look":
			l.Refresh(l.now, "c", make(chan *engine.Container, 1))
		case verb == "ours":
			l.Acting("c", true)
		case verb == "done":
			l.Acting("c", false)
		case silent:
			l.silently("c", verb, detail)
			continue
		default:
			l.happens("c", verb, detail)
		}
		if l.on {
			l.look()
		}
	}
}

func TestEndings(t *testing.T) {
	const seen = "(create), (start), +1h, open, +1h, "
	for _, tc := range []struct {
		name       string
		script     string
		podman     string // its version; Docker if there is none
		stopSignal int
		labels     map[string]string
		want       engine.ExitCause
	}{
		{name: "it runs", script: seen + "+1m", want: engine.CauseNone},
		{name: "it was created and never started", script: "open, create, +1m", want: engine.CauseNone},
		{name: "it exits by itself", script: seen + "die 3", want: engine.CauseSelf},
		{name: "it is created, started and exits by itself", script: "open, create, start, +1s, die 3", want: engine.CauseSelf},
		{name: "its memory runs out", script: seen + "oom, +20ms, die 137", want: engine.CauseSelf},
		{name: "its restart policy starts it until it gives up", script: seen + "die 5, +200ms, start, +20ms, die 5", want: engine.CauseSelf},

		{name: "docker stop on Docker 20.10", script: seen + "kill 15, +25ms, die 0, +8ms, stop", want: engine.CauseStopped},
		{name: "docker stop on Docker 29", script: seen + "kill 15, +25ms, stop, die 0", want: engine.CauseStopped},
		{name: "docker stop, whose signal is not heard", script: seen + "stop, die 0", want: engine.CauseStopped},
		{name: "docker stop of a stubborn one", script: seen + "kill 15, +10s, kill 9, +25ms, die 137, stop", want: engine.CauseStopped},
		{name: "docker stop of a stubborn one that is given an hour", script: seen + "kill 15, +1h, kill 9, +25ms, stop, die 137", want: engine.CauseStopped},
		{name: "docker kill", script: seen + "kill 9, +20ms, die 137", want: engine.CauseStopped},
		{name: "docker kill by an engine that names no signal", script: seen + "kill, +20ms, die 137", want: engine.CauseStopped},
		{name: "docker kill with INT", script: seen + "kill 2, +2s, die 130", want: engine.CauseStopped},
		{name: "docker kill with QUIT", script: seen + "kill 3, +2s, die 131", want: engine.CauseStopped},
		{name: "TERM, and it takes four minutes", script: seen + "kill 15, +4m, die 0", want: engine.CauseStopped},
		{name: "TERM is ignored, and it dies six minutes later", script: seen + "kill 15, +6m, die 1", want: engine.CauseSelf},
		{name: "HUP for its logs, and a crash an hour later", script: seen + "kill 1, +1h, die 137", want: engine.CauseSelf},
		{name: "USR1, and it dies of it", script: seen + "kill 10, +500ms, die 138", want: engine.CauseStopped},
		{name: "USR1, and it dies two seconds later", script: seen + "kill 10, +2s, die 1", want: engine.CauseSelf},
		{name: "its own StopSignal", script: seen + "kill 12, +30s, die 0", stopSignal: 12, want: engine.CauseStopped},
		{name: "another one's StopSignal", script: seen + "kill 12, +30s, die 0", stopSignal: 37, want: engine.CauseSelf},
		{name: "a label hides the signal, and it dies at once", script: seen + "kill 9, +20ms, die 137", labels: map[string]string{"signal": "9"}, want: engine.CauseStopped},
		{name: "a label hides the signal, and it dies later", script: seen + "kill 9, +30s, die 1", labels: map[string]string{"signal": "9"}, want: engine.CauseSelf},

		{name: "docker restart", script: seen + "kill 15, die 0, stop, +200ms, start, restart", want: engine.CauseNone},
		{name: "docker restart, and a crash", script: seen + "kill 15, die 0, stop, +200ms, start, restart, +1m, die 1", want: engine.CauseSelf},
		{name: "docker restart, and a crash at once", script: seen + "kill 15, stop, die 0, +60ms, start, restart, +20ms, die 1", want: engine.CauseSelf},
		{name: "docker restart of a stopped one, and a crash", script: seen + "kill 9, die 137, +1m, start, restart, +1m, die 1", want: engine.CauseSelf},

		{name: "its first start fails", script: "open, create, (fail), +1s, look", want: engine.CauseSelf},
		{name: "a later start fails", script: seen + "kill 9, die 137, +1m, (fail), look", want: engine.CauseStopped},
		{name: "our own restart stops it, and its start dies", script: seen + "ours, kill 15, die 0, stop, start, +20ms, die 1, restart, done", want: engine.CauseSelf},
		{name: "our own start dies", script: seen + "die 1, ours, start, +20ms, die 1, done", want: engine.CauseSelf},
		{name: "our own restart stops it and cannot start it", script: seen + "ours, kill 15, die 0, stop, (fail), done, look", want: engine.CauseSelf},
		{name: "our own restart cannot start it, which is told late", script: seen + "ours, hold, kill 15, die 0, stop, (fail), look, done, hear", want: engine.CauseSelf},
		{name: "our own restart cannot start it, which is not told", script: seen + "ours, (die 0), (fail), look, done", want: engine.CauseSelf},
		{name: "it is started unheard after that, and stopped", script: seen + "ours, hold, kill 15, die 0, stop, (fail), look, done, hear, +1m, (start), +1m, kill 15, +1s, die 0, stop", want: engine.CauseStopped},
		{name: "it is started after that, and stopped", script: seen + "ours, hold, kill 15, die 0, stop, (fail), look, done, hear, +1m, start, +1m, kill 15, +1s, stop, die 0", want: engine.CauseStopped},
		{name: "its stop is told during our own start, which fails", script: seen + "(kill 15), die 0, ours, +8ms, stop, (fail), look, done", want: engine.CauseStopped},
		{name: "it is stopped as soon as our own start has started it", script: seen + "die 1, +1m, ours, start, kill 15, +25ms, die 0, stop, done", want: engine.CauseStopped},
		{name: "it is stopped as soon as our own start has started it, which is told late", script: seen + "die 1, +1m, ours, hold, start, kill 15, +25ms, die 0, look, done, stop, hear", want: engine.CauseStopped},
		{name: "it is told to stop during our own start", script: seen + "die 1, +1m, ours, start, kill 15, done, +9s, die 0", want: engine.CauseStopped},
		{name: "it is stopped as soon as our own restart has started it", script: seen + "ours, kill 15, die 0, stop, start, kill 15, restart, done, +9s, die 0", want: engine.CauseStopped},
		{name: "it is stopped in a gap that our own restart falls into", script: seen + "ours, cut, kill 15, die 0, stop, start, +1m, kill 15, die 0, stop, open, done", want: engine.CauseStopped},
		{name: "it ends in a gap that our own restart falls into", script: seen + "ours, cut, replaced, (die 0), (start), +1h, (kill 15), (die 0), +1m, open, done", want: engine.CauseUnknown},
		{name: "our own restart cannot start it, in a gap", script: seen + "ours, cut, replaced, (die 0), (fail), open, done", want: engine.CauseSelf},
		{name: "our own restart cannot start it, which is told late in part", script: seen + "ours, kill 15, die 0, hold, stop, (fail), look, done, hear", want: engine.CauseSelf},
		{name: "it is stopped after a restart of ours that was refused", script: seen + "ours, look, done, +1m, kill 15, die 0, stop", want: engine.CauseStopped},
		{name: "it is stopped after our own start", script: seen + "die 1, ours, start, done, +1m, kill 15, die 0, stop", want: engine.CauseStopped},
		{name: "it dies of itself after our own restart", script: seen + "ours, kill 15, die 0, stop, start, restart, done, +1m, die 1", want: engine.CauseSelf},

		{name: "an inspect tells of its death before the event does", script: seen + "hold, die 3, look, hear", want: engine.CauseSelf},
		{name: "an inspect tells of its stop before the event does", script: seen + "kill 15, +25ms, hold, die 0, look, hear", want: engine.CauseStopped},
		{name: "an inspect tells of its stop before the event does, whose signal is not heard", script: seen + "hold, (kill 15), stop, die 0, look, hear", want: engine.CauseStopped},
		{name: "an inspect tells of its start before the event does", script: seen + "die 1, +1s, hold, start, look", want: engine.CauseNone},
		{name: "an inspect tells of a restart and a death before the events do", script: seen + "die 1, +1s, hold, start, die 1, look, hear", want: engine.CauseSelf},

		{name: "it was down long before Defib started", script: "(create), (start), (die 1), +1h, open", want: engine.CauseUnknown},
		{name: "the replay tells of its start and death", script: "create, start, +1m, die 1, +1m, open", want: engine.CauseSelf},
		{name: "the replay tells of its stop", script: "(create), (start), +1h, kill 15, die 0, stop, +1m, open", want: engine.CauseStopped},
		{name: "the replay tells of its death only", script: "(create), (start), +1h, die 1, +1m, open", want: engine.CauseUnknown},
		{name: "the replay tells of a kill that it dies of later", script: "(create), (start), +1h, kill 15, +2s, open, +20s, die 0", want: engine.CauseStopped},
		{name: "the replay tells of a stop under way", script: "(create), (start), +1h, kill 15, +2s, open, +20s, die 0, stop", want: engine.CauseStopped},

		{name: "it dies in a gap that the replay fills", script: seen + "die 1, start, cut, die 1, +3s, open", want: engine.CauseSelf},
		{name: "it is stopped in a gap that the replay fills", script: seen + "die 1, start, cut, kill 9, die 137, +3s, open", want: engine.CauseStopped},
		{name: "it dies while the engine is away", script: seen + "die 1, start, cut, replaced, (die 1), +3s, open", want: engine.CauseUnknown},
		{name: "it starts and dies in a gap, having been stopped before", script: seen + "kill 9, die 137, +1m, cut, replaced, +1m, (start), +1m, (die 1), open", want: engine.CauseUnknown},
		{name: "it is started in a gap", script: seen + "kill 9, die 137, +1m, cut, replaced, +1m, (start), open", want: engine.CauseNone},
		{name: "it is started in a gap, and crashes", script: seen + "kill 9, die 137, +1m, cut, replaced, +1m, (start), open, +1m, die 1", want: engine.CauseSelf},
		{name: "it is restarted in a gap after a TERM, and crashes", script: seen + "kill 15, cut, replaced, (die 0), (start), +1m, open, +1m, die 1", want: engine.CauseSelf},
		{name: "it stays down in a gap", script: seen + "kill 9, die 137, +1m, cut, replaced, +1m, open", want: engine.CauseStopped},

		{name: "it is started unheard after a stop, and crashes", script: seen + "kill 9, die 137, +1m, (start), +20s, list, +1m, die 1", want: engine.CauseSelf},
		{name: "it is started and dies unheard after a stop", script: seen + "kill 9, die 137, +1m, (start), (die 137), +20s, list", want: engine.CauseUnknown},
		{name: "it is restarted unheard, and stopped before the next list", script: seen + "(die 0), (start), +5s, kill 15, +1s, die 0", want: engine.CauseStopped},
		{name: "it is restarted unheard, and killed before the next list", script: seen + "(die 0), (start), +5s, kill 9, +20ms, die 137", want: engine.CauseStopped},
		{name: "it is restarted unheard, and dies of USR1", script: seen + "(die 0), (start), +5s, kill 10, +500ms, die 138", want: engine.CauseStopped},
		{name: "it is restarted unheard after USR1, and crashes at once", script: seen + "kill 10, (die 0), (start), +100ms, look, +100ms, die 1", want: engine.CauseSelf},
		{name: "it is restarted unheard, and an inspect tells of its stop first", script: seen + "(die 0), (start), +5s, kill 15, hold, die 0, look, hear", want: engine.CauseStopped},
		{name: "its start is not heard, and it is stopped", script: seen + "die 0, (start), +5s, kill 15, +1s, die 0", want: engine.CauseStopped},
		{name: "it runs and is stopped unheard but for the signal", script: seen + "die 0, +1h, (start), +5s, kill 15, (die 0), +20s, list", want: engine.CauseStopped},
		{name: "it dies twice before an inspect", script: seen + "hold, die 1, start, die 1, hear", want: engine.CauseSelf},
		{name: "it is started and told to stop before an inspect", script: seen + "die 1, +1s, hold, start, kill 15, hear, +1s, die 0", want: engine.CauseStopped},
		{name: "it is restarted unheard after a TERM, and crashes", script: seen + "kill 15, +1s, (die 0), (start), +20s, list, +1m, die 1", want: engine.CauseSelf},
		{name: "it dies of USR1, is restarted unheard, and crashes at once", script: seen + "kill 10, +100ms, die 138, (start), look, +100ms, die 1", want: engine.CauseSelf},
		{name: "it is restarted unheard twice after a TERM, and crashes twice", script: seen + "kill 15, +1s, (die 0), (start), +1m, die 1, +1s, (start), +1s, die 1", want: engine.CauseSelf},

		{name: "Podman: it exits by itself", podman: "4.3", script: seen + "die 3", want: engine.CauseUnknown},
		{name: "Podman: docker kill, whose signal is not named", podman: "4.3", script: seen + "kill, die 137", want: engine.CauseUnknown},
		{name: "Podman: its start was seen", podman: "4.3", script: "open, create, start, +1m, die 1", want: engine.CauseUnknown},
		{name: "Podman: our own restart cannot start it, which is told late", podman: "4.3", script: seen + "ours, hold, die 0, (fail), look, done, hear", want: engine.CauseSelf},
		{name: "Podman: our own restart cannot start it, and its start before is told late", podman: "4.3", script: seen + "die 0, hold, start, look, ours, hear, die 0, (fail), look, done", want: engine.CauseSelf},
		{name: "Podman: our own start dies", podman: "4.3", script: seen + "die 1, ours, start, die 1, done", want: engine.CauseUnknown},

		{name: "Podman 5: it exits by itself", podman: "5.8", script: seen + "die 3", want: engine.CauseSelf},
		{name: "Podman 5: it is stopped, which no event tells", podman: "5.8", script: seen + "(stop), die 0", want: engine.CauseStopped},
		{name: "Podman 5: it is stopped, which an event tells", podman: "5.8", script: seen + "stop, die 0", want: engine.CauseStopped},
		{name: "Podman 5: it is killed", podman: "5.8", script: seen + "kill, +20ms, die 137", want: engine.CauseStopped},
		{name: "Podman 5: it is stopped, started and crashes", podman: "5.8", script: seen + "(stop), die 0, +1m, start, +1m, die 1", want: engine.CauseSelf},
		{name: "Podman 5: it ends after a signal, or because of it", podman: "5.8", script: seen + "kill, +2s, die 1", want: engine.CauseUnknown},
		{name: "Podman 5: it is stopped long after a signal, which an event tells", podman: "5.8", script: seen + "kill, +1h, stop, die 0", want: engine.CauseStopped},
		{name: "Podman 5: an inspect tells of its stop before the event does", podman: "5.8", script: seen + "hold, (stop), die 0, look, hear", want: engine.CauseStopped},
		{name: "Podman 5: an inspect tells of its death before the event does", podman: "5.8", script: seen + "hold, die 3, look, hear", want: engine.CauseSelf},
		{name: "Podman 5: its death is found by a list", podman: "5.8", script: seen + "(die 3), +20s, list", want: engine.CauseSelf},
		{name: "Podman 5: it was stopped before Defib started", podman: "5.8", script: "(create), (start), (stop), (die 0), +1h, open", want: engine.CauseStopped},
		{name: "Podman 5: it was stopped before Defib started, and its host rebooted since", podman: "5.8", script: "create, start, +1m, (stop), die 0, (forget), +1m, open", want: engine.CauseUnknown},
		{name: "Podman 5: it ends while its service is away", podman: "5.8", script: seen + "die 1, start, cut, die 1, +3s, open", want: engine.CauseUnknown},
		{name: "Podman 5: it is stopped while its service is away", podman: "5.8", script: seen + "die 1, start, cut, (stop), die 0, +3s, open", want: engine.CauseStopped},
		{name: "Podman 5: it is stopped, and its service restarted, and forgets", podman: "5.8", script: seen + "(stop), die 0, cut, replaced, +3s, open", want: engine.CauseStopped},
		{name: "Podman 5: our own restart cannot start it", podman: "5.8", script: seen + "ours, stop, die 0, (fail), look, done", want: engine.CauseSelf},
		{name: "Podman 5: our own start dies", podman: "5.8", script: seen + "die 1, ours, start, die 1, done", want: engine.CauseSelf},
		{name: "Podman 5: it is stopped as soon as our own start has started it", podman: "5.8", script: seen + "die 1, +1m, ours, start, (stop), die 0, done", want: engine.CauseStopped},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newHarness(t)
			l.told = toldBy[tc.podman]
			c := l.put("c")
			c.StopSignal, c.Labels = tc.stopSignal, tc.labels
			if strings.HasPrefix(tc.script, "open, create") || strings.HasPrefix(tc.script, "create") {
				delete(l.truth, "c")
			}
			l.play(tc.script)
			if got := l.get("c").ExitCause; got != tc.want {
				t.Errorf("%s: %q, want %q", tc.script, got, tc.want)
			}
		})
	}
}

// What the restarter waits for counts from when we saw the run begin or end, on
// our clock; in the first snapshot from when it happened, never later than now.
func TestRunsCountFromWhenTheyWereSeenToBeginOrEnd(t *testing.T) {
	const seen = "(create), (start), +1h, open, "
	for _, tc := range []struct {
		name, script string
		ago          time.Duration
	}{
		{"death by event", "open, (create), create, start, +1m, die 1, +7s", 7 * time.Second},
		{"death in the first snapshot, without events", "(create), (start), (die 1), +1h, open", time.Hour},
		{"death in the first snapshot, by the replay", "create, start, +1m, die 1, +3m, open, +1s", 3*time.Minute + time.Second},
		{"death in a gap, without events", seen + "create, cut, replaced, (die 1), +1h, open, +2s", 2 * time.Second},
		{"death in a gap, by the replay", seen + "create, cut, die 1, +1h, open, +2s", 2 * time.Second},
		{"death unheard", seen + "+1h, (die 1), +20s, list, +2s", 2 * time.Second},
		{"death in a run unheard", seen + "+1h, die 1, +1h, (start), (die 1), +20s, list, +2s", 2 * time.Second},
		{"a first start that failed", "(create), (fail), +1h, open", time.Hour},

		{"run by event", "open, (create), create, start, +7s", 7 * time.Second},
		{"run in the first snapshot", "(create), (start), +1h, open", time.Hour},
		{"run in the first snapshot, paused", "(create), (start), +1h, (pause), +1h, open", 2 * time.Hour},
		{"second run in the first snapshot, paused", "(create), (start), (die 1), +1h, (start), +1h, (pause), open, unpause, +1s", time.Hour + time.Second},
		{"run in a gap", seen + "create, cut, replaced, (die 1), (start), +1h, open, +2s", 2 * time.Second},
		{"run unheard", seen + "+1h, (die 1), (start), +20s, list, +2s", 2 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newHarness(t)
			l.play(tc.script)
			at := l.get("c").ExitSeenAt
			if at.IsZero() {
				at = l.get("c").StartSeenAt
			}
			if got := l.now.Sub(at).Round(time.Millisecond); got != tc.ago {
				t.Errorf("%s: %v ago, want %v", tc.script, got, tc.ago)
			}
		})
	}
}

// Even if the inspect is slow: an alert that comes in between was heard after the start. After
// a gap it may be another run that the inspect shows.
func TestRunsCountFromTheEventOfTheirStart(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		ago          time.Duration
	}{
		{"inspected late", "+3s, look", 3 * time.Second},
		{"after a gap", "cut, replaced, (die 1), (start), +1h, open, +2s", 2 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newHarness(t)
			l.play("open, create, hold, start")
			l.held = false
			l.hear()
			l.play(tc.script)
			if got := l.now.Sub(l.get("c").StartSeenAt); got != tc.ago {
				t.Errorf("%s: seen to start %v ago, want %v", tc.script, got, tc.ago)
			}
		})
	}
}

// An engine whose clock is ahead cannot make a death lie in the future.
func TestDeathsAreNeverLaterThanNow(t *testing.T) {
	l := newHarness(t)
	c := l.put("c")
	c.State, c.Finished = engine.Exited, l.engineNow().Add(time.Minute)
	l.open()
	l.sync()
	if got := l.get("c").ExitSeenAt; !got.Equal(l.now) {
		t.Errorf("ended %v from now", got.Sub(l.now))
	}
}

func TestStoppingIsShownWhileItLasts(t *testing.T) {
	const seen = "(create), (start), +1h, open, +1h, "
	for _, tc := range []struct {
		script string
		want   bool
	}{
		{seen + "kill 15, +4m", true},
		{seen + "kill 15, die 0, stop", false},
		{seen + "die 0, kill 15", false}, // as a proxy may have it
		{seen + "kill 1", false},
		{seen + "kill 15, +6m, look", false},
		{seen + "kill 15, die 0, stop, start, restart", false},
		{seen + "ours, kill 15, stop", false},
		{seen + "create, cut, kill 15, +3h, open", false},
		{seen + "create, cut, kill 15, +1m, open", true},
		{seen + "kill 15, hold, die 0, look", false},
		{seen + "(die 0), (start), +5s, kill 15, +1s", true},
		{seen + "kill 15, +1s, (die 0), (start), +5s, look", false},
	} {
		t.Run(tc.script, func(t *testing.T) {
			l := newHarness(t)
			l.play(tc.script)
			if got := l.get("c").StopSeenAt; got.IsZero() == tc.want {
				t.Errorf("stopping since %v, want %v", got, tc.want)
			}
		})
	}
}
