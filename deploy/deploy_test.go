// Package deploy_test checks the example configurations with the programs that
// read them.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"defib/alerts"
)

var alertmanagers = []string{
	"alertmanager/alertmanager.yml",
	"alertmanager/alertmanager-per-host.yml",
	"alertmanager/alertmanager-templated.yml",
	"compose/alertmanager.yml",
}

// need skips a test without a program of Debian's package; in CI it fails.
func need(t *testing.T, pkg, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		unavailable := t.Skipf
		if os.Getenv("CI") != "" {
			unavailable = t.Fatalf
		}
		unavailable("%s, of Debian's package %s, is not on the PATH", program, pkg)
	}
}

// run returns what a program of Debian's package prints.
func run(t *testing.T, pkg, program string, args ...string) string {
	t.Helper()
	need(t, pkg, program)
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// readable returns the path of a configuration that Debian's amtool can read: a
// templated URL, which it refuses, has got the name of a host instead.
func readable(t *testing.T, path string) string {
	t.Helper()
	const template = "{{ .CommonLabels.docker_host }}"
	content := read(t, path)
	if !strings.Contains(content, template) {
		return path
	}
	file := filepath.Join(t.TempDir(), "alertmanager.yml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(content, template, "alpha")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPrometheusAcceptsItsConfig(t *testing.T) {
	t.Parallel()
	run(t, "prometheus", "promtool", "check", "config", "prometheus/prometheus.yml")
}

func TestAlertmanagerAcceptsItsConfigs(t *testing.T) {
	t.Parallel()
	for _, file := range alertmanagers {
		run(t, "prometheus-alertmanager", "amtool", "check-config", readable(t, file))
	}
}

func TestHealingAlertsGoToDefibAndOthersToPeople(t *testing.T) {
	t.Parallel()
	const (
		one       = "alertmanager/alertmanager.yml"
		perHost   = "alertmanager/alertmanager-per-host.yml"
		templated = "alertmanager/alertmanager-templated.yml"
	)
	for _, c := range []struct{ name, file, labels, want string }{
		{"to restart", one, "alertname=HealContainerUnhealthy severity=info name=web heal=restart", "defib"},
		{"to start", one, "alertname=HealContainerExited severity=info name=web heal=start", "defib"},
		{"an action that Defib does not know is for it to count", one, "alertname=Mine heal=reboot", "defib"},
		{"for people", one, "alertname=DockerContainerDown severity=critical name=web", "people"},
		{"for people, with an empty action", one, "alertname=DockerContainerDown heal=", "people"},

		{"to restart on one host", perHost, "alertname=HealContainerUnhealthy heal=restart docker_host=alpha", "defib-alpha"},
		{"to restart on another", perHost, "alertname=HealContainerUnhealthy heal=restart docker_host=beta", "defib-beta"},
		{"to restart on a host that has no receiver", perHost, "alertname=HealContainerUnhealthy heal=restart docker_host=gamma", "people"},
		{"to restart on no host", perHost, "alertname=HealContainerUnhealthy heal=restart", "people"},
		{"for people, about one host", perHost, "alertname=DockerContainerDown docker_host=alpha", "people"},

		{"to restart on a host of ours", templated, "alertname=HealContainerUnhealthy heal=restart docker_host=alpha.docker.example.org", "defib"},
		{"to restart on a host of somebody else", templated, "alertname=HealContainerUnhealthy heal=restart docker_host=alpha.example.com", "people"},
		{"to restart on a host that only looks like ours", templated, "alertname=HealContainerUnhealthy heal=restart docker_host=evil.example.com/alpha.docker.example.org", "people"},
		{"to restart on no host", templated, "alertname=HealContainerUnhealthy heal=restart", "people"},
		{"for people, about one host", templated, "alertname=DockerContainerDown docker_host=alpha.docker.example.org", "people"},
	} {
		args := append([]string{"config", "routes", "test", "--config.file=" + readable(t, c.file)}, strings.Fields(c.labels)...)
		if got := run(t, "prometheus-alertmanager", "amtool", args...); got != c.want {
			t.Errorf("%s, %s: goes to %q, want %q", c.file, c.name, got, c.want)
		}
	}
}

func TestAlertmanagersInhibitAlike(t *testing.T) {
	t.Parallel()
	var first string
	for _, file := range alertmanagers {
		_, rules, found := strings.Cut(read(t, file), "\ninhibit_rules:\n")
		if !found {
			t.Fatalf("%s has no inhibit_rules at its end", file)
		}
		rules = regexp.MustCompile(`(?m)^ *#.*\n`).ReplaceAllString(rules, "")
		switch {
		case first == "":
			first = rules
		case rules != first:
			t.Errorf("%s differs from %s in its inhibit_rules", file, alertmanagers[0])
		}
	}
	for _, m := range regexp.MustCompile(`alertname(?:=|!=|=~|!~)"([^"]+)"`).FindAllStringSubmatch(first, -1) {
		for name := range strings.SplitSeq(m[1], "|") {
			if !strings.Contains(alerts.Rules(), "- alert: "+name+"\n") {
				t.Errorf("inhibit_rules name %s, which no rule has", name)
			}
		}
	}
}
