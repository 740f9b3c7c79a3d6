package collector

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// constMetric is a metric as a registry hands it out. It is shared by all scrapes
// and never changed.
type constMetric struct {
	desc *prometheus.Desc
	dto  *dto.Metric
}

func write(m prometheus.Metric) prometheus.Metric {
	w := &constMetric{m.Desc(), &dto.Metric{}}
	_ = m.Write(w.dto) // a const metric cannot fail to
	return w
}

// Desc implements prometheus.Metric.
func (w *constMetric) Desc() *prometheus.Desc { return w.desc }

// Write implements prometheus.Metric.
func (w *constMetric) Write(m *dto.Metric) error {
	m.Label, m.Gauge, m.Counter = w.dto.Label, w.dto.Gauge, w.dto.Counter
	return nil
}

// internLabels has the metrics of one container hold equal label pairs once: most of
// them differ in nothing but one.
func internLabels(ms []prometheus.Metric) {
	type pair struct{ name, value string }
	pairs := map[pair]*dto.LabelPair{}
	for _, m := range ms {
		for i, l := range m.(*constMetric).dto.Label {
			p := pair{l.GetName(), l.GetValue()}
			if pairs[p] == nil {
				pairs[p] = l
			}
			m.(*constMetric).dto.Label[i] = pairs[p]
		}
	}
}

// Gather implements prometheus.Gatherer. It gives what a registry of this
// Collector gives, in the containers' order, for a small part of the cost: a
// registry writes, hashes, checks and sorts every metric at each scrape. Here a
// metric is written and checked when it is made, and that no two are the same
// follows from their names: there is one container per name in Snapshot.Named.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) {
	families := map[*prometheus.Desc]*dto.MetricFamily{}
	current := c.each(func(m prometheus.Metric) {
		f := families[m.Desc()]
		if f == nil {
			f = c.family(m)
			families[m.Desc()] = f
		}
		f.Metric = append(f.Metric, m.(*constMetric).dto)
	})
	all := slices.Collect(maps.Values(families))
	if !current {
		return all, nil
	}
	parts, err := together(c.parts)
	return merge(all, parts), err
}

// family returns a new family for metrics like this one.
func (c *Collector) family(m prometheus.Metric) *dto.MetricFamily {
	kind := dto.MetricType_GAUGE
	if m.(*constMetric).dto.Counter != nil {
		kind = dto.MetricType_COUNTER
	}
	named := c.descs.families[m.Desc()]
	return &dto.MetricFamily{Name: named.Name, Help: named.Help, Type: &kind}
}

// GatherWith gathers the containers' metrics, and meanwhile others. They share no
// name with them, and none with each other.
func (c *Collector) GatherWith(others ...prometheus.Gatherer) ([]*dto.MetricFamily, error) {
	var families []*dto.MetricFamily
	var err error
	gathered := make(chan struct{})
	go func() {
		defer close(gathered)
		families, err = together(others)
	}()
	own, ownErr := c.Gather()
	<-gathered
	return merge(own, families), errors.Join(ownErr, err)
}

// together gathers from all, also what there is of those that fail.
func together[G prometheus.Gatherer](all []G) ([]*dto.MetricFamily, error) {
	var families []*dto.MetricFamily
	var errs []error
	for _, g := range all {
		more, err := g.Gather()
		families, errs = append(families, more...), append(errs, err)
	}
	return families, errors.Join(errs...)
}

func merge(a, b []*dto.MetricFamily) []*dto.MetricFamily {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return all
}

// Versioned is a Collector whose metrics stay the same as long as its version
// does. Version may be called from anywhere.
type Versioned interface {
	prometheus.Collector
	Version() uint64
}

// Cached is a Versioned that is gathered anew when it has a new version, and else
// gives what it gave before. It may be used from anywhere.
type Cached struct {
	Versioned
	registry *prometheus.Registry

	mu       sync.Mutex
	families []*dto.MetricFamily // shared by scrapes and never changed; nil before the first
	at       uint64              // their version
}

// Cache returns a Cached that has gathered nothing yet.
func Cache(c Versioned) *Cached {
	k := &Cached{Versioned: c, registry: prometheus.NewRegistry()}
	k.registry.MustRegister(c)
	return k
}

// Gather implements prometheus.Gatherer.
func (k *Cached) Gather() ([]*dto.MetricFamily, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.Version() // read first: the metrics may be newer than that, never older
	if k.families != nil && at == k.at {
		return k.families, nil
	}
	families, err := k.registry.Gather()
	if err != nil {
		return families, err
	}
	k.families, k.at = families, at
	return families, nil
}
