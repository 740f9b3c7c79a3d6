package restarter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"defib/engine"
	"defib/restarter/policy"
)

// world is a fake engine in a synctest bubble: it holds a snapshot, and start
// says what a start does to it.
type world struct {
	t       *testing.T
	began   time.Time
	news    chan struct{}
	log     strings.Builder
	stop    context.CancelFunc
	stopped chan error
	*Restarter

	editing sync.Mutex

	mu       sync.Mutex // of all below
	snapshot *engine.Snapshot
	start    func(ctx context.Context, c *engine.Container) error
	starts   []string // "after name", in order
	underway int
	most     int // starts at a time
}

func (w *world) Changed() <-chan struct{} { return w.news }

func (w *world) Snapshot() *engine.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snapshot
}

func (w *world) Restart(ctx context.Context, c *engine.Container) error { return w.Start(ctx, c) }

func (w *world) Start(ctx context.Context, c *engine.Container) error {
	w.mu.Lock()
	w.starts = append(w.starts, fmt.Sprintf("%s %s", time.Since(w.began), c.Name))
	w.underway++
	w.most = max(w.most, w.underway)
	start := w.start
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.underway--
		w.mu.Unlock()
	}()
	return start(ctx, c)
}

// end stops the Restarter and waits for it.
func (w *world) end() {
	w.stop()
	if err := <-w.stopped; err != nil {
		w.t.Error(err)
	}
}

// begun returns the starts so far, and how many were under way at most at a time.
func (w *world) begun() (starts []string, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.starts), w.most
}

// onStart says what a start does from now on.
func (w *world) onStart(f func(ctx context.Context, c *engine.Container) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.start = f
}

// streak is what the metric says of a name; -1 if nothing.
func (w *world) streak(name string) int {
	for _, s := range w.Report().Containers {
		if s.Container.Name == name {
			return s.Streak
		}
	}
	return -1
}

// newWorld runs a Restarter over these containers until the test ends. A start
// makes a container run at once, unless the test says otherwise.
func newWorld(t *testing.T, p policy.Policy, cs ...*engine.Container) *world {
	return newWorldOf(t, p, func(*Restarter) {}, cs...)
}

// newWorldOf is newWorld with a Restarter that is edited before it runs.
func newWorldOf(t *testing.T, p policy.Policy, edit func(*Restarter), cs ...*engine.Container) *world {
	w := &world{t: t, began: time.Now(), snapshot: &engine.Snapshot{}, news: make(chan struct{}, 1), stopped: make(chan error, 1)}
	w.onStart(func(_ context.Context, c *engine.Container) error { w.runs(c.ID); return nil })
	w.set(cs...)
	logger := slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "id" {
			return slog.Attr{}
		}
		return a
	}}))
	w.Restarter = New(w, p, logger)
	edit(w.Restarter)
	ctx, cancel := context.WithCancel(t.Context())
	w.stop = cancel
	go func() { w.stopped <- w.Run(ctx) }()
	synctest.Wait()
	return w
}

// set publishes a snapshot of these containers.
func (w *world) set(cs ...*engine.Container) {
	slices.SortFunc(cs, func(a, b *engine.Container) int { return strings.Compare(a.ID, b.ID) })
	w.publish(&engine.Snapshot{Connected: true, First: w.began, Listed: time.Now(), Containers: cs})
}

