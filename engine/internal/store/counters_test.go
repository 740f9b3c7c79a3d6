package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/engine/internal/ownchange"
)

func TestCountsSurviveRecreation(t *testing.T) {
	l := watching(t, "old")
	l.happens("old", "rename", "web")
	l.look()
	l.happens("old", "kill", "9")
	l.happens("old", "die", "137")
	l.happens("old", "destroy", "")
	l.pass(time.Minute)
	l.happens("new", "create", "")
	l.truth["new"].Name = "web"
	l.happens("new", "start", "") // counted before its name is known
	l.look()
	want := engine.Counts{engine.EventKill: 1, engine.EventDie: 1, engine.EventStart: 1}
	if got := l.get("new").Events; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
	for _, d := range l.Snapshot().Departed {
		if d.Name == "web" {
			t.Error("web has departed and is there")
		}
	}
}

func TestCountsOfARenamedContainer(t *testing.T) {
	l := watching(t, "web")
	l.happens("web", "die", "1")
	l.happens("web", "start", "")
	l.look()
	l.happens("web", "rename", "shop-web")
	l.look()
	l.happens("web", "die", "1")
	l.look()
	p := l.Snapshot()
	if got := p.Get("web"); got.Name != "shop-web" || got.Events != (engine.Counts{engine.EventDie: 1}) {
		t.Errorf("under its new name: %s %v, want shop-web with one death", got.Name, got.Events)
	}
	want := []engine.Departed{{Name: "web", Events: engine.Counts{engine.EventDie: 1, engine.EventStart: 1}}}
	if diff := cmp.Diff(want, p.Departed); diff != "" {
		t.Errorf("its old name, -want +got:\n%s", diff)
	}
	l.happens("web", "rename", "web") // back within five minutes
	l.look()
	if got := l.get("web").Events; got != (engine.Counts{engine.EventDie: 1, engine.EventStart: 1}) {
		t.Errorf("under its old name again: %v", got)
	}
}

// Law 10: no series outlives its container by more than five minutes.
func TestLaw10CountsDepartAfterFiveMinutes(t *testing.T) {
	for name, leave := range map[string]func(l *harness){
		"destroyed":             func(l *harness) { l.happens("a", "destroy", "") },
		"vanished":              func(l *harness) { l.silently("a", "destroy", "") },
		"renamed":               func(l *harness) { l.happens("a", "rename", "b") },
		"renamed without event": func(l *harness) { l.silently("a", "rename", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			l := newHarness(t)
			l.put("a")
			l.open()
			l.sync()
			l.pass(time.Hour)
			leave(l)
			l.sync()
			if got := l.Snapshot().Departed; len(got) != 1 || got[0].Name != "a" {
				t.Fatalf("departed: %+v, want a", got)
			}
			l.pass(departedFor)
			l.sync()
			if len(l.Snapshot().Departed) != 1 {
				t.Error("gone too early")
			}
			l.pass(time.Second)
			l.sync()
			if got := l.Snapshot().Departed; len(got) != 0 {
				t.Errorf("departed: %+v, want none", got)
			}
			if len(l.counters) > len(l.entries) {
				t.Errorf("%d names are kept for %d containers", len(l.counters), len(l.entries))
			}
		})
	}
}

// Law 10: nothing is kept of containers that are gone.
func TestLaw10BookForgets(t *testing.T) {
	l := watching(t)
	for range 100 {
		l.happens("a", "create", "")
		l.truth["a"].Labels = map[string]string{engine.LabelProject: "shop"}
		l.happens("a", "start", "")
		l.look()
		l.happens("a", "kill", "15")
		l.look()
		l.Refresh(l.now, "a", make(chan *engine.Container, 1))
		l.happens("b", "create", "")
		l.silently("b", "destroy", "") // an inspect will miss it
		l.look()
		l.happens("a", "destroy", "")
		l.look()
		l.deliver()
		l.pass(time.Hour)
		l.sync()
	}
	l.pass(engine.ProjectWindow)
	l.sync()
	for what, n := range map[string]int{
		"entries": len(l.entries), "queue": l.queue.Len(), "tallies": len(l.counters), "projects": len(l.projects),
		"tombs": len(l.tombstones), "missed": len(l.notFound), "suspects": len(l.driftCandidates), "replies": len(l.replies), "in flight": l.queue.InFlight(),
	} {
		if n != 0 {
			t.Errorf("%s: %d left", what, n)
		}
	}
}

