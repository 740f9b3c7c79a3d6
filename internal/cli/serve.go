package cli

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"defib/collector"
	"defib/engine"
	"defib/engine/docker"
	"defib/internal/garbage"
	"defib/internal/keeper"
	"defib/restarter"
	"defib/restarter/hold"
	"defib/restarter/postmortem"
	"defib/restarter/state"
	"defib/restarter/webhook"
	"defib/stats"
	"defib/web"
)

// parts are what serves, wired together.
type parts struct {
	watch    *docker.Engine
	healer   *restarter.Restarter
	evidence *postmortem.Collector // nil: none is kept
	unsaved  *state.Metrics        // which count that a state file is wanted and cannot be had; nil: it can
	server   *http.Server
}

// serve wires everything together and runs it until the context ends.
func serve(ctx context.Context, f *flags, logger *slog.Logger) error {
	bootID, bootedAt := f.boot()
	percent := garbage.Usual
	if f.resources {
		percent = garbage.Sparing
	}
	watch, err := docker.New(docker.Options{
		Host: f.host, Timeout: f.timeout, ResyncInterval: f.resync, Logger: logger, BootID: bootID, BootedAt: bootedAt,
		Connected: garbage.Beginning(percent),
	})
	if err != nil {
		return err
	}
	healer := restarter.New(watch, f.policy, logger)
	saves := state.NewMetrics()
	// While starts under way end, the engine is still there.
	scrapes := context.WithoutCancel(ctx)
	up := func() (*engine.Snapshot, error) { return watch.Up(scrapes) }
	receiver := webhook.New(healer, f.guard, f.matches, logger)
	// All nil: resources are off.
	var usage collector.Stats
	var reading func(*engine.Snapshot) *stats.Reading
	var reader *stats.Reader
	if f.resources {
		reader = stats.New(f.statsOptions(logger))
		defer reader.Close()
		usage = reader
		reading = func(p *engine.Snapshot) *stats.Reading { return reader.Read(time.Now(), p) }
	}
	evidence := f.newEvidence(watch, reader)
	if evidence != nil {
		healer.KeepEvidence(evidence)
	}
	var past *keeper.Past // nil: nothing is kept
	if f.stateFile != "" {
		past = keeper.Open(ctx, f.stateFile, evidence != nil, logger)
	}
	if past != nil {
		defer past.Close()
		if past.Memory != nil {
			watch.Resume(past.Memory.Engine)
		}
		kept := keeper.New(past, evidence, saves, logger)
		defer kept.Close(context.WithoutCancel(ctx))
		healer.Keep(past.Memory, kept)
	}
	exposed, err := NewExposition(up, usage, watch, healer, receiver, saves, f.labels)
	if err != nil {
		return err
	}
	metrics := promhttp.HandlerFor(exposed, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		// What one collector does wrong never costs the rest.
		ErrorHandling: promhttp.ContinueOnError,
	})
	ready := func(r *http.Request) error {
		_, err := watch.Up(r.Context())
		return err
	}
	p := parts{watch: watch, healer: healer, evidence: evidence}
	p.server = newServer(web.New(f.metricsPath, metrics, receiver, ready, healer.Report, reading), logger)
	if f.stateFile != "" && past == nil {
		p.unsaved = saves
	}
	return f.run(ctx, p, logger)
}

// newServer returns a server that waits for no client for long.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		Protocols:         new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true) // alone: what is released has no HTTP/2, and must not offer it
	return server
}

// run runs the parts until the context ends, or one of them fails.
func (f *flags) run(ctx context.Context, p parts, logger *slog.Logger) error {
	// Healing ends first, while the engine is still watched: a start is over
	// once the snapshot shows what came of it. Then all the rest.
	g, ctx := errgroup.WithContext(ctx)
	rest, cancelRest := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return p.watch.Run(rest) })
	if p.evidence != nil {
		g.Go(func() error { return p.evidence.Run(rest) })
	}
	if p.unsaved != nil {
		g.Go(func() error {
			p.unsaved.Unused(ctx)
			return nil
		})
	}
	g.Go(func() error {
		defer cancelRest()
		return p.healer.Run(ctx)
	})
	g.Go(func() error {
		hold.Announce(ctx, f.policy.HoldFile, logger)
		return nil
	})
	g.Go(func() error {
		if err := toolkit.ListenAndServe(p.server, f.web, logger); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-rest.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(rest), time.Second)
		defer cancel()
		if p.server.Shutdown(last) != nil {
			return p.server.Close()
		}
		return nil
	})
	return g.Wait()
}
