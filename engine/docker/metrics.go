package docker

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine/docker/call"
	"defib/engine/internal/refusal"
)

// metrics is what the watch tells about itself.
type metrics struct {
	connected prometheus.Gauge
	events    prometheus.Counter
	resyncs   prometheus.Counter
	drift     prometheus.Counter
	reconnect prometheus.Counter
	failures  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "defib_engine_watch_connected", Help: "1 while the event stream is open.",
		}),
		events:    counter("defib_engine_events_total", "Container events received."),
		resyncs:   counter("defib_engine_resyncs_total", "Full lists of containers taken."),
		drift:     counter("defib_engine_drift_total", "Differences between the snapshot and the list of containers that no event explains."),
		reconnect: counter("defib_engine_reconnects_total", "Times that the event stream was reopened."),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defib_engine_request_failures_total", Help: "Requests to the engine that failed, by call.",
		}, []string{"call"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "defib_engine_request_duration_seconds", Help: "Duration of requests to the engine, by call.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10, 30, 120},
		}, []string{"call"}),
	}
	for name := range call.Requests {
		if call.Measured(name) {
			m.failures.WithLabelValues(name)
			m.durations.WithLabelValues(name)
		}
	}
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.connected, m.events, m.resyncs, m.drift, m.reconnect, m.failures, m.durations}
}

// Describe implements prometheus.Collector.
func (e *Engine) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range e.metrics.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector. It asks the engine for nothing.
func (e *Engine) Collect(ch chan<- prometheus.Metric) {
	for _, c := range e.metrics.all() {
		c.Collect(ch)
	}
}

// call times one request and counts its failure. A container that is not there,
// or a caller that lost interest, is none.
func (e *Engine) call(ctx context.Context, name string, f func(context.Context) error) error {
	return e.callOf(ctx, name, "", f)
}

// callOf is call of a request about a container.
func (e *Engine) callOf(ctx context.Context, name, id string, f func(context.Context) error) error {
	began := time.Now()
	err := f(ctx)
	e.metrics.durations.WithLabelValues(name).Observe(time.Since(began).Seconds())
	if err != nil && !refusal.Absent(err) && !errors.Is(ctx.Err(), context.Canceled) {
		e.metrics.failures.WithLabelValues(name).Inc()
	}
	return e.answered(ctx, name, id, err)
}
