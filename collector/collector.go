// Package collector turns the snapshot of all containers into metrics. A scrape
// costs the engine one ping, whatever the number of containers.
package collector

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
)

// Collector exposes the containers of one engine. It implements
// prometheus.Collector and, sooner done, prometheus.Gatherer.
type Collector struct {
	up     func() (*engine.Snapshot, error)
	parts  []*Cached
	labels []string // container labels to expose
	descs  descs

	mu   sync.Mutex
	kept map[string]cacheEntry // by container id
}

// cacheEntry are the metrics of a container, valid as long as its pointer is the same.
type cacheEntry struct {
	c       *engine.Container
	metrics []prometheus.Metric
}

// New returns a Collector of the snapshot that up returns if it is current.
// Labels are the container labels exposed by docker_container_labels; names
// that become the same label of a metric are an error. Parts are exposed with
// the containers, and only while the snapshot is current; they share no name.
func New(up func() (*engine.Snapshot, error), labels []string, parts ...Versioned) (*Collector, error) {
	names, err := labelNames(labels)
	if err != nil {
		return nil, err
	}
	c := &Collector{up: up, labels: labels, descs: newDescs(names), kept: map[string]cacheEntry{}}
	for _, part := range parts {
		c.parts = append(c.parts, Cache(part))
	}
	return c, nil
}

// labelNames turns names of container labels into names of metric labels.
func labelNames(labels []string) ([]string, error) {
	taken := map[string]string{}
	names := []string{"name"}
	for _, l := range labels {
		name := "label_" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, l)
		if other, ok := taken[name]; ok {
			return nil, fmt.Errorf("container labels %q and %q both become %s", other, l, name)
		}
		taken[name] = l
		names = append(names, name)
	}
	return names, nil
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs.all() {
		ch <- d
	}
	for _, part := range c.parts {
		part.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	if !c.each(func(m prometheus.Metric) { ch <- m }) {
		return
	}
	for _, part := range c.parts {
		part.Collect(ch)
	}
}

// each passes on every metric but those of the parts. While the snapshot is not
// current that is docker_up 0 and no container: a stale "up 1" is a lie.
func (c *Collector) each(pass func(prometheus.Metric)) (current bool) {
	p, err := c.up()
	if err != nil {
		pass(gauge(c.descs.up, 0))
		return false
	}
	pass(gauge(c.descs.up, 1))
	pass(gauge(c.descs.engineInfo, 1, p.Host, p.Version, p.APIVersion, p.OS, p.Arch))
	for _, metrics := range c.refresh(p) {
		for _, m := range metrics {
			pass(m)
		}
	}
	for _, con := range p.Named() {
		if of := con.Shares(engine.Network); of != "" {
			pass(gauge(c.descs.orphaned, bit(p.Orphaned(con, engine.Parent{Namespace: engine.Network, Container: of})), con.Name))
		}
	}
	for _, d := range p.Departed {
		for _, m := range c.descs.ofEvents(nil, d.Name, d.Events) {
			pass(m)
		}
	}
	return true
}

// refresh builds the metrics of each container anew that has changed since the
// last scrape, and returns those of all.
func (c *Collector) refresh(p *engine.Snapshot) [][]prometheus.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([][]prometheus.Metric, 0, len(p.Containers))
	for _, con := range p.Named() {
		k := c.kept[con.ID]
		if k.c != con {
			k = cacheEntry{c: con, metrics: c.descs.of(con, c.labels)}
			internLabels(k.metrics)
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

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return write(prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, valid(labels)...))
}

func counter(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return write(prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, valid(labels)...))
}

// valid replaces what is no UTF-8, which would fail the scrape.
func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
