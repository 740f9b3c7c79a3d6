package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// event is one container event, timed by the engine.
type event struct {
	id, action string
	at         time.Time
}

// recorder keeps every container event of an engine: what really happened, and
// when, as a judge independent of Defib.
type recorder struct {
	client *client.Client
	once   sync.Once
	cancel context.CancelFunc
	done   chan struct{}

	mu  sync.Mutex
	all []event
}

func record(c *client.Client) *recorder {
	return &recorder{client: c, cancel: func() {}}
}

// open begins to record, on the first call; a recorder outlives the daemon it
// listens to.
func (r *recorder) open(ctx context.Context) error {
	// Asked for by the engine's clock, so that nothing after this call is missed.
	info, err := r.client.Info(ctx)
	if err != nil {
		return err
	}
	since, err := time.Parse(time.RFC3339Nano, info.SystemTime)
	if err != nil {
		return err
	}
	r.once.Do(func() {
		life, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r.cancel, r.done = cancel, make(chan struct{})
		go r.run(life, since)
	})
	return nil
}

func (r *recorder) close() {
	r.cancel()
	if r.done != nil {
		<-r.done
	}
}

func (r *recorder) run(ctx context.Context, since time.Time) {
	defer close(r.done)
	for ctx.Err() == nil {
		// Why a stream ended is of no interest: the daemon comes and goes.
		since, _ = r.read(ctx, since)
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stamp writes a moment as the engine reads it.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// read records one stream to its end and returns where the next shall begin.
func (r *recorder) read(ctx context.Context, since time.Time) (time.Time, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := since
	messages, errs := r.client.Events(ctx, events.ListOptions{
		Since:   stamp(since),
		Filters: filters.NewArgs(filters.Arg("type", "container")),
	})
	for {
		select {
		case m := <-messages:
			at := time.Unix(0, m.TimeNano)
			if onPodman && at.Before(begin) {
				continue // it begins with the whole second
			}
			since = at.Add(1)
			if strings.HasPrefix(string(m.Action), "exec_") {
				continue
			}
			r.mu.Lock()
			r.all = append(r.all, event{m.Actor.ID, string(m.Action), at})
			r.mu.Unlock()
		case err := <-errs:
			return since, err
		}
	}
}

// everything is all that happened so far.
func (r *recorder) everything() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// of says all that happened to a container, in order.
func (r *recorder) of(id string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, e := range r.all {
		if e.id == id {
			all = append(all, e.at.Format("15:04:05.000 ")+e.action)
		}
	}
	return all
}

// times says when an action happened to a container, in order.
func (r *recorder) times(id, action string) []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	var at []time.Time
	for _, e := range r.all {
		if e.id == id && e.action == action {
			at = append(at, e.at)
		}
	}
	return at
}
