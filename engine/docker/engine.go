// Package docker watches one Docker Engine, or Podman's Docker API, and acts on its
// containers. Only it and what is below it know Docker's client.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/client"

	"defib/engine"
	"defib/engine/docker/address"
	"defib/engine/docker/call"
	"defib/engine/internal/inbox"
	"defib/engine/internal/refusal"
	"defib/engine/internal/self"
	"defib/engine/internal/store"
	"defib/internal/transition"
)

const (
	// Up gives the engine so long to answer a ping.
	pingTimeout = time.Second
	// Up overlooks an event stream that has been down for so long.
	streamGrace = 5 * time.Second
	// So many resync intervals after its list, Up no longer takes a snapshot for current.
	staleAfter = 3
)

// Options say which engine to watch, and how.
type Options struct {
	Host           string        // as DOCKER_HOST: unix:///path or tcp://host:port
	Timeout        time.Duration // of a list, an inspect, and of opening the stream
	ResyncInterval time.Duration // between two lists
	ReadsLogs      bool          // logs will be asked for: Probe tries that too
	Logger         *slog.Logger

	// Recreates reports whether a container may be re-created, as far as a list tells:
	// Probe tries that too if there is one. Nil: none may.
	Recreates func(*engine.Container) bool
	// Ends reports the same of a task of Swarm that may be ended.
	Ends func(*engine.Container) bool

	// Connected is called by Run whenever a snapshot is whole again, and must not block; nil:
	// nothing is.
	Connected func()

	// Of the engine's host, which boot this is and when it began; zero: not known.
	BootID   string
	BootedAt time.Time
}

// Engine watches one Docker Engine and acts on its containers. All its methods
// may be called at once from several goroutines, Run only once.
type Engine struct {
	Options
	metrics *metrics

	api      atomic.Pointer[client.Client] // of the newest connection; nil before the first
	snapshot atomic.Pointer[engine.Snapshot]
	cause    atomic.Pointer[string] // why there is no connection
	changed  chan struct{}
	podman   atomic.Bool // as of the newest connection

	transport http.RoundTripper // to an engine within this process; nil: to Host

	self    func() self.Self  // read once
	states  transition.States // of what is logged when it begins and when it ends
	refused refusal.Calls

	inbox *inbox.Inbox // into Run
	store *store.Store // owned by Run
	info  engineInfo   // owned by Run
}

// New returns an Engine that does nothing until Run. It fails on a host that
// can never work.
func New(o Options) (*Engine, error) {
	if err := address.Check(o.Host); err != nil {
		return nil, err
	}
	e := &Engine{
		Options: o,
		metrics: newMetrics(),
		self:    sync.OnceValue(self.Detect),
		changed: make(chan struct{}, 1),
		inbox:   inbox.New(),
		store:   store.New(),
	}
	e.snapshot.Store(&engine.Snapshot{})
	return e, nil
}

// Resume has Run go on from what an earlier life of Defib remembered. It comes before Run.
func (e *Engine) Resume(m engine.Memory) {
	e.store.Resume(m, e.BootID, e.BootedAt)
	e.snapshot.Store(&engine.Snapshot{Earlier: &m})
}

// Snapshot returns the newest snapshot. It is empty before the first connection.
func (e *Engine) Snapshot() *engine.Snapshot { return e.snapshot.Load() }

// Changed gets an element after the snapshot has changed. It is for one receiver.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

// Up returns the snapshot if it is current and the engine answers a ping within
// a second; otherwise an error says why not. It asks the engine for one ping
// and nothing else.
func (e *Engine) Up(ctx context.Context) (*engine.Snapshot, error) {
	p := e.Snapshot()
	switch {
	case p.First.IsZero():
		return nil, e.unavailable("no snapshot of its containers yet")
	case !p.Connected && time.Since(p.Lost) > streamGrace:
		return nil, e.unavailable("its event stream has been down for " + time.Since(p.Lost).Round(time.Second).String())
	case time.Since(p.Listed) > staleAfter*e.ResyncInterval:
		return nil, e.unavailable("its last list of containers is " + time.Since(p.Listed).Round(time.Second).String() + " old")
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := e.call(ctx, call.Ping, func(ctx context.Context) error { return pingOnly(ctx, e.api.Load()) }); err != nil {
		return nil, fmt.Errorf("the engine does not answer: %w", err)
	}
	return p, nil
}

func (e *Engine) unavailable(what string) error {
	if cause := e.cause.Load(); cause != nil {
		what += ": " + *cause
	}
	return errors.New("the engine is unavailable: " + what)
}

// publish makes the store's snapshot the newest.
func (e *Engine) publish() {
	p := e.store.Snapshot()
	p.Host, p.Version, p.APIVersion, p.OS, p.Arch = e.info.host, e.info.version, e.info.apiVersion, e.info.os, e.info.arch
	p.EngineID, p.BootID = e.info.id, e.BootID
	if !e.store.Known() || !e.store.Synced() { // it is of no moment, or of two
		p.Earlier = new(e.Snapshot().Memory(time.Now()))
	}
	p.Self = e.self().Find(p.Containers)
	e.snapshot.Store(p)
	select {
	case e.changed <- struct{}{}:
	default:
	}
}
