// Defib is a Prometheus exporter for Docker that also brings containers back to
// life.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"

	"defib/collector"
	"defib/engine"
	"defib/restarter"
	"defib/web"
)

// Exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: it serves until the context ends, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, done, err := parse(args, stdout)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "defib: %s\nTry 'defib --help' or 'defib COMMAND --help'.\n", strings.ReplaceAll(err.Error(), "\n", "\ndefib: "))
		return exitUsage
	case done:
		return exitOK
	}
	f.log.Writer = stderr
	if f.command != commandServe {
		if err := f.do(ctx, time.Now(), stdout); err != nil {
			fmt.Fprintf(stderr, "defib: %s: %s\n", f.command, err)
			return exitFailure
		}
		return exitOK
	}
	logger := promslog.New(f.log)
	logger.Info("starting defib", "version", version.Info(), "build", version.BuildContext())
	if err := serve(ctx, f, logger); err != nil {
		logger.Error("defib failed", "err", err)
		return exitFailure
	}
	logger.Info("defib stopped")
	return exitOK
}

// serve wires everything together and runs it until the context ends.
func serve(ctx context.Context, f *flags, logger *slog.Logger) error {
	watch, err := engine.New(engine.Options{
		Host: f.host, Timeout: f.timeout, ResyncInterval: f.resync, Logger: logger,
	})
	if err != nil {
		return err
	}
	healer := restarter.New(watch, f.policy, logger)
	// While starts under way end, the engine is still there.
	scrapes := context.WithoutCancel(ctx)
	up := func() (*engine.Picture, error) { return watch.Up(scrapes) }
	webhook := restarter.NewWebhook(healer, f.guard, f.matches)
	exposed, err := newExposition(up, watch, webhook, f.labels)
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
	server := &http.Server{
		Handler:           web.New(f.metricsPath, metrics, webhook, ready, healer.Report),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}

	// Healing ends first, while the engine is still watched: a start is over
	// once the picture shows what came of it. Then all the rest.
	g, ctx := errgroup.WithContext(ctx)
	rest, cancelRest := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return watch.Run(rest) })
	g.Go(func() error {
		defer cancelRest()
		return healer.Run(ctx)
	})
	g.Go(func() error {
		if err := toolkit.ListenAndServe(server, f.web, logger); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-rest.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(rest), time.Second)
		defer cancel()
		if server.Shutdown(last) != nil {
			return server.Close()
		}
		return nil
	})
	return g.Wait()
}

// exposition is every metric that Defib exposes.
type exposition struct {
	registry   *prometheus.Registry // all that is not by container
	counts     *collector.Cached
	containers *collector.Collector
}

func newExposition(up func() (*engine.Picture, error), watch prometheus.Collector, healer *restarter.Webhook, labels []string) (*exposition, error) {
	containers, err := collector.New(up, labels, restarter.Status{Restarter: healer.Restarter})
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		versioncollector.NewCollector("defib"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		watch, healer.Restarter, healer,
	)
	return &exposition{registry, collector.Cache(restarter.Counts{Restarter: healer.Restarter}), containers}, nil
}

// Gather implements prometheus.Gatherer.
func (e *exposition) Gather() ([]*dto.MetricFamily, error) {
	return e.containers.Beside(e.registry, e.counts)
}

// Describe tells of every metric.
func (e *exposition) Describe(descs chan<- *prometheus.Desc) {
	e.registry.Describe(descs)
	e.counts.Describe(descs)
	e.containers.Describe(descs)
}