func (w *world) publish(p *engine.Snapshot) {
	w.mu.Lock()
	w.snapshot = p
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// edit publishes a snapshot in which one container has changed. What changes at the
// same time is not lost.
func (w *world) edit(id string, f func(*engine.Container)) {
	w.editing.Lock()
	defer w.editing.Unlock()
	cs := slices.Clone(w.Snapshot().Containers)
	for i, c := range cs {
		if c.ID == id {
			fresh := *c
			f(&fresh)
			cs[i] = &fresh
		}
	}
	w.set(cs...)
}

func (w *world) runs(id string) {
	w.edit(id, func(c *engine.Container) {
		c.State, c.Started, c.StartSeenAt, c.ExitCause, c.ExitSeenAt = engine.Running, time.Now(), time.Now(), engine.CauseNone, time.Time{}
		if c.Health == engine.Unhealthy {
			c.Health, c.HealthOutput, c.UnhealthySince = engine.Starting, "", time.Time{}
		}
	})
}

func (w *world) dies(id string) {
	w.edit(id, func(c *engine.Container) {
		c.State, c.Finished, c.ExitCause, c.ExitSeenAt = engine.Exited, time.Now(), engine.CauseSelf, time.Now()
	})
	synctest.Wait()
}

func (w *world) wantStarts(want ...string) {
	w.t.Helper()
	synctest.Wait()
	starts, _ := w.begun()
	if diff := cmp.Diff(want, starts); diff != "" {
		w.t.Errorf("starts (-want +got):\n%s", diff)
	}
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// up returns a whitelisted container that runs.
func up(id, name string) *engine.Container {
	return ended("", named(id, name), state(engine.Running))
}

func TestADeathIsHealedAtOnceAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"), up("b2", "other"))
		w.onStart(func(_ context.Context, c *engine.Container) error {
			w.runs(c.ID)
			time.Sleep(time.Nanosecond) // so that the news is heard first
			return nil
		})
		pass(time.Hour)
		w.dies("a1")
		w.dies("b2")
		pass(time.Hour)
		w.wantStarts("1h0m0s web")
		if got := testutil.ToFloat64(w.metrics.restarts.vec.WithLabelValues("web", "exited")); got != 1 {
			t.Errorf("defib_restarts_total %v, want 1", got)
		}
		want := `level=INFO msg="container state" container=web state=running
level=INFO msg="container state" container=web state=exited reason=in_progress
level=INFO msg="container state" container=web state=running
level=INFO msg="container started" container=web trigger=exited exit_code=1 ran_for=`
		if got := w.log.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 4 {
			t.Errorf("log:\n%s\nwant:\n%s…", got, want)
		}
		if got := w.log.String(); !strings.Contains(got, "attempt=1 took=0s next_wait=1s") {
			t.Errorf("log: %s", got)
		}
	})
}

func TestLaw4ACrashLoopIsNotResetByAStartThatMerelySucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.Backoff.Max = 5 * time.Second }), up("a1", "web"))
		w.onStart(func(_ context.Context, c *engine.Container) error {
			w.runs(c.ID)
			go func() { time.Sleep(time.Second); w.dies(c.ID) }() // it lives for a second
			return nil
		})
		w.dies("a1")
		time.Sleep(20 * time.Second)
		w.wantStarts("0s web", "2s web", "5s web", "10s web", "16s web")
		if got := w.streak("web"); got != 5 {
			t.Errorf("streak %d, want 5", got)
		}
		w.onStart(func(_ context.Context, c *engine.Container) error { w.runs(c.ID); return nil })
		pass(time.Minute)
	})
}

func TestAFailedStartIsRepeatedWithBackoffForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		w.dies("a1")
		time.Sleep(16 * time.Second)
		w.wantStarts("0s web", "1s web", "3s web", "7s web", "15s web")
		if got := testutil.ToFloat64(w.metrics.failures.vec.WithLabelValues("web", "exited")); got != 5 {
			t.Errorf("defib_restart_failures_total %v, want 5", got)
		}
		before, _ := w.begun()
		time.Sleep(24 * time.Hour)
		after, _ := w.begun()
		if got := len(after) - len(before); got < 280 || got > 300 {
			t.Errorf("%d starts in a day, want one in 5 minutes", got)
		}
	})
}

