package docker

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"defib/engine"
)

// aLife has an Engine in the same process go on from m, until it has looked at everything,
// and does what is to happen under its eyes. It returns the last snapshot, and what is to
// be remembered.
func aLife(t *testing.T, f *fakeEngine, o Options, m engine.Memory, happens func(w *watchedEngine)) (*engine.Snapshot, engine.Memory) {
	t.Helper()
	o.Host, o.Timeout, o.ResyncInterval = "unix:///nonexistent/s", 10*time.Second, 30*time.Second
	w := resumeEngineOver(t, o, m, f)
	w.until(t, "it is connected", func(p *engine.Snapshot) bool { return p.Connected })
	happens(w)
	synctest.Wait()
	w.stop()
	return w.Snapshot(), throughJSON(t, w.Snapshot().Memory(time.Now()))
}

func throughJSON(t *testing.T, m engine.Memory) (read engine.Memory) {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

func nothing(*watchedEngine) {}

func (f *fakeEngine) fill(n int) { // with events of other kinds
	f.forget()
	for range n {
		time.Sleep(time.Millisecond)
		f.announce(events.Message{Type: events.NetworkEventType, Action: "connect", TimeNano: f.now().UnixNano(), Actor: events.Actor{ID: "n"}})
	}
}

// What ended between two lives is judged by what the engine still holds of its events.
func TestEndingsBetweenTwoLives(t *testing.T) {
	for _, tc := range []struct {
		name    string
		between func(f *fakeEngine, crashed, stopped, silent string)
		boot    string
		// of a container that crashes, of one that is stopped, and of one of which no event tells
		crashed, stopped, silent engine.ExitCause
	}{
		{"it still holds the last one, an hour later", func(f *fakeEngine, crashed, stopped, silent string) {
			f.die(crashed)
			f.emit(stopped, "kill")
			f.die(stopped)
			f.emit(stopped, "stop")
			f.set(silent, container.StateExited)
			time.Sleep(time.Hour)
		}, "", engine.CauseSelf, engine.CauseStopped, engine.CauseUnknown},
		{"it holds fewer than it could, and not the last one: it was restarted", func(f *fakeEngine, crashed, stopped, silent string) {
			for _, id := range []string{crashed, stopped, silent} {
				f.set(id, container.StateExited)
			}
			f.fill(255)
			time.Sleep(time.Hour)
		}, "", engine.CauseEngine, engine.CauseEngine, engine.CauseEngine},
		{"it holds none at all: it was restarted", func(f *fakeEngine, crashed, stopped, silent string) {
			for _, id := range []string{crashed, stopped, silent} {
				f.set(id, container.StateExited)
			}
			f.forget()
			time.Sleep(time.Hour)
		}, "", engine.CauseEngine, engine.CauseEngine, engine.CauseEngine},
		{"it holds as many as it can, and not the last one", func(f *fakeEngine, crashed, stopped, silent string) {
			f.fill(253)
			f.die(crashed)
			f.emit(stopped, "kill")
			f.die(stopped)
			f.set(silent, container.StateExited)
			time.Sleep(time.Hour)
		}, "", engine.CauseUnknown, engine.CauseStopped, engine.CauseUnknown},
		{"it holds as many as it can, and its host was rebooted", func(f *fakeEngine, crashed, stopped, silent string) {
			for _, id := range []string{crashed, stopped, silent} {
				f.set(id, container.StateExited)
			}
			f.fill(256)
			time.Sleep(time.Hour)
		}, "another", engine.CauseEngine, engine.CauseEngine, engine.CauseEngine},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeEngine) {
				crashed, stopped, silent := f.put("crashed"), f.put("stopped"), f.put("silent")
				f.emit(crashed, "update")
				_, m := aLife(t, f, Options{BootID: "boot"}, engine.Memory{}, nothing)
				tc.between(f, crashed, stopped, silent)
				if tc.boot == "" {
					tc.boot = "boot"
				}
				p, _ := aLife(t, f, Options{BootID: tc.boot}, m, nothing)
				for id, want := range map[string]engine.ExitCause{crashed: tc.crashed, stopped: tc.stopped, silent: tc.silent} {
					if c := p.Get(id); c.ExitCause != want {
						t.Errorf("%s ended %q, want %q", c.Name, c.ExitCause, want)
					}
				}
			})
		})
	}
}

// Without a memory, what the engine holds counts for 10 minutes; with one from the last
// event on.
func TestOldEventsCountWithAMemoryOnly(t *testing.T) {
	for _, remembers := range []bool{true, false} {
		inBubble(t, func(t *testing.T, f *fakeEngine) {
			id := f.put("web")
			f.emit(id, "update")
			_, m := aLife(t, f, Options{}, engine.Memory{}, nothing)
			f.emit(id, "kill")
			f.die(id)
			time.Sleep(replayWindow + time.Minute)
			want := engine.CauseStopped
			if !remembers {
				m, want = engine.Memory{}, engine.CauseUnknown
			}
			p, _ := aLife(t, f, Options{}, m, nothing)
			if got := p.Get(id).ExitCause; got != want {
				t.Errorf("with a memory: %v: it ended %q, want %q", remembers, got, want)
			}
			if n := p.Get(id).Events; n != (engine.Counts{}) {
				t.Errorf("what happened before this life is counted: %v", n)
			}
		})
	}
}

