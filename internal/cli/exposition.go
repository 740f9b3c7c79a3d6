package cli

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	dto "github.com/prometheus/client_model/go"

	"defib/collector"
	"defib/engine"
	"defib/restarter"
	"defib/restarter/webhook"
)

// Exposition is every metric that Defib exposes. It implements prometheus.Gatherer.
type Exposition struct {
	registry   *prometheus.Registry // all that is not by container
	counts     *collector.Cached
	containers *collector.Collector
}

// NewExposition returns the metrics of these parts. Up is asked at each scrape; labels
// are the container labels to expose.
func NewExposition(up func() (*engine.Snapshot, error), watch prometheus.Collector, healer *restarter.Restarter, receiver *webhook.Webhook, labels []string) (*Exposition, error) {
	containers, err := collector.New(up, labels, healer.Status())
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		versioncollector.NewCollector("defib"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		watch, healer, receiver,
	)
	return &Exposition{registry, collector.Cache(healer.Counts()), containers}, nil
}

// Gather implements prometheus.Gatherer.
func (e *Exposition) Gather() ([]*dto.MetricFamily, error) {
	return e.containers.GatherWith(e.registry, e.counts)
}

// Describe tells of every metric.
func (e *Exposition) Describe(descs chan<- *prometheus.Desc) {
	e.registry.Describe(descs)
	e.counts.Describe(descs)
	e.containers.Describe(descs)
}
