package exposition

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Versioned is a Collector whose metrics stay the same as long as its version
// does. Version may be called from anywhere.
type Versioned interface {
	prometheus.Collector
	Version() uint64
}

// Cached is a Source that gathers a Versioned anew when that has a new version, and else
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
