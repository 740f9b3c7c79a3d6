package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// samples are the values of one scrape, by series as series() writes them. A
// histogram is there as its _count and _sum.
type samples map[string]float64

// series writes name{label="value",…} with the labels in order.
func series(name string, labels ...string) string {
	if len(labels) == 0 {
		return name
	}
	pairs := make([]string, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, fmt.Sprintf("%s=%q", labels[i], labels[i+1]))
	}
	slices.Sort(pairs)
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// scrape fails the test unless the answer is 200 and well-formed.
func (d *defib) scrape() samples {
	d.Helper()
	status, body, err := d.get("/metrics")
	if err != nil || status != http.StatusOK {
		d.Fatalf("scraping: status %d, %v\n%s", status, err, body)
	}
	found, err := parse(body)
	if err != nil {
		d.Fatalf("scraping: %v\n%s", err, body)
	}
	return found
}

func parse(text string) (samples, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	found := samples{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName(), l.GetValue())
			}
			switch {
			case m.GetGauge() != nil:
				found[series(name, labels...)] = m.GetGauge().GetValue()
			case m.GetCounter() != nil:
				found[series(name, labels...)] = m.GetCounter().GetValue()
			case m.GetHistogram() != nil:
				found[series(name+"_count", labels...)] = float64(m.GetHistogram().GetSampleCount())
				found[series(name+"_sum", labels...)] = m.GetHistogram().GetSampleSum()
			}
		}
	}
	return found, nil
}

// with returns the series whose text begins so, sorted.
func (s samples) with(prefix string) []string {
	var found []string
	for k := range s {
		if strings.HasPrefix(k, prefix) {
			found = append(found, k)
		}
	}
	slices.Sort(found)
	return found
}

// current scrapes while Defib sees the engine. On a slow machine the engine may for a
// moment take longer for a ping than Defib waits.
func (d *defib) current() (found samples) {
	d.Helper()
	eventually(d, "docker_up to be 1", func() bool {
		found = d.scrape()
		return found["docker_up"] == 1
	})
	return found
}

// now scrapes; a series of containers, which there is only then, while Defib sees
// the engine.
func (d *defib) now(key string) (got float64, there bool) {
	d.Helper()
	scrape := d.scrape
	for _, prefix := range []string{"docker_container_", "defib_container_", "defib_whitelist_"} {
		if strings.HasPrefix(key, prefix) {
			scrape = d.current
		}
	}
	got, there = scrape()[key]
	return got, there
}

// shows checks a value now.
func (d *defib) shows(key string, want float64) {
	d.Helper()
	if got, there := d.now(key); !there || got != want {
		d.Errorf("%s is %s, want %v", key, written(got, there), want)
	}
}

// hides checks that there is no such series now.
func (d *defib) hides(key string) {
	d.Helper()
	if got, there := d.now(key); there {
		d.Errorf("%s is %v, want no such series", key, got)
	}
}

// awaitValue waits until a scrape shows the value.
func (d *defib) awaitValue(key string, want float64) {
	d.Helper()
	last, reached := "never seen", false
	defer func() {
		if !reached {
			d.Logf("%s was last %s", key, last)
		}
	}()
	eventually(d, fmt.Sprintf("%s to be %v", key, want), func() bool {
		got, there := d.scrape()[key]
		last = written(got, there)
		reached = there && got == want
		return reached
	})
}

// awaitAbsent waits until a scrape shows no such series.
func (d *defib) awaitAbsent(key string) {
	d.Helper()
	eventually(d, key+" to vanish", func() bool {
		_, there := d.scrape()[key]
		return !there
	})
}

func written(v float64, there bool) string {
	if !there {
		return "absent"
	}
	return fmt.Sprint(v)
}

// awaitHeld waits until the container is left alone for this reason.
func (d *defib) awaitHeld(b *testContainer, reason string) {
	d.Helper()
	d.awaitValue(series("defib_container_held", "name", b.name, "reason", reason), 1)
}

// awaitTold waits until Defib has said in its log for what reason it leaves the
// container alone: a scrape may come too late for one that passes.
func (d *defib) awaitTold(b *testContainer, reason string) {
	d.Helper()
	eventually(d, b.name+" to be told of as "+reason, func() bool {
		return slices.ContainsFunc(d.about(b.id), func(l line) bool { return l.has("reason", reason) })
	})
}

// restarts is the series of starts and restarts of a container for a trigger.
func restarts(b *testContainer) string {
	return series("defib_restarts_total", "name", b.name, "trigger", "exited")
}
