package docker

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"defib/engine"
	"defib/engine/docker/call"
)

// podman5 is a fake Podman that notes who was stopped.
func podman5(t *testing.T) *fakeEngine {
	t.Helper()
	f := serving(t)
	f.version, _ = jsonFile(t, "podman-5.8", "version.json")
	return f
}

// userStops has somebody stop a container, which no event tells.
func (f *fakeEngine) userStops(id string) {
	f.mu.Lock()
	f.stopped[id] = true
	f.mu.Unlock()
	f.die(id)
}

func TestPodmanTellsWhoWasStopped(t *testing.T) {
	t.Parallel()
	f := podman5(t)
	before, stopped, crashed := f.put("before"), f.put("stopped"), f.put("crashed")
	f.userStops(before)
	f.forget()
	w := connected(t, Options{Host: f.host()})
	f.userStops(stopped)
	f.die(crashed)
	w.untilState(t, stopped, engine.Exited)
	w.untilState(t, crashed, engine.Exited)
	for id, want := range map[string]engine.ExitCause{before: engine.CauseStopped, stopped: engine.CauseStopped, crashed: engine.CauseSelf} {
		if c := w.Snapshot().Get(id); c.ExitCause != want {
			t.Errorf("%s: %q, want %q", c.Name, c.ExitCause, want)
		}
	}
	if w.Snapshot().Stops == nil {
		t.Error("it is taken for an engine that does not tell of stops")
	}
}

// A run that ended is not judged by what the next one shows.
func TestWhatPodmanTellsOfAnotherRunDoesNotCount(t *testing.T) {
	t.Parallel()
	f := podman5(t)
	id := f.put("web")
	w := connected(t, Options{Host: f.host()})
	f.on(call.InspectLibpod, func(rw http.ResponseWriter, _ *http.Request) {
		f.write(rw, map[string]any{"State": map[string]any{"Status": "exited", "FinishedAt": f.now().Format(time.RFC3339Nano)}})
	})
	f.die(id)
	w.untilState(t, id, engine.Exited)
	if c := w.Snapshot().Get(id); c.ExitCause != engine.CauseUnknown {
		t.Errorf("%q", c.ExitCause)
	}
}

// Without that call an end is as one that nobody saw, and the container is inspected all the same.
func TestPodmanWhoseOwnAPIIsRefusedTellsNothing(t *testing.T) {
	t.Parallel()
	f := podman5(t)
	f.on(call.InspectLibpod, answers(http.StatusForbidden, "forbidden"))
	id := f.put("web")
	w := connected(t, Options{Host: f.host()})
	f.die(id)
	w.untilState(t, id, engine.Exited)
	if c := w.Snapshot().Get(id); !c.Inspected || c.ExitCause != engine.CauseUnknown {
		t.Errorf("inspected: %v, %q", c.Inspected, c.ExitCause)
	}
	if n := len(w.log.lines("level=WARN", "call refused", "call="+call.InspectLibpod, "GET /libpod/containers/*/json")); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// An end of which Podman gives no answer is not judged: it is asked again.
func TestPodmanThatGivesNoAnswerIsAskedAgain(t *testing.T) {
	t.Parallel()
	f := podman5(t)
	f.on(call.InspectLibpod, answers(http.StatusInternalServerError, "out of order"))
	id := f.put("web")
	w := connected(t, Options{Host: f.host()})
	f.userStops(id)
	eventually(t, "it is asked again", func() bool { return f.asked(call.InspectLibpod) > 1 })
	if c := w.Snapshot().Get(id); c.ExitCause == engine.CauseSelf {
		t.Error("it is taken for a crash")
	}
	f.on(call.InspectLibpod, nil)
	w.until(t, "it is known", func(p *engine.Snapshot) bool { return p.Get(id).ExitCause == engine.CauseStopped })
}

// Podman keeps its events indefinitely: of a quiet host, whose last event is old, not all that
// its health checks have made since are asked for again.
func TestPodmanIsAskedForItsNewestEventsOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		f.version, _ = jsonFile(t, "podman-5.8", "version.json")
		id, other := f.put("web"), f.put("other")
		w := connectedInProcess(t, f)
		f.emit(other, "start")
		time.Sleep(10 * replayWindow)
		var since, until atomic.Int64
		f.on(call.Events, func(rw http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); q.Get("until") != "" {
				since.Store(nanos(q.Get("since")))
				until.Store(nanos(q.Get("until")))
			}
			f.stream(rw, r)
		})
		f.drop(true)
		f.userStops(id)
		f.drop(false)
		w.until(t, "it is back", func(p *engine.Snapshot) bool { return p.Connected && p.Get(id).State == engine.Exited })
		if window := time.Duration(until.Load() - since.Load()); window != replayWindow {
			t.Errorf("it asks for the events of %v, want %v", window, replayWindow)
		}
		if c := w.Snapshot().Get(id); c.ExitCause != engine.CauseStopped || c.Events[engine.EventDie] != 1 {
			t.Errorf("ended %q, events %v", c.ExitCause, c.Events)
		}
		if n := w.Snapshot().Get(other).Events[engine.EventStart]; n != 1 {
			t.Errorf("the other has %d starts", n)
		}
	})
}

func TestSurveyTriesPodmansOwnAPI(t *testing.T) {
	t.Parallel()
	for recording, want := range map[string]bool{"docker-29": false, "podman-4.3": false, "podman-5.8": true} {
		f := serving(t)
		f.version, _ = jsonFile(t, recording, "version.json")
		_, found := surveyed(t, f, time.Minute)
		if why, asked := found[call.InspectLibpod]; asked != want || why != "" {
			t.Errorf("%s: asked %v: %s", recording, asked, why)
		}
	}
}
