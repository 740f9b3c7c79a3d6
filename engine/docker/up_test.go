package docker

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"defib/engine"
)

// Law 6: no snapshot is shown that is not current.
func TestLaw6UpIsHonest(t *testing.T) {
	for _, tc := range []struct {
		name, call, want string
		fault            http.HandlerFunc
	}{
		{"500", "ping", "500", answers(http.StatusInternalServerError, "server error")},
		{"403", "ping", "forbidden", answers(http.StatusForbidden, "forbidden")},
		{"a hang", "ping", "deadline", hangs},
		{"a redirect", "ping", "redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login", http.StatusFound)
		}},
		{"no engine", "ping", "does not speak the Docker", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := serving(t)
			f.put("web")
			w := connected(t, Options{Host: f.host()})
			if _, err := w.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.on("ping", tc.fault)
			began := time.Now()
			p, err := w.Up(t.Context())
			if p != nil || err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tc.want)) {
				t.Errorf("%v, want an error that says %q", err, tc.want)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			f.on("ping", nil)
			if _, err := w.Up(t.Context()); err != nil {
				t.Errorf("after the fault: %v", err)
			}
		})
	}
}

func TestLaw6NoSnapshotBeforeTheFirstList(t *testing.T) {
	t.Parallel()
	f := serving(t)
	f.on("list", hangs)
	w := runEngine(t, Options{Host: f.host()})
	eventually(t, "the list is asked for", func() bool { return f.asked("list") > 0 })
	if _, err := w.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "no snapshot") {
		t.Errorf("up: %v", err)
	}
	f.on("list", nil)
	f.cut()
	w.until(t, "it is connected", func(p *engine.Snapshot) bool { return p.Connected })
}

func TestUpAsksForOnePing(t *testing.T) {
	t.Parallel()
	f := serving(t)
	for range 20 {
		f.put("web")
	}
	w := connected(t, Options{Host: f.host()})
	eventually(t, "images are listed, as they are once", func() bool { return f.asked("images") == 1 })
	before := f.total()
	for range 5 {
		if _, err := w.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.total() - before; n != 5 {
		t.Errorf("%d requests for 5 scrapes", n)
	}
}

func (f *fakeEngine) total() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, calls := range f.calls {
		n += calls
	}
	return n
}
