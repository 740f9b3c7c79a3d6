package collector_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"defib/engine"
)

var errAway = errors.New("the engine is away")

// crowd shows containers in all sorts of states, one of them twice, and one that
// has left.
func crowd() *engine.Snapshot {
	p := snapshot(
		token(),
		alter(func(c *engine.Container) { c.ID, c.Created = "aa", time.Unix(1, 0) }),
		alter(func(c *engine.Container) {
			c.ID, c.Name, c.Parents = "bb", "\xff", []engine.Parent{{Namespace: engine.Network, Container: "token"}}
		}),
		alter(func(c *engine.Container) { c.ID, c.Name, c.HealthCheck, c.Inspected = "cc", "zebra", false, false }),
		alter(func(c *engine.Container) { c.ID, c.Name, c.Labels, c.Exit = "dd", "alone", nil, engine.Exit{} }),
	)
	p.Departed = []engine.Departed{{Name: "gone", Events: engine.Counts{engine.EventDie: 1}}}
	return p
}

// text is what a scrape would be answered; a Gatherers checks and sorts it.
func text(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	families, err := prometheus.Gatherers{g}.Gather()
	if err != nil {
		t.Error(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Error(err)
		}
	}
	return b.String()
}

func TestGatherGivesWhatARegistryGives(t *testing.T) {
	for name, p := range map[string]*engine.Snapshot{"a crowd": crowd(), "nobody": snapshot(), "no snapshot": nil} {
		t.Run(name, func(t *testing.T) {
			up := showing(p)
			if p == nil {
				up = func() (*engine.Snapshot, error) { return nil, errAway }
			}
			c := newCollector(t, up, []string{"team"}, part())
			registry := prometheus.NewPedanticRegistry()
			registry.MustRegister(c)
			if diff := cmp.Diff(text(t, registry), text(t, c)); diff != "" {
				t.Error("registry (-), Gather (+):", diff)
			}
		})
	}
}

func TestScrapesAtOnceGetTheSame(t *testing.T) {
	c := newCollector(t, showing(crowd()), nil, part())
	want := text(t, c)
	var scrapes sync.WaitGroup
	for range 8 {
		scrapes.Go(func() {
			if diff := cmp.Diff(want, text(t, c)); diff != "" {
				t.Error(diff)
			}
		})
	}
	scrapes.Wait()
}

func TestWhatIsCachedIsCollectedAnewForANewVersion(t *testing.T) {
	p := part()
	p.fault = errAway
	c := newCollector(t, showing(snapshot()), nil, p)
	scrape := func() string {
		families, err := c.Gather()
		if err != nil {
			return err.Error()
		}
		for _, f := range families {
			if f.GetName() == "defib_container_whitelisted" {
				return fmt.Sprint(f.GetMetric()[0].GetGauge().GetValue())
			}
		}
		return "nothing"
	}
	if got := scrape(); !strings.Contains(got, errAway.Error()) {
		t.Errorf("%s, want the fault", got)
	}
	p.fault = nil
	if got := scrape(); got != "1" {
		t.Errorf("%s after a fault, want 1: a fault is not cached", got)
	}
	p.WithLabelValues("token").Set(2)
	if got := scrape(); got != "1" {
		t.Errorf("%s of the same version, want 1: it is collected each time", got)
	}
	p.version.Add(1)
	if got := scrape(); got != "2" {
		t.Errorf("%s of a new version, want 2", got)
	}
}

// others are metrics beside the containers'.
func others() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	for _, name := range []string{"docker_zoo", "build"} {
		registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "Any."}))
	}
	return registry
}

func TestOtherMetricsStandBesideTheContainersInOrder(t *testing.T) {
	c := newCollector(t, showing(snapshot()), nil)
	families, err := c.GatherWith(others())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	if diff := cmp.Diff([]string{"build", "docker_engine_info", "docker_up", "docker_zoo"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestWhatFailsBesideTheContainersCostsThemNothing(t *testing.T) {
	c := newCollector(t, showing(snapshot()), nil)
	families, err := c.GatherWith(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, errAway }))
	if err == nil || len(families) != 2 {
		t.Errorf("%d families, %v", len(families), err)
	}
}
