package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

// twoLives has containers a and b seen running for an hour by one life, which then ended.
func twoLives(t *testing.T) *lives {
	l := newLives(t)
	l.put("a")
	l.put("b")
	l.pass(time.Hour)
	l.open()
	l.sync()
	l.happens("a", "update", "")
	l.look()
	l.pass(time.Hour)
	l.save(true)
	l.again()
	return l
}

// back has the next life look at all containers.
func (l *lives) back() {
	l.open()
	l.sync()
}

// endSilently ends containers without a word of it.
func (l *lives) endSilently(ids ...string) {
	for _, id := range ids {
		l.silently(id, "die", "0")
	}
}

// An engine that goes ends all: what ran on, or ended later, proves that it did not.
func TestWhatTheEngineIsKnownNotToHaveEnded(t *testing.T) {
	for _, tc := range []struct {
		name string
		play func(l *lives)
		want engine.ExitCause // of a, which ends just after the last look
	}{
		{"the other ends with it", func(l *lives) {
			l.endSilently("b")
			l.replaced()
		}, engine.CauseEngine},
		{"the other ends with it, and is started by the new engine", func(l *lives) {
			l.endSilently("b")
			l.replaced()
			l.silently("b", "start", "")
		}, engine.CauseEngine},
		{"the other runs on", func(l *lives) { l.replaced() }, engine.CauseUnknown},
		{"the other runs on, paused", func(l *lives) {
			l.silently("b", "pause", "")
			l.replaced()
		}, engine.CauseUnknown},
		{"the other ends three minutes after it", func(l *lives) {
			l.pass(3 * time.Minute)
			l.endSilently("b")
			l.replaced()
		}, engine.CauseUnknown},
		{"one that the memory does not know runs on", func(l *lives) {
			l.endSilently("b")
			l.put("old").Started = l.engineNow().Add(-3 * time.Hour)
			l.replaced()
		}, engine.CauseUnknown},
		{"one that the memory does not know was started since", func(l *lives) {
			l.endSilently("b")
			l.replaced()
			l.pass(time.Minute)
			l.put("new")
		}, engine.CauseEngine},
		{"the other went on until the host lost its power", func(l *lives) {
			l.pass(time.Hour)
			l.play("reboot")
			l.endSilently("b")
		}, engine.CauseUnknown},
		{"the other still runs after what looks like a reboot", func(l *lives) { l.play("reboot") }, engine.CauseUnknown},
		{"the other still runs, and it ended after what looks like a reboot", func(l *lives) {
			l.play("reboot")
			l.truth["a"].Finished = l.engineNow()
		}, engine.CauseUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := twoLives(t)
			l.pass(time.Second)
			l.endSilently("a")
			tc.play(l)
			l.pass(time.Hour)
			l.back()
			if got := l.get("a").ExitCause; got != tc.want {
				t.Errorf("a ended %q, want %q", got, tc.want)
			}
			if l.truth["old"] != nil && l.get("old").ExitCause != engine.CauseNone {
				t.Error("what runs has no end")
			}
		})
	}
}

// What ran until the host ended proves that the stops before the last look were no shutdown:
// unless it had been told to stop as well, and was not waited for.
func TestStopBeforeAPowerCutIsNoShutdown(t *testing.T) {
	for told, want := range map[bool]engine.ExitCause{false: engine.CauseStopped, true: engine.CauseEngine} {
		l := newLives(t)
		l.put("a")
		l.put("b")
		l.pass(time.Hour)
		l.open()
		l.sync()
		l.pass(time.Hour)
		if told {
			l.happens("b", "kill", "15")
		}
		l.happens("a", "kill", "15")
		l.happens("a", "die", "0")
		l.look()
		l.play("+30s, end, +1h, reboot")
		l.silently("b", "die", "255")
		l.back()
		if got := l.get("a").ExitCause; got != want {
			t.Errorf("the other had been told to stop: %v: a ended %q, want %q", told, got, want)
		}
		if got := l.get("b").ExitCause; got != engine.CauseEngine {
			t.Errorf("the other had been told to stop: %v: it ended %q", told, got)
		}
	}
}

