package alerts_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v2"

	"defib/alerts"
)

// rule is an alert rule, of a file that promtool checks for what is not here.
type rule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

// every returns the rules of a rules file.
func every(t *testing.T, file string) []rule {
	t.Helper()
	var doc struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(file), &doc); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range doc.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no rules found")
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// uncommented is healing.yml with its examples in force.
func uncommented(t *testing.T) string {
	t.Helper()
	const begin = "  # - name: defib-healing-examples\n"
	head, examples, found := strings.Cut(read(t, "healing.yml"), begin)
	if !found {
		t.Fatalf("healing.yml has no line %q", begin)
	}
	return head + regexp.MustCompile(`(?m)^  # ?`).ReplaceAllString(begin+examples, "  ")
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	program, err := exec.LookPath("promtool")
	if err != nil {
		unavailable := t.Skip
		if os.Getenv("CI") != "" {
			unavailable = t.Fatal
		}
		unavailable("promtool, of Debian's package prometheus, is not on the PATH")
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRulesAreOneValidFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "defib.yml")
	write(t, file, alerts.Rules())
	promtool(t, "check", "rules", "containers.yml", "healing.yml", file)

	var want []string
	for _, r := range append(every(t, read(t, "containers.yml")), every(t, read(t, "healing.yml"))...) {
		want = append(want, r.Alert)
	}
	var got []string
	for _, r := range every(t, alerts.Rules()) {
		got = append(got, r.Alert)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Rules() has %v, the files have %v", got, want)
	}
}

func TestRulesFireAsTheyShould(t *testing.T) {
	t.Parallel()
	tests, err := filepath.Glob("tests/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, append([]string{"test", "rules"}, tests...)...)

	var all strings.Builder
	for _, file := range tests {
		all.WriteString(read(t, file))
	}
	for _, r := range every(t, alerts.Rules()) {
		if !strings.Contains(all.String(), "alertname: "+r.Alert+"\n") {
			t.Errorf("no unit test expects %s", r.Alert)
		}
	}
}

// TestExamplesFireAsTheyShould tries the examples that healing.yml has in its
// comments.
func TestExamplesFireAsTheyShould(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "healing.yml"), uncommented(t))
	test := filepath.Join(dir, "examples.yml")
	write(t, test, read(t, "testdata/examples.yml"))
	promtool(t, "check", "rules", filepath.Join(dir, "healing.yml"))
	promtool(t, "test", "rules", test)
}

// TestHealingRulesAreSafe checks what the head of healing.yml promises.
func TestHealingRulesAreSafe(t *testing.T) {
	t.Parallel()
	for _, r := range every(t, uncommented(t)) {
		if r.Labels["severity"] != "info" {
			t.Errorf("%s has severity %q, want info", r.Alert, r.Labels["severity"])
		}
		switch r.Labels["heal"] {
		case "restart":
			if !regexp.MustCompile(`and on \([a-z_, ]+\) docker_container_up(\{[^}]*\})? == 1`).MatchString(r.Expr) {
				t.Errorf("%s restarts without knowing that the container runs", r.Alert)
			}
		case "start":
		default:
			t.Errorf("%s has heal %q, want restart or start", r.Alert, r.Labels["heal"])
		}
	}
	for _, r := range every(t, read(t, "containers.yml")) {
		if heal, ok := r.Labels["heal"]; ok {
			t.Errorf("%s is for people and has heal %q", r.Alert, heal)
		}
	}
}

func TestLabelsCarryNoValue(t *testing.T) {
	t.Parallel()
	for _, r := range every(t, alerts.Rules()+uncommentedExamples(t)) {
		for name, value := range r.Labels {
			if strings.Contains(value, "{{") {
				t.Errorf("%s: label %s is a template, so each change of it would be a new alert", r.Alert, name)
			}
		}
	}
}

// uncommentedExamples is the group that healing.yml has in its comments.
func uncommentedExamples(t *testing.T) string {
	t.Helper()
	all := uncommented(t)
	return all[strings.Index(all, "  - name: defib-healing-examples"):]
}

func TestRunbooksExist(t *testing.T) {
	t.Parallel()
	const page = "docs/runbooks.md"
	headings := regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(read(t, "../"+page), -1)
	sections := map[string]bool{} // by anchor, true once a rule names it
	for _, h := range headings {
		sections[strings.ReplaceAll(strings.ToLower(h[1]), " ", "-")] = false
	}
	for _, r := range every(t, alerts.Rules()+uncommentedExamples(t)) {
		file, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "#")
		if _, ok := sections[anchor]; file != page || !ok {
			t.Errorf("%s: there is no %q", r.Alert, r.Annotations["runbook_url"])
		}
		sections[anchor] = true
		for _, name := range []string{"summary", "description"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s has no %s", r.Alert, name)
			}
		}
	}
	for _, anchor := range slices.Sorted(maps.Keys(sections)) {
		if !sections[anchor] {
			t.Errorf("%s#%s belongs to no rule", page, anchor)
		}
	}
}

