// Package world is a fake engine in a synctest bubble, and a Restarter that runs over it.
package world

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/policy"
)

// World is a fake engine with a Restarter over it: it holds a snapshot, and OnStart says
// what a start does to it.
type World struct {
	*restarter.Restarter
	BeganAt time.Time
	Log     strings.Builder
	Logger  *slog.Logger // writes to Log
	Stop    context.CancelFunc
	Stopped chan error // what Run returned

	t       *testing.T
	news    chan struct{}
	editing sync.Mutex

	mu       sync.Mutex // of all below
	snapshot *engine.Snapshot
	start    func(ctx context.Context, c *engine.Container) error
	recreate func(leaving <-chan struct{}, r engine.Recreation) (*engine.Container, error)
	discard  error    // what comes of a removal; nil: it is done
	starts   []string // "after name", in order

	recreations []engine.Recreation
	underway    int
	most        int // starts at a time
}

// NewWorld runs a Restarter over these containers until the test ends. A start
// makes a container run at once, unless the test says otherwise.
func NewWorld(t *testing.T, p policy.Policy, cs ...*engine.Container) *World {
	return NewWorldOf(t, p, func(*restarter.Restarter) {}, cs...)
}

// NewWorldOf is NewWorld with a Restarter that is edited before it runs.
func NewWorldOf(t *testing.T, p policy.Policy, edit func(*restarter.Restarter), cs ...*engine.Container) *World {
	return NewWorldFrom(t, p, edit, (&World{BeganAt: time.Now()}).snapshotOf(cs))
}

// NewWorldFrom is NewWorldOf that begins with this snapshot.
func NewWorldFrom(t *testing.T, p policy.Policy, edit func(*restarter.Restarter), first *engine.Snapshot) *World {
	w := &World{t: t, BeganAt: time.Now(), snapshot: first, news: make(chan struct{}, 1), Stopped: make(chan error, 1)}
	w.OnStart(func(_ context.Context, c *engine.Container) error { w.Runs(c.ID); return nil })
	w.Logger = slog.New(slog.NewTextHandler(&w.Log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "id" && len(a.Value.String()) > 12 {
			w.t.Errorf("a log line has more of an ID than Docker shows: %s", a.Value)
		}
		if a.Key == slog.TimeKey || a.Key == "id" {
			return slog.Attr{}
		}
		return a
	}}))
	w.Restarter = restarter.New(w, p, w.Logger)
	edit(w.Restarter)
	ctx, cancel := context.WithCancel(t.Context())
	w.Stop = cancel
	go func() { w.Stopped <- w.Run(ctx) }()
	synctest.Wait()
	return w
}

// End stops the Restarter and waits for it.
func (w *World) End() {
	w.Stop()
	if err := <-w.Stopped; err != nil {
		w.t.Error(err)
	}
}

// Changed implements restarter.Engine, as Snapshot, Start and Restart do.
func (w *World) Changed() <-chan struct{} { return w.news }

// Snapshot returns what was last published, or replaced.
func (w *World) Snapshot() *engine.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snapshot
}

// Start does what OnStart says.
func (w *World) Start(ctx context.Context, c *engine.Container) error {
	w.mu.Lock()
	w.starts = append(w.starts, fmt.Sprintf("%s %s", time.Since(w.BeganAt), c.Name))
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

// Restart does what a start does.
func (w *World) Restart(ctx context.Context, c *engine.Container) error { return w.Start(ctx, c) }

// EndTask does what a start does.
func (w *World) EndTask(ctx context.Context, c *engine.Container) error { return w.Start(ctx, c) }

// Recreate does what OnRecreate does.
func (w *World) Recreate(_ context.Context, leaving <-chan struct{}, r engine.Recreation) (*engine.Container, error) {
	w.mu.Lock()
	w.recreations = append(w.recreations, r)
	recreate := w.recreate
	w.mu.Unlock()
	return recreate(leaving, r)
}

// Recreations returns those that were asked for so far.
func (w *World) Recreations() []engine.Recreation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.recreations)
}

