// Package collector turns the snapshot of all containers, and what they use, into
// metrics. A scrape costs the engine one ping, whatever the number of containers.
package collector

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"defib/engine"
	"defib/internal/exposition"
)

// Collector exposes the containers of one engine. It implements exposition.Source.
type Collector struct {
	up        func() (*engine.Snapshot, error)
	parts     exposition.All
	labels    []string // container labels to expose
	descs     descs
	resources *resources // nil: not exposed

	mu   sync.Mutex
	kept map[string]cacheEntry // by container id
}

// cacheEntry are the metrics of a container, valid as long as its pointer is the same.
type cacheEntry struct {
	c       *engine.Container
	metrics []*exposition.Metric
}

// New returns a Collector of the snapshot that up returns if it is current, and of what
// its containers use; nil: of that nothing. Labels are the container labels exposed by
// docker_container_labels and container_*; names that become the same label of a metric
// are an error. Parts are exposed with the containers, and only while the snapshot is
// current; they share no name.
func New(up func() (*engine.Snapshot, error), usage Stats, labels []string, parts ...exposition.Source) (*Collector, error) {
	names, err := labelNames("label_", labels)
	if err != nil {
		return nil, err
	}
	c := &Collector{up: up, parts: parts, labels: labels, descs: newDescs(names), kept: map[string]cacheEntry{}}
	if usage != nil {
		if c.resources, err = newResources(usage, labels); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// labelNames turns names of container labels into names of metric labels.
func labelNames(prefix string, labels []string) ([]string, error) {
	taken := map[string]string{}
	var names []string
	for _, l := range labels {
		name := prefix + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, l)
		if other, ok := taken[name]; ok {
			return nil, fmt.Errorf("container labels %q and %q map to the same metric label %s", other, l, name)
		}
		taken[name] = l
		names = append(names, name)
	}
	return names, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs.all {
		d.Describe(ch)
	}
	if c.resources != nil {
		for _, d := range c.resources.descs.all {
			d.Describe(ch)
		}
	}
	c.parts.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	all, current := c.all()
	for _, metrics := range all {
		for _, m := range metrics {
			ch <- m
		}
	}
	if current {
		for _, part := range c.parts {
			part.Collect(ch)
		}
	}
}

// Gather implements prometheus.Gatherer. It gives what a registry of this Collector
// gives, in the containers' order. That no two metrics are the same follows from their
// names: there is one container per name in Snapshot.Named.
func (c *Collector) Gather() ([]*dto.MetricFamily, error) {
	all, current := c.all()
	families := exposition.Families(all...)
	if !current {
		return families, nil
	}
	parts, err := c.parts.Gather()
	return exposition.Merge(families, parts), err
}

// all returns every metric but those of the parts. While the snapshot is not
// current that is docker_up 0 and no container: a stale "up 1" is a lie.
func (c *Collector) all() (all [][]*exposition.Metric, current bool) {
	p, err := c.up()
	if err != nil {
		return [][]*exposition.Metric{{c.descs.up.Metric(0)}}, false
	}
	rest := []*exposition.Metric{
		c.descs.up.Metric(1),
		c.descs.engineInfo.Metric(1, p.Host, p.Version, p.APIVersion, p.OS, p.Arch),
	}
	for _, con := range p.Named() {
		if parent, shares := p.ParentOf(con, engine.Network); shares {
			rest = append(rest, c.descs.orphaned.Metric(bit(con.Orphaned(parent)), con.Name))
		}
	}
	for _, d := range p.Departed {
		rest = append(rest, c.descs.ofEvents(d.Name, d.Events)...)
	}
	all = append(c.refresh(p), rest)
	if c.resources != nil {
		all = append(all, c.resources.metrics(p)...)
	}
	return all, true
}

// refresh builds the metrics of each container anew that has changed since the
// last scrape, and returns those of all.
func (c *Collector) refresh(p *engine.Snapshot) [][]*exposition.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([][]*exposition.Metric, 0, len(p.Containers)+1)
	for _, con := range p.Named() {
		k := c.kept[con.ID]
		if k.c != con {
			k = cacheEntry{c: con, metrics: c.descs.of(con, c.labels)}
			exposition.Intern(k.metrics)
			c.kept[con.ID] = k
		}
		all = append(all, k.metrics)
	}
	if len(c.kept) > len(p.Containers) {
		for id := range c.kept {
			if p.Get(id) == nil {
				delete(c.kept, id)
			}
		}
	}
	return all
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
