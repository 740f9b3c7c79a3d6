package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"defib/engine"
)

func TestListDoesNotRemoveWhatCameAfterItWasAsked(t *testing.T) {
	l := watching(t, "a")
	asked, old := l.now, l.items()
	l.pass(time.Millisecond)
	l.happens("b", "create", "")
	l.happens("b", "start", "")
	l.look()
	l.ListAnswered(l.now, asked, old)
	l.look()
	l.wantStates(map[string]engine.State{"a": engine.Running, "b": engine.Running})

	l.silently("b", "destroy", "")
	l.pass(time.Minute)
	l.sync()
	l.wantStates(map[string]engine.State{"a": engine.Running})
}

func TestListDoesNotBringBackWhatWasDestroyed(t *testing.T) {
	for _, how := range []string{"by its event", "by an inspect"} {
		t.Run(how, func(t *testing.T) {
			l := watching(t, "a", "b")
			asked, old := l.now, l.items()
			l.pass(time.Millisecond)
			l.happens("b", "die", "0")
			l.held = how == "by an inspect" // the event is late
			l.happens("b", "destroy", "")
			l.look()
			l.ListAnswered(l.now, asked, old)
			l.wantStates(map[string]engine.State{"a": engine.Running})
			l.held = false
			l.hear()
			l.look()
			l.wantStates(map[string]engine.State{"a": engine.Running})
		})
	}
}

// Docker 20.10 lists a container a moment before it can be inspected, and before
// it announces it.
func TestLaw5ContainerThatIsListedBeforeItCanBeInspectedIsSeen(t *testing.T) {
	for name, announced := range map[string]bool{"by its events": true, "by the next list": false} {
		t.Run(name, func(t *testing.T) {
			l := watching(t, "a")
			l.pass(time.Minute)
			l.silently("b", "create", "")
			l.ListAnswered(l.now, l.now, l.items())
			l.Inspected(l.now, "b", l.ask()["b"], nil, true)
			l.wantStates(map[string]engine.State{"a": engine.Running})
			l.pass(time.Second)
			if announced {
				l.happens("b", "start", "")
				l.look()
			} else {
				l.silently("b", "start", "")
				l.sync()
			}
			l.wantStates(map[string]engine.State{"a": engine.Running, "b": engine.Running})
		})
	}
}

func TestLateEventsOfWhatWasDestroyedAreIgnored(t *testing.T) {
	l := watching(t, "a")
	l.happens("a", "destroy", "")
	if l.Event(l.now, Event{Action: "die", ID: "a", At: l.engineNow()}) {
		t.Error("it was news")
	}
	l.look()
	l.wantStates(map[string]engine.State{})
}

// On Docker 20.10 the list says running right after die.
func TestListThatLagsChangesNothing(t *testing.T) {
	l := watching(t, "a")
	l.pass(time.Hour)
	lagging := l.items()
	l.happens("a", "die", "1")
	l.look()
	l.ListAnswered(l.now, l.now, lagging)
	l.wantStates(map[string]engine.State{"a": engine.Exited})
	l.look()
	l.wantStates(map[string]engine.State{"a": engine.Exited})
	if l.Drifts != 0 {
		t.Error("counted as drift")
	}
}

