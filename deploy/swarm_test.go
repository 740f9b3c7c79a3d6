package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const stack = "swarm/stack.yaml"

func TestStackHasDefibOnEveryNode(t *testing.T) {
	t.Parallel()
	file := composed(t, stack)
	d := file.Services["defib"]
	if d.Deploy.Mode != "global" || len(d.Healthcheck.Test) == 0 {
		t.Errorf("defib is %s and is checked by %v", d.Deploy.Mode, d.Healthcheck.Test)
	}
	for name, s := range file.Services {
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") {
			t.Errorf("%s is not hardened: %+v", name, s)
		}
		if len(s.Ports) > 0 {
			t.Errorf("%s asks nobody for a password and publishes %v", name, s.Ports)
		}
	}
	if text := read(t, "swarm/prometheus.yml"); !strings.Contains(text, "names: [tasks.defib]") || !strings.Contains(text, "port: 10911") {
		t.Error("Prometheus does not look for the tasks of the service defib")
	}
}

func TestPrometheusAcceptsItsConfigsElsewhere(t *testing.T) {
	t.Parallel()
	for _, config := range []string{"compose/prometheus.yml", "swarm/prometheus.yml"} {
		dir := t.TempDir()
		for _, file := range []string{config, "../alerts/containers.yml", "../alerts/healing.yml"} {
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(read(t, file)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		run(t, "prometheus", "promtool", "check", "config", filepath.Join(dir, "prometheus.yml"))
	}
}
