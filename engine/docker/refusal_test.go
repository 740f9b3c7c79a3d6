package docker

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"defib/engine"
	"defib/engine/docker/call"
)

// What Defib can do without is said when it begins to be refused, and when that
// is over, and not in between.
func TestRefusedCallIsSaidOnce(t *testing.T) {
	for name, again := range map[string]func(t *testing.T, f *fakeEngine, w *watchedEngine, id string){
		call.Inspect: func(t *testing.T, f *fakeEngine, _ *watchedEngine, id string) {
			before := f.asked(call.Inspect)
			f.emit(id, "update")
			eventually(t, "it is inspected", func() bool { return f.asked(call.Inspect) > before })
		},
		call.Info: func(t *testing.T, f *fakeEngine, w *watchedEngine, _ string) {
			before := len(w.log.lines("engine connected"))
			f.cut()
			eventually(t, "it is connected again", func() bool { return len(w.log.lines("engine connected")) > before })
		},
		call.Start: func(t *testing.T, _ *fakeEngine, w *watchedEngine, id string) {
			_ = w.Start(t.Context(), w.Snapshot().Get(id))
		},
		call.Logs: func(t *testing.T, _ *fakeEngine, w *watchedEngine, id string) {
			_, _ = w.Logs(t.Context(), w.Snapshot().Get(id), time.Now(), 1)
		},
	} {
		for status, text := range map[int]string{http.StatusForbidden: "forbidden", http.StatusMethodNotAllowed: "Method Not Allowed"} {
			t.Run(name+": "+text, func(t *testing.T) {
				t.Parallel()
				f := serving(t)
				id := f.put("web")
				f.set(id, "exited")
				w := connected(t, Options{Host: f.host()})
				f.on(name, answers(status, text))
				for range 3 {
					again(t, f, w, id)
				}
				warned := func() int {
					return len(w.log.lines("level=WARN", "call refused", "call="+name, "allow "+call.Requests[name]))
				}
				eventually(t, "it is said", func() bool { return warned() > 0 })
				f.on(name, nil)
				again(t, f, w, id)
				eventually(t, "it is said that it is over", func() bool {
					return len(w.log.lines("level=INFO", "call allowed again", "call="+name)) > 0
				})
				if n := warned(); n != 1 {
					t.Errorf("said %d times, want once", n)
				}
			})
		}
	}
}

// A proxy may let only certain containers through: that others get through ends no refusal.
func TestCallThatIsRefusedOfSomeContainersIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		hidden, web := f.put("hidden"), f.put("web")
		f.on(call.Inspect, func(rw http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, hidden) {
				answers(http.StatusForbidden, "forbidden")(rw, r)
				return
			}
			f.answer(rw, r, "inspect", web)
		})
		w := connectedInProcess(t, f)
		said := func(refused, allowed int) {
			t.Helper()
			for range 5 {
				f.emit(hidden, "update")
				f.emit(web, "update")
				time.Sleep(time.Minute)
			}
			if r, a := len(w.log.lines("call refused")), len(w.log.lines("call allowed again")); r != refused || a != allowed {
				t.Errorf("it is said %d times that it is refused, %d that it is allowed; want %d and %d", r, a, refused, allowed)
			}
		}
		said(1, 0)
		f.on(call.Inspect, nil)
		said(1, 1)
	})
}

// A proxy that hides the path of an inspect says 404, as the engine does of a
// container that is gone.
func TestHiddenInspectIsARefusedOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id := f.put("web")
		f.on(call.Inspect, answers(http.StatusNotFound, "page not found"))
		w := inProcess(t, f)
		for range 5 {
			time.Sleep(w.ResyncInterval)
			if c := w.Snapshot().Get(id); !w.Snapshot().Connected || c == nil || c.Inspected || c.State != engine.Running {
				t.Fatalf("the snapshot shows %+v", c)
			}
		}
		if n := len(w.log.lines("level=WARN", "call refused", "allow "+call.Requests[call.Inspect])); n != 1 {
			t.Errorf("said %d times, want once: %q", n, w.log.lines("level=WARN"))
		}
		if metricFailures(t, w.Engine, call.Inspect) == 0 {
			t.Error("no inspect has failed")
		}
	})
}

