package store

import (
	"testing"
	"time"

	"defib/engine"
	"defib/engine/internal/queue"
)

// Law 5 rests on the order of answers: the next four.
func TestLaw5AnswerFromBeforeTheLastEventIsNotPublished(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "pause", "")
	mark := l.ask()["a"]
	stale := l.inspect("a") // still running
	l.happens("a", "die", "1")
	l.Inspected(l.now, "a", mark, stale, true)
	if got := l.get("a"); got.ExitCause != engine.CauseNone {
		t.Errorf("a stale answer was published: %+v", got)
	}
	again := l.ask()
	if _, ok := again["a"]; !ok {
		t.Fatal("it was not asked again")
	}
	l.answer("a", again["a"])
	l.wantStates(map[string]engine.State{"a": engine.Exited})
}

func TestLaw5AnswerFromBeforeADestroyIsNotPublished(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "pause", "")
	mark, stale := l.ask()["a"], l.inspect("a")
	l.happens("a", "destroy", "")
	l.Inspected(l.now, "a", mark, stale, true)
	l.wantStates(map[string]engine.State{})
}

func TestOneInspectPerContainerIsInFlight(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "die", "1")
	mark, ok := l.ask()["a"]
	if !ok {
		t.Fatal("not asked")
	}
	for range 3 {
		l.happens("a", "start", "")
		if again := l.ask(); len(again) > 0 {
			t.Fatal("asked while an answer is awaited")
		}
	}
	l.answer("a", mark)
	if again := l.ask(); len(again) != 1 {
		t.Fatalf("%d asked, want one", len(again))
	}
}

func TestAsManyAreAskedAsAreFree(t *testing.T) {
	l := watching(t, "a", "b", "c", "d")
	for _, id := range []string{"a", "b", "c", "d"} {
		l.happens(id, "die", "1")
	}
	if ids := l.Step(l.now, 3); len(ids) != 3 || ids[0] != "a" {
		t.Errorf("asked %v, want the three oldest", ids)
	}
	if ids := l.Step(l.now, 0); len(ids) != 0 {
		t.Errorf("asked %v, want none", ids)
	}
	if ids := l.Step(l.now, 3); len(ids) != 1 || ids[0] != "d" {
		t.Errorf("asked %v, want d", ids)
	}
}

// Law 8: a container whose inspect hangs costs the others nothing.
func TestLaw8WedgedContainerHoldsUpNothing(t *testing.T) {
	l := newHarness(t)
	for _, id := range []string{"a", "b", "wedged"} {
		l.put(id)
	}
	l.open()
	l.list()
	marks := l.ask()
	l.answer("a", marks["a"])
	l.answer("b", marks["b"])
	l.pass(SyncTimeout - time.Millisecond)
	l.ask()
	if !l.syncing {
		t.Error("the snapshot was complete before all was told")
	}
	if next := l.next(); !next.Equal(l.now.Add(time.Millisecond)) {
		t.Errorf("next look in %v, want when patience ends", next.Sub(l.now))
	}
	l.pass(time.Millisecond)
	l.ask()
	if p := l.Snapshot(); !p.Connected || p.Get("wedged") == nil || p.Get("wedged").Inspected || !p.Get("a").Inspected {
		t.Fatalf("want all there, only the wedged one not inspected: %+v", p)
	}
	l.happens("a", "die", "1") // and life goes on
	l.answer("a", l.ask()["a"])
	l.wantStates(map[string]engine.State{"a": engine.Exited, "b": engine.Running, "wedged": engine.Running})
}

func TestUnansweredIsAskedAgainLater(t *testing.T) {
	l := watching(t, "a")
	before := l.get("a")
	l.happens("a", "die", "1")
	mark := l.ask()["a"]
	for _, wait := range []time.Duration{500, 1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		wait *= time.Millisecond
		l.Inspected(l.now, "a", mark, nil, false)
		c := l.get("a")
		if c.Inspected || c.State != engine.Running || c.Name != "a" || !c.Started.Equal(before.Started) || c.ExitCause != engine.CauseSelf {
			t.Fatalf("what was known is not kept, marked as not inspected: %+v", c)
		}
		if next := l.next(); !next.Equal(l.now.Add(wait)) {
			t.Fatalf("asked again in %v, want %v", next.Sub(l.now), wait)
		}
		l.pass(wait - time.Millisecond)
		if asked := l.ask(); len(asked) > 0 {
			t.Fatalf("asked again too early")
		}
		l.pass(time.Millisecond)
		mark = l.ask()["a"]
	}
	l.answer("a", mark)
	if c := l.get("a"); !c.Inspected || c.State != engine.Exited {
		t.Errorf("%+v", c)
	}
	if !l.next().IsZero() {
		t.Error("it is still followed")
	}
	if !before.Inspected {
		t.Error("the older snapshot changed")
	}
}