// OnRecreate says what a re-creation does from now on.
func (w *World) OnRecreate(f func(leaving <-chan struct{}, r engine.Recreation) (*engine.Container, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recreate = f
}

// FailRemovals has removals fail from now on; nil: they do not.
func (w *World) FailRemovals(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.discard = err
}

// Discard has the container be gone, whatever it does, unless removals fail.
func (w *World) Discard(_ context.Context, c *engine.Container) error {
	w.mu.Lock()
	err := w.discard
	w.mu.Unlock()
	if err == nil {
		w.Removed(c.ID)
	}
	return err
}

// Removed has a container be gone.
func (w *World) Removed(id string) {
	w.editing.Lock()
	defer w.editing.Unlock()
	w.Set(slices.DeleteFunc(slices.Clone(w.Snapshot().Containers), func(c *engine.Container) bool { return c.ID == id })...)
}

// OnStart says what a start does from now on.
func (w *World) OnStart(f func(ctx context.Context, c *engine.Container) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.start = f
}

// Begun returns the starts so far, and how many were under way at most at a time.
func (w *World) Begun() (starts []string, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.starts), w.most
}

// WantStarts compares the starts and restarts so far, "after name" in their order.
func (w *World) WantStarts(want ...string) {
	w.t.Helper()
	synctest.Wait()
	starts, _ := w.Begun()
	if diff := cmp.Diff(want, starts); diff != "" {
		w.t.Errorf("starts (-want +got):\n%s", diff)
	}
}

// Set publishes a snapshot of these containers.
func (w *World) Set(cs ...*engine.Container) { w.Publish(w.snapshotOf(cs)) }

// Publish makes a snapshot the newest.
func (w *World) Publish(p *engine.Snapshot) {
	w.mu.Lock()
	w.snapshot = p
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// Replace makes a snapshot of these containers the newest without telling of it.
func (w *World) Replace(cs ...*engine.Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.snapshot = w.snapshotOf(cs)
}

func (w *World) snapshotOf(cs []*engine.Container) *engine.Snapshot {
	slices.SortFunc(cs, func(a, b *engine.Container) int { return strings.Compare(a.ID, b.ID) })
	return &engine.Snapshot{Connected: true, First: w.BeganAt, Listed: time.Now(), Containers: cs}
}

// Edit publishes a snapshot in which one container has changed. What changes at the
// same time is not lost.
func (w *World) Edit(id string, f func(*engine.Container)) {
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
	w.Set(cs...)
}

// Runs makes a container run from now on.
func (w *World) Runs(id string) {
	w.Edit(id, func(c *engine.Container) {
		c.State, c.Started, c.StartSeenAt, c.ExitCause, c.ExitSeenAt = engine.Running, time.Now(), time.Now(), engine.CauseNone, time.Time{}
		if c.Health == engine.Unhealthy {
			c.Health, c.HealthOutput, c.UnhealthySince = engine.Starting, "", time.Time{}
		}
	})
}

// Dies has a container exit by itself now, and waits for what comes of it.
func (w *World) Dies(id string) {
	w.Edit(id, func(c *engine.Container) {
		c.State, c.Finished, c.ExitCause, c.ExitSeenAt = engine.Exited, time.Now(), engine.CauseSelf, time.Now()
	})
	synctest.Wait()
}

// TurnsUnhealthy makes a container that runs unhealthy.
func (w *World) TurnsUnhealthy(id string) {
	w.Edit(id, func(c *engine.Container) {
		c.HealthCheck, c.Health, c.HealthOutput, c.UnhealthySince = true, engine.Unhealthy, "connection refused", time.Now()
	})
	synctest.Wait()
}

// Recovers makes it healthy.
func (w *World) Recovers(id string) {
	w.Edit(id, func(c *engine.Container) {
		c.Health, c.HealthOutput, c.UnhealthySince = engine.Healthy, "", time.Time{}
	})
	synctest.Wait()
}

// StartedAgo says that the container came up so long ago on our clock, and that the
// engine's clock is ahead of it.
func (w *World) StartedAgo(id string, d, ahead time.Duration) {
	w.Edit(id, func(c *engine.Container) {
		c.StartSeenAt = time.Now().Add(-d)
		c.Started = c.StartSeenAt.Add(ahead)
	})
	synctest.Wait()
}

// Pass lets time go by.
func Pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
