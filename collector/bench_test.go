package collector_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"defib/collector"
	"defib/engine"
)

// kept are metrics that were made before. Nothing is left to do for a scrape but to send
// them.
type kept []prometheus.Metric

func (k kept) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(k, ch) }

func (k kept) Collect(ch chan<- prometheus.Metric) {
	for _, m := range k {
		ch <- m
	}
}

func registryOf(c prometheus.Collector) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	return registry
}

// crowdOf returns the Collector of so many containers of which everything is known; nil:
// but what they use.
func crowdOf(b testing.TB, n int, usage collector.Stats) *collector.Collector {
	cs := make([]*engine.Container, n)
	for i := range cs {
		cs[i] = alter(func(c *engine.Container) {
			c.ID, c.Name = fmt.Sprintf("%064x", i), fmt.Sprintf("shop-worker-%d", i)
			c.ImageID = fmt.Sprintf("sha256:%064x", i%7)
		})
	}
	return newUsageCollector(b, showing(snapshot(cs...)), usage)
}

// BenchmarkGather is what a scrape collects of so many containers, beside what a
// registry takes for the very same metrics when nothing is left to do but to
// send them. With resources, all that containers use has been read anew for each scrape,
// at no cost.
func BenchmarkGather(b *testing.B) {
	gather := func(name string, c *collector.Collector) {
		for who, g := range map[string]prometheus.Gatherer{"defib": c, "bare": registryOf(constMetrics(b, c))} {
			b.Run(name+"/"+who, func(b *testing.B) {
				b.ReportAllocs()
				series := 0
				for b.Loop() {
					families, err := g.Gather()
					if err != nil {
						b.Fatal(err)
					}
					series = 0
					for _, f := range families {
						series += len(f.GetMetric())
					}
				}
				b.ReportMetric(float64(series), "series")
			})
		}
	}
	for _, n := range []int{10, 100, 1000, 5000} {
		gather(fmt.Sprint(n), crowdOf(b, n, nil))
	}
	for _, n := range []int{100, 1000} {
		gather(fmt.Sprintf("%d/resources", n), crowdOf(b, n, newReadings(n)))
	}
}

// constMetrics makes client_golang's own const metrics of what is gathered.
func constMetrics(b *testing.B, g prometheus.Gatherer) kept {
	families, err := g.Gather()
	if err != nil {
		b.Fatal(err)
	}
	var all kept
	for _, f := range families {
		var desc *prometheus.Desc
		for _, m := range f.GetMetric() {
			var names, values []string
			for _, l := range m.GetLabel() {
				names, values = append(names, l.GetName()), append(values, l.GetValue())
			}
			if desc == nil {
				desc = prometheus.NewDesc(f.GetName(), f.GetHelp(), names, nil)
			}
			kind, v := prometheus.GaugeValue, m.GetGauge().GetValue()
			if m.GetCounter() != nil {
				kind, v = prometheus.CounterValue, m.GetCounter().GetValue()
			}
			all = append(all, prometheus.MustNewConstMetric(desc, kind, v, values...))
		}
	}
	return all
}

// BenchmarkScrape is what whole scrapes of so many containers cost over HTTP, the
// scraper's part included: as Defib answers them, as a plain registry of the same
// Collector would, and as client_golang does that was given const metrics. The budget is
// the last, and 20 %. They take turns, so that a busy machine slows all three.
func BenchmarkScrape(b *testing.B) {
	scrape := func(name string, c *collector.Collector) {
		answers := map[string]prometheus.Gatherer{
			"defib": c, "registry": registryOf(c), "client_golang": registryOf(constMetrics(b, c)),
		}
		for encoding, accept := range map[string]string{
			// As Prometheus 2.42 and 3.5 ask for text.
			"identity": "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
			"gzip":     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		} {
			b.Run(name+"/"+encoding, func(b *testing.B) { measureScrapes(b, answers, encoding, accept) })
		}
	}
	for _, n := range []int{100, 1000, 5000} {
		scrape(fmt.Sprint(n), crowdOf(b, n, nil))
	}
	for _, n := range []int{100, 1000} {
		scrape(fmt.Sprintf("%d/resources", n), crowdOf(b, n, newReadings(n)))
	}
}

func measureScrapes(b *testing.B, answers map[string]prometheus.Gatherer, encoding, accept string) {
	urls := map[string]string{}
	for who, g := range answers {
		server := httptest.NewServer(promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
		b.Cleanup(server.Close)
		urls[who] = server.URL
		fetch(b, urls[who], encoding, accept) // so that all metrics are made
	}
	processor, wall, allocated := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for who, url := range urls {
			const scrapes = 3 // in a row, so that each pays for its own garbage
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			used, began := processorTime(b), time.Now()
			for range scrapes {
				fetch(b, url, encoding, accept)
			}
			wall[who] = append(wall[who], time.Since(began).Seconds()*1000/scrapes)
			processor[who] = append(processor[who], (processorTime(b)-used).Seconds()*1000/scrapes)
			runtime.ReadMemStats(&after)
			allocated[who] = append(allocated[who], float64(after.TotalAlloc-before.TotalAlloc)/1000/scrapes)
		}
	}
	for who := range urls {
		b.ReportMetric(median(wall[who]), who+"-ms")
		b.ReportMetric(median(processor[who]), who+"-cpu-ms")
		b.ReportMetric(median(allocated[who]), who+"-kB")
	}
	for _, who := range []string{"defib", "registry"} {
		b.ReportMetric(median(processor[who])/median(processor["client_golang"]), who+"-cpu-ratio")
		b.ReportMetric(median(wall[who])/median(wall["client_golang"]), who+"-ratio")
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func fetch(b *testing.B, url, encoding, accept string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", encoding)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("status %d, %v", response.StatusCode, err)
	}
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
