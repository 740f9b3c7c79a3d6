package restarter

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"defib/restarter/internal/counters"
	"defib/restarter/policy"
)

// metrics tell how healing goes. See Counts for what was done, and Status for what is.
type metrics struct {
	recovery       *prometheus.HistogramVec
	dryRun, onHold prometheus.Gauge
	holdFileBroken prometheus.Gauge
}

func newMetrics(p policy.Policy) *metrics {
	m := &metrics{
		recovery: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "defib_recovery_seconds", Help: "Time from the cause until the container was running, and healthy if it has a health check.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800},
		}, []string{"trigger"}),
		dryRun: prometheus.NewGauge(prometheus.GaugeOpts{Name: "defib_dry_run", Help: "1 if --dry-run is set."}),
		onHold: prometheus.NewGauge(prometheus.GaugeOpts{Name: "defib_on_hold", Help: "Holds in the hold file that have not expired."}),
		holdFileBroken: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "defib_hold_file_broken", Help: "1 if the hold file cannot be read or is invalid.",
		}),
	}
	m.dryRun.Set(bit(p.DryRun))
	for _, t := range policy.AllTriggers {
		m.recovery.WithLabelValues(string(t))
	}
	return m
}

// all lists them.
func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.recovery, m.dryRun, m.onHold, m.holdFileBroken}
}

// Describe implements prometheus.Collector.
func (r *Restarter) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range r.metrics.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (r *Restarter) Collect(ch chan<- prometheus.Metric) {
	for _, c := range r.metrics.all() {
		c.Collect(ch)
	}
}

// Counts returns what this Restarter counts.
func (r *Restarter) Counts() *counters.Counters { return r.counters }

// Status collects what the last reconcile found, by container. It belongs beside
// the containers' own metrics, and like them is exposed only while the snapshot
// is current.
type Status struct{ newest *atomic.Pointer[Report] }

// Status returns what this Restarter found.
func (r *Restarter) Status() Status { return Status{&r.status} }

var (
	matchesDesc     = prometheus.NewDesc("defib_whitelist_matches", "Number of containers that the whitelist entry matches.", []string{"entry"}, nil)
	whitelistedDesc = prometheus.NewDesc("defib_container_whitelisted", "1 if the container is whitelisted.", []string{"name"}, nil)
	heldDesc        = prometheus.NewDesc("defib_container_held", "1 for the reason why a whitelisted container that is down, unhealthy or named by an alert is left alone now.", []string{"name", "reason"}, nil)
	nextDesc        = prometheus.NewDesc("defib_container_next_attempt_timestamp_seconds", "When Defib next checks a container that is held for a time, in Unix time.", []string{"name"}, nil)
	gaveUpDesc      = prometheus.NewDesc("defib_container_gave_up", "1 if Defib has given up restarting the container because restarts did not help.", []string{"name"}, nil)
	streakDesc      = prometheus.NewDesc("defib_container_restart_streak", "Starts and restarts, Defib's and the engine's, since the container last stayed up and healthy for --restart.backoff-reset, except for the trigger dependency.", []string{"name"}, nil)
)

// Describe implements prometheus.Collector.
func (Status) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{matchesDesc, whitelistedDesc, heldDesc, nextDesc, gaveUpDesc, streakDesc} {
		ch <- d
	}
}

// Version changes with each reconcile.
func (s Status) Version() uint64 { return uint64(s.newest.Load().Round) }

// Collect implements prometheus.Collector.
func (s Status) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := s.newest.Load()
	for entry, n := range now.Matches {
		gauge(matchesDesc, float64(n), entry)
	}
	for _, c := range now.Containers {
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
