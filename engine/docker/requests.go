package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/call"
	"defib/engine/docker/libpod"
	"defib/engine/internal/refusal"
	"defib/engine/internal/store"
)

// watched are the actions that can change a snapshot, of containers and of images,
// in Docker's words and Podman's, of which 4.3 filters by its own died and remove
// and then sends die and remove. They are asked for by name, since each health
// check makes three exec events. Where health_status is among them, Docker sends
// every action that begins like one.
var watched = []string{
	"create", "start", "restart", "stop", "kill", "die", "died", "oom", "pause", "unpause",
	"rename", "update", "destroy", "remove", "health_status",
	"tag", "untag", "pull", "delete", "import", "load", "loadfromarchive", "build",
}

// open subscribes to the engine's events and has each posted to the loop.
func (c *connection) open(ctx context.Context, since time.Time) error {
	hung := time.AfterFunc(c.Timeout, func() { c.cancel(fmt.Errorf("GET /events: %w", context.DeadlineExceeded)) })
	defer hung.Stop()
	var stream <-chan events.Message
	var ended <-chan error
	err := c.call(ctx, call.Events, func(ctx context.Context) error {
		stream, ended = c.api.Events(ctx, events.ListOptions{Since: stamp(since), Filters: eventFilters()})
		select {
		case err := <-ended:
			return err
		default:
			return nil
		}
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	c.wg.Go(func() { c.read(since, stream, ended) })
	return nil
}

// read never waits for anything but the stream: an engine drops events for a
// listener that is slow. The last events of an ended stream count too: a shutdown
// of the engine is told by them.
func (c *connection) read(since time.Time, stream <-chan events.Message, ended <-chan error) {
	for {
		select {
		case m := <-stream:
			h := answer.Event(m)
			if !c.repeats(h, since) {
				c.inbox.Post(func(now time.Time) { c.event(now, h) })
			}
		case err := <-ended:
			if errors.Is(err, io.EOF) || err == nil {
				err = errors.New("the engine closed the event stream")
			}
			c.cancel(call.WithHint(call.Events, err)) // a refusal that came too late for open
			return
		}
	}
}

// repeats reports whether an event comes again that came before since: Podman
// begins with the whole second.
func (c *connection) repeats(h store.Event, since time.Time) bool {
	early := since.Sub(h.At)
	return c.podman.Is && early > 0 && early < time.Second
}

// event enters one event of the stream into the store. Before the past has been entered it is
// dropped: that comes first, and if it cannot be had, the next stream tells of the event
// again.
func (c *connection) event(now time.Time, h store.Event) {
	if !c.opened || c.told[h] {
		return
	}
	c.store.ClockTold(now, h.At)
	if c.store.Event(now, h) {
		c.metrics.events.Inc()
	}
}

// past is from when on the engine is asked for what it still holds, until the given moment on
// its clock: our last event. The first time that is all, so that the engine is known again
// later by the last of them, however long ago it was. Podman keeps its events indefinitely,
// those of health checks too, so of them only the newest are asked for.
func (c *connection) past(until time.Time) time.Time {
	last := c.store.Last().At
	switch {
	case last.After(until): // its clock was set back: what it holds is not ours
		return until
	case c.podman.Is:
		return engine.Later(last, until.Add(-replayWindow))
	case last.IsZero():
		return time.Unix(1, 0)
	}
	return last
}

// replay returns the events of all kinds that the engine still holds, between two moments on
// its clock. They are taken before the first list, which they explain: the stream's own
// replay would come at its leisure. An engine that told no time may have a clock behind
// ours, and hold the end back until that moment: then the stream tells the rest.
func (c *connection) replay(ctx context.Context, from, until time.Time, timed bool) (past []store.Event, err error) {
	if !from.Before(until) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	opened := false
	err = c.call(ctx, call.Events, func(ctx context.Context) error {
		stream, ended := c.api.Events(ctx, events.ListOptions{Since: stamp(from), Until: stamp(until)})
		opened = ctx.Err() == nil
		for {
			select {
			case m := <-stream:
				if h := answer.Event(m); !c.repeats(h, from) {
					past = append(past, h)
				}
			case err := <-ended:
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
		}
	})
	if opened && !timed && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = nil
	}
	return past, err
}

// told are the past events that a stream from this moment on tells again.
func told(past []store.Event, begin time.Time) map[store.Event]bool {
	again := map[store.Event]bool{}
	for _, h := range past {
		if !h.At.Before(begin) {
			again[h] = true
		}
	}
	return again
}

// list asks for all containers, one list at a time.
func (c *connection) list(ctx context.Context) {
	if !c.store.ListAsked() {
		return
	}
	asked := time.Now()
	c.wg.Go(func() {
		callCtx, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		var list []container.Summary
		err := c.call(callCtx, call.List, func(ctx context.Context) (err error) {
			list, err = c.api.ContainerList(ctx, container.ListOptions{All: true})
			return err
		})
		c.post(ctx, func(now time.Time) {
			if err != nil {
				c.listFailed(err)
				return
			}
			if c.states.Changed(call.List, "") {
				c.Logger.Info("listing containers works again")
			}
			c.metrics.resyncs.Inc()
			c.store.ListAnswered(now, asked, answer.ListItems(list))
		})
	})
}

// listFailed gives up a connection that has no snapshot yet; later the next
// resync asks again.
func (c *connection) listFailed(err error) {
	c.store.ListFailed()
	err = fmt.Errorf("list containers: %w", err)
	if !c.current {
		c.cancel(err)
		return
	}
	if c.states.Changed(call.List, refusal.Class(err)) {
		c.Logger.Warn("cannot list containers", "err", err)
	}
}

// inspect asks for one container.
func (c *connection) inspect(ctx context.Context, id string) {
	mark := c.store.InspectAsked(time.Now(), id)
	c.wg.Go(func() {
		callCtx, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		var fresh *engine.Container
		err := c.callOf(callCtx, call.Inspect, id, func(ctx context.Context) error {
			in, err := c.api.ContainerInspect(ctx, id)
			if err == nil {
				fresh = answer.Container(in)
				if c.podman.Is {
					libpod.Amend(fresh)
				}
			}
			return err
		})
		if err == nil && c.libpod != nil && fresh.State == engine.Exited {
			if err = c.ended(callCtx, fresh); err != nil {
				fresh = nil
			}
		}
		answered := err == nil || refusal.Absent(err)
		c.post(ctx, func(now time.Time) {
			c.store.Inspected(now, id, mark, fresh, answered)
			if !answered {
				c.Logger.Debug("inspect failed", "id", engine.ShortID(id), "err", err)
				c.list(ctx) // which never hangs, and knows its state at least
			}
		})
	})
}

// ended asks Podman how the run of a container ended. Where a proxy refuses that, nobody
// knows.
func (c *connection) ended(ctx context.Context, fresh *engine.Container) error {
	err := c.callOf(ctx, call.InspectLibpod, fresh.ID, func(ctx context.Context) error {
		return libpod.Ended(ctx, c.libpod, fresh, time.Now().Add(c.clockAhead))
	})
	if refusal.Refused(err) {
		return nil
	}
	return err
}

func eventFilters() filters.Args {
	f := filters.NewArgs(filters.Arg("type", store.KindContainer), filters.Arg("type", store.KindImage))
	for _, action := range watched {
		f.Add("event", action)
	}
	return f
}

// stamp writes a moment as the engine reads it.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
