package docker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"defib/engine"
	"defib/engine/docker/call"
)

// startCase prepares an engine with one container that is down, and an Engine
// that shows it.
func startCase(t *testing.T) (f *fakeEngine, w *watchedEngine, c *engine.Container) {
	t.Helper()
	f = serving(t)
	id := f.put("web")
	w = connected(t, Options{Host: f.host()})
	f.die(id)
	w.untilState(t, id, engine.Exited)
	return f, w, w.Snapshot().Get(id)
}

// A start has returned only after the snapshot shows what came of it.
func TestStartReturnsAfterTheSnapshotShowsIt(t *testing.T) {
	t.Parallel()
	_, w, c := startCase(t)
	for range 20 {
		if err := w.Start(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		now := w.Snapshot().Get(c.ID)
		if !now.Up() || !now.Started.After(c.Started) {
			t.Fatalf("the snapshot shows %+v", now)
		}
	}
	if n := testutil.CollectAndCount(w.metrics.durations, "defib_engine_request_duration_seconds"); n != 16 {
		t.Errorf("%d calls are timed, want 16", n)
	}
}

// missing has a call for the container answered by 404 with this text, and one for any
// other as given.
func missing(what string, status int, other string) func(*fakeEngine, string) http.HandlerFunc {
	return func(_ *fakeEngine, id string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, id) {
				answers(status, other)(w, r)
				return
			}
			answers(http.StatusNotFound, what)(w, r)
		}
	}
}

func TestStart(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(f *fakeEngine, id string) http.HandlerFunc
		want  error  // as errors.Is, if not nil
		says  string // "": no error

		counted bool // as a failed request
		fails   bool // and neither refused nor gone
	}{
		{name: "somebody else was faster (304)", fault: func(f *fakeEngine, id string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				f.start(id)
				w.WriteHeader(http.StatusNotModified)
			}
		}},
		{name: "it is gone", want: engine.ErrGone, says: "no longer exists", fault: func(f *fakeEngine, id string) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				f.destroy(id)
				answers(http.StatusNotFound, "No such container: "+id)(w, r)
			}
		}},
		{name: "its network parent is gone", says: "No such container: parent", fault: func(*fakeEngine, string) http.HandlerFunc {
			return answers(http.StatusNotFound, "No such container: parent")
		}},
		{name: "its network is gone", counted: true, fails: true, says: "network shop_default not found", fault: missing("network shop_default not found", http.StatusNotFound, "No such container: made-up")},
		{name: "its network is gone, and a proxy hides other containers", counted: true, fails: true, says: "network shop_default not found", fault: missing("network shop_default not found", http.StatusNotFound, "page not found")},
		{name: "its network is gone, and a proxy refuses other containers", counted: true, fails: true, says: "network 0a1b not found", fault: missing("network 0a1b not found", http.StatusForbidden, "Forbidden")},
		{name: "something else is gone", counted: true, fails: true, says: "volume", fault: missing("get data: no such volume", http.StatusNotFound, "No such container: made-up")},
		{name: "a proxy hides the path", counted: true, want: engine.ErrRefused, says: "page not found", fault: func(*fakeEngine, string) http.HandlerFunc {
			return answers(http.StatusNotFound, "page not found")
		}},
		{name: "a proxy wants a password", counted: true, want: engine.ErrRefused, says: "who are you", fault: func(*fakeEngine, string) http.HandlerFunc {
			return answers(http.StatusUnauthorized, "who are you")
		}},
		{name: "it is being removed", says: "marked for removal", fault: func(*fakeEngine, string) http.HandlerFunc {
			return answers(http.StatusConflict, "container is marked for removal and cannot be started")
		}},
		{name: "a proxy refuses", want: engine.ErrRefused, says: "not allowed", fault: func(*fakeEngine, string) http.HandlerFunc {
			return answers(http.StatusForbidden, "not allowed")
		}},
		{name: "the engine cannot", says: "port is already allocated", fault: func(f *fakeEngine, id string) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				f.change(id, func(c *container.InspectResponse) { c.State.Error, c.State.ExitCode = "port is already allocated", 128 })
				answers(http.StatusInternalServerError, "port is already allocated")(w, r)
			}
		}},
		{name: "the engine says yes and does nothing", says: "did not start", fault: func(*fakeEngine, string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
		}},
		{name: "the engine says no and starts it all the same", fault: func(f *fakeEngine, id string) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				f.start(id)
				answers(http.StatusInternalServerError, "context canceled")(w, r)
			}
		}},
		{name: "it starts and dies at once", fault: func(f *fakeEngine, id string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				f.start(id)
				f.die(id)
				w.WriteHeader(http.StatusNoContent)
			}
		}},
		{name: "it starts and dies at once, on a clock that was set back", fault: func(f *fakeEngine, id string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				f.start(id)
				f.die(id)
				f.change(id, func(c *container.InspectResponse) {
					c.State.StartedAt = f.now().Add(-time.Hour).Format(time.RFC3339Nano)
				})
				w.WriteHeader(http.StatusNoContent)
			}
		}},
		{name: "a proxy gives up", want: engine.ErrNoAnswer, says: "504", fault: func(*fakeEngine, string) http.HandlerFunc {
			return answers(http.StatusGatewayTimeout, "504 Gateway Time-out")
		}},
		{name: "a proxy finds no engine", want: engine.ErrNoAnswer, says: "Bad Gateway", fault: func(*fakeEngine, string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
		}},
		{name: "the engine hangs up in the middle of its answer", want: engine.ErrNoAnswer, says: "EOF", fault: func(*fakeEngine, string) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte("{"))
			}
		}},
		{name: "the engine hangs up", want: engine.ErrNoAnswer, says: "EOF", fault: func(*fakeEngine, string) http.HandlerFunc {
			return func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, w, c := startCase(t)
			f.on("start", tc.fault(f, c.ID))
			err := w.Start(t.Context(), c)
			switch {
			case tc.says == "" && err != nil:
				t.Errorf("%v, want no error", err)
			case tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)):
				t.Errorf("%v, want one that says %q", err, tc.says)
			case tc.want != nil && !errors.Is(err, tc.want):
				t.Errorf("%v, want %v", err, tc.want)
			}
			if tc.fails && (errors.Is(err, engine.ErrRefused) || errors.Is(err, engine.ErrGone)) {
				t.Errorf("%v, want a plain failure", err)
			}
			if tc.counted && metricFailures(t, w.Engine, call.Start) != 1 {
				t.Error("it is not counted as a failed request")
			}
			if (w.Snapshot().Get(c.ID) == nil) != errors.Is(tc.want, engine.ErrGone) {
				t.Errorf("the snapshot shows %+v", w.Snapshot().Get(c.ID))
			}
		})
	}
}

