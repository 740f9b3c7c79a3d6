package docker

import (
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/engine/docker/call"
)

func named(name string) func(*engine.Container) bool {
	return func(c *engine.Container) bool { return c.Name == name }
}

// surveyed asks a fake engine, by call: "" what works, else the error.
func surveyed(t *testing.T, f *fakeEngine, timeout time.Duration) (Probe, map[string]string) {
	t.Helper()
	e, err := New(Options{Host: f.host(), Timeout: timeout, ResyncInterval: time.Hour, ReadsLogs: true, Recreates: named("web"), Ends: named("task"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, finding := range s.Calls {
		found[finding.Call] = ""
		if finding.Err != nil {
			found[finding.Call] = finding.Err.Error()
		}
		hidden := strings.Contains(found[finding.Call], "page not found")
		if refused := hidden || strings.Contains(found[finding.Call], "no way"); finding.Refused != refused {
			t.Errorf("%s: refused %v, %v", finding.Call, finding.Refused, finding.Err)
		}
	}
	return s, found
}

func TestSurveyMakesEachCallOnceAndChangesNothing(t *testing.T) {
	t.Parallel()
	f := serving(t)
	f.put("web")
	f.put("task")
	s, found := surveyed(t, f, time.Minute)
	if s.Host != "testhost" || s.Version != "27.5" || s.APIVersion != "1.47" || s.OS != "linux" || s.Arch != "amd64" {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{call.Ping, call.Version, call.Info, call.List, call.Inspect, call.Events, call.Images, call.Start, call.Logs, call.Create, call.Rename, call.Update, call.Stop, call.Remove, call.Services, call.Tasks} {
		if why, asked := found[name]; !asked || why != "" || f.asked(name) == 0 {
			t.Errorf("%s: asked %v, %s", name, asked, why)
		}
	}
	// This fake does not implement restart, as a proxy that hides the path.
	if !strings.Contains(found[call.Restart], "page not found") {
		t.Errorf("restart: %q", found[call.Restart])
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) != 2 || len(f.log) != 0 {
		t.Error("something was changed")
	}
}

func TestSurveyTriesOnlyWhatAContainerMayNeed(t *testing.T) {
	recreates, ends := []string{call.Create, call.Rename, call.Update, call.Stop, call.Remove}, []string{call.Services, call.Tasks, call.Stop}
	for needs, needed := range map[string][]string{"other": nil, "web": recreates, "task": ends} {
		t.Run(needs, func(t *testing.T) {
			t.Parallel()
			f := serving(t)
			f.put(needs)
			_, found := surveyed(t, f, time.Minute)
			for _, name := range slices.Concat(recreates, ends) {
				if _, asked := found[name]; asked != slices.Contains(needed, name) || asked != (f.asked(name) > 0) {
					t.Errorf("%s: asked %t", name, asked)
				}
			}
		})
	}
}

func TestSurveyOfAManagerFindsTheCallsForTasks(t *testing.T) {
	t.Parallel()
	f := serving(t)
	f.put("task")
	f.on("services", func(w http.ResponseWriter, r *http.Request) {
		answers(http.StatusNotFound, "service "+path.Base(r.URL.Path)+" not found")(w, r)
	})
	f.on("tasks", answers(http.StatusForbidden, "no way"))
	if _, found := surveyed(t, f, time.Minute); found[call.Services] != "" || !strings.Contains(found[call.Tasks], "no way") {
		t.Errorf("%q", found)
	}
}

func TestSurveyTellsARefusalFromAFailure(t *testing.T) {
	t.Parallel()
	f := serving(t)
	f.on("info", answers(http.StatusForbidden, "no way"))
	f.on("images", answers(http.StatusForbidden, "no way"))
	f.on("start", answers(http.StatusMethodNotAllowed, "no way: Method Not Allowed"))
	f.on("list", answers(http.StatusInternalServerError, "out of order"))
	f.on("inspect", answers(http.StatusOK, "whatever"))
	f.on("events", hangs)
	s, found := surveyed(t, f, 3*time.Second)
	for call, want := range map[string]string{
		"info": "no way", call.Images: "no way", call.Start: "no way", call.List: "out of order",
		call.Inspect: "answered for a container that does not exist", call.Events: "no answer within 3s",
	} {
		if !strings.Contains(found[call], want) {
			t.Errorf("%s: %q, want %q", call, found[call], want)
		}
	}
	if s.Version == "" || s.Host != "" {
		t.Errorf("%+v", s)
	}
}

func TestSurveyOfAnEngineThatIsAwaySaysWhatToDo(t *testing.T) {
	t.Parallel()
	f := serving(t)
	f.stop()
	_, found := surveyed(t, f, time.Minute)
	if len(found) != 1 || !strings.Contains(found[call.Ping], "no such socket: is Docker running on this host?") {
		t.Errorf("%q", found)
	}
}

func TestFirstEndsWithASnapshotOrTellsWhyThereIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id := f.put("web")
		first := func() (*engine.Snapshot, error) {
			e, err := New(Options{Host: "unix:///nonexistent/s", Timeout: 10 * time.Second, ResyncInterval: time.Hour, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			e.transport = f
			return e.FirstSnapshot(t.Context())
		}
		if p, err := first(); err != nil || p.Get(id) == nil || !p.Get(id).Inspected {
			t.Errorf("%+v, %v", p, err)
		}
		f.on("list", answers(http.StatusInternalServerError, "out of order"))
		if _, err := first(); err == nil || !strings.Contains(err.Error(), "no snapshot of its containers within 12s") || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("%v", err)
		}
	})
}

func TestListThatIsRefusedSaysWhatToAllow(t *testing.T) {
	f := serving(t)
	f.on(call.List, answers(http.StatusForbidden, "no way"))
	e, err := New(Options{Host: f.host(), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.List(t.Context()); err == nil || !strings.Contains(err.Error(), "allow GET /containers/json") {
		t.Errorf("%v", err)
	}
}
