package restarter

import (
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
	"defib/restarter/policy"
)

// metrics tell of what was done.
type metrics struct {
	restarts, failures, dryRuns counter
	recreations                 *prometheus.CounterVec
	dry                         bool          // with --dry-run
	changes                     atomic.Uint64 // to any of these counters
	recovery                    *prometheus.HistogramVec
	dryRun, onHold              prometheus.Gauge
	holdFileBroken              prometheus.Gauge
	names                       map[string]expected // that have counters
}

// expected is for what a name has counters.
type expected struct {
	Triggers []policy.Trigger
	Recreate bool
}

// counter counts by name and trigger, and notes in changes that it has changed.
type counter struct {
	vec     *prometheus.CounterVec
	changes *atomic.Uint64
}

func (c counter) add(n float64, name string, t policy.Trigger) {
	c.vec.WithLabelValues(name, string(t)).Add(n)
	c.changes.Add(1)
}

func (c counter) drop(name string) {
	for _, t := range policy.AllTriggers { // a partial match would look through the counters of all names
		c.vec.DeleteLabelValues(name, string(t))
	}
	c.changes.Add(1)
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
		names: map[string]expected{}, dry: p.DryRun,
	}
	counts := func(name, help string) counter {
		return counter{prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"name", "trigger"}), &m.changes}
	}
	m.restarts = counts("defib_restarts_total", "Attempts to start or restart the container, by trigger.")
	m.failures = counts("defib_restart_failures_total", "Failed attempts to start or restart the container, by trigger.")
	m.dryRuns = counts("defib_dry_run_actions_total", "Starts and restarts that --dry-run prevented, by trigger.")
	m.recreations = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "defib_recreations_total", Help: "Attempts to re-create the container, since the one whose network it shares was.",
	}, []string{"name"})
	m.dryRun.Set(bit(p.DryRun))
	for _, t := range policy.AllTriggers {
		m.recovery.WithLabelValues(string(t))
	}
	return m
}

// counters lists what is counted by name. A dry run's own counter is exposed in a dry
// run only.
func (m *metrics) counters() []counter {
	if !m.dry {
		return []counter{m.restarts, m.failures}
	}
	return []counter{m.restarts, m.failures, m.dryRuns}
}

// recreated counts attempts to re-create a container.
func (m *metrics) recreated(name string, n float64) {
	m.recreations.WithLabelValues(name).Add(n)
	m.changes.Add(1)
}

// expect creates the counters of a name at 0, without which an increase from
// nothing would be missed.
func (m *metrics) expect(name string, rule policy.Rule) {
	known, ok := m.names[name]
	if ok && known.Recreate == rule.Recreate && slices.Equal(known.Triggers, rule.Triggers) {
		return
	}
	m.names[name] = expected{rule.Triggers, rule.Recreate}
	if rule.Recreate {
		m.recreated(name, 0)
	}
	for _, t := range rule.Triggers {
		for _, c := range m.counters() {
			c.add(0, name, t)
		}
	}
}

// prune drops the counters of names that the snapshot has forgotten.
func (m *metrics) prune(p *engine.Snapshot) {
	known := p.Names()
	for name := range m.names {
		if !known[name] {
			delete(m.names, name)
			m.recreations.DeleteLabelValues(name)
			for _, c := range m.counters() {
				c.drop(name)
			}
		}
	}
}

// rest lists what is not counted by name.
func (m *metrics) rest() []prometheus.Collector {
	return []prometheus.Collector{m.recovery, m.dryRun, m.onHold, m.holdFileBroken}
}

// Describe implements prometheus.Collector, as Collect does.
func (r *Restarter) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range r.metrics.rest() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector: how healing goes. See Counts for what
// was done, and Status for what is.
func (r *Restarter) Collect(ch chan<- prometheus.Metric) {
	for _, c := range r.metrics.rest() {
		c.Collect(ch)
	}
}

// Counts collects what was done, by container, whether or not the snapshot is
// current.
type Counts struct{ metrics *metrics }

// Counts returns what this Restarter counts.
func (r *Restarter) Counts() Counts { return Counts{r.metrics} }

// Version changes with any of the counts.
func (c Counts) Version() uint64 { return c.metrics.changes.Load() }

// Describe implements prometheus.Collector.
func (c Counts) Describe(ch chan<- *prometheus.Desc) {
	for _, one := range c.metrics.counters() {
		one.vec.Describe(ch)
	}
	c.metrics.recreations.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c Counts) Collect(ch chan<- prometheus.Metric) {
	for _, one := range c.metrics.counters() {
		one.vec.Collect(ch)
	}
	c.metrics.recreations.Collect(ch)
}

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