// What our own restart does to a container is no evidence of a stop. A start stops
// nothing: somebody did.
func TestStopsDuringOurOwnActions(t *testing.T) {
	t.Parallel()
	f, w, c := startCase(t)
	stopped := func(rw http.ResponseWriter, deaths uint64) {
		f.emit(c.ID, "kill")
		f.die(c.ID)
		w.until(t, "its death is known", func(p *engine.Snapshot) bool { return p.Get(c.ID).Events[engine.EventDie] == deaths })
		answers(http.StatusInternalServerError, "it does not start")(rw, nil)
	}
	f.on("start", func(rw http.ResponseWriter, _ *http.Request) {
		f.start(c.ID)
		stopped(rw, 2)
	})
	if err := w.Start(t.Context(), c); err != nil {
		t.Fatal(err) // it did start
	}
	if got := w.Snapshot().Get(c.ID); got.ExitCause != engine.CauseStopped {
		t.Errorf("ended %q during our start, want stopped", got.ExitCause)
	}
	f.start(c.ID)
	w.untilState(t, c.ID, engine.Running)
	f.on("restart", func(rw http.ResponseWriter, _ *http.Request) { stopped(rw, 3) })
	if err := w.Restart(t.Context(), w.Snapshot().Get(c.ID)); err == nil {
		t.Fatal("no error from a restart that fails")
	}
	if got := w.Snapshot().Get(c.ID); got.ExitCause != engine.CauseSelf {
		t.Errorf("ended %q by our restart, want self", got.ExitCause)
	}

	// One that is refused does nothing, and is over.
	f.start(c.ID)
	w.untilState(t, c.ID, engine.Running)
	f.on("restart", answers(http.StatusForbidden, "not allowed"))
	if err := w.Restart(t.Context(), w.Snapshot().Get(c.ID)); !errors.Is(err, engine.ErrRefused) {
		t.Fatalf("%v, want a refusal", err)
	}
	f.emit(c.ID, "kill") // by somebody
	f.die(c.ID)
	w.until(t, "it was stopped", func(p *engine.Snapshot) bool { return p.Get(c.ID).ExitCause == engine.CauseStopped })
}

func TestStartIsGivenUpWithItsContext(t *testing.T) {
	t.Parallel()
	f, w, c := startCase(t)
	f.on("start", hangs)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	// The call ends with the context too: then a fresh look may still come.
	if err := w.Start(ctx, c); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, engine.ErrNoAnswer) {
		t.Errorf("%v, want the context's error, as no answer", err)
	}
}

// An action that is under way when the stream is cut ends with the next snapshot.
func TestStartOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	f, w, c := startCase(t)
	f.on("start", func(rw http.ResponseWriter, _ *http.Request) {
		f.start(c.ID)
		f.on("list", func(rw http.ResponseWriter, _ *http.Request) { // the next connection takes its time
			f.on("list", nil)
			f.write(rw, f.list())
		})
		go f.cut()
		panic(http.ErrAbortHandler)
	})
	if err := w.Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if now := w.Snapshot().Get(c.ID); !now.Up() {
		t.Errorf("the snapshot shows %+v", now)
	}
}