// Law 5: what no event told is found by the next list; drift is what should have
// been told.
func TestLaw5DriftIsWhatNoEventExplains(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after func(l *harness) // a is running, an hour after the first snapshot
		want  int
	}{
		{"nothing happened", func(*harness) {}, 0},
		{"another state", func(l *harness) { l.silently("a", "die", "1") }, 1},
		{"another name", func(l *harness) { l.silently("a", "rename", "b") }, 1},
		{"a container more", func(l *harness) { l.put("b") }, 1},
		{"a container less", func(l *harness) { l.silently("a", "destroy", "") }, 1},
		{"two differences", func(l *harness) { l.silently("a", "die", "1"); l.put("b") }, 2},
		{"another health, which the engine changes silently", func(l *harness) {
			l.truth["a"].HealthCheck, l.truth["a"].Health = true, engine.Unhealthy
		}, 0},
		{"an event a second before the list", func(l *harness) {
			l.happens("a", "update", "")
			l.look()
			l.pass(time.Second)
			l.silently("a", "die", "1")
		}, 0},
		{"an event long before the list", func(l *harness) {
			l.happens("a", "update", "")
			l.look()
			l.pass(3 * time.Second)
			l.silently("a", "die", "1")
		}, 1},
		{"an event a second after the list", func(l *harness) {
			l.held = true
			l.happens("a", "die", "1")
			l.sync()
			l.pass(time.Second)
			l.hear()
		}, 0},
		{"a creation that is told a second after the list", func(l *harness) {
			l.held = true
			l.happens("b", "create", "")
			l.sync()
			l.pass(time.Second)
			l.hear()
		}, 0},
		{"a destruction that is told a second after the list", func(l *harness) {
			l.held = true
			l.happens("a", "destroy", "")
			l.sync()
			l.pass(time.Second)
			l.hear()
		}, 0},
		{"a destruction that an inspect tells before the event does", func(l *harness) {
			l.held = true
			l.happens("a", "die", "0")
			l.list()
			l.happens("a", "destroy", "")
			l.look()
			l.pass(time.Second)
			l.hear()
		}, 0},
		{"a policy restart that fails, which the engine does not tell", func(l *harness) {
			l.happens("a", "die", "1")
			l.truth["a"].State = engine.Restarting
			l.look()
			l.pass(3 * time.Second)
			l.truth["a"].State = engine.Exited
		}, 0},
		{"being removed", func(l *harness) {
			l.truth["a"].State = engine.Removing
			l.happens("a", "update", "")
			l.look()
			l.pass(3 * time.Second)
			l.silently("a", "destroy", "")
		}, 0},
		{"a list that errs", func(l *harness) {
			wrong := l.items()
			wrong[0].State = "exited"
			l.ListAnswered(l.now, l.now, wrong)
		}, 0},
		{"the stream was cut", func(l *harness) {
			l.silently("a", "die", "1")
			l.sync()
			l.cut()
			l.open()
		}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := watching(t, "a")
			l.pass(time.Hour)
			tc.after(l)
			l.sync()
			l.pass(DriftSlack - time.Millisecond)
			l.look()
			if l.Drifts != 0 {
				t.Error("counted before an event could have explained it")
			}
			l.pass(time.Millisecond)
			l.look()
			if l.Drifts != tc.want {
				t.Errorf("drift %d, want %d", l.Drifts, tc.want)
			}
			want := map[string]engine.State{}
			for id, c := range l.truth {
				want[id] = c.State
			}
			l.wantStates(want)
		})
	}
}

func TestDriftThatNoInspectConfirmsIsNone(t *testing.T) {
	l := watching(t, "a")
	l.pass(time.Hour)
	wrong := l.items()
	wrong[0].State = "exited"
	l.ListAnswered(l.now, l.now, wrong)
	l.Inspected(l.now, "a", l.ask()["a"], nil, false)
	l.pass(DriftSlack)
	l.ask()
	if l.Drifts != 0 || len(l.driftCandidates) != 0 {
		t.Errorf("drift %d, %d suspects", l.Drifts, len(l.driftCandidates))
	}
}

func TestFirstListIsNoDrift(t *testing.T) {
	l := watching(t, "a")
	l.cut()
	l.replaced()
	l.silently("a", "die", "1")
	l.put("b")
	l.pass(time.Hour)
	l.open()
	l.sync()
	l.pass(DriftSlack)
	l.look()
	if l.Drifts != 0 {
		t.Errorf("drift %d after a gap, want 0", l.Drifts)
	}
	l.wantStates(map[string]engine.State{"a": engine.Exited, "b": engine.Running})
}

func TestListTellsOfHealthAndExitCodeToo(t *testing.T) {
	l := watching(t, "a")
	l.pass(time.Hour)
	l.truth["a"].HealthCheck, l.truth["a"].Health = true, engine.Unhealthy
	l.sync()
	if got := l.get("a").Health; got != engine.Unhealthy {
		t.Errorf("health %q, want unhealthy", got)
	}
}

// Law 5: a list shows no StartedAt and no FinishedAt, but how long a container has
// been up or down, more or less.
func TestLaw5RunsThatNoEventToldOfAreFoundByTheNextList(t *testing.T) {
	for name, script := range map[string]string{
		"restarted":              "start | (die 0), (start)",
		"dead again":             "die 1 | (start), (die 1)",
		"restarted, then paused": "start, pause | (die 0), (start), (pause)",
	} {
		known, unheard, _ := strings.Cut(script, " | ")
		for _, age := range []time.Duration{0, resyncEvery, time.Minute, time.Hour, 100 * time.Minute, 3 * 24 * time.Hour} {
			for _, after := range []time.Duration{time.Microsecond, time.Millisecond, time.Second, resyncEvery - time.Microsecond} {
				t.Run(fmt.Sprintf("%s after %v and %v", name, age, after), func(t *testing.T) {
					l := watching(t, "c")
					l.play(known)
					for range age / resyncEvery {
						l.pass(resyncEvery)
						l.sync()
					}
					l.pass(after)
					l.play(unheard)
					l.pass(resyncEvery - after)
					l.sync()
					got, want := l.get("c"), l.truth["c"]
					if !got.Started.Equal(want.Started) || !got.Finished.Equal(want.Finished) {
						t.Errorf("started %v, finished %v, want %v, %v", got.Started, got.Finished, want.Started, want.Finished)
					}
					if len(l.driftCandidates) > 0 {
						t.Error("it may count as drift, which the name and the state are judged by")
					}
				})
			}
		}
	}
}

