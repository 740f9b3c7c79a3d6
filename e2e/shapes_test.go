package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestAlertsOnOtherExportersMetricsNeedNoRelabelling posts alerts with the labels
// that those metrics have.
func TestAlertsOnOtherExportersMetricsNeedNoRelabelling(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	d := s.defib("--restart.whitelist="+s.prefix+"*", hasty)
	boxes := 0
	for name, labels := range map[string]func(*testContainer) []string{
		"cAdvisor on cgroupfs": func(b *testContainer) []string {
			return []string{"id", "/docker/" + b.id, "name", b.name, "image", testappImage, "instance", "cadvisor:8080", "job", "cadvisor"}
		},
		"cAdvisor on systemd": func(b *testContainer) []string {
			return []string{"id", "/system.slice/docker-" + b.id + ".scope", "name", b.name, "image", testappImage}
		},
		"cAdvisor that knows no name but the id": func(b *testContainer) []string {
			return []string{"id", "/", "name", b.id}
		},
		"davidborzek/docker-exporter": func(b *testContainer) []string {
			return []string{"name", b.name, "instance", "docker-exporter:8080"}
		},
		"an application with a rule of its own": func(b *testContainer) []string {
			return []string{"container", b.name, "id", "42", "name", "checkout", "job", "shop"}
		},
		"a blackbox probe": func(b *testContainer) []string {
			return []string{"container", b.name, "instance", "http://shop.example.org/health", "job", "blackbox"}
		},
		"names with their slash": func(b *testContainer) []string { return []string{"container_name", "/" + b.name} },
		"short ids":              func(b *testContainer) []string { return []string{"container_id", b.id[:12]} },
	} {
		t.Run(name, func(t *testing.T) {
			boxes++
			b := s.run(fmt.Sprint("box", boxes), spec{})
			d.knows(s)
			d.heals(firingAlert(labels(b)...))
			b.awaitEvents("start", 2)
		})
	}
}

// TestGrafanaHealsToo posts what Grafana's own Alertmanager sends to a webhook,
// field for field as its documentation has it.
func TestGrafanaHealsToo(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", spec{})
	d := s.defib(whitelist(b), hasty)
	type object = map[string]any
	labels := object{"alertname": "High memory usage", "heal": "restart", "container": b.name, "grafana_folder": "shop"}
	body, err := json.Marshal(object{
		"receiver": "Defib", "status": "firing", "orgId": 1,
		"alerts": []object{{
			"status": "firing", "labels": labels, "annotations": object{"summary": "it is full"},
			"startsAt": time.Now().Format(time.RFC3339Nano), "endsAt": "0001-01-01T00:00:00Z",
			"values": object{"B": 44.23943737541908, "C": 1}, "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit",
			"fingerprint": "c6eadffa33fcdf37", "silenceURL": "https://play.grafana.org/alerting/silence/new",
			"dashboardURL": "", "panelURL": "", "valueString": "[ var='B' labels={} value=44.2 ]", "imageURL": "",
		}},
		"groupLabels": object{}, "commonLabels": labels, "commonAnnotations": object{},
		"externalURL": "https://play.grafana.org/", "version": "1", "groupKey": "{}:{alertname=\"High memory usage\"}",
		"truncatedAlerts": 0, "title": "[FIRING:1] High memory usage", "state": "alerting", "message": "**Firing**",
	})
	if err != nil {
		t.Fatal(err)
	}
	d.obeys("restarted", "was restarted", func() reply { return d.call(http.MethodPost, string(body)) })
}
