package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// bareEnv makes the test binary a bare exporter instead: it serves what the file
// named there holds, as kept const metrics, until its stdin closes. It is a
// process of its own because Defib is one.
const bareEnv = "DEFIB_E2E_BARE"

// kept is what client_golang needs at least: metrics made once, sent on each
// scrape.
type kept []prometheus.Metric

// Describe sends nothing, so that metrics of one name may have different labels, as those
// of containers have: the registry checks as much of a scrape as otherwise.
func (k kept) Describe(chan<- *prometheus.Desc) {}

func (k kept) Collect(metrics chan<- prometheus.Metric) {
	for _, m := range k {
		metrics <- m
	}
}

// keep makes const metrics of an exposition: the same names, labels and values.
// The few series of histograms and summaries become gauges. Left out is what
// client_golang's own collectors ask of the process at each scrape, since the
// bare exporter has them too.
func keep(text string) (kept, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	var all kept
	for name, family := range families {
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		add := func(name string, kind prometheus.ValueType, v float64, labels, values []string) {
			desc := prometheus.NewDesc(name, family.GetHelp(), labels, nil)
			all = append(all, prometheus.MustNewConstMetric(desc, kind, v, values...))
		}
		for _, m := range family.GetMetric() {
			var labels, values []string
			for _, l := range m.GetLabel() {
				labels, values = append(labels, l.GetName()), append(values, l.GetValue())
			}
			switch {
			case m.GetCounter() != nil:
				add(name, prometheus.CounterValue, m.GetCounter().GetValue(), labels, values)
			case m.GetGauge() != nil:
				add(name, prometheus.GaugeValue, m.GetGauge().GetValue(), labels, values)
			case m.GetHistogram() != nil:
				for _, b := range m.GetHistogram().GetBucket() {
					add(name+"_bucket", prometheus.GaugeValue, float64(b.GetCumulativeCount()),
						append(slices.Clip(labels), "le"),
						append(slices.Clip(values), fmt.Sprint(b.GetUpperBound())))
				}
				add(name+"_count", prometheus.GaugeValue, float64(m.GetHistogram().GetSampleCount()), labels, values)
				add(name+"_sum", prometheus.GaugeValue, m.GetHistogram().GetSampleSum(), labels, values)
			}
		}
	}
	return all, nil
}

func serveBare(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	metrics, err := keep(string(text))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	config := net.ListenConfig{}
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
		listener.Close()
	}()
	fmt.Println(listener.Addr())
	server := http.Server{Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})}
	_ = server.Serve(listener)
	return 0
}

// startBare starts a bare exporter of these metrics.
func startBare(tb testing.TB, text string) exporter {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "metrics")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), self)
	cmd.Env = append(os.Environ(), bareEnv+"="+file)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		in.Close()
		// It ends with its stdin.
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal("the bare exporter says nothing:", err)
	}
	return exporter{"http://" + strings.TrimSpace(address), cmd.Process.Pid}
}
