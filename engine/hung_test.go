package engine

import (
	"slices"
	"strconv"
	"testing"
	"time"
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
	l.pass(syncPatience)
	l.ask()
	p := l.picture()
	if c := p.Get("a"); !p.Connected || c.Name != "a-old" || c.State != Exited || c.Inspected {
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
	l.pass(syncPatience)
	l.ask()
	if got := l.get("b").Ending; got != EndedEngine {
		t.Errorf("ended %q, want engine", got)
	}
}

func TestWhatAnInspectSaidOnceIsNotForgottenWhenTheNextHangs(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "die", "1")
	mark := l.ask()["a"]
	l.pass(10 * time.Second)
	l.inspected(l.now, "a", mark, nil, false)
	l.list()
	if c := l.get("a"); c.Inspected || c.State != Exited || c.RestartPolicy != "no" || c.Started.IsZero() {
		t.Errorf("it is shown as %+v", c)
	}
}

func TestThoseThatHangTakeHalfThePlaces(t *testing.T) {
	l := newLedger(t)
	var ids []string
	for i := range 3 * inspectors {
		ids = append(ids, strconv.Itoa(i))
		l.put(ids[i])
	}
	l.pass(time.Hour)
	l.open()
	l.list()
	for range 3 {
		for id, mark := range l.ask() {
			l.inspected(l.now, id, mark, nil, false)
		}
	}
	l.pass(time.Minute)
	if n := len(l.step(l.now, inspectors)); n != inspectors/2 {
		t.Errorf("%d inspects of containers that hang, want %d", n, inspectors/2)
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
	if got := l.step(l.now, inspectors); !slices.Equal(got, []string{"a"}) {
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
	if got := l.get("a").Ending; got != EndedStopped {
		t.Errorf("ended %q, want stopped", got)
	}
}
