package restarter_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/hold"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// holding is the policy with a hold file of this text.
func holding(t *testing.T, text string) (path string, p policy.Policy) {
	path = file(t, text)
	return path, Usual(func(p *policy.Policy) { p.HoldFile = path })
}

// until is a time to come, as the hold file has it.
func until(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

// resync is news without a change, a second later.
func resync(w *World) {
	Pass(time.Second)
	w.Set(w.Snapshot().Containers...)
	synctest.Wait()
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantBroken(t *testing.T, w *World, want float64) {
	t.Helper()
	if got := w.Value("defib_hold_file_broken"); got != want {
		t.Errorf("defib_hold_file_broken is %v, want %v", got, want)
	}
}

func TestLaw11AHoldFileThatIsBrokenAtTheStartHoldsEverything(t *testing.T) {
	for name, text := range map[string]string{
		"one line":            "web tomorrow\n",
		"beside others":       "batch-1 2999-01-01T00:00:00Z\nweb tomorrow\n",
		"everything, and one": "* 2999-01-01T00:00:00Z\nweb tomorrow\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path, pol := holding(t, text)
				w := NewWorld(t, pol, Ended(engine.CauseSelf), Up("b2", "batch-1"), Up("c3", "batch-2"))
				w.Dies("c3")
				for range 60 {
					resync(w)
				}
				w.WantStarts()
				wantBroken(t, w, 1)
				if s := w.Standing("batch-2"); s.Reason != outcome.OnHold || !w.Report().HoldAll {
					t.Errorf("it is held as %q", s.Reason)
				}
				rewrite(t, path, strings.TrimSuffix(text, "web tomorrow\n"))
				resync(w)
				wantBroken(t, w, 0)
				if strings.HasPrefix(text, "*") {
					w.WantStarts()
				} else {
					starts, _ := w.Begun()
					slices.Sort(starts) // they are started at the same time
					if d := cmp.Diff([]string{"1m1s batch-2", "1m1s web"}, starts); d != "" {
						t.Error(d)
					}
				}
				if log := w.Log.String(); strings.Count(log, "everything is on hold until it is fixed") != 1 || strings.Count(log, "is valid again") != 1 {
					t.Errorf("it is not said once:\n%s", log)
				}
			})
		})
	}
}

func TestLaw11AHoldFileThatBreaksLaterOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, pol := holding(t, "web "+until(time.Hour))
		w := NewWorld(t, pol, Up("a1", "web"), Up("b2", "batch-1"), Up("c3", "batch-2"))
		rewrite(t, path, "nonsense\nbatch-1 "+until(30*time.Minute))
		w.Dies("a1")
		w.Dies("b2")
		w.Dies("c3")
		wantBroken(t, w, 1)
		resync(w)
		Pass(2 * time.Hour)
		w.WantStarts("0s batch-2", "30m0s batch-1", "1h0m0s web")
		if log := w.Log.String(); strings.Count(log, "what was on hold stays on hold") != 1 {
			t.Errorf("it is not said once:\n%s", log)
		}
	})
}

// mount is a file system that answers, or hangs.
type mount struct {
	mu    sync.Mutex
	hangs chan struct{} // until it is closed
	reads int           // begun
	holds policy.Holds
}

func (m *mount) read() (policy.Holds, error) {
	m.mu.Lock()
	m.reads++
	hangs, holds := m.hangs, m.holds
	m.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	return holds, nil
}

func (m *mount) set(hangs chan struct{}, holds policy.Holds) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hangs, m.holds = hangs, holds
}

// mounted runs a world whose hold file is on that file system.
func mounted(t *testing.T, m *mount, cs ...*engine.Container) *World {
	return NewWorldOf(t, Usual(func(p *policy.Policy) { p.HoldFile = "/net/holds" }), func(r *restarter.Restarter) { r.ReadHolds(m.read) }, cs...)
}

func TestLaw12AHoldFileThatHangsStopsNobodyFromBeingHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mount{holds: policy.Holds{}.With(time.Now(), time.Now().Add(time.Hour), Patterns("web"))}
		w := mounted(t, m, Up("a1", "web"), Up("b2", "batch-1"), Up("c3", "batch-2"))
		resync(w)
		hangs := make(chan struct{})
		m.set(hangs, nil)
		before := m.reads
		w.Dies("a1")
		w.Dies("b2")
		Pass(hold.ReadTimeout)
		w.Dies("c3")
		Pass(10 * time.Minute)
		w.WantStarts("1.25s batch-1", "1.25s batch-2")
		wantBroken(t, w, 1)
		if m.reads != before+1 {
			t.Errorf("%d reads were begun while one hung, want 1", m.reads-before)
		}

		m.set(nil, policy.Holds{}.With(time.Now(), time.Now().Add(time.Hour), Patterns("batch-1")))
		w.Dies("b2")
		close(hangs) // and the read that hung says what was: no holds
		Pass(2 * time.Second)
		wantBroken(t, w, 0)
		starts, _ := w.Begun()
		if d := cmp.Diff([]string{"1.25s batch-1", "1.25s batch-2"}, starts[:2]); d != "" || strings.Contains(starts[2], "batch") {
			t.Errorf("starts: %q", starts)
		}
		if log := w.Log.String(); strings.Count(log, "does not respond") != 1 || strings.Count(log, "is valid again") != 1 {
			t.Errorf("it is not said once:\n%s", log)
		}
	})
}

