package restarter

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
	"defib/restarter/history"
	"defib/restarter/internal/counters"
	. "defib/restarter/internal/fixture"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/state"
)

// still is an engine whose snapshot is what it was last given.
type still struct{ snapshot *engine.Snapshot }

func (s *still) Snapshot() *engine.Snapshot                       { return s.snapshot }
func (s *still) Changed() <-chan struct{}                         { return nil }
func (s *still) Start(context.Context, *engine.Container) error   { return nil }
func (s *still) Restart(context.Context, *engine.Container) error { return nil }
func (s *still) EndTask(context.Context, *engine.Container) error { return nil }

func (s *still) Recreate(context.Context, <-chan struct{}, engine.Recreation) (*engine.Container, error) {
	return nil, nil
}

func (s *still) Discard(context.Context, *engine.Container) error { return nil }

// BenchmarkReconcile is what one event costs the restarter: it looks at all
// containers, decides, and tells what it found. One in ten is down and held.
func BenchmarkReconcile(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := crowd(n, Usual())
			status := prometheus.NewRegistry()
			status.MustRegister(r.Status())
			r.reconcile(b.Context(), Noon)
			b.Run("round", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r.reconcile(b.Context(), Noon.Add(time.Minute))
				}
			})
			// What the next scrape has to gather anew.
			b.Run("gather", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := status.Gather(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkReconcileGlobs is the same with a whitelist and a hold file of this many globs.
func BenchmarkReconcileGlobs(b *testing.B) {
	for _, globs := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(globs), func(b *testing.B) {
			r := crowd(1000, globbed(b, globs))
			r.reconcile(b.Context(), Noon)
			b.ReportAllocs()
			for b.Loop() {
				r.reconcile(b.Context(), Noon.Add(time.Minute))
			}
		})
	}
}

// crowd returns a Restarter over this many containers, one in ten of which is down and
// held by a dry run.
func crowd(n int, pol policy.Policy) *Restarter {
	s := &still{SnapshotOf()}
	for i := range n {
		c := Ended(engine.CauseSelf, Named(fmt.Sprintf("%064x", i), fmt.Sprintf("batch-%d", i)), In("shop", fmt.Sprint(i)))
		if i%10 != 0 {
			State(engine.Running)(c)
		}
		s.snapshot.Containers = append(s.snapshot.Containers, c)
	}
	pol.DryRun = true
	return New(s, pol, slog.New(slog.DiscardHandler))
}

// globbed is a policy of that many globs, the last of which matches, and a hold file of
// that many, of which none does.
func globbed(tb testing.TB, n int) policy.Policy {
	var whitelist, holds strings.Builder
	for i := range n - 1 {
		fmt.Fprintf(&whitelist, "*-x%d-*[0-9],", i)
	}
	for i := range n {
		fmt.Fprintf(&holds, "*-y%d-*[0-9] 2999-01-01T00:00:00Z\n", i)
	}
	whitelist.WriteString("batch-*")
	path := filepath.Join(tb.TempDir(), "holds")
	if err := os.WriteFile(path, []byte(holds.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return Usual(func(p *policy.Policy) { p.Whitelist, p.HoldFile = Patterns(whitelist.String()), path })
}

// A round that finds nothing new looks at no entry, of which there may be many.
func TestAContainerIsComparedWithTheWhitelistOnlyWhenItChanges(t *testing.T) {
	r := crowd(20, globbed(t, 10))
	r.reconcile(t.Context(), Noon)
	// An entry that matches all would be seen wherever it is looked at.
	last := len(r.policy.Whitelist) - 1
	r.policy.Whitelist[last] = Patterns("*-1")[0]
	for i := range r.policy.Holds {
		r.policy.Holds[i].Pattern = Patterns("*")[0]
	}
	fresh := *r.engine.Snapshot().Containers[19]
	r.policy.HoldFile = "" // so that the holds stay as they are
	r.reconcile(t.Context(), Noon.Add(time.Minute))
	if got := r.Report().Matches["*-1"]; got != 20 {
		t.Errorf("%d containers match after a reconcile without news, want 20: they were compared again", got)
	}
	for _, s := range r.Report().Containers {
		if s.Reason == outcome.OnHold {
			t.Errorf("%s was compared with the holds again", s.Container.Name)
		}
	}
	containers := slices.Clone(r.engine.Snapshot().Containers)
	containers[19] = &fresh // which is another value of the same
	r.engine.(*still).snapshot = SnapshotOf(containers...)
	r.reconcile(t.Context(), Noon.Add(2*time.Minute))
	if got := r.Report().Matches["*-1"]; got != 19 {
		t.Errorf("%d containers match after one has changed, want 19", got)
	}
	r.history.ForgetRules()
	r.reconcile(t.Context(), Noon.Add(3*time.Minute))
	if got := r.Report().Matches["*-1"]; got != 1 {
		t.Errorf("%d containers match after the policy has changed", got)
	}
}

// BenchmarkPrune is what it costs that all names are gone at once.
func BenchmarkPrune(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				m := counters.New(false)
				for i := range n {
					m.Expect(fmt.Sprint(i), policy.Rule{Triggers: policy.AllTriggers})
				}
				b.StartTimer()
				m.Prune(&engine.Snapshot{})
			}
		})
	}
}

// BenchmarkMemory is what it costs to keep what was learnt of 1,000 containers: the loop's
// part, and that of the goroutine beside it, a file on a disk. A quiet host has nothing
// but runs to remember; on a busy one everything was restarted. The size is that of the
// file.
func BenchmarkMemory(b *testing.B) {
	for name, busy := range map[string]bool{"quiet": false, "busy": true} {
		b.Run(name, func(b *testing.B) {
			r, kept := crowd(1000, Usual()), &keptMemory{}
			r.Keep(nil, kept)
			r.reconcile(b.Context(), Noon)
			if busy {
				everythingHappens(r)
			}
			p := r.engine.Snapshot()
			b.Run("loop", func(b *testing.B) {
				for b.Loop() {
					r.save(Noon, p, false)
				}
			})
			b.Run("write", func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "state.json")
				file, err := state.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				defer file.Close()
				for b.Loop() {
					if err := file.Write(kept.newest); err != nil {
						b.Fatal(err)
					}
				}
				info, err := os.Stat(path)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(info.Size())/1000, "kB")
			})
		})
	}
}

type keptMemory struct{ newest any }

func (k *keptMemory) Put(v any)       { k.newest = v }
func (k *keptMemory) SetAside(string) {}

// everythingHappens has each container be restarted, each for an alert.
func everythingHappens(r *Restarter) {
	p := r.engine.Snapshot()
	for i, c := range p.Containers {
		a := r.history.Begin(Noon, p, history.Action{Container: c, Trigger: policy.TriggerAlert, Cause: Noon})
		r.finish(Noon, history.Result{Action: a, Took: time.Second})
		id := history.AlertID{byte(i), byte(i >> 8)}
		r.history.Firings.Hear(Noon, Noon, id, Noon, c.Name).Acted = Noon
		r.alerts.Add(AlertRecord{AlertSource: AlertSource{"HealContainerUnhealthy", "10.0.0.1:40000"}, ReceivedAt: Noon, Container: c.Name, Outcome: outcome.Restarted, Message: "the container was restarted"})
	}
}
