package docker

import (
	"maps"
	"net/http"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

func TestRequestsAreThoseOfTheDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/privileges.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = m[2]
	}
	if diff := cmp.Diff(maps.Clone(requests), documented); diff != "" {
		t.Errorf("the calls (-) are not those of docs/privileges.md (+):\n%s", diff)
	}
}

// What Defib can do without is said when it begins to be refused, and when that
// is over, and not in between.
func TestRefusedCallIsSaidOnce(t *testing.T) {
	for call, again := range map[string]func(t *testing.T, f *fakeEngine, w *watchedEngine, id string){
		callInspect: func(t *testing.T, f *fakeEngine, _ *watchedEngine, id string) {
			before := f.asked(callInspect)
			f.emit(id, "update")
			eventually(t, "it is inspected", func() bool { return f.asked(callInspect) > before })
		},
		callInfo: func(t *testing.T, f *fakeEngine, w *watchedEngine, _ string) {
			before := len(w.log.lines("engine connected"))
			f.cut()
			eventually(t, "it is connected again", func() bool { return len(w.log.lines("engine connected")) > before })
		},
		callStart: func(t *testing.T, _ *fakeEngine, w *watchedEngine, id string) {
			_ = w.Start(t.Context(), w.Snapshot().Get(id))
		},
		callLogs: func(t *testing.T, _ *fakeEngine, w *watchedEngine, id string) {
			_, _ = w.Logs(t.Context(), w.Snapshot().Get(id), time.Now(), 1)
		},
	} {
		for status, text := range map[int]string{http.StatusForbidden: "forbidden", http.StatusMethodNotAllowed: "Method Not Allowed"} {
			t.Run(call+": "+text, func(t *testing.T) {
				t.Parallel()
				f := serving(t)
				id := f.put("web")
				f.set(id, "exited")
				w := connected(t, Options{Host: f.host()})
				f.on(call, answers(status, text))
				for range 3 {
					again(t, f, w, id)
				}
				warned := func() int {
					return len(w.log.lines("level=WARN", "call refused", "call="+call, "allow "+requests[call]))
				}
				eventually(t, "it is said", func() bool { return warned() > 0 })
				f.on(call, nil)
				again(t, f, w, id)
				eventually(t, "it is said that it is over", func() bool {
					return len(w.log.lines("level=INFO", "call allowed again", "call="+call)) > 0
				})
				if n := warned(); n != 1 {
					t.Errorf("said %d times, want once", n)
				}
			})
		}
	}
}

// A proxy that hides the path of an inspect says 404, as the engine does of a
// container that is gone.
func TestHiddenInspectIsARefusedOne(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id := f.put("web")
		f.on(callInspect, answers(http.StatusNotFound, "page not found"))
		w := inProcess(t, f)
		for range 5 {
			time.Sleep(w.ResyncInterval)
			if c := w.Snapshot().Get(id); !w.Snapshot().Connected || c == nil || c.Inspected || c.State != engine.Running {
				t.Fatalf("the snapshot shows %+v", c)
			}
		}
		if n := len(w.log.lines("level=WARN", "call refused", "allow "+requests[callInspect])); n != 1 {
			t.Errorf("said %d times, want once: %q", n, w.log.lines("level=WARN"))
		}
		if metricFailures(t, w.Engine, callInspect) == 0 {
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
	f.on(callInspect, hangs)
	f.on(callList, func(w http.ResponseWriter, r *http.Request) {
		f.emit(id, "update") // so that it is inspected
		eventually(t, "it is inspected", func() bool { return f.asked(callInspect) > 0 })
		answers(http.StatusForbidden, "forbidden")(w, r)
	})
	w := runEngine(t, Options{Host: f.host()})
	eventually(t, "it has tried twice", func() bool { return f.asked(callList) >= 2 })
	if lines := w.log.lines("call refused"); len(lines) > 0 {
		t.Errorf("it says %q", lines)
	}
	if lines := w.log.lines("engine unavailable", "allow "+requests[callList]); len(lines) != 1 {
		t.Errorf("it says %d times what to allow, want once: %q", len(lines), w.log.lines("engine unavailable"))
	}
}

// An inspect that fails asks for a list, and must not be asked for by it at once.
func TestRefusedInspectsAreNoHotLoop(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		for _, name := range []string{"a", "b", "c"} {
			f.put(name)
		}
		f.on(callInspect, answers(http.StatusForbidden, "forbidden"))
		w := connectedInProcess(t, f)
		time.Sleep(time.Minute)
		// After 0.5, 1, 2, 4, 8, 16 and 30 s, for each of the three.
		if asked := f.asked(callInspect); asked < 3*5 || asked > 3*10 {
			t.Errorf("inspected %d times in a minute", asked)
		}
		if asked := f.asked(callList); asked > 3*10+5 {
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
	f.on(callInspect, answers(http.StatusInternalServerError, "it is wedged"))
	f.emit(id, "update")
	eventually(t, "it is logged", func() bool { return len(w.log.lines("inspect failed", "id="+engine.ShortID(id)+" ")) > 0 })
}
