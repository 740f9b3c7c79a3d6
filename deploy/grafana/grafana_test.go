package grafana_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"defib/deploy/grafana"
	"defib/internal/query"
)

func read(t *testing.T) *grafana.Dashboard {
	t.Helper()
	d, err := grafana.Defib()
	if err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || d.Title == "" || len(d.Panels) == 0 || len(d.Queries()) == 0 {
		t.Fatal("the dashboard lacks an identity, panels or queries")
	}
	return d
}

func file(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPanelsStandApart(t *testing.T) {
	t.Parallel()
	all := read(t).All()
	for i, p := range all {
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
			t.Errorf("%s is not on the grid: %+v", p.Title, g)
		}
		for _, other := range all[:i] {
			if other.ID == p.ID {
				t.Errorf("%s and %s have the same id", p.Title, other.Title)
			}
			if o := other.GridPos; g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
				t.Errorf("%s lies on %s", p.Title, other.Title)
			}
		}
	}
}

func TestPanelsAskTheChosenDataSourceAndSayWhatTheyShow(t *testing.T) {
	t.Parallel()
	want := grafana.Datasource{Type: "prometheus", UID: "${datasource}"}
	for _, p := range read(t).All() {
		if p.Title == "" {
			t.Errorf("panel %d has no title", p.ID)
		}
		if p.Type == "row" {
			if !p.Collapsed || len(p.Panels) == 0 {
				t.Errorf("%s folds nothing away", p.Title)
			}
			continue
		}
		if p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("%s has no unit", p.Title)
		}
		if p.Description == "" {
			t.Errorf("%s has no description, which says what is shown", p.Title)
		}
		if p.Datasource != want || len(p.Targets) == 0 {
			t.Errorf("%s asks %+v %d queries", p.Title, p.Datasource, len(p.Targets))
		}
		for i, q := range p.Targets {
			if q.Datasource != want {
				t.Errorf("%s, %s asks %+v", p.Title, q.RefID, q.Datasource)
			}
			if slices.ContainsFunc(p.Targets[:i], func(o grafana.Target) bool { return o.RefID == q.RefID }) {
				t.Errorf("%s has two queries %s", p.Title, q.RefID)
			}
		}
	}
}

// TestQueriesNameWhatIsExposed compares metrics, labels and values of labels
// with the docs, and variables with those that there are.
func TestQueriesNameWhatIsExposed(t *testing.T) {
	t.Parallel()
	doc, err := query.Read(file(t, "../../docs/reference/metrics.md"), file(t, "../../docs/reference/reasons.md"), file(t, "../../docs/reference/outcomes.md"))
	if err != nil {
		t.Fatal(err)
	}
	d := read(t)
	variables := []string{"__range", "__interval", "__rate_interval", "__from"} // Grafana's own
	queries := d.Queries()
	lookup := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if m := lookup.FindStringSubmatch(v.Definition); m != nil {
			queries = append(queries, grafana.Query{Where: "variable " + v.Name, Expr: "sum by (" + m[2] + ") (" + m[1] + ")"})
		} else if v.Name != "datasource" {
			t.Errorf("variable %s is not looked up: %q", v.Name, v.Definition)
		}
	}
	variable := regexp.MustCompile(`\$(\w+)`)
	for _, q := range queries {
		for _, m := range variable.FindAllStringSubmatch(q.Expr, -1) {
			if !slices.Contains(variables, m[1]) {
				t.Errorf("%s: there is no variable %s", q.Where, m[0])
			}
		}
		_, wrong := doc.Check(variable.ReplaceAllString(q.Expr, "0"))
		for _, what := range wrong {
			t.Errorf("%s: %s", q.Where, what)
		}
	}
}

// byContainer are the metrics that each container has.
var byContainer = regexp.MustCompile(`^(docker_|defib_)?container_`)

// TestQueriesObeyTheVariables: a query that forgets one shows other hosts' or
// other containers' data under the chosen name.
func TestQueriesObeyTheVariables(t *testing.T) {
	t.Parallel()
	for _, q := range read(t).Queries() {
		for _, s := range query.Selectors(strings.ReplaceAll(q.Expr, "$__from", "0")) {
			var labels []string
			for _, m := range s.Matchers {
				labels = append(labels, m.Label+"="+m.Value)
			}
			if !slices.Contains(labels, "instance=$instance") {
				t.Errorf("%s: %s is not limited to the chosen hosts", q.Where, s.Metric)
			}
			if byContainer.MatchString(s.Metric) && !slices.Contains(labels, "name=$name") {
				t.Errorf("%s: %s is not limited to the chosen containers", q.Where, s.Metric)
			}
		}
	}
}

// TestUseIsDefibsOwn: cAdvisor has metrics of the same names, of the same containers.
func TestUseIsDefibsOwn(t *testing.T) {
	t.Parallel()
	const own = `and on (job, instance, name) docker_container_up{`
	found := 0
	for _, q := range read(t).Queries() {
		uses := slices.ContainsFunc(query.Selectors(q.Expr), func(s query.Selector) bool { return strings.HasPrefix(s.Metric, "container_") })
		if !uses {
			continue
		}
		if found++; !strings.Contains(q.Expr, own) {
			t.Errorf("%s counts what other exporters say, too", q.Where)
		}
	}
	if found == 0 {
		t.Error("no query asks what containers use")
	}
}

// TestRatesReachOverTwoSamples, whatever the interval of scrapes and the width of the
// panel: $__rate_interval does.
func TestRatesReachOverTwoSamples(t *testing.T) {
	t.Parallel()
	ranges := regexp.MustCompile(`(?:rate|increase)\([^\[]*\[([^\]]*)\]`)
	found := 0
	for _, q := range read(t).Queries() {
		for _, m := range ranges.FindAllStringSubmatch(q.Expr, -1) {
			found++
			if m[1] != "$__rate_interval" {
				t.Errorf("%s looks back for %s", q.Where, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no query has a rate")
	}
}

// TestDownIsWhatTheAlertCallsDown: the number and the alert leave out the same
// reasons, and each is in a list of its own.
func TestDownIsWhatTheAlertCallsDown(t *testing.T) {
	t.Parallel()
	reasons := regexp.MustCompile(`defib_container_held\{[^}]*reason=~"([^"]*)"`)
	want := reasons.FindStringSubmatch(file(t, "../../alerts/containers.yml"))
	if want == nil {
		t.Fatal("no alert leaves out reasons any more")
	}
	for _, q := range read(t).Queries() {
		if got := reasons.FindStringSubmatch(q.Expr); got != nil && got[1] != want[1] {
			t.Errorf("%s leaves out %s, the alert %s", q.Where, got[1], want[1])
		}
	}
}