// TestRulesNameWhatIsExposed compares metrics, labels and their values with the
// tables of the docs, which the program's own tests compare with the program.
func TestRulesNameWhatIsExposed(t *testing.T) {
	t.Parallel()
	doc := read(t, "../README.md") + read(t, "../docs/reasons.md")
	exposed := metricsTable(t, doc)
	exposed["up"] = []string{} // Prometheus's own
	for _, r := range every(t, alerts.Rules()) {
		known := map[string]bool{"instance": true, "job": true} // those of every series
		texts := append([]string{r.Expr}, queries(r.Annotations)...)
		var uses []selector
		for _, text := range texts {
			uses = append(uses, selectors(text)...)
		}
		if len(uses) == 0 {
			t.Errorf("%s: no metric found in %s", r.Alert, r.Expr)
		}
		for _, u := range uses {
			labels, ok := exposed[u.metric]
			if !ok {
				t.Errorf("%s: the README's table of metrics has no %s", r.Alert, u.metric)
			}
			own := map[string]bool{"instance": true, "job": true}
			for _, l := range labels {
				own[l], known[l] = true, true
			}
			for _, m := range u.matchers {
				if ok && !own[m.label] {
					t.Errorf("%s: %s has no label %s", r.Alert, u.metric, m.label)
				}
				for value := range strings.SplitSeq(m.value, "|") {
					if m.label != "job" && regexp.MustCompile(`^[a-z_]+$`).MatchString(value) && !strings.Contains(doc, "`"+value+"`") {
						t.Errorf("%s: %s has %s=%q, which the docs do not know", r.Alert, u.metric, m.label, value)
					}
				}
			}
		}
		for _, label := range named(r) {
			if !known[label] {
				t.Errorf("%s: no metric in it has a label %s", r.Alert, label)
			}
		}
	}
}

// metricsTable returns the labels of each metric in the README, by its name.
func metricsTable(t *testing.T, doc string) map[string][]string {
	t.Helper()
	_, section, _ := strings.Cut(doc, "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	quoted := regexp.MustCompile("`([a-z_*]+)`")
	table := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		var labels []string
		for _, l := range quoted.FindAllStringSubmatch(cells[3], -1) {
			labels = append(labels, l[1])
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			table[m[1]] = labels
		}
	}
	if len(table) == 0 {
		t.Fatal("the README has no table of metrics")
	}
	return table
}

// selector is a metric in an expression, with the labels that it is chosen by.
type selector struct {
	metric   string
	matchers []matcher
}

type matcher struct{ label, value string }

var (
	grouping = regexp.MustCompile(`\b(?:on|ignoring|by|without|group_left|group_right)\s*\(([^)]*)\)`)
	matching = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*(?:"([^"]*)"|%q)`)
	metric   = regexp.MustCompile(`\b([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?`)
	duration = regexp.MustCompile(`\[[^\]]*\]|\b\d\w*\b`)
	keyword  = regexp.MustCompile(`^(and|or|unless|bool|offset|sum|max|min|count|avg|on|by|without|ignoring|group_left|group_right)$`)
)

// selectors finds the metrics in an expression. It knows as much of PromQL as
// the bundled rules use.
func selectors(expr string) []selector {
	expr = duration.ReplaceAllString(grouping.ReplaceAllString(expr, " "), " ")
	var all []selector
	for _, m := range metric.FindAllStringSubmatch(expr, -1) {
		if m[2] == "(" || keyword.MatchString(m[1]) {
			continue
		}
		s := selector{metric: m[1]}
		for _, l := range matching.FindAllStringSubmatch(m[2], -1) {
			s.matchers = append(s.matchers, matcher{label: l[1], value: l[2]})
		}
		all = append(all, s)
	}
	return all
}

// queries returns the expressions that annotations ask for.
func queries(annotations map[string]string) []string {
	var all []string
	for _, text := range annotations {
		for _, m := range regexp.MustCompile(`printf "([^"]*\{[^"]*)"`).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// named returns the labels that a rule groups, joins or writes by.
func named(r rule) []string {
	var all []string
	for _, m := range grouping.FindAllStringSubmatch(r.Expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			if label = strings.TrimSpace(label); label != "" {
				all = append(all, label)
			}
		}
	}
	for _, text := range r.Annotations {
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)|label "(\w+)"`).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1]+m[2])
		}
	}
	return all
}