// The engine leaves these states without an event.
func TestPassingStatesAreFollowed(t *testing.T) {
	for name, in := range map[string]func(*engine.Container){
		"restarting":  func(c *engine.Container) { c.State = engine.Restarting },
		"removing":    func(c *engine.Container) { c.State = engine.Removing },
		"first start": func(c *engine.Container) { c.State, c.Started = engine.Created, time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			l := watching(t, "a")
			in(l.truth["a"])
			l.truth["a"].Created = l.engineNow()
			l.happens("a", "update", "")
			l.look()
			for _, wait := range []time.Duration{500, 1000, 2000, 4000} {
				wait *= time.Millisecond
				if next := l.next(); !next.Equal(l.now.Add(wait)) {
					t.Fatalf("looked at again in %v, want %v", next.Sub(l.now), wait)
				}
				l.pass(wait)
				l.look()
			}
			c := l.truth["a"]
			c.State, c.Finished = engine.Exited, l.engineNow()
			l.pass(8 * time.Second)
			l.look()
			l.wantStates(map[string]engine.State{"a": engine.Exited})
			if !l.next().IsZero() {
				t.Error("it is still followed")
			}
		})
	}
}

// Whoever creates containers without starting them must not be charged an inspect of
// each every half minute, for as long as they are there.
func TestCreatedContainerIsFollowedForTenMinutes(t *testing.T) {
	l := watching(t)
	l.happens("a", "create", "")
	l.look()
	looks := 0
	for ; !l.next().IsZero(); looks++ {
		if l.pass(l.next().Sub(l.now)); looks > 100 {
			t.Fatal("it is followed indefinitely")
		}
		l.look()
	}
	if age := l.engineNow().Sub(l.truth["a"].Created); age < firstStartWindow || age > firstStartWindow+queue.RecheckMax {
		t.Errorf("it was followed for %v, want %v", age, firstStartWindow)
	}
	if looks < 20 {
		t.Errorf("it was looked at %d times", looks)
	}
	l.silently("a", "start", "") // its event is lost
	l.pass(time.Minute)
	l.sync()
	l.wantStates(map[string]engine.State{"a": engine.Running})
}

func TestBeingStoppedIsFollowed(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "kill", "15")
	l.look()
	if next := l.next(); !next.Equal(l.now.Add(queue.RecheckFirst)) {
		t.Errorf("looked at again in %v, want %v", next.Sub(l.now), queue.RecheckFirst)
	}
	for range 20 { // it ignores the signal
		l.pass(30 * time.Second)
		l.look()
	}
	if !l.next().IsZero() {
		t.Error("it is still followed")
	}
}

func TestFollowingStartsAnewAfterItHasPassed(t *testing.T) {
	l := watching(t, "a")
	for range 2 {
		l.truth["a"].State = engine.Restarting
		l.happens("a", "update", "")
		l.look()
		if next := l.next(); !next.Equal(l.now.Add(queue.RecheckFirst)) {
			t.Errorf("looked at again in %v, want %v", next.Sub(l.now), queue.RecheckFirst)
		}
		l.happens("a", "start", "")
		l.look()
	}
}

func TestInspectThatFindsNothingRemoves(t *testing.T) {
	l := watching(t, "a", "b")
	l.silently("a", "destroy", "")
	l.happens("b", "die", "1")
	l.Event(l.now, Event{Action: "die", ID: "a", At: l.engineNow()})
	l.look()
	l.wantStates(map[string]engine.State{"b": engine.Exited})
}

func TestFreshLookIsRepliedToOnceItIsInTheSnapshot(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "pause", "")
	mark, stale := l.ask()["a"], l.inspect("a")
	fresh := make(chan *engine.Container, 1)
	l.Refresh(l.now, "a", fresh)
	l.Inspected(l.now, "a", mark, stale, true)
	if len(l.replies) > 0 {
		t.Fatal("an answer asked for before was taken for a fresh one")
	}
	l.look()
	l.deliver()
	if c := <-fresh; c != l.get("a") {
		t.Errorf("replied %+v, the snapshot shows %+v", c, l.get("a"))
	}

	l.Refresh(l.now, "a", fresh)
	l.silently("a", "destroy", "")
	l.look()
	l.deliver()
	if c := <-fresh; c != nil {
		t.Errorf("replied %+v for what is gone", c)
	}
	l.Refresh(l.now, "a", fresh)
	l.look()
	l.deliver()
	if c := <-fresh; c != nil {
		t.Errorf("replied %+v for what nobody knows", c)
	}
}

