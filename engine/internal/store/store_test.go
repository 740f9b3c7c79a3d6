package store

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

func TestReplayedLastEventIsTakenOnce(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "die", "1")
	l.happens("a", "start", "")
	l.look()
	l.cut()
	l.pass(3 * time.Second)
	l.open()
	l.sync()
	want := engine.Counts{engine.EventDie: 1, engine.EventStart: 1}
	if got := l.get("a").Events; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
	if l.Event(l.now, l.log[len(l.log)-1]) {
		t.Error("the last event was news")
	}
}

func TestReplayFillsAGap(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "die", "1")
	l.cut()
	l.happens("a", "start", "")
	l.happens("a", "die", "2")
	l.pass(time.Second)
	l.open()
	l.sync()
	want := engine.Counts{engine.EventDie: 2, engine.EventStart: 1}
	if got := l.get("a"); got.Events != want || got.ExitCause != engine.CauseSelf {
		t.Errorf("counted %v, ended %q; want %v, self", got.Events, got.ExitCause, want)
	}
}

// What the first replay tells of the time before Defib is evidence, not news.
func TestEventsBeforeTheStartAreNotCounted(t *testing.T) {
	l := newHarness(t)
	l.put("a")
	l.happens("a", "kill", "15")
	l.happens("a", "die", "0")
	l.pass(time.Minute)
	l.open()
	l.sync()
	if c := l.get("a"); c.Events != (engine.Counts{}) || c.ExitCause != engine.CauseStopped {
		t.Errorf("counted %v, ended %q; want none, stopped", c.Events, c.ExitCause)
	}
	l.pass(time.Second)
	l.happens("a", "start", "")
	l.look()
	if got := l.get("a").Events; got != (engine.Counts{engine.EventStart: 1}) {
		t.Errorf("counted %v, want one start", got)
	}
}

func TestExitIsKeptWhileItRunsAgain(t *testing.T) {
	l := watching(t, "a", "masked")
	l.truth["masked"].Labels = map[string]string{"exitCode": "0"}
	l.happens("masked", "update", "")
	l.look()
	for _, id := range []string{"a", "masked"} { // both run again before an inspect can tell
		l.happens(id, "oom", "")
		l.happens(id, "die", "137")
		l.happens(id, "start", "")
	}
	l.look()
	if got := l.get("a"); got.State != engine.Running || got.Exit != (engine.Exit{Known: true, Code: 137, OOMKilled: true}) {
		t.Errorf("%s, exit %+v; want running, 137, out of memory", got.State, got.Exit)
	}
	if got := l.get("masked").Exit; got.Known {
		t.Errorf("a label passed for an exit code: %+v", got)
	}
	l.happens("masked", "die", "9")
	l.look()
	l.happens("masked", "start", "")
	l.look()
	if got := l.get("masked").Exit; got != (engine.Exit{Known: true, Code: 9}) {
		t.Errorf("what the inspect said is lost: %+v", got)
	}
	l.happens("masked", "die", "7")
	l.happens("masked", "start", "")
	l.look()
	if got := l.get("masked").Exit; got.Known {
		t.Errorf("the exit before the last is shown: %+v", got)
	}
}

func TestPicturesAreImmutable(t *testing.T) {
	l := watching(t, "a", "b")
	l.truth["a"].Labels = map[string]string{engine.LabelProject: "shop"}
	l.happens("a", "update", "")
	l.look()
	before := l.Snapshot()
	var kept []engine.Container
	for _, c := range before.Containers {
		kept = append(kept, *c)
	}
	projects := maps.Clone(before.Projects)

	l.pass(time.Minute)
	l.happens("a", "kill", "9")
	l.happens("a", "die", "137")
	l.happens("b", "rename", "c")
	l.look()
	l.happens("b", "destroy", "")
	l.sync()
	l.cut()

	for i, c := range before.Containers {
		if diff := cmp.Diff(&kept[i], c); diff != "" {
			t.Errorf("a published container changed:\n%s", diff)
		}
	}
	if len(before.Containers) != 2 || !before.Connected || before.Departed != nil || !maps.Equal(before.Projects, projects) {
		t.Errorf("a published snapshot changed: %+v", before)
	}
}

func TestUnchangedContainersKeepTheirPointer(t *testing.T) {
	l := watching(t, "a", "b")
	before := l.Snapshot()
	l.happens("a", "die", "1")
	l.look()
	l.pass(time.Minute)
	l.sync()
	after := l.Snapshot()
	if after.Get("b") != before.Get("b") {
		t.Error("b did not change and has another pointer")
	}
	if after.Get("a") == before.Get("a") {
		t.Error("a died and has the same pointer")
	}
}

func TestContainersAreSortedByID(t *testing.T) {
	l := watching(t, "c", "a", "d")
	l.happens("b", "create", "")
	l.look()
	var ids []string
	for _, c := range l.Snapshot().Containers {
		ids = append(ids, c.ID)
	}
	if !slices.Equal(ids, []string{"a", "b", "c", "d"}) {
		t.Errorf("%v", ids)
	}
}

// Law 8: an answer of before and one of after a change of names meet in one snapshot.
func TestLaw8OneNameIsYieldedOnce(t *testing.T) {
	l := watching(t, "old")
	l.pass(time.Minute)
	l.put("young").Name = "old"
	l.sync()
	p := l.Snapshot()
	if len(p.Containers) != 2 {
		t.Fatalf("%d containers, want both", len(p.Containers))
	}
	var named []string
	for _, c := range p.Named() {
		named = append(named, c.ID)
	}
	if !slices.Equal(named, []string{"young"}) {
		t.Errorf("named: %v, want the younger one", named)
	}
	if got := p.Find("old"); got == nil || got.ID != "old" {
		t.Errorf("an id must win over a name: %+v", got)
	}
	l.truth["young"].Name = ""
	l.happens("young", "rename", "")
	l.look()
	for _, c := range l.Snapshot().Named() {
		if c.ID == "young" {
			t.Error("a container without a name was yielded as a named one")
		}
	}
}

func TestFind(t *testing.T) {
	l := watching(t, "a", "b")
	l.happens("b", "rename", "web")
	l.look()
	p := l.Snapshot()
	for what, want := range map[string]string{"a": "a", "b": "b", "web": "b", "nobody": "", "": ""} {
		got := p.Find(what)
		if (got == nil) != (want == "") || got != nil && got.ID != want {
			t.Errorf("%q: %+v, want %q", what, got, want)
		}
	}
}

// The engine's clock is hours ahead; see skew.
func TestWhenAContainerWasCreatedIsKnownOnOurClock(t *testing.T) {
	l := newHarness(t)
	l.put("a")
	made := l.now
	l.pass(time.Hour)
	l.open()
	l.sync()
	l.happens("b", "create", "")
	l.pass(time.Minute)
	l.sync()
	for id, want := range map[string]time.Time{"a": made, "b": made.Add(time.Hour)} {
		if got := l.Snapshot().Get(id).CreatedSeenAt; got.Sub(want).Abs() > time.Second {
			t.Errorf("%s was created at %s, want %s", id, got, want)
		}
	}
}