// An inspect that is under way when the connection ends for want of the list
// fails with that cause, and is not refused itself.
func TestCallThatIsCutOffIsNotRefused(t *testing.T) {
	t.Parallel()
	f := serving(t)
	id := f.put("web")
	f.on(call.Inspect, hangs)
	f.on(call.List, func(w http.ResponseWriter, r *http.Request) {
		f.emit(id, "update") // so that it is inspected
		eventually(t, "it is inspected", func() bool { return f.asked(call.Inspect) > 0 })
		answers(http.StatusForbidden, "forbidden")(w, r)
	})
	w := runEngine(t, Options{Host: f.host()})
	eventually(t, "it has tried twice", func() bool { return f.asked(call.List) >= 2 })
	if lines := w.log.lines("call refused"); len(lines) > 0 {
		t.Errorf("it says %q", lines)
	}
	if lines := w.log.lines("engine unavailable", "allow "+call.Requests[call.List]); len(lines) != 1 {
		t.Errorf("it says %d times what to allow, want once: %q", len(lines), w.log.lines("engine unavailable"))
	}
}

// The client may return before it tells that the event stream is refused: then the request
// for past events is refused before it.
func TestRefusedEventsAreSaidOnceWhicheverRequestIsRefused(t *testing.T) {
	t.Parallel()
	f := serving(t)
	refuse := answers(http.StatusForbidden, "forbidden")
	var past atomic.Int64
	f.on(call.Events, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Has("until"):
			past.Add(1)
			refuse(w, r)
		case past.Load() == 0:
			f.answer(w, r, "events", "")
		default:
			refuse(w, r)
		}
	})
	w := runEngine(t, Options{Host: f.host()})
	eventually(t, "either was refused", func() bool { return past.Load() > 0 && f.asked(call.Events) >= 4 })
	if lines := w.log.lines("engine unavailable"); len(lines) != 1 || !strings.Contains(lines[0], "allow "+call.Requests[call.Events]) {
		t.Errorf("it says %q, want once what to allow", lines)
	}
}

// Or it is cut off by that refusal, which then is all that is known.
func TestRefusalThatCutsOffTheRestSaysWhatToAllow(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	ended <- errdefs.ErrPermissionDenied
	(&connection{cancel: cancel}).read(time.Time{}, nil, ended)
	if err := context.Cause(ctx); !strings.Contains(err.Error(), "allow "+call.Requests[call.Events]) {
		t.Errorf("it says %q", err)
	}
}

// An inspect that fails asks for a list, and must not be asked for by it at once.
func TestRefusedInspectsAreNoHotLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		for _, name := range []string{"a", "b", "c"} {
			f.put(name)
		}
		f.on(call.Inspect, answers(http.StatusForbidden, "forbidden"))
		w := connectedInProcess(t, f)
		time.Sleep(time.Minute)
		// After 0.5, 1, 2, 4, 8, 16 and 30 s, for each of the three.
		if asked := f.asked(call.Inspect); asked < 3*5 || asked > 3*10 {
			t.Errorf("inspected %d times in a minute", asked)
		}
		if asked := f.asked(call.List); asked > 3*10+5 {
			t.Errorf("listed %d times in a minute", asked)
		}
		if p := w.Snapshot(); !p.Connected || len(p.Containers) != 3 {
			t.Errorf("it shows %+v", p)
		}
	})
}

func TestAFailedInspectIsLoggedWithTheIDAsDockerShowsIt(t *testing.T) {
	t.Parallel()
	f := serving(t)
	id := f.put("web")
	w := connected(t, Options{Host: f.host()})
	f.on(call.Inspect, answers(http.StatusInternalServerError, "it is wedged"))
	f.emit(id, "update")
	eventually(t, "it is logged", func() bool { return len(w.log.lines("inspect failed", "id="+engine.ShortID(id)+" ")) > 0 })
}
