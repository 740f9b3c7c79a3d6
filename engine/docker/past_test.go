package docker

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"defib/engine"
	"defib/engine/docker/call"
)

// The events of a gap are had whole or asked for again, whatever the stream tells meanwhile:
// with a part of them, somebody's stop would be taken for a crash.
func TestPastThatCannotBeHadIsAskedForAgain(t *testing.T) {
	for name, fails := range map[string]func(f *fakeEngine, other string, w http.ResponseWriter, r *http.Request){
		"it is refused, and something happens just then": func(f *fakeEngine, other string, w http.ResponseWriter, r *http.Request) {
			f.emit(other, "start")
			time.Sleep(100 * time.Millisecond) // for the stream to tell it; if it does not, this row shows less
			answers(http.StatusBadGateway, "bad gateway")(w, r)
		},
		"it hangs in the middle": func(f *fakeEngine, _ string, w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			first := f.log[0]
			f.mu.Unlock()
			f.write(w, first)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serving(t)
			web, other := f.put("web"), f.put("other")
			w := connected(t, Options{Host: f.host(), Timeout: time.Second})
			f.emit(other, "start")
			w.until(t, "it has heard of an event", func(p *engine.Snapshot) bool { return p.Get(other).Events[engine.EventStart] == 1 })
			var asked atomic.Int32
			f.on(call.Events, func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("until") != "" && asked.Add(1) == 1 {
					fails(f, other, rw, r)
					return
				}
				f.stream(rw, r)
			})
			f.on(call.Ping, answers(http.StatusServiceUnavailable, "starting"))
			f.cut()
			w.until(t, "it is disconnected", func(p *engine.Snapshot) bool { return !p.Connected })
			f.emit(web, "kill")
			f.on(call.Ping, nil)
			w.until(t, "it is connected again", func(p *engine.Snapshot) bool { return p.Connected && asked.Load() >= 2 })
			f.die(web)
			w.untilState(t, web, engine.Exited)
			if cause := w.Snapshot().Get(web).ExitCause; cause != engine.CauseStopped {
				t.Errorf("ended %q, want stopped", cause)
			}
		})
	}
}
