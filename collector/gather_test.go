package collector_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"defib/engine"
)

var errAway = errors.New("the engine is unavailable")

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