// One that we created ourselves may be asked about before the event of it comes.
func TestFreshLookFindsWhatNoEventHasTold(t *testing.T) {
	l := watching(t, "a")
	l.put("b")
	fresh := make(chan *engine.Container, 1)
	l.Refresh(l.now, "b", fresh)
	l.look()
	l.deliver()
	if c := <-fresh; c == nil || c != l.get("b") {
		t.Errorf("replied %+v, the snapshot shows %+v", c, l.get("b"))
	}
}

// deliver replies as the loop does.
func (l *harness) deliver() {
	for _, reply := range l.replies {
		reply()
	}
	l.replies = nil
}

func TestSicknessIsKnownSinceItWasSeen(t *testing.T) {
	l := watching(t, "a")
	l.truth["a"].HealthCheck, l.truth["a"].Health = true, engine.Unhealthy
	l.happens("a", "health_status: unhealthy", "")
	l.look()
	first := l.get("a").UnhealthySince
	if !first.Equal(l.now) {
		t.Errorf("sick since %s, want since %s", first, l.now)
	}
	l.pass(time.Minute)
	l.happens("a", "update", "")
	l.look()
	if got := l.get("a").UnhealthySince; !got.Equal(first) {
		t.Errorf("another look: sick since %s, want %s still", got, first)
	}
	l.happens("a", "restart", "")
	l.truth["a"].Started = l.truth["a"].Started.Add(time.Minute)
	l.look()
	if got := l.get("a").UnhealthySince; !got.Equal(l.now) {
		t.Errorf("another run: sick since %s, want %s", got, l.now)
	}
	l.truth["a"].Health = engine.Healthy
	l.happens("a", "health_status: healthy", "")
	l.look()
	if got := l.get("a").UnhealthySince; !got.IsZero() {
		t.Errorf("healthy, and sick since %s", got)
	}
}

// restartedUnheard returns a store that heard a container being told to stop, and
// not that it died and was started again.
func restartedUnheard(t *testing.T) *harness {
	l := watching(t, "a")
	l.pass(time.Minute)
	l.happens("a", "kill", "15")
	l.silently("a", "die", "0")
	l.pass(time.Second)
	l.silently("a", "start", "")
	return l
}

func TestAStopBeforeTheStartIsNoneOfThisRun(t *testing.T) {
	l := restartedUnheard(t)
	l.happens("a", "update", "")
	l.look()
	if c := l.get("a"); !c.StopSeenAt.IsZero() {
		t.Errorf("it runs since %s, and was told to stop at %s", c.Started, c.StopSeenAt)
	}
	l.happens("a", "die", "1")
	l.look()
	if got := l.get("a").ExitCause; got != engine.CauseSelf {
		t.Errorf("it ended as %q, want %q", got, engine.CauseSelf)
	}
}

func TestADeathOfARunWhoseStartWasLostIsNoStop(t *testing.T) {
	l := restartedUnheard(t)
	l.pass(time.Minute)
	l.happens("a", "die", "1")
	l.look()
	if got := l.get("a").ExitCause; got != engine.CauseUnknown {
		t.Errorf("it ended as %q, want %q", got, engine.CauseUnknown)
	}
}

func TestNoHealthIsShownOfWhatAListCallsDown(t *testing.T) {
	l := watching(t, "a")
	l.truth["a"].HealthCheck, l.truth["a"].Health = true, engine.Unhealthy
	l.happens("a", "health_status: unhealthy", "")
	l.Inspected(l.now, "a", l.ask()["a"], nil, false) // it hangs
	l.silently("a", "die", "1")
	l.ListAnswered(l.now, l.now, l.items())
	if c := l.get("a"); c.State != engine.Exited || c.Health != engine.NoHealth || !c.UnhealthySince.IsZero() {
		t.Errorf("%s, %q, sick since %s", c.State, c.Health, c.UnhealthySince)
	}
}

func TestUpdateOfLimitsMakesAnotherContainer(t *testing.T) {
	l := watching(t, "a")
	before := l.get("a")
	l.happens("a", "update", "")
	l.look()
	if after := l.get("a"); after == before || after.Updates != 1 {
		t.Errorf("%d updates, another container: %t", after.Updates, after != before)
	}
	l.happens("a", "start", "")
	l.look()
	if n := l.get("a").Updates; n != 1 {
		t.Errorf("%d updates after a start, want 1", n)
	}
}