func TestBackoffIsForgottenAfterAStayUpAndWell(t *testing.T) {
	for _, row := range []struct {
		name string
		stay func(w *world)
		want string
	}{
		{"15 minutes up", func(*world) { pass(15 * time.Minute) }, "15m1s web"},
		{"a second less", func(*world) { pass(15*time.Minute - time.Second) }, "15m1s web"},
		{"15 minutes up, 5 of them unhealthy", func(w *world) {
			pass(5 * time.Minute)
			w.edit("a1", func(c *engine.Container) { c.HealthCheck, c.Health = true, engine.Unhealthy })
			pass(5 * time.Minute)
			w.edit("a1", func(c *engine.Container) { c.Health = engine.Healthy })
			pass(5 * time.Minute)
		}, "15m2s web"},
		{"15 minutes up with a restart by the engine", func(w *world) {
			pass(5 * time.Minute)
			w.edit("a1", func(c *engine.Container) { c.Started, c.RestartCount = time.Now(), 1 })
			pass(10 * time.Minute)
		}, "15m2s web"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, usual(), up("a1", "web"))
				pass(time.Second)
				w.dies("a1") // the first attempt
				row.stay(w)
				w.dies("a1")
				pass(10 * time.Second)
				w.wantStarts("1s web", row.want)
			})
		})
	}
}

func TestLaw2StartsAtATimeStayWithinTheConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		for i := range 20 {
			cs = append(cs, ended(engine.CauseSelf, named(fmt.Sprintf("%02d", i), fmt.Sprintf("batch-%d", i))))
		}
		w := newWorld(t, usual(), up("a1", "web"))
		w.onStart(func(_ context.Context, c *engine.Container) error { time.Sleep(time.Second); w.runs(c.ID); return nil })
		w.set(cs...)
		pass(10 * time.Second)
		starts, most := w.begun()
		if len(starts) != 20 || most != 4 {
			t.Fatalf("%d starts, %d at a time; want 20 and 4", len(starts), most)
		}
		if last := starts[19]; !strings.HasPrefix(last, "4s ") {
			t.Errorf("the last start came after %s, want 4s: five reconciles of four", last)
		}
	})
}

func TestAStartThatHangsKeepsItsContainerButNotItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.Concurrency = 2 }), up("a1", "batch-1"), up("b2", "batch-2"), up("c3", "web"))
		w.onStart(func(ctx context.Context, c *engine.Container) error {
			if c.Name != "web" {
				<-ctx.Done() // as on a dead network file system
				return ctx.Err()
			}
			w.runs(c.ID)
			return nil
		})
		w.dies("a1")
		w.dies("b2")
		w.dies("c3")
		pass(time.Hour)
		w.wantStarts("0s batch-1", "0s batch-2", "2m0s web")
		w.end()
	})
}

func TestLaw2RestartsThatWaitForTheirStopTimeoutKeepTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		for i := range 4 {
			c := up(strconv.Itoa(i), fmt.Sprintf("batch-%d", i))
			c.StopTimeout = 10 * time.Minute
			cs = append(cs, c)
		}
		w := newWorld(t, usual(func(p *policy.Policy) { p.Concurrency = 2 }), cs...)
		w.onStart(func(ctx context.Context, c *engine.Container) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(c.StopTimeout):
				w.runs(c.ID)
				return nil
			}
		})
		for _, c := range cs {
			w.sickens(c.ID)
		}
		pass(time.Hour)
		if starts, most := w.begun(); len(starts) != len(cs) || most != 2 {
			t.Errorf("%d restarts, %d at a time, want %d and 2", len(starts), most, len(cs))
		}
		w.end()
	})
}

func TestThoseThatFailAgainAndAgainDoNotComeBeforeAFreshDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		for i := range 30 {
			cs = append(cs, up(fmt.Sprintf("%02d", i), fmt.Sprintf("batch-%d", i)))
		}
		w := newWorld(t, usual(), append(cs, up("c3", "web"))...)
		w.onStart(func(context.Context, *engine.Container) error {
			time.Sleep(2 * time.Minute)
			return engine.ErrNoAnswer
		})
		for _, c := range cs {
			w.dies(c.ID)
		}
		pass(2 * time.Hour)
		w.dies("c3")
		died := time.Since(w.began)
		pass(20 * time.Minute)
		starts, _ := w.begun()
		i := slices.IndexFunc(starts, func(s string) bool { return strings.HasSuffix(s, " web") })
		if i < 0 {
			t.Errorf("died after %s and was not started in 20 minutes", died)
		}
		w.end()
	})
}

