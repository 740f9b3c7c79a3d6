package collector_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

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

func BenchmarkCollect100(b *testing.B)  { benchmarkCollect(b, 100) }
func BenchmarkCollect1000(b *testing.B) { benchmarkCollect(b, 1000) }

// benchmarkCollect takes turns between scrapes of so many containers and scrapes
// of the very same metrics bare, so that a busy machine slows both, and compares
// the medians. The budget is 1.2 times bare.
func benchmarkCollect(b *testing.B, n int) {
	cs := make([]*engine.Container, n)
	for i := range cs {
		cs[i] = alter(func(c *engine.Container) {
			c.ID, c.Name = fmt.Sprintf("%064x", i), fmt.Sprintf("shop-worker-%d", i)
			c.ImageID = fmt.Sprintf("sha256:%064x", i%7)
		})
	}
	c := newCollector(b, showing(picture(cs...)), nil)
	metrics := ofContainers(c)
	registry := prometheus.NewRegistry()
	registry.MustRegister(bare(metrics))
	scrape := func(g prometheus.Gatherer) func() time.Duration {
		return func() time.Duration {
			began := time.Now()
			if _, err := g.Gather(); err != nil {
				b.Fatal(err)
			}
			return time.Since(began)
		}
	}
	ours, theirs := scrape(c), scrape(registry)
	var defib, client []time.Duration
	for b.Loop() {
		defib, client = append(defib, ours()), append(client, theirs())
	}
	b.ReportMetric(float64(len(metrics)), "series")
	b.ReportMetric(median(defib).Seconds()*1e3, "defib-ms")
	b.ReportMetric(median(client).Seconds()*1e3, "bare-ms")
	b.ReportMetric(float64(median(defib))/float64(median(client)), "times-bare")
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}