func TestContainersThatAreNotRememberedAreAsWithoutAMemory(t *testing.T) {
	l := twoLives(t)
	l.silently("a", "destroy", "")
	re := l.put("a2") // created anew by the same name
	re.Name, re.State, re.Finished, re.Exit = "a", engine.Exited, l.engineNow().Add(time.Second), engine.Exit{Known: true}
	l.endSilently("b")
	l.replaced()
	l.pass(time.Hour)
	l.back()
	if got := l.get("a2").ExitCause; got != engine.CauseUnknown {
		t.Errorf("the new one ended %q", got)
	}
	if got := l.get("b").ExitCause; got != engine.CauseEngine {
		t.Errorf("the other ended %q", got)
	}
	if l.Snapshot().Get("a") != nil {
		t.Error("what was destroyed is shown")
	}
}

func TestOfAnotherEngineNothingIsRemembered(t *testing.T) {
	for _, tc := range []struct {
		was, is string
		want    engine.ExitCause
	}{
		{"one", "one", engine.CauseEngine},
		{"one", "other", engine.CauseUnknown},
		{"", "other", engine.CauseEngine}, // a proxy had not let us know
		{"one", "", engine.CauseEngine},
	} {
		t.Run(tc.was+" becomes "+tc.is, func(t *testing.T) {
			l := newLives(t)
			l.engineID = tc.was
			l.put("c")
			l.play("+1h, open, update, +1h, end, (die 0), replaced")
			l.engineID = tc.is
			l.play("+1h, open")
			if got := l.get("c").ExitCause; got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// A container whose inspect hangs is judged by the first that does not, and proves nothing
// until then.
func TestWhatHangsIsJudgedOnceItIsInspected(t *testing.T) {
	l := twoLives(t)
	l.endSilently("a", "b")
	l.silently("b", "start", "")
	l.replaced()
	l.pass(time.Hour)
	l.open()
	l.list()
	marks := l.ask()
	l.answer("b", marks["b"])
	l.pass(SyncTimeout)
	l.Step(l.now, Inspectors)
	if c := l.get("a"); !l.Synced() || c.Inspected || !c.Started.Equal(l.truth["a"].Started) {
		t.Errorf("it hangs: %+v, want what is remembered", c)
	}
	l.save(false) // what is remembered of it goes on to the next life
	l.answer("a", marks["a"])
	if got := l.get("a").ExitCause; got != engine.CauseEngine {
		t.Errorf("it ended %q", got)
	}
	l.play("killed")
	l.pass(time.Minute)
	l.back()
	if c := l.get("a"); c.ExitCause != engine.CauseUnknown {
		t.Errorf("it ended %q, more than two minutes before the last look", c.ExitCause)
	}
	l.pass(time.Minute)
	l.happens("b", "kill", "15")
	l.happens("b", "die", "0")
	l.look()
	if got := l.get("b").ExitCause; got != engine.CauseStopped {
		t.Errorf("the other ended %q", got)
	}
}

// What an earlier life knew is of no use once all has been looked at.
func TestLaw10MemoryIsForgottenOnceItIsJudged(t *testing.T) {
	l := twoLives(t)
	l.endSilently("a")
	l.replaced()
	l.back()
	if n := len(l.earlier.memory.Containers); n != 0 {
		t.Errorf("%d containers are remembered", n)
	}
	for id, e := range l.entries {
		if e.remembered != nil {
			t.Errorf("%s is still to be judged", id)
		}
	}
}

// A kill that the run survived until the end of a life does not count as a stop for good.
func TestStopThatIsUnderWayGoesOnInTheNextLife(t *testing.T) {
	for script, want := range map[string]bool{
		"kill 15, +1m, end, +1m, open":                  true,
		"kill 15, +1m, end, +6m, open":                  false,
		"kill 15, end, +1m, die 0, open":                false,
		"kill 15, end, +-30m, open":                     true, // our clock was set back
		"kill 15, end, +1m, (die 0), (start), +1s,open": false,
	} {
		l := newLives(t)
		l.put("c")
		l.play("+1h, open, update, +1h, " + script)
		if got := l.get("c").StopSeenAt; got.IsZero() == want || got.After(l.now) {
			t.Errorf("%s: stopping since %v, want %v", script, got, want)
		}
	}
}

func TestMemoryOfAContainerIsShort(t *testing.T) {
	l := newLives(t)
	l.engineID = "ENGINE"
	for _, id := range []string{"crashed", "created", "died", "ours", "running", "stopping"} {
		l.put(id)
	}
	l.truth["created"].State, l.truth["created"].Started = engine.Created, time.Time{}
	l.pass(time.Hour)
	l.open()
	l.sync()
	l.happens("crashed", "die", "1")
	l.happens("stopping", "kill", "15")
	l.look()
	l.Acting("ours", true)
	l.happens("ours", "die", "0")
	l.silently("ours", "fail", "")
	l.look()
	l.happens("died", "die", "1")
	l.save(false)
	want := `{"engine":"ENGINE","boot":"11111111-0000","looked":"2026-03-01T16:00:00.000004Z",` +
		`"last":{"at":"2026-03-01T16:00:00.000004Z","kind":"container","action":"die","id":"died"},"containers":{` +
		`"crashed":{"p":"down","s":"2026-03-01T15:00:00Z","f":"2026-03-01T16:00:00.000001Z","c":"self","e":"2026-03-01T13:00:00.000001Z"},` +
		`"created":{},` +
		`"died":{"p":"died","s":"2026-03-01T15:00:00Z","f":"2026-03-01T16:00:00.000004Z","c":"self","e":"2026-03-01T13:00:00.000004Z"},` +
		`"ours":{"p":"down","s":"2026-03-01T15:00:00Z","f":"2026-03-01T16:00:00.000003Z","c":"self","o":true,"e":"2026-03-01T13:00:00.000003Z"},` +
		`"running":{"p":"running","s":"2026-03-01T15:00:00Z"},` +
		`"stopping":{"p":"running","s":"2026-03-01T15:00:00Z","t":"2026-03-01T16:00:00.000002Z","q":"2026-03-01T13:00:00.000002Z","g":"2026-03-01T16:00:00.000002Z"}}}`
	if diff := cmp.Diff(want, string(l.saved)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Of a container that hangs since a gap, what was heard is not all.
func TestWhatIsHeardOfAContainerThatHangsIsUnsure(t *testing.T) {
	l := newLives(t)
	l.put("c")
	l.play("+1h, open, update, +1h, cut, replaced")
	l.open()
	l.list()
	l.ask()
	l.pass(SyncTimeout)
	l.Step(l.now, Inspectors)
	for _, happens := range []string{"", "kill"} {
		if happens != "" {
			l.happens("c", happens, "15")
		}
		if r := l.Snapshot().Memory(l.now).Containers["c"]; !r.Unsure || r.StopAt.IsZero() != (happens == "") {
			t.Errorf("after %q, remembered is %+v", happens, r)
		}
	}
}

// What was heard of a container that hangs goes on to the life after the next.
func TestWhatIsHeardOutlivesALifeInWhichTheContainerHangs(t *testing.T) {
	l := newLives(t)
	l.put("c")
	l.play("+1h, open, update, +1h, hold, die 1, unseen, end, +1h, opened")
	l.truth["c"].Finished = l.truth["c"].Finished.Add(-30 * time.Millisecond) // the event comes a little later
	l.list()
	l.ask()
	l.pass(SyncTimeout)
	l.Step(l.now, Inspectors)
	l.play("end, +1h, open")
	if got := l.get("c").ExitCause; got != engine.CauseSelf {
		t.Errorf("it ended %q", got)
	}
}
