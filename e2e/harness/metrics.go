package harness

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Samples are the values of one scrape, by series as series() writes them. A
// histogram is there as its _count and _sum.
type Samples map[string]float64

// Series writes name{label="value",…} with the labels in order.
func Series(name string, labels ...string) string {
	if len(labels) == 0 {
		return name
	}
	pairs := make([]string, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+"="+strconv.Quote(labels[i+1]))
	}
	slices.Sort(pairs)
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// Scrape fails the test unless the answer is 200 and well-formed.
func (d *Defib) Scrape() Samples {
	d.Helper()
	return d.parse(d.Exposition())
}

func (d *Defib) parse(e Exposition) Samples {
	d.Helper()
	found, err := Parse(string(e))
	if err != nil {
		d.Fatalf("scraping: %v\n%s", err, e)
	}
	return found
}

// Exposition is the text of a scrape.
type Exposition string

// Exposition is for whatever polls: parsing a scrape takes 100 times as long as looking
// for a series in its text, which under the race detector is most of a core.
func (d *Defib) Exposition() Exposition {
	d.Helper()
	status, body, err := d.Get("/metrics")
	if err != nil || status != http.StatusOK {
		d.Fatalf("scraping: status %d, %v\n%s", status, err, body)
	}
	return Exposition(body)
}

// Value looks for one series.
func (e Exposition) Value(key string) (got float64, there bool) {
	for line := range strings.Lines(string(e)) {
		if text, found := strings.CutPrefix(line, key+" "); found {
			got, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			return got, err == nil
		}
	}
	return 0, false
}

// Parse reads the text exposition format.
func Parse(text string) (Samples, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	found := Samples{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			labels := make([]string, 0, 2*len(m.GetLabel()))
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName(), l.GetValue())
			}
			switch {
			case m.GetGauge() != nil:
				found[Series(name, labels...)] = m.GetGauge().GetValue()
			case m.GetCounter() != nil:
				found[Series(name, labels...)] = m.GetCounter().GetValue()
			case m.GetHistogram() != nil:
				found[Series(name+"_count", labels...)] = float64(m.GetHistogram().GetSampleCount())
				found[Series(name+"_sum", labels...)] = m.GetHistogram().GetSampleSum()
			}
		}
	}
	return found, nil
}

// WithPrefix returns the series whose text begins so, sorted.
func (s Samples) WithPrefix(prefix string) []string {
	var found []string
	for k := range s {
		if strings.HasPrefix(k, prefix) {
			found = append(found, k)
		}
	}
	slices.Sort(found)
	return found
}

// Current scrapes while Defib sees the engine. On a slow machine the engine may for a
// moment take longer for a ping than Defib waits.
func (d *Defib) Current() (found Samples) {
	d.Helper()
	var e Exposition
	Eventually(d, "docker_up to be 1", func() bool {
		e = d.Exposition()
		up, _ := e.Value("docker_up")
		return up == 1
	})
	return d.parse(e)
}

// Sample scrapes; a series of containers, which there is only then, while Defib sees
// the engine.
func (d *Defib) Sample(key string) (got float64, there bool) {
	d.Helper()
	scrape := d.Scrape
	for _, prefix := range []string{"docker_container_", "defib_container_", "defib_whitelist_"} {
		if strings.HasPrefix(key, prefix) {
			scrape = d.Current
		}
	}
	got, there = scrape()[key]
	return got, there
}

// Shows checks a value now.
func (d *Defib) Shows(key string, want float64) {
	d.Helper()
	if got, there := d.Sample(key); !there || got != want {
		d.Errorf("%s is %s, want %v", key, Written(got, there), want)
	}
}

// Hides checks that there is no such series now.
func (d *Defib) Hides(key string) {
	d.Helper()
	if got, there := d.Sample(key); there {
		d.Errorf("%s is %v, want no such series", key, got)
	}
}

// AwaitValue waits until a scrape shows the value.
func (d *Defib) AwaitValue(key string, want float64) {
	d.Helper()
	last, reached := "never seen", false
	defer func() {
		if !reached {
			d.Logf("%s was last %s", key, last)
		}
	}()
	var e Exposition
	Eventually(d, fmt.Sprintf("%s to be %v", key, want), func() bool {
		e = d.Exposition()
		got, there := e.Value(key)
		last = Written(got, there)
		reached = there && got == want
		return reached
	})
	d.parse(e)
}

// AwaitAbsent waits until a scrape shows no such series.
func (d *Defib) AwaitAbsent(key string) {
	d.Helper()
	var e Exposition
	Eventually(d, key+" to vanish", func() bool {
		e = d.Exposition()
		_, there := e.Value(key)
		return !there
	})
	d.parse(e)
}

// Written is a value for people, or that there is none.
func Written(v float64, there bool) string {
	if !there {
		return "absent"
	}
	return fmt.Sprint(v)
}

// AwaitHeld waits until the container is left alone for this reason.
func (d *Defib) AwaitHeld(b *Container, reason string) {
	d.Helper()
	d.AwaitValue(Series("defib_container_held", "name", b.Name, "reason", reason), 1)
}

// Restarts is the series of starts and restarts of a container for a trigger.
func Restarts(b *Container) string {
	return Series("defib_restarts_total", "name", b.Name, "trigger", "exited")
}

// AwaitUnavailable waits until Defib shows that there is no engine, and nothing that it
// only remembers.
func (d *Defib) AwaitUnavailable() {
	d.Helper()
	d.AwaitValue("docker_up", 0)
	found := d.Scrape()
	for _, prefix := range []string{"docker_container_", "defib_container_", "defib_whitelist_matches"} {
		if stale := found.WithPrefix(prefix); len(stale) > 0 {
			d.Errorf("shown without an engine: %v", stale)
		}
	}
	d.AwaitStatus("/-/ready", http.StatusServiceUnavailable)
	d.AwaitStatus("/-/healthy", http.StatusOK)
}

var (
	infoOf  = regexp.MustCompile(`[{,]id="([^"]*)".*[{,]name="([^"]*)"`)
	stateOf = regexp.MustCompile(`[{,]name="([^"]*)",state="([^"]*)"`)
)

// Shown is what a scrape says of the containers under a prefix, by name: id and
// state.
func (d *Defib) Shown(prefix string) map[string]string {
	d.Helper()
	found := d.Current()
	out := map[string]string{}
	for _, key := range found.WithPrefix("docker_container_info{") {
		if m := infoOf.FindStringSubmatch(key); m != nil && strings.HasPrefix(m[2], prefix) {
			out[m[2]] = m[1]
		}
	}
	for _, key := range found.WithPrefix("docker_container_state{") {
		m := stateOf.FindStringSubmatch(key)
		if m != nil && found[key] == 1 && strings.HasPrefix(m[1], prefix) {
			out[m[1]] += " " + m[2]
		}
	}
	return out
}
