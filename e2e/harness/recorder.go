package harness

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

// Event is one container event, timed by the engine.
type Event struct {
	ID, Action string
	At         time.Time
	Name       string // of the container at that time
}

// Recorder keeps every container event of an engine: what really happened, and
// when, as a judge independent of Defib.
type Recorder struct {
	client *client.Client
	once   sync.Once
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	all   []Event // by time
	known map[Event]bool
}

func record(c *client.Client) *Recorder {
	return &Recorder{client: c, cancel: func() {}, known: map[Event]bool{}}
}

// open begins to record, on the first call; a recorder outlives the daemon it
// listens to.
func (r *Recorder) open(ctx context.Context) error {
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
		r.cancel = cancel
		r.wg.Go(func() { r.run(life, since) })
		r.wg.Go(func() { r.revise(life) })
	})
	return nil
}

func (r *Recorder) close() {
	r.cancel()
	r.wg.Wait()
}

func (r *Recorder) run(ctx context.Context, since time.Time) {
	for ctx.Err() == nil {
		// Why a stream ended is of no interest: the daemon comes and goes.
		since, _ = r.read(ctx, since, "")
		Pause(ctx.Done(), 50*time.Millisecond)
	}
}

// revise asks again and again for what has just been: on a machine with much to do
// Docker gives up on a listener that it does not get to within 100 ms, and loses
// the event for it.
func (r *Recorder) revise(ctx context.Context) {
	const reach = 10 * time.Second
	for !Pause(ctx.Done(), time.Second) {
		now := time.Now()
		callCtx, cancel := context.WithTimeout(ctx, Limit)
		_, _ = r.read(callCtx, now.Add(-reach), Stamp(now))
		cancel()
	}
}

// Stamp writes a moment as the engine reads it.
func Stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// read records one stream to its end, which lies in the past or is open, and
// returns where the next shall begin.
func (r *Recorder) read(ctx context.Context, since time.Time, until string) (time.Time, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := since
	messages, errs := r.client.Events(ctx, events.ListOptions{
		Since:   Stamp(since),
		Until:   until,
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
			r.add(Event{m.Actor.ID, string(m.Action), at, m.Actor.Attributes["name"]})
		case err := <-errs:
			return since, err
		}
	}
}

// add enters what is not known yet.
func (r *Recorder) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[e] {
		return
	}
	r.known[e] = true
	i := len(r.all)
	for i > 0 && r.all[i-1].At.After(e.At) {
		i--
	}
	r.all = slices.Insert(r.all, i, e)
}

// All is all that happened so far.
func (r *Recorder) All() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// of says all that happened to a container, in order.
func (r *Recorder) of(id string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, e := range r.all {
		if e.ID == id {
			all = append(all, e.At.Format("15:04:05.000 ")+e.Action)
		}
	}
	return all
}

// times says when an action happened to a container, in order.
func (r *Recorder) times(id, action string) []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	var at []time.Time
	for _, e := range r.all {
		if e.ID == id && e.Action == action {
			at = append(at, e.At)
		}
	}
	return at
}