func TestNothingIsDoneOnASnapshotThatIsNotCurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"))
		w.publish(&engine.Snapshot{First: w.began, Containers: []*engine.Container{ended(engine.CauseSelf)}})
		pass(time.Hour)
		w.wantStarts()
		w.set(ended(engine.CauseSelf))
		w.wantStarts("1h0m0s web")
	})
}

func TestAContainerCreatedAnewStartsAfresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { return errors.New("port taken") })
		w.dies("a1")
		pass(4 * time.Second)
		w.set(ended(engine.CauseSelf, named("b2", "web")))
		w.wantStarts("0s web", "1s web", "3s web", "4s web")
		if len(w.history.records) != 1 {
			t.Errorf("%d records, want that of the new container only", len(w.history.records))
		}
		if !strings.Contains(w.log.String(), "container=web state=removed") {
			t.Errorf("the removal is not in the log:\n%s", w.log.String())
		}
	})
}

func TestARemovalDuringAStartLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), up("a1", "web"))
		w.onStart(func(context.Context, *engine.Container) error { time.Sleep(time.Second); return engine.ErrGone })
		w.dies("a1")
		w.set()
		pass(2 * time.Second)
		w.set()
		pass(0)
		w.wantStarts("0s web")
		if len(w.history.records) != 0 {
			t.Errorf("%d records left", len(w.history.records))
		}
	})
}

func TestDryRunTouchesNothingAndCountsEachCauseOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(func(p *policy.Policy) { p.DryRun = true }), up("a1", "web"))
		w.dies("a1")
		for range 3 {
			pass(time.Minute)
			w.set(w.Snapshot().Containers...)
		}
		w.runs("a1") // somebody else
		pass(time.Minute)
		w.dies("a1")
		w.wantStarts()
		if got := testutil.ToFloat64(w.metrics.dryRuns.vec.WithLabelValues("web", "exited")); got != 2 {
			t.Errorf("defib_dry_run_actions_total %v, want 2", got)
		}
		if got := strings.Count(w.log.String(), `msg="would start container"`); got != 2 {
			t.Errorf("%d lines in the log, want 2", got)
		}
	})
}

func TestLaw9ShutdownBeginsNothingAndLetsStartsEnd(t *testing.T) {
	for _, row := range []struct {
		name  string
		takes time.Duration
		want  time.Duration
	}{
		{"a start that ends in time", 3 * time.Second, 3 * time.Second},
		{"a start that hangs", time.Hour, 8 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, usual(func(p *policy.Policy) { p.Concurrency = 1 }), up("a1", "web"), up("b2", "batch-1"))
				var cut bool
				w.onStart(func(ctx context.Context, c *engine.Container) error {
					select {
					case <-ctx.Done():
						cut = true
						return ctx.Err()
					case <-time.After(row.takes):
						w.runs(c.ID)
						return nil
					}
				})
				w.dies("a1")
				w.dies("b2")
				w.stop()
				began := time.Now()
				if err := <-w.stopped; err != nil {
					t.Errorf("Run returned %v", err)
				}
				if got := time.Since(began); got != row.want {
					t.Errorf("it took %s, want %s", got, row.want)
				}
				if cut != (row.takes > shutdownGrace) {
					t.Errorf("the start was cut off: %t", cut)
				}
				w.wantStarts("0s web")
			})
		})
	}
}

func TestAMisspeltLabelIsWarnedAboutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ended("", named("a1", "other"), state(engine.Running), labelled("defib.enabel", "true"))
		w := newWorld(t, usual(), c)
		w.set(up("b2", "web"), c)
		pass(time.Hour)
		if got := strings.Count(w.log.String(), "label not understood"); got != 1 {
			t.Errorf("%d warnings, want 1:\n%s", got, w.log.String())
		}
	})
}
