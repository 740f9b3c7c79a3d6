package collector_test

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
)

// bare exposes metrics that were made before, and does nothing else: what a
// scrape of so many metrics costs client_golang itself.
type bare []prometheus.Metric

func (b bare) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(b, ch) }

func (b bare) Collect(ch chan<- prometheus.Metric) {
	for _, m := range b {
		ch <- m
	}
}

// BenchmarkGather is what a scrape collects of so many containers, beside what a
// registry takes for the very same metrics when nothing is left to do but to
// send them. The budget is for whole scrapes, see e2e.
func BenchmarkGather(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 5000} {
		cs := make([]*engine.Container, n)
		for i := range cs {
			cs[i] = alter(func(c *engine.Container) {
				c.ID, c.Name = fmt.Sprintf("%064x", i), fmt.Sprintf("shop-worker-%d", i)
				c.ImageID = fmt.Sprintf("sha256:%064x", i%7)
			})
		}
		c := newCollector(b, showing(snapshot(cs...)), nil)
		metrics := ofContainers(c)
		registry := prometheus.NewRegistry()
		registry.MustRegister(bare(metrics))
		gather := func(who string, g prometheus.Gatherer) {
			b.Run(fmt.Sprintf("%d/%s", n, who), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := g.Gather(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(metrics)), "series")
			})
		}
		gather("defib", c)
		gather("bare", registry)
	}
}
