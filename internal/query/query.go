// Package query compares what PromQL expressions name with the docs, which the
// program's own tests compare with the program. The bundled rules and the
// dashboard are held to it.
package query

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Selector is a metric in an expression, with the labels that it is chosen by.
type Selector struct {
	Metric   string
	Matchers []Matcher
}

// Matcher is a label and what it is compared with.
type Matcher struct{ Label, Value string }

var (
	grouping = regexp.MustCompile(`\b(?:on|ignoring|by|without|group_left|group_right)\s*\(([^)]*)\)`)
	matching = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*(?:"([^"]*)"|%q)`)
	metric   = regexp.MustCompile(`\b([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?`)
	argument = regexp.MustCompile(`,\s*"[^"]*"`) // as of label_replace
	duration = regexp.MustCompile(`\[[^\]]*\]|\b\d\w*\b`)
	keyword  = regexp.MustCompile(`^(and|or|unless|bool|offset|sum|max|min|count|avg|on|by|without|ignoring|group_left|group_right)$`)
)

// Selectors finds the metrics in an expression. It knows as much of PromQL as
// the rules and the dashboard use.
func Selectors(expr string) []Selector {
	expr = argument.ReplaceAllString(expr, "")
	expr = duration.ReplaceAllString(grouping.ReplaceAllString(expr, " "), " ")
	var all []Selector
	for _, m := range metric.FindAllStringSubmatch(expr, -1) {
		if m[2] == "(" || keyword.MatchString(m[1]) {
			continue
		}
		s := Selector{Metric: m[1]}
		for _, l := range matching.FindAllStringSubmatch(m[2], -1) {
			s.Matchers = append(s.Matchers, Matcher{Label: l[1], Value: l[2]})
		}
		all = append(all, s)
	}
	return all
}

// joined returns the labels that an expression groups or joins by.
func joined(expr string) []string {
	var all []string
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			if label = strings.TrimSpace(label); label != "" {
				all = append(all, label)
			}
		}
	}
	return all
}

// Documentation is what the docs say of metrics.
type Documentation struct {
	text   string
	labels map[string][]string // by metric
	usual  []string            // beginnings of the metrics that every Go program has
}

// everySeries are the labels that Prometheus gives to all.
var everySeries = []string{"instance", "job"}

// Read takes the page whose table has the metrics and their labels, and other pages
// that name values of labels.
func Read(metrics string, others ...string) (*Documentation, error) {
	quoted := regexp.MustCompile("`([a-z_*]+)`")
	d := &Documentation{text: metrics + strings.Join(others, ""), labels: map[string][]string{
		"up": nil, "scrape_duration_seconds": nil, // Prometheus's own
	}}
	rows := 0
	for line := range strings.Lines(metrics) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			for _, word := range quoted.FindAllStringSubmatch(line, -1) {
				if beginning, ok := strings.CutSuffix(word[1], "_*"); ok {
					d.usual = append(d.usual, beginning+"_")
				}
			}
			continue
		}
		var labels []string
		for _, l := range quoted.FindAllStringSubmatch(cells[3], -1) {
			labels = append(labels, l[1])
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			rows++
			d.labels[m[1]] = labels
			if strings.Contains(cells[2], "histogram") {
				d.labels[m[1]+"_bucket"] = append(slices.Clone(labels), "le")
				d.labels[m[1]+"_sum"], d.labels[m[1]+"_count"] = labels, labels
			}
		}
	}
	if rows == 0 {
		return nil, errors.New("no table of metrics")
	}
	return d, nil
}

// Check returns the labels of all metrics in an expression, and what is wrong
// with it: metrics, labels and values of labels that the docs do not know.
func (d *Documentation) Check(expr string) (labels map[string]bool, wrong []string) {
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	labels = map[string]bool{}
	uses := Selectors(expr)
	if len(uses) == 0 {
		complain("no metric found in %s", expr)
	}
	for _, u := range uses {
		own, ok := d.of(u.Metric)
		if !ok {
			complain("the table of metrics has no %s", u.Metric)
			continue
		}
		for _, l := range own {
			labels[l] = true
		}
		for _, m := range u.Matchers {
			if chosen(own, m.Label) {
				continue
			}
			if !slices.Contains(own, m.Label) {
				complain("%s has no label %s", u.Metric, m.Label)
			}
			for value := range strings.SplitSeq(m.Value, "|") {
				if m.Label != "job" && regexp.MustCompile(`^[a-z_]+$`).MatchString(value) && !strings.Contains(d.text, "`"+value+"`") {
					complain("%s has %s=%q, which the docs do not know", u.Metric, m.Label, value)
				}
			}
		}
	}
	for _, label := range joined(expr) {
		if !labels[label] {
			complain("no metric in it has a label %s: %s", label, expr)
		}
	}
	return labels, wrong
}

// chosen reports whether a label, with its values, is the user's choice: the docs have
// such labels as label_*.
func chosen(own []string, label string) bool {
	return slices.ContainsFunc(own, func(l string) bool {
		beginning, many := strings.CutSuffix(l, "*")
		return many && strings.HasPrefix(label, beginning)
	})
}

// of returns the labels of a metric, those of every series among them.
func (d *Documentation) of(metric string) ([]string, bool) {
	labels, ok := d.labels[metric]
	if !ok && !slices.ContainsFunc(d.usual, func(beginning string) bool { return strings.HasPrefix(metric, beginning) }) {
		return nil, false
	}
	return append(slices.Clone(labels), everySeries...), true
}
