package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

const (
	// Inspects under way at a time. One of them may hang on a wedged container.
	inspectors = 8
	// How far back the first stream is replayed: a stop older than this is not
	// told from a death. The engine holds 256 events of all kinds.
	firstReplay = 10 * time.Minute

	reconnectFirst = 100 * time.Millisecond
	reconnectMost  = 5 * time.Second
)

// watched are the event actions that can change a picture. Asked for by name,
// since each health check makes three exec events.
var watched = []string{
	"create", "start", "restart", "stop", "kill", "die", "oom", "pause", "unpause",
	"rename", "update", "destroy", "remove", "health_status",
}

var errDrift = errors.New("the picture had drifted from the engine's list")

// Run watches the engine until the context ends, and returns nil. An engine
// that is away never ends it: it tries again for ever.
func (e *Engine) Run(ctx context.Context) error {
	var said string
	wait := reconnectFirst
	for {
		came, err := e.connect(ctx)
		e.book.closed(time.Now())
		if e.book.changed {
			e.publish()
		}
		e.metrics.connected.Set(0)
		if ctx.Err() != nil {
			return nil
		}
		if came {
			said, wait = "", reconnectFirst
		}
		if errors.Is(err, errDrift) {
			e.Logger.Warn("events were lost, opening the stream anew", "err", err)
			continue
		}
		err = e.advise(ctx, err)
		e.cause.Store(new(err.Error()))
		if said != err.Error() {
			said = err.Error()
			e.Logger.Warn("engine unavailable", "host", e.Host, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, reconnectMost)
	}
}

// connect opens the event stream and watches until it ends. It tells whether the
// picture became current in between.
func (e *Engine) connect(parent context.Context) (came bool, err error) {
	api, about, err := e.dial(parent)
	if err != nil {
		return false, err
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancelCause(parent)
	defer func() {
		cancel(nil)
		wg.Wait()
		_ = api.Close()
	}()

	c := &connection{Engine: e, api: api, ctx: ctx, cancel: cancel, wg: &wg}
	since, gone := about.now.Add(-firstReplay), false
	if last := e.book.last; !last.at.IsZero() {
		since = last.at
		if gone, err = c.forgot(last); err != nil {
			return false, fmt.Errorf("ask for past events: %w", err)
		}
	}
	if err := c.open(since); err != nil {
		return false, fmt.Errorf("open the event stream: %w", err)
	}
	e.api.Store(api)
	e.about = about
	e.book.opened(time.Now(), about.now, gone, !about.podman)
	e.metrics.connected.Set(1)
	e.metrics.reconnect.Inc()
	c.list()
	return c.loop()
}

// connection is one stretch of unbroken stream. Its goroutines end with ctx.
type connection struct {
	*Engine
	api      *client.Client
	ctx      context.Context
	cancel   context.CancelCauseFunc
	wg       *sync.WaitGroup
	current  bool
	listFail string
}

// post hands an answer to the loop. It is void once the connection has ended.
func (c *connection) post(f func(now time.Time)) {
	c.inbox.post(func(now time.Time) {
		if c.ctx.Err() == nil {
			f(now)
		}
	})
}

// loop owns the book while the connection lives.
func (c *connection) loop() (came bool, err error) {
	resync := time.NewTicker(c.ResyncInterval)
	defer resync.Stop()
	for {
		ended := context.Cause(c.ctx) // before the last look into the inbox
		now := time.Now()
		for _, f := range c.inbox.take() {
			f(now)
		}
		if ended != nil {
			return c.current, ended
		}
		for _, id := range c.book.step(now, inspectors-c.book.underway) {
			c.inspect(id)
		}
		if c.book.drifts > 0 {
			c.metrics.drift.Add(float64(c.book.drifts))
			c.book.drifts = 0
			return c.current, errDrift
		}
		if !c.book.syncing && !c.current {
			c.current = true
			c.cause.Store(nil)
			c.Logger.Info("engine connected", "host", c.about.host, "version", c.about.version,
				"api_version", c.api.ClientVersion(), "containers", len(c.book.entries))
		}
		if c.book.changed && c.current {
			c.publish()
		}
		for _, reply := range c.book.replies {
			reply()
		}
		c.book.replies = nil
		var timer <-chan time.Time
		if next := c.book.next(); !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-c.inbox.wake:
		case <-timer:
		case <-resync.C:
			c.list()
		case <-c.ctx.Done():
		}
	}
}

// open subscribes to the engine's events and has each posted to the loop.
func (c *connection) open(since time.Time) error {
	hung := time.AfterFunc(c.Timeout, func() { c.cancel(errors.New("no answer within " + c.Timeout.String())) })
	defer hung.Stop()
	var stream <-chan events.Message
	var ended <-chan error
	err := c.call(c.ctx, callEvents, func(ctx context.Context) error {
		stream, ended = c.api.Events(ctx, events.ListOptions{Since: stamp(since), Filters: eventFilters()})
		select {
		case err := <-ended:
			return err
		default:
			return nil
		}
	})
	if cause := context.Cause(c.ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	c.wg.Go(func() { c.read(stream, ended) })
	return nil
}

// read never waits for anything but the stream: an engine drops events for a
// listener that is slow. The last events of an ended stream count too: a shutdown
// of the engine is told by them.
func (c *connection) read(stream <-chan events.Message, ended <-chan error) {
	for {
		select {
		case m := <-stream:
			h := toHappening(m)
			c.inbox.post(func(now time.Time) {
				if c.book.event(now, h) {
					c.metrics.events.Inc()
				}
			})
		case err := <-ended:
			if errors.Is(err, io.EOF) || err == nil {
				err = errors.New("the engine closed the event stream")
			}
			c.cancel(err)
			return
		}
	}
}

// forgot reports whether the engine no longer knows of our last event: then it
// is another one than before, restarted at least.
func (c *connection) forgot(last happening) (bool, error) {
	if last.id == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.Timeout)
	defer cancel()
	o := events.ListOptions{Since: stamp(last.at), Until: stamp(last.at), Filters: eventFilters()}
	found := false
	err := c.call(ctx, callEvents, func(ctx context.Context) error {
		stream, ended := c.api.Events(ctx, o)
		for {
			select {
			case m := <-stream:
				found = found || toHappening(m) == last
			case err := <-ended:
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
		}
	})
	return !found, err
}

// list asks for all containers, one list at a time.
func (c *connection) list() {
	if c.book.listing {
		return
	}
	c.book.listAsked()
	asked := time.Now()
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.Timeout)
		defer cancel()
		var list []container.Summary
		err := c.call(ctx, callList, func(ctx context.Context) (err error) {
			list, err = c.api.ContainerList(ctx, container.ListOptions{All: true})
			return err
		})
		c.post(func(now time.Time) {
			if err != nil {
				c.listFailed(err)
				return
			}
			c.listFail = ""
			c.metrics.resyncs.Inc()
			c.book.listAnswered(now, asked, list)
		})
	})
}

