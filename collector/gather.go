package collector

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// written is a metric as a registry hands it out. It is shared by all scrapes
// and never changed.
type written struct {
	desc *prometheus.Desc
	dto  *dto.Metric
}

func write(m prometheus.Metric) prometheus.Metric {
	w := &written{m.Desc(), &dto.Metric{}}
	_ = m.Write(w.dto) // a const metric cannot fail to
	return w
}

// Desc implements prometheus.Metric.
func (w *written) Desc() *prometheus.Desc { return w.desc }

// Write implements prometheus.Metric.
func (w *written) Write(m *dto.Metric) error {
	m.Label, m.Gauge, m.Counter = w.dto.Label, w.dto.Gauge, w.dto.Counter
	return nil
}

// share has the metrics of one container hold equal label pairs once: most of
// them differ in nothing but one.
func share(ms []prometheus.Metric) {
	type pair struct{ name, value string }
	pairs := map[pair]*dto.LabelPair{}
	for _, m := range ms {
		for i, l := range m.(*written).dto.Label {
			p := pair{l.GetName(), l.GetValue()}
			if pairs[p] == nil {
				pairs[p] = l
			}
			m.(*written).dto.Label[i] = pairs[p]
		}
	}
}

// Gather implements prometheus.Gatherer. It gives what a registry of this
// Collector gives, in the containers' order, for a small part of the cost: a
// registry writes, hashes, checks and sorts every metric at each scrape. Here a
// metric is written and checked when it is made, and that no two are the same
// follows from their names: there is one container per name in Picture.Named.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) {
	families := map[*prometheus.Desc]*dto.MetricFamily{}
	current := c.each(func(m prometheus.Metric) {
		f := families[m.Desc()]
		if f == nil {
			f = c.family(m)
			families[m.Desc()] = f
		}
		f.Metric = append(f.Metric, m.(*written).dto)
	})
	all := slices.Collect(maps.Values(families))
	if !current {
		return all, nil
	}
	parts, err := c.parts.Gather()
	return merge(all, parts), err
}

// family returns a new family for metrics like this one.
func (c *Collector) family(m prometheus.Metric) *dto.MetricFamily {
	kind := dto.MetricType_GAUGE
	if m.(*written).dto.Counter != nil {
		kind = dto.MetricType_COUNTER
	}
	named := c.descs.families[m.Desc()]
	return &dto.MetricFamily{Name: named.Name, Help: named.Help, Type: &kind}
}

// Beside gathers the containers' metrics, and meanwhile others that share no
// name with them.
func (c *Collector) Beside(others prometheus.Gatherer) ([]*dto.MetricFamily, error) {
	var families []*dto.MetricFamily
	var err error
	gathered := make(chan struct{})
	go func() {
		defer close(gathered)
		families, err = others.Gather()
	}()
	own, ownErr := c.Gather()
	<-gathered
	return merge(own, families), errors.Join(ownErr, err)
}

func merge(a, b []*dto.MetricFamily) []*dto.MetricFamily {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return all
}