// An answer tells of some moment between the question and itself.
func TestLaw5RunsThatNoEventToldOfAreFoundDespiteLateAnswers(t *testing.T) {
	restart := func(l *harness) { l.play("(die 0), (start)") }
	for name, late := range map[string]func(l *harness){
		"an inspect is answered after the restart": func(l *harness) {
			l.happens("c", "update", "")
			mark, was := l.ask()["c"], l.inspect("c")
			l.pass(time.Second)
			restart(l)
			l.pass(4 * time.Second)
			l.Inspected(l.now, "c", mark, was, true)
			l.pass(25 * time.Second)
			l.sync()
		},
		"a list is answered after the restart": func(l *harness) {
			asked, was := l.now, l.items()
			l.pass(time.Second)
			restart(l)
			l.pass(4 * time.Second)
			l.ListAnswered(l.now, asked, was)
			l.pass(25 * time.Second)
			l.sync()
		},
		"a list is asked for after the restart and made late": func(l *harness) {
			l.list()
			l.pass(time.Second)
			restart(l)
			asked := l.now
			l.pass(30 * time.Second)
			l.ListAnswered(l.now, asked, l.items())
			l.look()
		},
		"a list lags behind": func(l *harness) {
			was := l.items()
			restart(l)
			l.pass(listLag / 2)
			l.ListAnswered(l.now, l.now, was)
			l.pass(resyncEvery - 50*time.Millisecond)
			l.sync()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := watching(t, "c")
			l.pass(time.Minute)
			l.sync()
			late(l)
			if got, want := l.get("c").Started, l.truth["c"].Started; !got.Equal(want) {
				t.Errorf("started %v, want %v", got, want)
			}
		})
	}
}

// What was just started or died is looked at once more, at the next list: its text
// tells no moment within a second. Afterwards it proves that all is as it was.
func TestListsHaveWhatStartedOrDiedInspectedOnceMore(t *testing.T) {
	for _, interval := range []time.Duration{5 * time.Second, resyncEvery, 10 * time.Minute} {
		for _, what := range []string{"start, +20ms, look", "die 1, +20ms, look", "start, +100ms, pause"} {
			t.Run(fmt.Sprintf("%s, every %v", what, interval), func(t *testing.T) {
				l := watching(t, "c")
				began := l.now
				l.play(what)
				var looks []time.Duration
				for age := interval / 3; age < 60*time.Hour; age += interval {
					l.now = began.Add(age)
					l.list()
					for id, mark := range l.ask() {
						looks = append(looks, age)
						l.answer(id, mark)
					}
				}
				if len(looks) != 1 || looks[0] != interval/3 {
					t.Errorf("inspected after %v, want once by the first list", looks)
				}
			})
		}
	}
}

func TestFailedListAnswersNothing(t *testing.T) {
	l := watching(t, "a")
	listed := l.listed
	l.pass(time.Minute)
	l.ListAsked()
	l.ListFailed()
	if l.listing || !l.Snapshot().Listed.Equal(listed) {
		t.Errorf("listed %v, want %v", l.Snapshot().Listed, listed)
	}
	l.wantStates(map[string]engine.State{"a": engine.Running})
}

func TestSnapshotSaysWhetherItIsCurrent(t *testing.T) {
	l := newHarness(t)
	l.put("a")
	l.open()
	l.list()
	marks := l.ask()
	if p := l.Snapshot(); p.Connected || !p.First.IsZero() {
		t.Errorf("before the inspects: %+v", p)
	}
	l.pass(time.Second)
	l.answer("a", marks["a"])
	l.ask()
	p := l.Snapshot()
	if !p.Connected || !p.First.Equal(l.engineNow()) || !p.Lost.IsZero() || !p.Listed.Equal(l.now.Add(-time.Second)) {
		t.Errorf("complete: %+v", p)
	}
	lost := l.now
	l.cut()
	if p := l.Snapshot(); p.Connected || !p.Lost.Equal(lost) || p.Get("a") == nil {
		t.Errorf("cut: %+v", p)
	}
	l.pass(time.Minute)
	l.cut() // a connection that did not come to a snapshot
	if p := l.Snapshot(); !p.Lost.Equal(lost) {
		t.Errorf("lost at %v, want %v: when the last good one ended", p.Lost, lost)
	}
	l.open()
	if p := l.Snapshot(); p.Connected {
		t.Error("connected before the list")
	}
	l.sync()
	if q := l.Snapshot(); !q.Connected || !q.Lost.IsZero() || !q.First.Equal(p.First) {
		t.Errorf("back: %+v", q)
	}
}
