package restarter

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
)

// metrics are the counters of what was done.
type metrics struct {
	restarts, failures, dryRuns *prometheus.CounterVec
	recovery                    *prometheus.HistogramVec
	dryRun, onHold              prometheus.Gauge
	names                       map[string][]Trigger // that have counters, and for what
}

func newMetrics(p Policy) *metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"name", "trigger"})
	}
	m := &metrics{
		restarts: counter("defib_restarts_total", "Attempts to start or restart a container, by what asked for them."),
		failures: counter("defib_restart_failures_total", "Attempts that failed."),
		dryRuns:  counter("defib_dry_run_actions_total", "Attempts that --dry-run held back, one per cause."),
		recovery: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "defib_recovery_seconds", Help: "From seeing the cause to the container running, and healthy if it has a health check.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800},
		}, []string{"trigger"}),
		dryRun: prometheus.NewGauge(prometheus.GaugeOpts{Name: "defib_dry_run", Help: "1 if --dry-run is set."}),
		onHold: prometheus.NewGauge(prometheus.GaugeOpts{Name: "defib_on_hold", Help: "Holds of the hold file that have not ended."}),
		names:  map[string][]Trigger{},
	}
	m.dryRun.Set(bit(p.DryRun))
	for _, t := range AllTriggers {
		m.recovery.WithLabelValues(string(t))
	}
	return m
}

// expect creates the counters of a name at 0, without which an increase from
// nothing would be missed.
func (m *metrics) expect(name string, triggers []Trigger) {
	if slices.Equal(m.names[name], triggers) {
		return
	}
	m.names[name] = triggers
	for _, t := range triggers {
		for _, v := range []*prometheus.CounterVec{m.restarts, m.failures, m.dryRuns} {
			v.WithLabelValues(name, string(t))
		}
	}
}

// prune drops the counters of names that the picture has forgotten.
func (m *metrics) prune(p *engine.Picture) {
	known := p.Names()
	for name := range m.names {
		if !known[name] {
			delete(m.names, name)
			for _, v := range []*prometheus.CounterVec{m.restarts, m.failures, m.dryRuns} {
				for _, t := range AllTriggers { // a partial match would look through the counters of all names
					v.DeleteLabelValues(name, string(t))
				}
			}
		}
	}
}

// all lists the metrics that are exposed whether or not the picture is current.
func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.restarts, m.failures, m.dryRuns, m.recovery, m.dryRun, m.onHold}
}

// Describe implements prometheus.Collector, as Collect does.
func (r *Restarter) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range r.metrics.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector: what was done. See Status for what is.
func (r *Restarter) Collect(ch chan<- prometheus.Metric) {
	for _, c := range r.metrics.all() {
		c.Collect(ch)
	}
}

// status is what the last round found.
type status struct {
	Report

	once    sync.Once // for metrics, which are made when first asked for
	metrics []prometheus.Metric
}

// Status collects what the last round found, by container. It belongs beside
// the containers' own metrics, and like them is exposed only while the picture
// is current.
type Status struct{ *Restarter }

var (
	matchesDesc     = prometheus.NewDesc("defib_whitelist_matches", "Containers that the whitelist entry matches; 0: one that should exist does not.", []string{"entry"}, nil)
	whitelistedDesc = prometheus.NewDesc("defib_container_whitelisted", "1 if Defib may start the container.", []string{"name"}, nil)
	heldDesc        = prometheus.NewDesc("defib_container_held", "1 for the reason why a whitelisted container that is down, sick or asked for is left alone now.", []string{"name", "reason"}, nil)
	nextDesc        = prometheus.NewDesc("defib_container_next_attempt_timestamp_seconds", "When a container that is held for a time is looked at again, in Unix time.", []string{"name"}, nil)
	gaveUpDesc      = prometheus.NewDesc("defib_container_gave_up", "1 if restarts did not help a whitelisted container, so that it is not restarted any more.", []string{"name"}, nil)
	streakDesc      = prometheus.NewDesc("defib_container_restart_streak", "Starts and restarts, Defib's and the engine's, since the container last stayed up and well for --restart.backoff-reset.", []string{"name"}, nil)
)

// Describe implements prometheus.Collector.
func (Status) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{matchesDesc, whitelistedDesc, heldDesc, nextDesc, gaveUpDesc, streakDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s Status) Collect(ch chan<- prometheus.Metric) {
	now := s.status.Load()
	now.once.Do(now.render)
	for _, m := range now.metrics {
		ch <- m
	}
}

// render makes the metrics, which stay the same until the next round.
func (s *status) render() {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		s.metrics = append(s.metrics, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
	}
	for entry, n := range s.Matches {
		gauge(matchesDesc, float64(n), entry)
	}
	for _, c := range s.Standings {
		name := c.Container.Name
		gauge(whitelistedDesc, bit(c.Rule.Whitelisted), name)
		if c.Rule.Whitelisted {
			gauge(gaveUpDesc, bit(c.GaveUp), name)
		}
		gauge(streakDesc, float64(c.Streak), name)
		if c.Reason != "" {
			gauge(heldDesc, 1, name, string(c.Reason))
		}
		if !c.Until.IsZero() {
			gauge(nextDesc, float64(c.Until.UnixNano())/1e9, name)
		}
	}
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
