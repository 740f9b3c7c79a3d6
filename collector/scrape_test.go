package collector_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"defib/collector"
	"defib/engine"
	"defib/internal/exposition"
)

// part is what the restarter would have exposed beside the containers.
func part() exposition.Source {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "defib_container_whitelisted", Help: "h"}, []string{"name"})
	g.WithLabelValues("token").Set(1)
	return exposition.Cache(versioned{g})
}

// versioned stays the same.
type versioned struct{ prometheus.Collector }

func (versioned) Version() uint64 { return 0 }

func TestPartsAreExposedWithTheContainers(t *testing.T) {
	got := expose(t, newCollector(t, showing(snapshot(token())), nil, part()), "defib_container_whitelisted", "docker_container_up")
	want := `defib_container_whitelisted{name="token"} 1
docker_container_up{name="token"} 1
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLaw6NoContainerSeriesWithoutACurrentSnapshot(t *testing.T) {
	current := snapshot(token())
	current.Departed = []engine.Departed{{Name: "gone"}}
	up := func() (*engine.Snapshot, error) { return current, nil }
	c := newCollector(t, func() (*engine.Snapshot, error) { return up() }, []string{"team"}, part())

	before := expose(t, c)
	up = func() (*engine.Snapshot, error) { return nil, errors.New("the engine is unavailable") }
	if diff := cmp.Diff("docker_up 0\n", expose(t, c)); diff != "" {
		t.Error("while the engine is unavailable:", diff)
	}
	up = func() (*engine.Snapshot, error) { return current, nil }
	if diff := cmp.Diff(before, expose(t, c)); diff != "" {
		t.Error("when it is back:", diff)
	}
}

func TestLaw8TwoContainersOfOneNameAreOneSeriesAndTheScrapeSucceeds(t *testing.T) {
	older := alter(func(c *engine.Container) { c.ID, c.State, c.Created = "aa", engine.Exited, time.Unix(1, 0) })
	younger := alter(func(c *engine.Container) { c.ID, c.Created = "bb", time.Unix(2, 0) })
	nameless := alter(func(c *engine.Container) { c.ID, c.Name = "cc", "" })
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(t, showing(snapshot(older, younger, nameless)), nil))

	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d\n%s", w.Code, w.Body)
	}
	var got []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "docker_container_up{") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff([]string{"docker_container_up{name=\"token\"} 1\n"}, got); diff != "" {
		t.Error(diff)
	}
}

// ofContainers collects the metrics that are built anew only for a container
// that has changed. They are told apart by identity.
func ofContainers(c *collector.Collector) []prometheus.Metric {
	ch := make(chan prometheus.Metric)
	go func() {
		c.Collect(ch)
		close(ch)
	}()
	var ms []prometheus.Metric
	for m := range ch {
		if strings.Contains(m.Desc().String(), `"docker_container_`) {
			ms = append(ms, m)
		}
	}
	return ms
}

func TestMetricsOfAnUnchangedContainerAreKeptUntilItIsGone(t *testing.T) {
	a := alter(func(c *engine.Container) { c.ID, c.Name = "a", "a" })
	b := alter(func(c *engine.Container) { c.ID, c.Name = "b", "b" })
	b2 := alter(func(c *engine.Container) { c.ID, c.Name, c.RestartCount = "b", "b", 9 })
	var now *engine.Snapshot
	c := newCollector(t, func() (*engine.Snapshot, error) { return now, nil }, nil)
	scrape := func(cs ...*engine.Container) []prometheus.Metric {
		now = snapshot(cs...)
		return ofContainers(c)
	}
	same := func(x, y prometheus.Metric) bool { return x == y }

	first := scrape(a, b)
	half := len(first) / 2
	if !slices.EqualFunc(first, scrape(a, b), same) {
		t.Error("metrics of unchanged containers were built anew")
	}
	changed := scrape(a, b2)
	if !slices.EqualFunc(first[:half], changed[:half], same) {
		t.Error("the change of one container built the metrics of another anew")
	}
	for _, m := range changed[half:] {
		if slices.Contains(first, m) {
			t.Error("kept in spite of a change:", m.Desc())
		}
	}
	scrape(a)
	for _, m := range scrape(a, b2)[half:] {
		if slices.Contains(changed, m) {
			t.Error("kept in spite of the container having been gone:", m.Desc())
		}
	}
}

func TestScrapeAsksForTheSnapshotOnce(t *testing.T) {
	asked := 0
	up := func() (*engine.Snapshot, error) {
		asked++
		return snapshot(token(), alter(func(c *engine.Container) { c.ID, c.Name = "b", "b" })), nil
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(t, up, nil, part()))
	if asked != 0 {
		t.Errorf("asked %d times before the first scrape", asked)
	}
	for scrapes := 1; scrapes <= 3; scrapes++ {
		if _, err := testutil.GatherAndCount(registry); err != nil {
			t.Fatal(err)
		}
		if asked != scrapes {
			t.Fatalf("asked %d times in %d scrapes", asked, scrapes)
		}
	}
}

func TestScrapesAtOnceDoNotDisturbEachOther(t *testing.T) {
	var snapshots []*engine.Snapshot
	for n := range 5 {
		var cs []*engine.Container
		for i := range 10 * n {
			cs = append(cs, alter(func(c *engine.Container) { c.ID, c.Name = fmt.Sprintf("%d.%d", i, n%2), fmt.Sprint("c", i) }))
		}
		snapshots = append(snapshots, snapshot(cs...))
	}
	var next atomic.Int64
	up := func() (*engine.Snapshot, error) {
		n := next.Add(1)
		if n%7 == 0 {
			return nil, errors.New("away")
		}
		return snapshots[n%int64(len(snapshots))], nil
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(t, up, []string{"team"}, part()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := registry.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