func TestLaw11AHoldFileThatHangsAtTheStartHoldsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		m := &mount{hangs: hangs}
		w := mounted(t, m, Ended(engine.CauseSelf))
		Pass(10 * time.Minute)
		w.WantStarts()
		wantBroken(t, w, 1)
		if m.reads != 1 {
			t.Errorf("%d reads were begun, want 1", m.reads)
		}
		m.set(nil, nil)
		close(hangs)
		Pass(2 * time.Second)
		wantBroken(t, w, 0)
		if starts, _ := w.Begun(); len(starts) != 1 {
			t.Errorf("starts %q, want one", starts)
		}
	})
}

// What it says is known late, but it is known.
func TestAFileSystemThatIsSlowOpensWhatItReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mount{}
		w := NewWorldOf(t, Usual(func(p *policy.Policy) { p.HoldFile = "/net/holds" }), func(r *restarter.Restarter) {
			r.ReadHolds(func() (policy.Holds, error) { time.Sleep(2 * hold.ReadTimeout); return m.read() })
		}, Ended(engine.CauseSelf))
		Pass(10 * time.Second)
		wantBroken(t, w, 1)
		if starts, _ := w.Begun(); len(starts) != 1 {
			t.Errorf("starts %q, want one", starts)
		}
	})
}

func TestAHoldThatMatchesNoContainerIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, pol := holding(t, "wbe "+until(time.Hour)+"\nweb "+until(time.Hour)+"\nexpired "+until(-time.Hour)+"\n* "+until(time.Hour))
		w := NewWorld(t, pol, Up("a1", "web"))
		resync(w)
		rewrite(t, path, "wbe "+until(2*time.Hour)+"\ndb "+until(time.Hour))
		resync(w)
		resync(w)
		var said []string
		for line := range strings.Lines(w.Log.String()) {
			if _, entry, found := strings.Cut(line, "hold matches no container\" entry="); found {
				said = append(said, strings.Fields(entry)[0])
			}
		}
		if d := cmp.Diff([]string{"wbe", "db"}, said); d != "" {
			t.Errorf("%s\n%s", d, w.Log.String())
		}
	})
}

// setHolds makes a hold file of these holds.
func setHolds(t *testing.T, path string, holds policy.Holds) {
	t.Helper()
	if _, err := hold.Change(t.Context(), path, func(policy.Holds, error) (policy.Holds, error) { return holds, nil }); err != nil {
		t.Fatal(err)
	}
}

func TestAHoldKeepsDefibAwayAndEndsByItself(t *testing.T) {
	for _, row := range []struct {
		entry string
		want  string
	}{
		{"web", "1h0m0s web"},
		{"*", "1h0m0s web"},
		{"we*", "1h0m0s web"},
		{"batch-1", "0s web"},
	} {
		t.Run(row.entry, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := file(t, row.entry+" "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
				w := NewWorld(t, Usual(func(p *policy.Policy) { p.HoldFile = path }), Up("a1", "web"))
				w.Dies("a1")
				Pass(2 * time.Hour)
				w.WantStarts(row.want)
			})
		})
	}
}

func TestAReleaseIsHeardAtTheNextNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "* "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		w := NewWorld(t, Usual(func(p *policy.Policy) { p.HoldFile = path }), Up("a1", "web"))
		w.Dies("a1")
		Pass(time.Minute)
		setHolds(t, path, nil)
		w.Set(w.Snapshot().Containers...) // as the next resync does
		w.WantStarts("1m0s web")
	})
}

func TestAnAlertFindsTheContainerOnHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "web "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.HoldFile = path }), Up("a1", "web"), Ended(engine.CauseSelf, Named("b2", "batch-1")))
		Post(t, h, Firing("container", "web")).Want(200, outcome.Outcome(outcome.OnHold))
		w.WantStarts("0s batch-1")
	})
}

// file returns the path of a file with this text.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holds")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
