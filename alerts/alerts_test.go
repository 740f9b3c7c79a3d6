package alerts_test

import (
	"cmp"
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
	"defib/e2e/harness"
	"defib/internal/query"
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

// promtool runs the one that PROMTOOL names, or that is on the PATH. The rules and
// their tests hold for Prometheus 2 and 3, of which the latter does not count a sample
// at the left edge of a range: so no test may depend on one.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	program := harness.Program(t, "prometheus", cmp.Or(os.Getenv("PROMTOOL"), "promtool"))
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

// TestAlertsLinkToThePage: /#name is the address of a container there. Of a Defib that is
// down there is no page.
func TestAlertsLinkToThePage(t *testing.T) {
	t.Parallel()
	for _, r := range every(t, alerts.Rules()) {
		want := "http://{{ $labels.instance }}/"
		for _, label := range []string{"name", "entry"} {
			if strings.Contains(r.Annotations["summary"], "{{ $labels."+label+" }}") {
				want += "#{{ $labels." + label + " }}"
			}
		}
		if r.Alert == "DefibDown" {
			want = ""
		}
		if got := r.Annotations["dashboard_url"]; got != want {
			t.Errorf("%s links to %q, want %q", r.Alert, got, want)
		}
	}
}

// TestRulesNameWhatIsExposed compares metrics, labels and their values with the
// docs, which the program's own tests compare with the program.
func TestRulesNameWhatIsExposed(t *testing.T) {
	t.Parallel()
	doc, err := query.Read(read(t, "../docs/reference/metrics.md"), read(t, "../docs/reference/reasons.md"), read(t, "../docs/reference/outcomes.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range every(t, alerts.Rules()) {
		known := map[string]bool{}
		for _, expr := range append([]string{r.Expr}, queries(r.Annotations)...) {
			labels, wrong := doc.Check(expr)
			maps.Copy(known, labels)
			for _, what := range wrong {
				t.Errorf("%s: %s", r.Alert, what)
			}
		}
		for _, label := range written(r) {
			if !known[label] {
				t.Errorf("%s: no metric in it has a label %s", r.Alert, label)
			}
		}
	}
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

// written returns the labels that the annotations of a rule show.
func written(r rule) []string {
	var all []string
	for _, text := range r.Annotations {
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)|label "(\w+)"`).FindAllStringSubmatch(text, -1) {
			all = append(all, m[1]+m[2])
		}
	}
	return all
}
