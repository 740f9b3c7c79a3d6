package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/engine"
	"defib/engine/docker/call"
	"defib/engine/internal/queue"
	"defib/engine/internal/store"
)

// took returns how long f ran, in the bubble's exact time.
func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// After a call that timed out only a fresh inspect knows what came of it.
func TestStartThatTimesOut(t *testing.T) {
	for name, comesUp := range map[string]bool{"and comes up": true, "and does not": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeEngine) {
				id := f.put("web")
				f.set(id, container.StateExited)
				w := connectedInProcess(t, f)
				f.on("start", func(rw http.ResponseWriter, r *http.Request) {
					if comesUp {
						f.start(id)
					}
					hangs(rw, r)
				})
				var err error
				if d := took(func() { err = w.Start(t.Context(), w.Snapshot().Get(id)) }); d != actionTimeout {
					t.Errorf("it took %v, want %v", d, actionTimeout)
				}
				if comesUp && err != nil || !comesUp && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("start: %v", err)
				}
				if w.Snapshot().Get(id).Up() != comesUp {
					t.Error("the snapshot does not show it")
				}
			})
		})
	}
}

// The next snapshot is not out yet when the fresh look comes: another container's
// inspect hangs.
func TestStartWaitsForTheSnapshotOfTheNextConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id, wedged := f.put("web"), f.put("wedged")
		f.set(id, container.StateExited)
		w := connectedInProcess(t, f)
		f.wedge(wedged)
		f.on("start", func(rw http.ResponseWriter, _ *http.Request) {
			f.start(id)
			f.drop(false)
			rw.WriteHeader(http.StatusNoContent)
		})
		if err := w.Start(t.Context(), w.Snapshot().Get(id)); err != nil {
			t.Fatal(err)
		}
		if !w.Snapshot().Get(id).Up() {
			t.Errorf("the snapshot shows %+v", w.Snapshot().Get(id))
		}
		w.until(t, "it is connected again", func(p *engine.Snapshot) bool { return p.Connected }) // it may not have noticed yet
	})
}

// wedge makes the inspect of a container hang.
func (f *fakeEngine) wedge(id string) {
	f.on("inspect", func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, id) {
			hangs(rw, r)
			return
		}
		f.answer(rw, r, "inspect", strings.Split(r.URL.Path, "/")[3])
	})
}

// Law 8: an inspect that hangs holds up the first snapshot for a while only, and
// the other containers not at all.
func TestLaw8WedgedContainerIsWaitedForInVain(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id, wedged := f.put("web"), f.put("wedged")
		f.wedge(wedged)
		began := time.Now()
		w := connectedInProcess(t, f)
		if d := time.Since(began); d != store.SyncTimeout {
			t.Errorf("the first snapshot took %v, want %v", d, store.SyncTimeout)
		}
		if c := w.Snapshot().Get(wedged); c == nil || c.Inspected || c.Name != "wedged" {
			t.Errorf("the wedged one: %+v", c)
		}
		f.die(id)
		synctest.Wait()
		if c := w.Snapshot().Get(id); c.State != engine.Exited {
			t.Errorf("the other one is %s", c.State)
		}
		f.on("inspect", nil)
		time.Sleep(10*time.Second + queue.RecheckMax)
		synctest.Wait()
		if c := w.Snapshot().Get(wedged); !c.Inspected {
			t.Error("it is not looked at again")
		}
		if len(w.log.lines("level=WARN")) > 0 {
			t.Errorf("it complained: %v", w.log.lines("level=WARN"))
		}
	})
}

// Until the first snapshot nothing is waited for that another call could have been under
// way beside: a ping; version and information; the event stream; the list and what was
// before; the inspects.
func TestFirstSnapshotTakesAsFewRoundTripsAsItCan(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		for range 3 * store.Inspectors {
			f.put("web")
		}
		f.takes = 100 * time.Millisecond // three turns of inspects are not longer than the first snapshot waits
		began := time.Now()
		connectedInProcess(t, f)
		if d := time.Since(began); d != (1+1+1+1+3)*f.takes {
			t.Errorf("it took the time of %v calls in turn", d/f.takes)
		}
	})
}

func TestFewInspectsAreInFlight(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		for range 3 * store.Inspectors {
			f.put("web")
		}
		f.on("inspect", hangs)
		inProcess(t, f)
		for turn := range 3 {
			synctest.Wait()
			if n := f.asked("inspect"); n != (turn+1)*store.Inspectors {
				t.Errorf("turn %d: %d inspects were begun, want %d each", turn, n, store.Inspectors)
			}
			time.Sleep(10 * time.Second)
		}
	})
}

