package store

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"defib/engine"
)

func TestAfterAGapNothingStaleIsShownAsInspected(t *testing.T) {
	l := watching(t, "a", "b")
	l.cut()
	l.pass(time.Second)
	l.silently("a", "die", "1")
	l.silently("a", "rename", "a-old")
	l.replaced()
	l.open()
	l.list()
	marks := l.ask()
	l.answer("b", marks["b"]) // the inspect of a hangs
	l.pass(SyncTimeout)
	l.ask()
	p := l.Snapshot()
	if c := p.Get("a"); !p.Connected || c.Name != "a-old" || c.State != engine.Exited || c.Inspected {
		t.Errorf("connected %t: %s is %s, inspected %t; want what the list says", p.Connected, c.Name, c.State, c.Inspected)
	}
	if !p.Get("b").Inspected {
		t.Error("b was inspected")
	}
}

func TestAContainerThatHangsIsNoProofThatTheEngineLivedOn(t *testing.T) {
	l := watching(t, "a", "b")
	for _, e := range [][2]string{{"kill", "15"}, {"die", "0"}, {"stop", ""}} {
		l.happens("b", e[0], e[1])
	}
	l.look()
	l.cut()
	l.silently("a", "die", "0")
	l.replaced()
	l.pass(20 * time.Second)
	l.open()
	l.list()
	marks := l.ask()
	l.answer("b", marks["b"]) // the inspect of a hangs
	l.pass(SyncTimeout)
	l.ask()
	if got := l.get("b").ExitCause; got != engine.CauseEngine {
		t.Errorf("ended %q, want engine", got)
	}
}

func TestWhatAnInspectSaidOnceIsNotForgottenWhenTheNextHangs(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "die", "1")
	mark := l.ask()["a"]
	l.pass(10 * time.Second)
	l.Inspected(l.now, "a", mark, nil, false)
	l.list()
	if c := l.get("a"); c.Inspected || c.State != engine.Exited || c.RestartPolicy != "no" || c.Started.IsZero() {
		t.Errorf("it is shown as %+v", c)
	}
}

func TestThoseThatHangTakeHalfThePlaces(t *testing.T) {
	l := newHarness(t)
	var ids []string
	for i := range 3 * Inspectors {
		ids = append(ids, strconv.Itoa(i))
		l.put(ids[i])
	}
	l.pass(time.Hour)
	l.open()
	l.list()
	for range 3 {
		for id, mark := range l.ask() {
			l.Inspected(l.now, id, mark, nil, false)
		}
	}
	l.pass(time.Minute)
	if n := len(l.Step(l.now, Inspectors)); n != Inspectors/2 {
		t.Errorf("%d inspects of containers that hang, want %d", n, Inspectors/2)
	}
}

func TestAContainerIsAskedForOnceThoughItWentAndCame(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "pause", "") // it waits for its inspect
	c := l.truth["a"]
	delete(l.truth, "a")
	l.pass(3 * time.Second)
	l.list()
	l.truth["a"] = c
	l.happens("a", "unpause", "")
	if got := l.Step(l.now, Inspectors); !slices.Equal(got, []string{"a"}) {
		t.Errorf("inspects of %q, want one of a", got)
	}
}

func TestAStopWhoseDeathNobodyHeardIsAStop(t *testing.T) {
	l := watching(t, "a", "b")
	l.happens("a", "kill", "15")
	l.look()
	l.cut()
	l.pass(8 * time.Second)
	l.silently("a", "die", "0")
	l.replaced()
	l.pass(time.Second)
	l.open()
	l.sync()
	if got := l.get("a").ExitCause; got != engine.CauseStopped {
		t.Errorf("ended %q, want stopped", got)
	}
}