func TestEventsAreCounted(t *testing.T) {
	l := watching(t, "a")
	for _, action := range []string{"die", "oom", "start", "kill", "health_status: unhealthy", "health_status: healthy", "pause", "restart", "stop"} {
		l.happens("a", action, "1")
	}
	l.look()
	want := engine.Counts{engine.EventDie: 1, engine.EventOOM: 1, engine.EventStart: 1, engine.EventKill: 1, engine.EventUnhealthy: 1}
	if got := l.get("a").Events; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func TestEventNames(t *testing.T) {
	want := []string{"die", "oom", "start", "kill", "unhealthy"}
	for i, e := range engine.Events {
		if e.String() != want[i] {
			t.Errorf("%v, want %s", e, want[i])
		}
	}
}

// A deploy is never fought: the delay of a project's containers counts from the
// last thing that somebody did in it.
func TestProjectIsTouched(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(l *harness)
		want bool
	}{
		{"a kill", func(l *harness) { l.happens("a", "kill", "15") }, true},
		{"a death", func(l *harness) { l.happens("a", "die", "0") }, true},
		{"a creation", func(l *harness) {
			l.put("b").Labels = l.truth["a"].Labels
			l.happens("b", "create", "")
		}, true},
		{"a destruction", func(l *harness) { l.happens("a", "destroy", "") }, true},
		{"a rename", func(l *harness) { l.happens("a", "rename", "b") }, true},
		{"a start through the API", func(l *harness) { l.happens("a", "start", "") }, true},
		{"a start by a restart policy", func(l *harness) {
			l.truth["a"].RestartCount = 1
			l.happens("a", "start", "")
		}, false},
		{"our own start", func(l *harness) {
			l.Acting("a", true)
			l.happens("a", "start", "")
			l.look()
			l.Acting("a", false)
		}, false},
		{"our own restart", func(l *harness) {
			l.Acting("a", true)
			for _, action := range []string{"kill", "die", "stop", "start", "restart"} {
				l.happens("a", action, "15")
			}
			l.look()
			l.Acting("a", false)
		}, false},
		{"our own re-creation", func(l *harness) {
			l.Changing("a", "b")
			l.put("b").Labels = l.truth["a"].Labels
			l.happens("b", "create", "")
			l.happens("a", "rename", "c")
			l.Acting("a", true)
			for _, action := range []string{"kill", "die", "stop"} {
				l.happens("a", action, "15")
			}
			l.happens("b", "start", "")
			l.look()
			l.Acting("a", false)
			l.HasChanged(l.now, "a")
			l.happens("a", "destroy", "") // which is told late
		}, false},
		{"a creation while something else of the project is re-created", func(l *harness) {
			l.Changing("a")
			l.put("b").Labels = l.truth["a"].Labels
			l.happens("b", "create", "")
		}, true},
		{"a rename after our own re-creation", func(l *harness) {
			l.Changing("a")
			l.HasChanged(l.now, "a")
			l.pass(2 * ownchange.Tail)
			l.happens("a", "rename", "c")
		}, true},
		{"a stop after our own action", func(l *harness) {
			l.Acting("a", true)
			l.Acting("a", false)
			l.happens("a", "kill", "15")
		}, true},
		{"a crash", func(l *harness) { l.happens("a", "die", "1") }, false},
		{"a pause", func(l *harness) { l.happens("a", "pause", "") }, false},
		{"its health", func(l *harness) { l.happens("a", "health_status: unhealthy", "") }, false},
		{"a list", func(l *harness) { l.sync() }, false},
		{"another project", func(l *harness) { l.happens("other", "die", "1") }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := shopAfter(t, tc.do)
			got := l.Snapshot().Projects["shop"]
			if got.IsZero() == tc.want || tc.want && !got.Equal(l.now) {
				t.Errorf("touched at %v, want %v", got, tc.want)
			}
		})
	}
}

