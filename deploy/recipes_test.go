package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"

	"defib/alerts"
)

const recipes = "../docs/recipes.md"

// grafanaFile is as much of a provisioning file of Grafana's alerting as the recipe has.
type grafanaFile struct {
	APIVersion    int `yaml:"apiVersion"`
	ContactPoints []struct {
		OrgID     int `yaml:"orgId"`
		Name      string
		Receivers []struct {
			UID, Type string
			Settings  struct {
				URL         string
				Method      string `yaml:"httpMethod"`
				Scheme      string `yaml:"authorization_scheme"`
				Credentials string `yaml:"authorization_credentials"`
			}
		}
	} `yaml:"contactPoints"`
	Policies []struct {
		OrgID    int `yaml:"orgId"`
		Receiver string
		GroupBy  []string `yaml:"group_by"`
		Routes   []struct {
			Receiver string
			Matchers [][]string `yaml:"object_matchers"`
			GroupBy  []string   `yaml:"group_by"`
			Wait     string     `yaml:"group_wait"`
			Interval string     `yaml:"group_interval"`
			Repeat   string     `yaml:"repeat_interval"`
		}
	}
	Groups []struct {
		OrgID                  int `yaml:"orgId"`
		Name, Folder, Interval string
		Rules                  []struct {
			UID, Title, Condition, For string
			Data                       []struct {
				RefID             string         `yaml:"refId"`
				RelativeTimeRange map[string]int `yaml:"relativeTimeRange"`
				Datasource        string         `yaml:"datasourceUid"`
				Model             struct {
					RefID                  string `yaml:"refId"`
					Type, Expression, Expr string
					Instant                bool
					Conditions             []any
				}
			}
			NoData string `yaml:"noDataState"`
			Error  string `yaml:"execErrState"`
			Labels map[string]string
		}
	}
}

// lokiRuler is the part of Loki's configuration that the recipe has.
type lokiRuler struct {
	Ruler struct {
		URL      string `yaml:"alertmanager_url"`
		V2       bool   `yaml:"enable_alertmanager_v2"`
		Interval string `yaml:"evaluation_interval"`
		Path     string `yaml:"rule_path"`
		Storage  struct {
			Type  string
			Local struct{ Directory string }
		}
	}
}

// ruleFile is a file of alert rules, whatever language its expressions are in.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

// TestRecipesWork has each block of the page read by the program that it is for, as far
// as that can be had. What is checked for its shape alone: the files of Loki and of
// Grafana, since neither can be had as a Go module or from Debian; so neither LogQL nor
// what Grafana makes of its settings is checked. vmalert's rules are the bundled ones.
func TestRecipesWork(t *testing.T) {
	t.Parallel()
	type kind struct {
		key   string // at the top level
		check func(*testing.T, block)
	}
	checks := []kind{
		{"services", checkRecipeCompose},
		{"apiVersion", checkGrafana},
		{"ruler", func(t *testing.T, b block) { strict(t, b, &lokiRuler{}) }},
		{"groups", checkLogRules},
		{"scrape_configs", checkPrometheus},
		{"tls_server_config", func(t *testing.T, b block) { strict(t, b, &web.Config{}) }},
	}
	seen := map[string]int{}
	for _, b := range blocks(t, recipes) {
		check := checkShell
		if b.language != "sh" {
			var top map[string]any
			strict(t, b, &top)
			i := slices.IndexFunc(checks, func(c kind) bool { return top[c.key] != nil })
			if i < 0 {
				t.Errorf("%s: nothing checks such a block", b.where)
				continue
			}
			check = checks[i].check
			seen[checks[i].key]++
		}
		t.Run(b.where, func(t *testing.T) {
			t.Parallel()
			check(t, b)
		})
	}
	for _, c := range checks {
		if seen[c.key] == 0 {
			t.Errorf("no block has %s: its check checks nothing", c.key)
		}
	}
}

func strict(t *testing.T, b block, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(b.text), into); err != nil {
		t.Errorf("%s: %v", b.where, err)
	}
}

func checkRecipeCompose(t *testing.T, b block) {
	t.Helper()
	checkCompose(t, b)
	for name, s := range composed(t, b.file(t, "compose.yaml")).Services {
		if s.Image == "" {
			t.Errorf("%s: %s has no image", b.where, name)
		}
		if s.Image == "defib" && len(s.GroupAdd) != 1 {
			t.Errorf("%s: defib cannot open the socket", b.where)
		}
	}
}

// checkPrometheus puts the files beside the configuration that it names.
func checkPrometheus(t *testing.T, b block) {
	t.Helper()
	path := b.file(t, "prometheus.yml")
	for name, content := range map[string]string{
		"defib.yml": alerts.Rules(), "containers.yml": read(t, "../alerts/containers.yml"), "defib-ca.pem": "",
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "prometheus", "promtool", "check", "config", path)
	if !strings.Contains(b.text, "job_name: defib\n") {
		t.Errorf("%s: the rules expect the job defib", b.where)
	}
}

// heals reports whether labels ask Defib for something, and name a container or leave
// that to the series.
func heals(labels map[string]string) bool {
	return slices.Contains([]string{"restart", "start"}, labels["heal"])
}

func checkLogRules(t *testing.T, b block) {
	t.Helper()
	var file ruleFile
	strict(t, b, &file)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || !heals(r.Labels) || !regexp.MustCompile(`by \((container|container_name)\)`).MatchString(r.Expr) {
				t.Errorf("%s: %s does not ask for the restart of a container", b.where, r.Alert)
			}
		}
	}
}

func checkGrafana(t *testing.T, b block) {
	t.Helper()
	var file grafanaFile
	strict(t, b, &file)
	if len(file.ContactPoints) != 1 || len(file.Policies) != 1 || len(file.Policies[0].Routes) != 1 || len(file.Groups) != 1 {
		t.Fatalf("%s: want a contact point, a policy with a route, and a group", b.where)
	}
	if route := file.Policies[0].Routes[0]; route.Receiver != file.ContactPoints[0].Name || route.Repeat != "10m" || !slices.Equal(route.GroupBy, []string{"..."}) {
		t.Errorf("%s: the route is %+v", b.where, route)
	}
	for _, r := range file.Groups[0].Rules {
		if r.NoData != "OK" || r.Error != "KeepLast" || !heals(r.Labels) || r.Labels["container"] == "" {
			t.Errorf("%s: the rule %s is not one that heals: %+v", b.where, r.Title, r)
		}
		if last := r.Data[len(r.Data)-1]; last.RefID != r.Condition || last.Model.RefID != last.RefID || last.Model.Expression != r.Data[0].RefID {
			t.Errorf("%s: the condition of %s is not its threshold", b.where, r.Title)
		}
		run(t, "prometheus", "promtool", "check", "rules", block{text: "groups: [{name: x, rules: [{record: x, expr: '" + r.Data[0].Model.Expr + "'}]}]"}.file(t, "rules.yml"))
	}
}

// checkShell has a shell read a block, without running it.
func checkShell(t *testing.T, b block) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "sh", "-n", b.file(t, "script")).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", b.where, err, out)
	}
}
