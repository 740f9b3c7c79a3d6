package exposition

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Desc describes the metrics of one name.
type Desc struct {
	name, help string
	kind       dto.MetricType
	desc       *prometheus.Desc
	omitsEmpty bool
}

// NewGauge returns the Desc of gauges.
func NewGauge(name, help string, labels ...string) *Desc {
	return newDesc(name, help, dto.MetricType_GAUGE, labels)
}

// NewCounter returns the Desc of counters.
func NewCounter(name, help string, labels ...string) *Desc {
	return newDesc(name, help, dto.MetricType_COUNTER, labels)
}

func newDesc(name, help string, kind dto.MetricType, labels []string) *Desc {
	return &Desc{name: name, help: help, kind: kind, desc: prometheus.NewDesc(name, help, labels, nil)}
}

// OmitEmpty has metrics leave out their labels without a value, which mean the same as
// absent ones, and returns the Desc. A pedantic registry does not take such metrics.
func (d *Desc) OmitEmpty() *Desc {
	d.omitsEmpty = true
	return d
}

// Describe sends what client_golang calls a descriptor.
func (d *Desc) Describe(ch chan<- *prometheus.Desc) { ch <- d.desc }

// Metric returns a metric with the values of the labels in the order of their names.
// What is no UTF-8 in them is replaced: it would fail the scrape.
func (d *Desc) Metric(v float64, labels ...string) *Metric {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	kind := prometheus.GaugeValue
	if d.kind == dto.MetricType_COUNTER {
		kind = prometheus.CounterValue
	}
	m := &Metric{of: d}
	_ = prometheus.MustNewConstMetric(d.desc, kind, v, labels...).Write(&m.written) // it cannot fail to
	if d.omitsEmpty {
		m.written.Label = slices.DeleteFunc(m.written.Label, func(l *dto.LabelPair) bool { return l.GetValue() == "" })
	}
	return m
}

// Metric is a metric as a registry hands it out. It is shared by all scrapes and never
// changed. It implements prometheus.Metric, for a plain registry.
type Metric struct {
	of      *Desc
	written dto.Metric
}

// Desc implements prometheus.Metric.
func (m *Metric) Desc() *prometheus.Desc { return m.of.desc }

// Write implements prometheus.Metric.
func (m *Metric) Write(to *dto.Metric) error {
	to.Label, to.Gauge, to.Counter = m.written.Label, m.written.Gauge, m.written.Counter
	return nil
}

// Intern has metrics that were just made hold equal label pairs once: those of one
// container differ in nothing but one or two.
func Intern(metrics []*Metric) {
	type pair struct{ name, value string }
	pairs := map[pair]*dto.LabelPair{}
	for _, m := range metrics {
		for i, l := range m.written.Label {
			p := pair{l.GetName(), l.GetValue()}
			if pairs[p] == nil {
				pairs[p] = l
			}
			m.written.Label[i] = pairs[p]
		}
	}
}

// Renew returns metrics with the labels of these and other values, which it keeps. It takes
// four or five allocations, however many there are. The old ones stay as they are, since
// a scrape may still be encoding them.
func Renew(metrics []*Metric, values []float64) []*Metric {
	counters := 0
	for _, m := range metrics {
		if m.of.kind == dto.MetricType_COUNTER {
			counters++
		}
	}
	made, renewed := make([]Metric, len(metrics)), make([]*Metric, len(metrics))
	ofCounters, ofGauges := make([]dto.Counter, counters), make([]dto.Gauge, len(metrics)-counters)
	for i, old := range metrics {
		m := &made[i]
		m.of, m.written.Label = old.of, old.written.Label
		if old.of.kind == dto.MetricType_COUNTER {
			m.written.Counter, ofCounters = &ofCounters[0], ofCounters[1:]
			m.written.Counter.Value = &values[i]
		} else {
			m.written.Gauge, ofGauges = &ofGauges[0], ofGauges[1:]
			m.written.Gauge.Value = &values[i]
		}
		renewed[i] = m
	}
	return renewed
}

// Families returns these metrics as a scrape is answered, in the order of the families'
// names and in their own within each. No two of them may have the same name and labels: that is not checked.
func Families(metrics ...[]*Metric) []*dto.MetricFamily {
	families := map[*Desc]*dto.MetricFamily{}
	for _, some := range metrics {
		for _, m := range some {
			f := families[m.of]
			if f == nil {
				f = &dto.MetricFamily{Name: &m.of.name, Help: &m.of.help, Type: &m.of.kind}
				families[m.of] = f
			}
			f.Metric = append(f.Metric, &m.written)
		}
	}
	return Merge(slices.Collect(maps.Values(families)))
}
