package restarter

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"defib/engine"
	"defib/restarter/hold"
	"defib/restarter/policy"
)

// holding is the policy with a hold file of this text.
func holding(t *testing.T, text string) (path string, p policy.Policy) {
	path = file(t, text)
	return path, usual(func(p *policy.Policy) { p.HoldFile = path })
}

// until is a time to come, as the hold file has it.
func until(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

// resync is news without a change, a second later.
func (w *world) resync() {
	pass(time.Second)
	w.set(w.Snapshot().Containers...)
	synctest.Wait()
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) wantBroken(want float64) {
	w.t.Helper()
	if got := testutil.ToFloat64(w.metrics.holdFileBroken); got != want {
		w.t.Errorf("defib_hold_file_broken is %v, want %v", got, want)
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
				w := newWorld(t, pol, ended(engine.CauseSelf), up("b2", "batch-1"), up("c3", "batch-2"))
				w.dies("c3")
				for range 60 {
					w.resync()
				}
				w.wantStarts()
				w.wantBroken(1)
				if s := w.standing("batch-2"); s.Reason != OnHold || !w.Report().HoldAll {
					t.Errorf("it is held as %q", s.Reason)
				}
				rewrite(t, path, strings.TrimSuffix(text, "web tomorrow\n"))
				w.resync()
				w.wantBroken(0)
				if strings.HasPrefix(text, "*") {
					w.wantStarts()
				} else {
					starts, _ := w.begun()
					slices.Sort(starts) // they are started at the same time
					if d := cmp.Diff([]string{"1m1s batch-2", "1m1s web"}, starts); d != "" {
						t.Error(d)
					}
				}
				if log := w.log.String(); strings.Count(log, "everything is on hold until it can") != 1 || strings.Count(log, "can be read again") != 1 {
					t.Errorf("it is not said once:\n%s", log)
				}
			})
		})
	}
}

func TestLaw11AHoldFileThatBreaksLaterOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, pol := holding(t, "web "+until(time.Hour))
		w := newWorld(t, pol, up("a1", "web"), up("b2", "batch-1"), up("c3", "batch-2"))
		rewrite(t, path, "nonsense\nbatch-1 "+until(30*time.Minute))
		w.dies("a1")
		w.dies("b2")
		w.dies("c3")
		w.wantBroken(1)
		w.resync()
		pass(2 * time.Hour)
		w.wantStarts("0s batch-2", "30m0s batch-1", "1h0m0s web")
		if log := w.log.String(); strings.Count(log, "what was on hold stays so") != 1 {
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
func mounted(t *testing.T, m *mount, cs ...*engine.Container) *world {
	return newWorldOf(t, usual(func(p *policy.Policy) { p.HoldFile = "/net/holds" }), func(r *Restarter) { r.holdFile = hold.NewReader(m.read) }, cs...)
}

func TestLaw12AHoldFileThatHangsStopsNobodyFromBeingHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mount{holds: policy.Holds{}.With(time.Now(), time.Now().Add(time.Hour), patterns("web"))}
		w := mounted(t, m, up("a1", "web"), up("b2", "batch-1"), up("c3", "batch-2"))
		w.resync()
		hangs := make(chan struct{})
		m.set(hangs, nil)
		before := m.reads
		w.dies("a1")
		w.dies("b2")
		pass(hold.ReadTimeout)
		w.dies("c3")
		pass(10 * time.Minute)
		w.wantStarts("1.25s batch-1", "1.25s batch-2")
		w.wantBroken(1)
		if m.reads != before+1 {
			t.Errorf("%d reads were begun while one hung, want 1", m.reads-before)
		}

		m.set(nil, policy.Holds{}.With(time.Now(), time.Now().Add(time.Hour), patterns("batch-1")))
		w.dies("b2")
		close(hangs) // and the read that hung says what was: no holds
		pass(2 * time.Second)
		w.wantBroken(0)
		starts, _ := w.begun()
		if d := cmp.Diff([]string{"1.25s batch-1", "1.25s batch-2"}, starts[:2]); d != "" || strings.Contains(starts[2], "batch") {
			t.Errorf("starts: %q", starts)
		}
		if log := w.log.String(); strings.Count(log, "does not answer") != 1 || strings.Count(log, "can be read again") != 1 {
			t.Errorf("it is not said once:\n%s", log)
		}
	})
}

func TestLaw11AHoldFileThatHangsAtTheStartHoldsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		m := &mount{hangs: hangs}
		w := mounted(t, m, ended(engine.CauseSelf))
		pass(10 * time.Minute)
		w.wantStarts()
		w.wantBroken(1)
		if m.reads != 1 {
			t.Errorf("%d reads were begun, want 1", m.reads)
		}
		m.set(nil, nil)
		close(hangs)
		pass(2 * holdRecheck)
		w.wantBroken(0)
		if starts, _ := w.begun(); len(starts) != 1 {
			t.Errorf("starts %q, want one", starts)
		}
	})
}

// What it says is known late, but it is known.
func TestAFileSystemThatIsSlowOpensWhatItReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mount{}
		w := newWorldOf(t, usual(func(p *policy.Policy) { p.HoldFile = "/net/holds" }), func(r *Restarter) {
			r.holdFile = hold.NewReader(func() (policy.Holds, error) { time.Sleep(2 * hold.ReadTimeout); return m.read() })
		}, ended(engine.CauseSelf))
		pass(10 * time.Second)
		w.wantBroken(1)
		if starts, _ := w.begun(); len(starts) != 1 {
			t.Errorf("starts %q, want one", starts)
		}
	})
}

func TestAHoldThatMatchesNoContainerIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, pol := holding(t, "wbe "+until(time.Hour)+"\nweb "+until(time.Hour)+"\nexpired "+until(-time.Hour)+"\n* "+until(time.Hour))
		w := newWorld(t, pol, up("a1", "web"))
		w.resync()
		rewrite(t, path, "wbe "+until(2*time.Hour)+"\ndb "+until(time.Hour))
		w.resync()
		w.resync()
		var said []string
		for line := range strings.Lines(w.log.String()) {
			if _, entry, found := strings.Cut(line, "no container matches a hold\" entry="); found {
				said = append(said, strings.Fields(entry)[0])
			}
		}
		if d := cmp.Diff([]string{"wbe", "db"}, said); d != "" {
			t.Errorf("%s\n%s", d, w.log.String())
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
				w := newWorld(t, usual(func(p *policy.Policy) { p.HoldFile = path }), up("a1", "web"))
				w.dies("a1")
				pass(2 * time.Hour)
				w.wantStarts(row.want)
			})
		})
	}
}

func TestAReleaseIsHeardAtTheNextNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "* "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		w := newWorld(t, usual(func(p *policy.Policy) { p.HoldFile = path }), up("a1", "web"))
		w.dies("a1")
		pass(time.Minute)
		setHolds(t, path, nil)
		w.set(w.Snapshot().Containers...) // as the next resync does
		w.wantStarts("1m0s web")
	})
}

func TestAnAlertFindsTheContainerOnHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := file(t, "web "+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		w, h := webhookHarness(t, usual(func(p *policy.Policy) { p.HoldFile = path }), up("a1", "web"), ended(engine.CauseSelf, named("b2", "batch-1")))
		post(t, h, firing("container", "web")).want(200, Outcome(OnHold))
		w.wantStarts("0s batch-1")
	})
}
