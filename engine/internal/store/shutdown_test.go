package store

import (
	"testing"
	"time"

	"defib/engine"
)

func TestEngineShutdownIsNotAStop(t *testing.T) {
	// shutdown is what dockerd does to every container before it ends.
	shutdown := func(l *harness) {
		for _, id := range []string{"a", "b"} {
			l.happens(id, "kill", "15")
			l.happens(id, "die", "0")
			l.happens(id, "stop", "")
		}
		l.look()
	}
	for _, tc := range []struct {
		name string
		play func(l *harness)
		want engine.ExitCause
	}{
		{"the engine shuts down", func(l *harness) {
			shutdown(l)
			l.pass(2 * time.Second)
			l.cut()
			l.replaced()
		}, engine.CauseEngine},
		{"its last events come with the end of the stream", func(l *harness) {
			shutdown(l)
			l.cut()
			l.replaced()
		}, engine.CauseEngine},
		{"the first connection to the new engine breaks", func(l *harness) {
			shutdown(l)
			l.pass(2 * time.Second)
			l.cut()
			l.replaced()
			l.pass(time.Second)
			l.open()
			l.happens("a", "update", "") // which makes it known to the new engine
			l.cut()
			l.pass(time.Second)
		}, engine.CauseEngine},
		{"they were stopped more than a minute before", func(l *harness) {
			shutdown(l)
			l.pass(61 * time.Second)
			l.cut()
			l.replaced()
		}, engine.CauseStopped},
		{"only the stream was cut", func(l *harness) {
			shutdown(l)
			l.pass(2 * time.Second)
			l.cut()
		}, engine.CauseStopped},
		{"another container came through unharmed", func(l *harness) {
			l.happens("survivor", "create", "")
			l.happens("survivor", "start", "")
			l.look()
			shutdown(l)
			l.pass(2 * time.Second)
			l.cut()
			l.replaced()
		}, engine.CauseStopped},
		{"another container was started by the new engine", func(l *harness) {
			l.happens("other", "create", "")
			l.happens("other", "start", "")
			shutdown(l)
			l.happens("other", "die", "0")
			l.pass(2 * time.Second)
			l.cut()
			l.replaced()
			l.pass(5 * time.Second)
			l.silently("other", "start", "")
		}, engine.CauseEngine},
		{"the engine was killed, and stops them as it comes back", func(l *harness) {
			l.happens("a", "update", "") // by which the new engine is told from the old
			l.cut()
			l.replaced()
			l.pass(2 * time.Minute)
			shutdown(l)
		}, engine.CauseEngine},
		{"so it does, and nothing had ever happened before", func(l *harness) {
			l.cut()
			l.replaced()
			l.pass(2 * time.Minute)
			shutdown(l)
		}, engine.CauseEngine},
		{"the new engine started them, and somebody stopped them", func(l *harness) {
			shutdown(l)
			l.cut()
			l.replaced()
			l.pass(time.Second)
			l.happens("a", "start", "")
			l.happens("b", "start", "")
			shutdown(l)
		}, engine.CauseStopped},
		{"they crashed before", func(l *harness) {
			l.happens("a", "die", "1")
			l.happens("b", "die", "1")
			l.look()
			l.cut()
			l.replaced()
		}, engine.CauseSelf},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := watching(t, "a", "b")
			l.pass(time.Hour)
			tc.play(l)
			l.pass(10 * time.Second)
			l.open()
			l.sync()
			for _, id := range []string{"a", "b"} {
				if got := l.get(id).ExitCause; got != tc.want {
					t.Errorf("%s: %q, want %q", id, got, tc.want)
				}
			}
		})
	}
}