// listFailed gives up a connection that has no picture yet; later the next
// resync asks again.
func (c *connection) listFailed(err error) {
	c.book.listFailed()
	err = fmt.Errorf("list containers: %w", err)
	if !c.current {
		c.cancel(err)
		return
	}
	if c.listFail != err.Error() {
		c.listFail = err.Error()
		c.Logger.Warn("the engine does not list its containers", "err", err)
	}
}

// inspect asks for one container.
func (c *connection) inspect(id string) {
	mark := c.book.asked(id)
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.Timeout)
		defer cancel()
		var fresh *Container
		err := c.call(ctx, callInspect, func(ctx context.Context) error {
			in, err := c.api.ContainerInspect(ctx, id)
			if err == nil {
				fresh = fromInspect(in)
			}
			return err
		})
		answered := err == nil || errdefs.IsNotFound(err)
		c.post(func(now time.Time) {
			if !answered {
				c.Logger.Debug("inspect failed", "id", id, "err", err)
			}
			c.book.inspected(now, id, mark, fresh, answered)
		})
	})
}

func eventFilters() filters.Args {
	f := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range watched {
		f.Add("event", action)
	}
	return f
}

func toHappening(m events.Message) happening {
	return happening{
		action:  string(m.Action),
		id:      m.Actor.ID,
		project: m.Actor.Attributes[labelProject],
		signal:  m.Actor.Attributes["signal"],
		exit:    m.Actor.Attributes["exitCode"],
		at:      time.Unix(0, m.TimeNano),
	}
}

// stamp writes a moment as the engine reads it.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }
