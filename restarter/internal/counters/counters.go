// Package counters counts what Defib did, by the names of containers.
package counters

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
	"defib/restarter/history"
	"defib/restarter/policy"
)

// Counters counts actions by the name of their container. It is exposed whether or not the
// snapshot is current. Its owner is one goroutine; it may be collected from anywhere.
type Counters struct {
	restarts, failures, dryRuns *prometheus.CounterVec
	recreations, failedSteps    *prometheus.CounterVec
	dry                         bool                // with --dry-run
	changes                     atomic.Uint64       // to any of these counters
	names                       map[string]expected // that have counters
}

// What of a re-creation may fail: all until the new container was started, and the removal of
// the old one.
const (
	stepRecreate = "recreate"
	stepRemove   = "remove"
)

var steps = []string{stepRecreate, stepRemove}

// expected is for what a name has counters.
type expected struct {
	triggers []policy.Trigger
	recreate bool
}

// New returns Counters; dry says that --dry-run is set.
func New(dry bool) *Counters {
	byTrigger := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"name", "trigger"})
	}
	return &Counters{
		restarts: byTrigger("defib_restarts_total", "Attempts to start or restart the container, by trigger."),
		failures: byTrigger("defib_restart_failures_total", "Failed attempts to start or restart the container, by trigger."),
		dryRuns:  byTrigger("defib_dry_run_actions_total", "Starts, restarts and re-creations that --dry-run prevented, by trigger."),
		recreations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defib_recreations_total", Help: "Attempts to re-create the container, since the one whose network it shares was.",
		}, []string{"name"}),
		failedSteps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defib_recreation_failures_total", Help: "Failed attempts to re-create the container, and to remove the old one afterwards, by step.",
		}, []string{"name", "step"}),
		names: map[string]expected{}, dry: dry,
	}
}

// byTrigger lists what is counted by trigger. A dry run's own counter is exposed in a dry
// run only.
func (c *Counters) byTrigger() []*prometheus.CounterVec {
	if !c.dry {
		return []*prometheus.CounterVec{c.restarts, c.failures}
	}
	return []*prometheus.CounterVec{c.restarts, c.failures, c.dryRuns}
}

// add counts for a name, which Prune knows from then on.
func (c *Counters) add(n float64, vec *prometheus.CounterVec, name string, labels ...string) {
	if _, known := c.names[name]; !known {
		c.names[name] = expected{}
	}
	vec.WithLabelValues(append([]string{name}, labels...)...).Add(n)
	c.changes.Add(1)
}

// Began counts an action that begins.
func (c *Counters) Began(a history.Action) {
	switch {
	case a.Removes, a.Ends(): // which Swarm may decline
	case a.Recreation != nil:
		c.add(1, c.recreations, a.Name())
	default:
		c.add(1, c.restarts, a.Name(), string(a.Trigger))
	}
}

// Ended counts what came of an action.
func (c *Counters) Ended(res history.Result) {
	declined := res.DeclinedBySwarm()
	if res.Ends() && !declined {
		c.add(1, c.restarts, res.Name(), string(res.Trigger))
	}
	switch {
	case res.Err == nil, declined, errors.Is(res.Err, context.Canceled):
	case errors.Is(res.Err, engine.ErrGone), errors.Is(res.Err, engine.ErrChanged): // there was nothing to be done any more
	case res.Removes:
		c.add(1, c.failedSteps, res.Name(), stepRemove)
	case res.Recreation != nil:
		c.add(1, c.failedSteps, res.Name(), stepRecreate)
	default:
		c.add(1, c.failures, res.Name(), string(res.Trigger))
	}
}

// Prevented counts an action that --dry-run prevents.
func (c *Counters) Prevented(a history.Action) {
	if !a.Removes {
		c.add(1, c.dryRuns, a.Name(), string(a.Trigger))
	}
}

// Expect creates the counters of a name at 0, without which an increase from
// nothing would be missed.
func (c *Counters) Expect(name string, rule policy.Rule) {
	known, ok := c.names[name]
	if ok && known.recreate == rule.Recreate && slices.Equal(known.triggers, rule.Triggers) {
		return
	}
	c.names[name] = expected{rule.Triggers, rule.Recreate}
	if rule.Recreate {
		c.add(0, c.recreations, name)
		for _, step := range steps {
			c.add(0, c.failedSteps, name, step)
		}
	}
	for _, t := range rule.Triggers {
		for _, vec := range c.byTrigger() {
			c.add(0, vec, name, string(t))
		}
	}
}

// Prune drops the counters of names that the snapshot has forgotten.
func (c *Counters) Prune(p *engine.Snapshot) {
	known := p.Names()
	for name := range c.names {
		if known[name] {
			continue
		}
		delete(c.names, name)
		c.recreations.DeleteLabelValues(name)
		for _, step := range steps {
			c.failedSteps.DeleteLabelValues(name, step)
		}
		for _, t := range policy.AllTriggers { // a partial match would look through the counters of all names
			for _, vec := range c.byTrigger() {
				vec.DeleteLabelValues(name, string(t))
			}
		}
		c.changes.Add(1)
	}
}

// Version changes with any of the counts.
func (c *Counters) Version() uint64 { return c.changes.Load() }

// Describe implements prometheus.Collector.
func (c *Counters) Describe(ch chan<- *prometheus.Desc) {
	for _, vec := range c.all() {
		vec.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c *Counters) Collect(ch chan<- prometheus.Metric) {
	for _, vec := range c.all() {
		vec.Collect(ch)
	}
}

func (c *Counters) all() []*prometheus.CounterVec {
	return append(c.byTrigger(), c.recreations, c.failedSteps)
}