// What somebody stops in the last minute before the engine is restarted stays stopped, if
// another container ran on until the engine told it to stop.
func TestStopBeforeAnEngineShutdownIsAStop(t *testing.T) {
	stop := func(l *lives, id string) {
		for _, event := range [][2]string{{"kill", "15"}, {"die", "0"}, {"stop", ""}} {
			l.happens(id, event[0], event[1])
		}
		l.look()
	}
	shutdown := func(l *lives) {
		told := l.engineNow()
		l.pass(time.Millisecond)
		l.happens("b", "kill", "15")
		l.happens("b", "die", "0")
		l.truth["b"].Finished = told // as Docker 20.10 has it: a moment before the event of the kill
		l.happens("b", "stop", "")
		l.happens("slow", "kill", "15")
		l.look()
		l.pass(11 * time.Second)
		l.happens("slow", "kill", "9")
		l.happens("slow", "die", "137")
		l.happens("slow", "stop", "")
	}
	gone := func(l *lives) {
		l.cut()
		l.replaced()
	}
	between := func(l *lives) { // two lives of Defib
		l.save(true)
		l.again()
		l.pass(time.Second)
		l.endSilently("b", "slow")
		l.replaced()
	}
	for _, tc := range []struct {
		name  string
		play  func(l *lives)
		db, b engine.ExitCause
	}{
		{"the engine shuts down", func(l *lives) {
			shutdown(l)
			gone(l)
		}, engine.CauseStopped, engine.CauseEngine},
		{"the engine is killed, and stops what outlived it as it comes back", func(l *lives) {
			gone(l)
			shutdown(l)
		}, engine.CauseStopped, engine.CauseEngine},
		{"Defib is restarting the other, and is not told of its stop", func(l *lives) {
			l.silently("slow", "destroy", "")
			l.sync()
			l.Acting("b", true)
			l.happens("b", "kill", "15")
			l.happens("b", "die", "0")
			gone(l)
		}, engine.CauseEngine, engine.CauseSelf},
		{"Defib ends before the engine shuts down", between, engine.CauseStopped, engine.CauseEngine},
		{"Defib ends once the engine has shut down", func(l *lives) {
			shutdown(l)
			l.cut()
			between(l)
		}, engine.CauseStopped, engine.CauseEngine},
		{"the others are told to reload just before", func(l *lives) {
			l.happens("b", "kill", "1")
			l.pass(9 * time.Second)
			shutdown(l)
			gone(l)
		}, engine.CauseStopped, engine.CauseEngine},
		{"so they are, and Defib ends before", func(l *lives) {
			l.happens("b", "kill", "1")
			l.pass(9 * time.Second)
			between(l)
		}, engine.CauseStopped, engine.CauseEngine},
		{"Defib ends while the engine shuts down", func(l *lives) {
			l.happens("b", "kill", "15")
			between(l)
		}, engine.CauseStopped, engine.CauseEngine},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLives(t)
			for _, id := range []string{"db", "b", "slow"} {
				l.put(id)
			}
			l.pass(time.Hour)
			l.open()
			l.sync()
			for _, id := range []string{"b", "slow"} { // to reload, long before
				l.happens(id, "kill", "1")
			}
			l.pass(time.Hour)
			stop(l, "db")
			l.pass(30 * time.Second)
			tc.play(l)
			l.pass(5 * time.Second)
			l.open()
			l.sync()
			if db, b := l.get("db").ExitCause, l.get("b").ExitCause; db != tc.db || b != tc.b {
				t.Errorf("db ended %q, b %q, want %q and %q", db, b, tc.db, tc.b)
			}
		})
	}
}

// What is slow to stop was told before it ended. A next life knows that.
func TestSlowStopBeforeAnEngineShutdownIsAStopInTheNextLifeToo(t *testing.T) {
	l := newLives(t)
	for _, id := range []string{"db", "b"} {
		l.put(id)
	}
	l.pass(time.Hour)
	l.open()
	l.sync()
	l.happens("db", "kill", "15")
	l.pass(10 * time.Second)
	for _, event := range [][2]string{{"kill", "9"}, {"die", "137"}, {"stop", ""}} {
		l.happens("db", event[0], event[1])
	}
	l.look()
	l.pass(4 * time.Second)
	l.happens("b", "kill", "15") // by the shutdown
	l.save(true)
	l.again()
	l.pass(time.Second)
	l.endSilently("b")
	l.replaced()
	l.pass(5 * time.Second)
	l.open()
	l.sync()
	if db, b := l.get("db").ExitCause, l.get("b").ExitCause; db != engine.CauseStopped || b != engine.CauseEngine {
		t.Errorf("db ended %q, b %q", db, b)
	}
}