func TestEngineIsKnownByItsID(t *testing.T) {
	podman, _ := jsonFile(t, "podman-4.3", "version.json")
	for _, tc := range []struct {
		name string
		set  func(f *fakeEngine)
		want string
	}{
		{"Docker", func(f *fakeEngine) { f.id = "7TRC:22OA" }, "7TRC:22OA"},
		{"a proxy refuses to tell", func(f *fakeEngine) { f.on("info", answers(403, "forbidden")) }, ""},
		{"Podman has a new one each time", func(f *fakeEngine) { f.id, f.version = "7TRC:22OA", podman }, ""},
	} {
		inBubble(t, func(t *testing.T, f *fakeEngine) {
			tc.set(f)
			p, m := aLife(t, f, Options{BootID: "boot"}, engine.Memory{}, nothing)
			if p.EngineID != tc.want || m.EngineID != tc.want || p.BootID != "boot" || m.BootID != "boot" {
				t.Errorf("%s: %q, remembered as %q, of boot %q", tc.name, p.EngineID, m.EngineID, m.BootID)
			}
		})
	}
}

// The look is the last moment at which all was known, on the engine's clock.
func TestLookLastsAsLongAsTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		f.emit(f.put("web"), "update")
		var ended time.Time
		_, m := aLife(t, f, Options{}, engine.Memory{}, func(w *watchedEngine) {
			time.Sleep(7 * time.Second)
			synctest.Wait()
			if m := w.Snapshot().Memory(time.Now()); !m.Looked.Equal(f.now()) {
				t.Errorf("looked %v ago", f.now().Sub(m.Looked))
			}
			ended = f.now()
			f.drop(true)
			time.Sleep(time.Hour)
		})
		if !m.Looked.Equal(ended) {
			t.Errorf("looked %v after the stream ended", m.Looked.Sub(ended))
		}
	})
}

// A life that never knows all forgets nothing of what it went on from.
func TestMemoryOutlivesALifeThatKnowsNothing(t *testing.T) {
	for name, fault := range map[string]func(f *fakeEngine){
		"there is no engine": func(f *fakeEngine) { f.drop(true) },
		"the stream breaks before all is known": func(f *fakeEngine) {
			f.on("list", func(w http.ResponseWriter, r *http.Request) { f.drop(true) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeEngine) {
				id := f.put("web")
				f.emit(id, "update")
				_, m := aLife(t, f, Options{BootID: "boot"}, engine.Memory{}, nothing)
				if len(m.Containers) != 1 || m.BootID != "boot" {
					t.Fatalf("remembered is %+v", m)
				}
				f.emit(id, "kill")
				f.die(id)
				fault(f)
				w := resumeEngineOver(t, Options{Host: "unix:///nonexistent/s", Timeout: 10 * time.Second, BootID: "other"}, m, f)
				time.Sleep(time.Minute)
				synctest.Wait()
				got := throughJSON(t, w.Snapshot().Memory(time.Now()))
				w.stop()
				if !reflect.DeepEqual(got, m) {
					t.Errorf("remembered is %+v, want %+v", got, m)
				}
			})
		})
	}
}

// A connection that breaks before all is known again changes nothing of what is remembered.
func TestMemoryIsOfTheLastSnapshotThatWasWhole(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id := f.put("web")
		f.emit(id, "update")
		var want engine.Memory
		_, got := aLife(t, f, Options{}, engine.Memory{}, func(w *watchedEngine) {
			f.on("list", func(http.ResponseWriter, *http.Request) { f.drop(true) })
			f.drop(true)
			synctest.Wait()
			want = throughJSON(t, w.Snapshot().Memory(time.Now()))
			f.die(id)
			f.drop(false)
			time.Sleep(time.Minute)
		})
		if n := f.asked("list"); n < 2 {
			t.Fatalf("listed %d times: it never came so far", n)
		}
		if !want.Ended || !reflect.DeepEqual(got, want) {
			t.Errorf("remembered is %+v, want %+v", got, want)
		}
	})
}

func TestAnotherEngineIsNotTakenForTheRememberedOne(t *testing.T) {
	for id, want := range map[string]engine.ExitCause{"one": engine.CauseEngine, "other": engine.CauseUnknown} {
		inBubble(t, func(t *testing.T, f *fakeEngine) {
			f.id = "one"
			web := f.put("web")
			f.emit(web, "update")
			_, m := aLife(t, f, Options{}, engine.Memory{}, nothing)
			f.set(web, container.StateExited)
			f.forget()
			f.id = id
			p, _ := aLife(t, f, Options{}, m, nothing)
			if got := p.Get(web).ExitCause; got != want {
				t.Errorf("engine %s: it ended %q, want %q", id, got, want)
			}
		})
	}
}

// Podman's events of last year are of no use.
func TestPodmanIsAskedForTenMinutesAtMost(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		f.version, _ = jsonFile(t, "podman-4.3", "version.json")
		f.emit(f.put("web"), "update")
		_, m := aLife(t, f, Options{}, engine.Memory{}, nothing)
		time.Sleep(time.Hour)
		earliest := f.now().Add(-replayWindow)
		f.on("events", func(w http.ResponseWriter, r *http.Request) {
			if since := nanos(r.URL.Query().Get("since")); since < earliest.UnixNano() {
				t.Errorf("asked for the events of %v", time.Unix(0, since))
			}
			f.stream(w, r)
		})
		p, _ := aLife(t, f, Options{}, m, nothing)
		if p.Find("web").StartSeenAt.IsZero() {
			t.Error("it is not known to run")
		}
	})
}
