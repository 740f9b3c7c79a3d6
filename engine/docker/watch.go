package docker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/docker/docker/client"

	"defib/engine/docker/libpod"
	"defib/engine/internal/refusal"
	"defib/engine/internal/store"
	"defib/internal/transition"
)

const (
	// How far back events are evidence of how a container ended, when Defib first connects; of
	// Podman, which keeps them all, how far back they are asked for.
	replayWindow = 10 * time.Minute

	reconnectFirst = 100 * time.Millisecond
	reconnectSoon  = time.Second // while the engine answers
	reconnectMost  = 5 * time.Second
)

var errDrift = errors.New("the snapshot differs from the list of containers")

// Run watches the engine until the context ends, and returns nil. An engine
// that is unavailable never ends it: it tries again indefinitely.
func (e *Engine) Run(ctx context.Context) error {
	reported := &transition.States{} // by class, since the engine was last there
	wait := reconnectFirst
	for {
		began := time.Now()
		came, err := e.connect(ctx)
		e.store.Closed(time.Now())
		if e.store.Changed() {
			e.publish()
		}
		e.metrics.connected.Set(0)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // whatever err is, it was asked for
		}
		if came { // the next attempt will tell whether there is more to say
			reported = &transition.States{}
			wait = min(wait, reconnectSoon) // a stream that is cut again and again is not opened in a hot loop
			if time.Since(began) > reconnectSoon {
				wait = reconnectFirst
			}
			if errors.Is(err, errDrift) {
				e.Logger.Info("snapshot differs from the list of containers, reconnecting")
				continue
			}
			e.Logger.Info("event stream ended, reconnecting", "err", err)
		} else {
			err = e.explain(ctx, err)
			e.cause.Store(new(err.Error()))
			if reported.Changed(refusal.Class(err), "reported") {
				e.Logger.Warn("engine unavailable", "address", e.Host, "err", err)
			}
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
// snapshot became current in between.
func (e *Engine) connect(parent context.Context) (came bool, err error) {
	api, about, err := e.dial(parent)
	if err != nil {
		return false, err
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancelCause(parent)
	c := &connection{Engine: e, podman: about.podman, api: api, cancel: cancel, wg: &wg, clockAhead: about.now.Sub(about.then)}
	defer func() {
		cancel(nil)
		wg.Wait()
		c.close()
		e.inbox.Drain(time.Now()) // the last events too: the next stream begins after them
	}()

	e.store.Meet(about.id, about.now)
	if about.podman.StopsTold() == store.StopsRecorded {
		if c.libpod, err = about.podman.Client(e.clientOptions()); err != nil {
			return false, err
		}
	}
	from, until := c.past(about.now), about.now
	begin := until
	if !about.timed {
		begin = from // its clock may be behind ours: then what it tells until then is not all
	}
	if err := c.open(ctx, begin); err != nil {
		return false, fmt.Errorf("watch events: open the stream: %w", err)
	}
	c.list(ctx) // the engine works on it while the rest is done
	wg.Go(func() { e.self() })
	past, err := c.replay(ctx, from, until, about.timed)
	if err != nil { // maybe the stream's own: the client may return before it tells that
		return false, fmt.Errorf("watch events: get past ones: %w", err)
	}
	e.api.Store(api)
	e.podman.Store(about.podman.Is)
	e.info = about
	if e.store.Known() {
		e.metrics.reconnect.Inc()
	}
	evident := time.Time{}
	if e.store.Last().At.IsZero() { // nothing is known of this engine
		evident = about.now.Add(-replayWindow)
	}
	e.store.Opened(about.then, about.now, e.store.Gap(past), c.podman.StopsTold())
	c.metrics.events.Add(float64(e.store.Replay(time.Now(), past, evident)))
	c.opened, c.told = true, told(past, begin)
	e.metrics.connected.Set(1)
	return c.loop(ctx)
}

// show publishes what has changed, once the store has seen everything, and lets those
// know who wait for it.
func (c *connection) show() {
	if c.store.Synced() && !c.current {
		c.current = true
		c.cause.Store(nil)
		c.Logger.Info("engine connected", "host", c.info.host, "version", c.info.version,
			"api_version", c.api.ClientVersion(), "containers", c.store.Len())
		c.warnOfPodman()
		if c.Connected != nil {
			c.Connected()
		}
	}
	if !c.current {
		return
	}
	if c.store.Changed() {
		c.publish()
	}
	for _, reply := range c.store.TakeReplies() {
		reply()
	}
}

// warnOfPodman says once, and not at each connection, what cannot be known.
func (c *connection) warnOfPodman() {
	if c.podman.StopsTold() != store.StopsUntold || !c.states.Changed("podman", "said") {
		return
	}
	c.Logger.Warn("podman before 4.7 does not report whether a container was stopped or crashed: unless its restart policy tells, every exit counts as a crash, "+
		"and the container is started after --restart.stopped-delay under every --restart.policy; to keep a container down, use defib hold",
		"version", c.info.version)
}

// connection is one stretch of unbroken stream. Its goroutines end with ctx.
type connection struct {
	*Engine
	podman libpod.Podman
	api    *client.Client
	libpod *client.Client // nil: there is nothing that only Podman's own API tells

	clockAhead time.Duration // of the engine
	cancel     context.CancelCauseFunc
	wg         *sync.WaitGroup
	opened     bool                 // the store knows of it, and of the past
	told       map[store.Event]bool // of the past, what the stream tells again
	current    bool
}

func (c *connection) close() {
	_ = c.api.Close()
	if c.libpod != nil {
		_ = c.libpod.Close()
	}
}

// post hands an answer to the loop. It is void once the connection has ended.
func (c *connection) post(ctx context.Context, f func(now time.Time)) {
	c.inbox.Post(func(now time.Time) {
		if ctx.Err() == nil {
			f(now)
		}
	})
}

// loop owns the store while the connection lives.
func (c *connection) loop(ctx context.Context) (came bool, err error) {
	resync := time.NewTicker(c.ResyncInterval)
	defer resync.Stop()
	for {
		ended := context.Cause(ctx) // before the last look into the inbox
		now := time.Now()
		c.inbox.Drain(now)
		if ended != nil {
			return c.current, ended
		}
		for _, id := range c.store.Step(now, store.Inspectors-c.store.Inspecting()) {
			c.inspect(ctx, id)
		}
		if c.store.ImagesDue(now) {
			c.listImages(ctx)
		}
		if n := c.store.Drifts; n > 0 {
			c.store.Drifts = 0
			c.metrics.drift.Add(float64(n))
			return c.current, errDrift
		}
		c.show()
		var timer <-chan time.Time
		if next := c.store.Next(); !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-c.inbox.Wake():
		case <-timer:
		case <-resync.C:
			c.list(ctx)
		case <-ctx.Done():
		}
	}
}