func TestLaw6PingHasASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		w := connectedInProcess(t, f)
		f.on("ping", hangs)
		d := took(func() {
			if _, err := w.Up(t.Context()); err == nil {
				t.Error("up")
			}
		})
		if d != pingTimeout {
			t.Errorf("it took %v, want %v", d, pingTimeout)
		}
		if n := metricFailures(t, w.Engine, call.Ping); n != 1 {
			t.Errorf("%v pings are counted as failed, want 1", n)
		}
	})
}

func TestLaw6StreamThatStaysAwayTakesTheSnapshotAway(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		w := connectedInProcess(t, f)
		f.on("events", answers(http.StatusInternalServerError, "no events today"))
		f.drop(false)
		time.Sleep(streamGrace)
		if _, err := w.Up(t.Context()); err != nil {
			t.Errorf("after %v: %v", streamGrace, err)
		}
		time.Sleep(time.Millisecond)
		if p, err := w.Up(t.Context()); p != nil || err == nil || !strings.Contains(err.Error(), "event stream has been down for 5s: ") || !strings.Contains(err.Error(), "no events today") {
			t.Errorf("after more: %v", err)
		}
		f.on("events", nil)
		time.Sleep(2 * reconnectMost)
		if _, err := w.Up(t.Context()); err != nil {
			t.Errorf("back: %v", err)
		}
	})
}

func TestLaw6OldListTakesTheSnapshotAway(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		w := connectedInProcess(t, f)
		f.on("list", answers(http.StatusInternalServerError, "no list today"))
		time.Sleep(staleAfter * w.ResyncInterval)
		if _, err := w.Up(t.Context()); err != nil {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Millisecond)
		if _, err := w.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "last list of containers is 1m30s old") {
			t.Errorf("%v, want one about the list", err)
		}
		if n := len(w.log.lines("level=WARN", "cannot list containers", "no list today")); n != 1 {
			t.Errorf("complained %d times", n)
		}
		f.on("list", nil)
		time.Sleep(w.ResyncInterval)
		synctest.Wait()
		if _, err := w.Up(t.Context()); err != nil {
			t.Errorf("back: %v", err)
		}
	})
}

// Law 5: what no event tells is found within one resync, and opens the stream anew.
func TestLaw5SilentChangeIsFoundByTheNextList(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id := f.put("web")
		w := connectedInProcess(t, f)
		f.set(id, container.StateExited)
		time.Sleep(w.ResyncInterval)
		synctest.Wait()
		if c := w.Snapshot().Get(id); c.State != engine.Exited || c.ExitCause != engine.CauseUnknown {
			t.Errorf("%s, ended %q", c.State, c.ExitCause)
		}
		if n := f.asked("events"); metric(t, w.Engine, "defib_engine_drift_total") != 0 {
			t.Errorf("drift before an event could explain it, %d", n)
		}
		time.Sleep(store.DriftSlack)
		synctest.Wait()
		if metric(t, w.Engine, "defib_engine_drift_total") != 1 || metric(t, w.Engine, "defib_engine_reconnects_total") != 1 {
			t.Error("want one drift and one reconnect")
		}
		if len(w.log.lines("level=INFO", "snapshot differs from the list of containers, reconnecting")) != 1 || len(w.log.lines("event stream ended")) != 0 {
			t.Error("the log does not say why")
		}
		if _, err := w.Up(t.Context()); err != nil {
			t.Errorf("up: %v", err)
		}
		time.Sleep(10 * w.ResyncInterval)
		if metric(t, w.Engine, "defib_engine_drift_total") != 1 {
			t.Error("it was counted again")
		}
	})
}

func TestListsComeAtTheirInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		w := connectedInProcess(t, f)
		time.Sleep(10*w.ResyncInterval + time.Second)
		if n := f.asked("list"); n != 11 {
			t.Errorf("listed %d times in ten intervals", n)
		}
		if n := f.asked("inspect"); n != 0 {
			t.Errorf("inspected %d times what did not change", n)
		}
	})
}

func TestRestartThatFailsSilentlyIsFound(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id := f.put("web")
		w := connectedInProcess(t, f)
		f.set(id, container.StateRestarting)
		f.emit(id, "die")
		w.untilState(t, id, engine.Restarting)
		f.set(id, container.StateExited)
		time.Sleep(queue.RecheckFirst)
		synctest.Wait()
		if c := w.Snapshot().Get(id); c.State != engine.Exited || c.ExitCause != engine.CauseSelf {
			t.Errorf("%s, ended %q", c.State, c.ExitCause)
		}
	})
}

// The engine being away never ends the program. It is said once, and once that it
// is back.
func TestLastingFailureIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		w := connectedInProcess(t, f)
		for round := 1; round <= 3; round++ {
			attempts := metricFailures(t, w.Engine, call.Ping)
			f.drop(true)
			time.Sleep(10 * time.Minute)
			if n := metricFailures(t, w.Engine, call.Ping) - attempts; n < 600/7.5 || n > 600/2.5+10 {
				t.Errorf("round %d: %v attempts in ten minutes", round, n)
			}
			if n := len(w.log.lines("engine unavailable", "no such socket")); n != round {
				t.Errorf("round %d: complained %d times: %q", round, n, w.log.lines("engine unavailable"))
			}
			f.drop(false)
			time.Sleep(2 * reconnectMost)
			f.drop(false) // a cut after it was back is followed by a new stream at once
			time.Sleep(2 * reconnectFirst)
			synctest.Wait()
			if !w.Snapshot().Connected || len(w.log.lines("engine connected")) != 2*round+1 {
				t.Errorf("round %d: it is not back", round)
			}
			if n := metricFailures(t, w.Engine, call.Events); n != 0 {
				t.Errorf("round %d: %v requests for events have failed", round, n)
			}
		}
	})
}

// A proxy may say of each request which it was: what lasts is said once all the same.
func TestLastingFailureWhoseTextDiffersIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		var requests atomic.Int64
		fails := func(w http.ResponseWriter, r *http.Request) {
			answers(http.StatusBadGateway, fmt.Sprint("bad gateway, request ", requests.Add(1)))(w, r)
		}
		w := connectedInProcess(t, f)
		f.on(call.List, fails)
		f.on(call.Images, fails)
		time.Sleep(2*store.ImagesEvery + time.Second) // no list is under way, which would be cut off
		f.on(call.Version, fails)
		f.drop(false)
		time.Sleep(time.Hour)
		for _, text := range []string{"cannot list containers", "cannot list images", "engine unavailable"} {
			if lines := w.log.lines("level=WARN", text); len(lines) != 1 {
				t.Errorf("%s is said %d times: %q", text, len(lines), lines)
			}
		}
		if n := requests.Load(); n < 100 {
			t.Errorf("only %d requests failed", n)
		}
	})
}

// What the engine still holds of a gap counts, however long the gap was.
func TestWhatWasDoneInALongGapIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		id, other := f.put("web"), f.put("other")
		w := connectedInProcess(t, f)
		f.emit(other, "update")
		time.Sleep(time.Minute)
		f.drop(true)
		f.emit(id, "kill")
		f.die(id)
		f.emit(id, "stop")
		time.Sleep(10 * replayWindow)
		f.drop(false)
		w.until(t, "it is back", func(p *engine.Snapshot) bool { return p.Connected && p.Get(id).State == engine.Exited })
		synctest.Wait()
		if c := w.Snapshot().Get(id); c.ExitCause != engine.CauseStopped || c.Events[engine.EventDie] != 1 {
			t.Errorf("ended %q, events %v", c.ExitCause, c.Events)
		}
	})
}

// An engine that may not tell its time, and whose clock is behind ours, holds back
// the end of what it holds until that clock has caught up.
func TestEngineThatHoldsItsPastBackIsWatched(t *testing.T) {
	for _, happened := range []int{0, 2} {
		inBubble(t, func(t *testing.T, f *fakeEngine) {
			id := f.put("web")
			for range happened {
				f.emit(id, "update")
			}
			f.on("info", answers(http.StatusForbidden, "no"))
			f.on("events", func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				held := q.Has("until")
				q.Del("until")
				r.URL.RawQuery = q.Encode()
				f.stream(w, r)
				if held && r.Context().Err() == nil {
					t.Error("the answer was not held back")
				}
			})
			w := inProcess(t, f)
			time.Sleep(w.Timeout + time.Second)
			if !w.Snapshot().Connected {
				t.Fatalf("after %d events it is not watched: %q", happened, w.log.lines("engine unavailable"))
			}
			f.die(id)
			synctest.Wait()
			if c := w.Snapshot().Get(id); c.State != engine.Exited || c.ExitCause != engine.CauseSelf {
				t.Errorf("%s, ended %q", c.State, c.ExitCause)
			}
		})
	}
}

func TestLaw10RunEndsAtOnceWhateverHangs(t *testing.T) {
	for _, call := range []string{"", "ping", "version", "info", "events", "list", "inspect"} {
		t.Run(call, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeEngine) {
				f.put("web")
				f.on(call, hangs)
				w := inProcess(t, f)
				synctest.Wait()
				if d := took(w.stop); d != 0 {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

func TestRunEndsWhileTheEngineIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fakeEngine) {
		w := connectedInProcess(t, f)
		f.drop(true)
		time.Sleep(time.Minute)
		if d := took(w.stop); d != 0 {
			t.Errorf("it took %v", d)
		}
	})
}
