package exposition_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"defib/internal/exposition"
)

var errFault = errors.New("it cannot be collected")

// source is a part of an exposition that gathers what the function says.
type source struct {
	prometheus.Collector
	prometheus.GathererFunc
}

// registry exposes a gauge of each name.
func registry(names ...string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	for _, name := range names {
		r.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "Any."}))
	}
	return r
}

func names(families []*dto.MetricFamily) []string {
	var all []string
	for _, f := range families {
		all = append(all, f.GetName())
	}
	return all
}

func TestSourcesAreExposedTogetherInTheOrderOfTheirNames(t *testing.T) {
	families, err := exposition.All{registry("docker_zoo", "build"), registry("docker_up")}.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"build", "docker_up", "docker_zoo"}, names(families)); diff != "" {
		t.Error(diff)
	}
}

func TestSourceThatFailsCostsTheOthersNothing(t *testing.T) {
	fails := source{nil, func() ([]*dto.MetricFamily, error) { return nil, errFault }}
	families, err := exposition.All{fails, registry("docker_up")}.Gather()
	if !errors.Is(err, errFault) {
		t.Errorf("error %v, want %v", err, errFault)
	}
	if diff := cmp.Diff([]string{"docker_up"}, names(families)); diff != "" {
		t.Error(diff)
	}
}

func TestPanicOfTheLastSourceIsTheCallers(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it was swallowed")
		}
	}()
	panics := source{nil, func() ([]*dto.MetricFamily, error) { panic("odd") }}
	_, _ = exposition.All{registry("docker_up"), panics}.Gather()
}

func TestFamiliesAreWhatARegistryGives(t *testing.T) {
	up := exposition.NewGauge("docker_container_up", "1 while it runs.", "name")
	events := exposition.NewCounter("docker_container_events_total", "Events.", "name", "event")
	metrics := []*exposition.Metric{
		up.Metric(1, "db"), events.Metric(3, "db", "die"), events.Metric(0, "db", "oom"), up.Metric(0, "odd\xff"),
	}
	exposition.Intern(metrics)
	plain := prometheus.NewPedanticRegistry()
	plain.MustRegister(source{Collector: collector(func(ch chan<- prometheus.Metric) {
		for _, m := range metrics {
			ch <- m
		}
	})})
	private := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return exposition.Families(metrics), nil })
	want := `# HELP docker_container_events_total Events.
# TYPE docker_container_events_total counter
docker_container_events_total{event="die",name="db"} 3
docker_container_events_total{event="oom",name="db"} 0
# HELP docker_container_up 1 while it runs.
# TYPE docker_container_up gauge
docker_container_up{name="db"} 1
docker_container_up{name="odd` + "\uFFFD" + `"} 0
`
	for name, g := range map[string]prometheus.Gatherer{"a registry": plain, "Families": private} {
		if err := testutil.GatherAndCompare(g, strings.NewReader(want)); err != nil {
			t.Errorf("of %s: %v", name, err)
		}
	}
}

func TestRenewedMetricsHaveNewValuesAndTheOldOnesKeepTheirs(t *testing.T) {
	up := exposition.NewGauge("docker_container_up", "1 while it runs.", "name")
	events := exposition.NewCounter("docker_container_events_total", "Events.", "name", "event")
	old := []*exposition.Metric{events.Metric(3, "db", "die"), up.Metric(1, "db"), events.Metric(0, "db", "oom"), up.Metric(0, "web")}
	series := func(metrics []*exposition.Metric) (lines []string) {
		for _, m := range metrics {
			var d dto.Metric
			if err := m.Write(&d); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, strings.Join(strings.Fields(d.String()), " "))
		}
		return lines
	}
	before := series(old)
	renewed := exposition.Renew(old, []float64{4, 0, 1, 1})
	want := series([]*exposition.Metric{events.Metric(4, "db", "die"), up.Metric(0, "db"), events.Metric(1, "db", "oom"), up.Metric(1, "web")})
	if diff := cmp.Diff(want, series(renewed)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, series(old)); diff != "" {
		t.Error("the old ones have changed:", diff)
	}
}

func TestRenewingTakesFewAllocations(t *testing.T) {
	up := exposition.NewGauge("docker_container_up", "1 while it runs.", "name")
	events := exposition.NewCounter("docker_container_events_total", "Events.", "name")
	var metrics []*exposition.Metric
	for i := range 50 {
		metrics = append(metrics, up.Metric(0, fmt.Sprint(i)), events.Metric(0, fmt.Sprint(i)))
	}
	values := make([]float64, len(metrics))
	if n := testing.AllocsPerRun(100, func() { metrics = exposition.Renew(metrics, values) }); n > 5 {
		t.Errorf("%v allocations for %d metrics, want 5 at most", n, len(metrics))
	}
}

func TestLabelsWithoutAValueCanBeLeftOut(t *testing.T) {
	usage := exposition.NewGauge("container_memory_rss", "Any.", "id", "image", "name").OmitEmpty()
	metrics := []*exposition.Metric{usage.Metric(1, "/docker/4f", "", "db"), usage.Metric(2, "/", "", "")}
	want := `# HELP container_memory_rss Any.
# TYPE container_memory_rss gauge
container_memory_rss{id="/docker/4f",name="db"} 1
container_memory_rss{id="/"} 2
`
	var got strings.Builder
	for _, f := range exposition.Families(exposition.Renew(metrics, []float64{1, 2})) {
		if _, err := expfmt.MetricFamilyToText(&got, f); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

// collector collects what the function sends.
type collector func(chan<- prometheus.Metric)

func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }
func (c collector) Collect(ch chan<- prometheus.Metric) { c(ch) }

// versioned exposes one gauge.
type versioned struct {
	prometheus.Gauge
	version atomic.Uint64
	fault   error // of collecting
}

func (v *versioned) Version() uint64 { return v.version.Load() }

func (v *versioned) Collect(ch chan<- prometheus.Metric) {
	if v.fault != nil {
		ch <- prometheus.NewInvalidMetric(v.Desc(), v.fault)
		return
	}
	v.Gauge.Collect(ch)
}

func TestWhatIsCachedIsCollectedAnewForANewVersion(t *testing.T) {
	v := &versioned{Gauge: prometheus.NewGauge(prometheus.GaugeOpts{Name: "defib_on_hold", Help: "Any."}), fault: errFault}
	v.Set(1)
	cached := exposition.Cache(v)
	scrape := func() string {
		families, err := cached.Gather()
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(families[0].GetMetric()[0].GetGauge().GetValue())
	}
	if got := scrape(); !strings.Contains(got, errFault.Error()) {
		t.Errorf("%s, want the fault", got)
	}
	v.fault = nil
	if got := scrape(); got != "1" {
		t.Errorf("%s after a fault, want 1: a fault is not cached", got)
	}
	v.Set(2)
	if got := scrape(); got != "1" {
		t.Errorf("%s of the same version, want 1: it is collected each time", got)
	}
	v.version.Add(1)
	if got := scrape(); got != "2" {
		t.Errorf("%s of a new version, want 2", got)
	}
}