// shopAfter is a store that knows "a", of the project shop, and "other", of another one, after
// something has happened.
func shopAfter(t *testing.T, do func(l *harness)) *harness {
	l := newHarness(t)
	l.put("a").Labels = map[string]string{engine.LabelProject: "shop"}
	l.put("other").Labels = map[string]string{engine.LabelProject: "bakery"}
	l.open()
	l.sync()
	l.pass(time.Minute)
	do(l)
	l.look()
	return l
}

// What a deploy has left behind is started only if nobody has stopped anything since.
func TestStopsOfAProjectAreKnown(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(l *harness)
		want bool
	}{
		{"a stop", func(l *harness) { l.happens("a", "kill", "15"); l.happens("a", "die", "0"); l.happens("a", "stop", "") }, true},
		{"a kill", func(l *harness) { l.happens("a", "kill", "9") }, true},
		{"a restart", func(l *harness) {
			l.happens("a", "kill", "15")
			l.happens("a", "die", "0")
			l.happens("a", "start", "")
		}, true},
		{"a signal by which nothing ends", func(l *harness) { l.happens("a", "kill", "10") }, false},
		{"a death", func(l *harness) { l.happens("a", "die", "1") }, false},
		{"a start through the API", func(l *harness) { l.happens("a", "start", "") }, false},
		{"our own restart", func(l *harness) {
			l.Acting("a", true)
			for _, action := range []string{"kill", "die", "stop", "start", "restart"} {
				l.happens("a", action, "15")
			}
			l.look()
			l.Acting("a", false)
		}, false},
		{"a stop in another project", func(l *harness) { l.happens("other", "kill", "15") }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := shopAfter(t, tc.do)
			got := l.Snapshot().Stops["shop"]
			if got.IsZero() == tc.want || l.now.Sub(got) > time.Second && tc.want {
				t.Errorf("stopped at %v, want %v", got, tc.want)
			}
		})
	}
}

// Podman tells by an inspect who was stopped.
func TestEndsOnPodmanMeanToTheProjectWhatTheyDoOnDocker(t *testing.T) {
	for _, tc := range []struct {
		name             string
		do               func(l *harness)
		changed, stopped bool
	}{
		{"a stop", func(l *harness) { l.silently("a", "stop", ""); l.happens("a", "die", "0") }, true, true},
		{"a kill", func(l *harness) { l.happens("a", "kill", ""); l.happens("a", "die", "137") }, true, true},
		{"a crash", func(l *harness) { l.happens("a", "die", "1") }, false, false},
		{"an exit without an error", func(l *harness) { l.happens("a", "die", "0") }, true, false},
		{"a signal by which nothing ends", func(l *harness) { l.happens("a", "kill", "") }, false, false},
		{"our own restart", func(l *harness) {
			l.Acting("a", true)
			l.silently("a", "stop", "")
			l.happens("a", "die", "0")
			l.look()
			l.happens("a", "start", "")
			l.Acting("a", false)
		}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newHarness(t)
			l.told = StopsRecorded
			l.put("a").Labels = map[string]string{engine.LabelProject: "shop"}
			l.open()
			l.sync()
			before := l.now
			l.pass(time.Minute)
			tc.do(l)
			l.look()
			p := l.Snapshot()
			if got := p.Projects["shop"].After(before); got != tc.changed {
				t.Errorf("changed: %v", got)
			}
			if got := p.Stops["shop"].After(before); got != tc.stopped || p.Stops == nil {
				t.Errorf("stopped: %v", got)
			}
		})
	}
}

// Destroyed before anybody could inspect it, it is known by its event only.
func TestProjectIsKnownFromTheEvent(t *testing.T) {
	l := watching(t)
	l.Event(l.now, Event{Action: "create", ID: "a", Project: "shop", At: l.engineNow()})
	if got := l.Snapshot().Projects["shop"]; !got.Equal(l.now) {
		t.Errorf("touched at %v, want now", got)
	}
}

func TestProjectIsTouchedWhenItHappenedBeforeTheFirstPicture(t *testing.T) {
	l := newHarness(t)
	l.put("a").Labels = map[string]string{engine.LabelProject: "shop"}
	l.happens("a", "die", "0")
	died := l.now
	l.pass(7 * time.Second)
	l.open()
	l.sync()
	if got := l.Snapshot().Projects["shop"]; !got.Equal(died) {
		t.Errorf("touched %v ago, want 7s", l.now.Sub(got))
	}
}
