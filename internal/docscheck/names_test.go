package docscheck

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"

	"defib/alerts"
	"defib/internal/cli"
	"defib/restarter/policy"
)

// strangers are the flags of others, and words that look like names of Defib's,
// of which docs speak all the same: by whose or what they are.
var strangers = map[string][]string{
	"Alertmanager":                     {"--cluster.listen-address", "--cluster.peer-timeout", "--config.file"},
	"Prometheus":                       {"--rules.alert.resend-delay"},
	"cosign":                           {"--bundle", "--certificate-identity", "--certificate-oidc-issuer"},
	"docker buildx":                    {"--load", "--platform"},
	"docker compose":                   {"--detach", "--force-recreate", "--no-deps", "--no-start"},
	"docker inspect":                   {"--format"},
	"docker logs":                      {"--tail"},
	"docker ps":                        {"--filter"},
	"docker run":                       {"--cap-drop", "--cpus", "--group-add", "--health-cmd", "--health-interval", "--health-retries", "--label", "--memory", "--memory-swap", "--mount", "--name", "--network", "--read-only", "--restart", "--rm", "--security-opt", "--stop-timeout", "--tmpfs", "--user", "--userns"},
	"gh attestation verify":            {"--repo"},
	"podman system service":            {"--time"},
	"systemctl":                        {"--now"},
	"a file":                           {"defib.conf", "defib.env", "defib.service", "defib.tar", "defib.token", "defib.yml", "defib_token"},
	"a label of targets and of alerts": {"docker_host"},
	"an alert of an example":           {"HealDatabaseLocked"},
	"sha256sum":                        {"--ignore-missing"},
	"the stack for Swarm":              {"DEFIB_IMAGE", "defib_prometheus"},
}

// foreign removes from docs/moving.md what others call their things: the first
// cell of each row.
func foreign(page, text string) string {
	if page != "docs/moving.md" {
		return text
	}
	return regexp.MustCompile(`(?m)^\|[^|]*\|`).ReplaceAllString(text, "")
}

// flagNames returns the flags of the program and of each of its commands.
func flagNames() map[string]bool {
	names := map[string]bool{}
	add := func(flags []*kingpin.FlagModel) {
		for _, f := range flags {
			names["--"+f.Name] = true
		}
	}
	app := cli.Model()
	add(app.Flags)
	for _, c := range app.Commands {
		add(c.Flags)
	}
	return names
}

// envars returns the environment variables that stand for flags.
func envars() map[string]bool {
	names := map[string]bool{}
	for flag := range flagNames() {
		name := strings.NewReplacer(".", "_", "-", "_").Replace(strings.TrimPrefix(flag, "--"))
		names["DEFIB_"+strings.ToUpper(name)] = true
	}
	return names
}

// metricNames returns every metric, and what Prometheus makes of a histogram.
func metricNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	families, described := exposed(t)
	for _, name := range described {
		names[name] = true
		if strings.HasPrefix(families[name], "histogram") {
			names[name+"_bucket"], names[name+"_sum"], names[name+"_count"] = true, true, true
		}
	}
	return names
}

// alertNames returns the bundled alerts, and those that are shown as examples.
func alertNames() map[string]bool {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(alerts.Rules(), -1) {
		names[m[1]] = true
	}
	return names
}

// vocabulary is one kind of names: how they look, and those that exist.
type vocabulary struct {
	form  *regexp.Regexp
	known map[string]bool
}

// has reports whether a name exists; docker_container_ is all that begins so.
func (v vocabulary) has(name string) bool {
	if !strings.HasSuffix(name, "_") {
		return v.known[name]
	}
	for known := range v.known {
		if strings.HasPrefix(known, name) {
			return true
		}
	}
	return false
}

func TestDocsSpeakOfNothingThatDoesNotExist(t *testing.T) {
	others := slices.Concat(slices.Collect(maps.Values(strangers))...)
	labels := map[string]bool{}
	for _, l := range policy.KnownLabels {
		labels[l] = true
	}
	for what, v := range map[string]vocabulary{
		"flag":                 {regexp.MustCompile(`(?:^|[^-\w])(--[a-z][a-z0-9.-]*[a-z0-9])`), flagNames()},
		"environment variable": {regexp.MustCompile(`\b(DEFIB_[A-Z_]+)\b`), envars()},
		"metric":               {regexp.MustCompile(`\b((?:docker|defib)_[a-z0-9_]+)`), metricNames(t)},
		"container label":      {regexp.MustCompile(`\b(defib\.[a-z-]+)\b`), labels},
		"alert":                {regexp.MustCompile(`\b((?:DockerContainer|DockerEngine|Defib|Heal)[A-Z]\w+)`), alertNames()},
	} {
		for page, text := range pages(t) {
			for _, m := range v.form.FindAllStringSubmatch(foreign(page, text), -1) {
				if name := m[1]; !v.has(name) && !slices.Contains(others, name) {
					t.Errorf("%s speaks of the %s %s, which does not exist; if it is not Defib's, put it among the strangers", page, what, name)
				}
			}
		}
	}
}
