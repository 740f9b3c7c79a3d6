package cli

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"defib/collector"
	"defib/engine"
	"defib/internal/exposition"
	"defib/restarter"
	"defib/restarter/webhook"
)

// NewExposition returns every metric that Defib exposes. Up is asked at each scrape, and
// usage, unless it is nil; labels are the container labels to expose.
func NewExposition(up func() (*engine.Snapshot, error), usage collector.Stats, watch prometheus.Collector, healer *restarter.Restarter, receiver *webhook.Webhook, saves prometheus.Collector, labels []string) (exposition.All, error) {
	containers, err := collector.New(up, usage, labels, exposition.Cache(healer.Status()))
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		versioncollector.NewCollector("defib"),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		watch, healer, receiver, saves,
	)
	// The others are registries, which make an error of a panic.
	return exposition.All{registry, exposition.Cache(healer.Counts()), containers}, nil
}
