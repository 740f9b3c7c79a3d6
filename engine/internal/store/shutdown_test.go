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
