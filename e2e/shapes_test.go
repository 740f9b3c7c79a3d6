package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"defib/e2e/harness"
)

// TestAlertsOnOtherExportersMetricsNeedNoRelabelling posts alerts with the labels
// that those metrics have.
func TestAlertsOnOtherExportersMetricsNeedNoRelabelling(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	d := s.Defib("--restart.whitelist="+s.Prefix+"*", hasty)
	boxes := 0
	for name, labels := range map[string]func(*harness.Container) []string{
		"cAdvisor on cgroupfs": func(b *harness.Container) []string {
			return []string{"id", "/docker/" + b.ID, "name", b.Name, "image", harness.TestappImage, "instance", "cadvisor:8080", "job", "cadvisor"}
		},
		"cAdvisor on systemd": func(b *harness.Container) []string {
			return []string{"id", "/system.slice/docker-" + b.ID + ".scope", "name", b.Name, "image", harness.TestappImage}
		},
		"cAdvisor that knows no name but the id": func(b *harness.Container) []string {
			return []string{"id", "/", "name", b.ID}
		},
		"davidborzek/docker-exporter": func(b *harness.Container) []string {
			return []string{"name", b.Name, "instance", "docker-exporter:8080"}
		},
		"an application with a rule of its own": func(b *harness.Container) []string {
			return []string{"container", b.Name, "id", "42", "name", "checkout", "job", "shop"}
		},
		"a blackbox probe": func(b *harness.Container) []string {
			return []string{"container", b.Name, "instance", "http://shop.example.org/health", "job", "blackbox"}
		},
		"names with their slash": func(b *harness.Container) []string { return []string{"container_name", "/" + b.Name} },
		"short ids":              func(b *harness.Container) []string { return []string{"container_id", b.ID[:12]} },
	} {
		t.Run(name, func(t *testing.T) {
			boxes++
			b := s.Run(fmt.Sprint("box", boxes), harness.Spec{})
			// An alert that comes before Defib has heard of the start is taken for answered by it.
			d.AwaitValue(harness.Series("docker_container_events_total", "name", b.Name, "event", "start"), 1)
			d.Knows(s)
			d.Heals(harness.FiringAlert(labels(b)...))
			b.AwaitEvents("start", 2)
		})
	}
}

// TestGrafanaHealsToo posts what Grafana's own Alertmanager sends to a webhook,
// field for field as its documentation has it.
func TestGrafanaHealsToo(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), hasty)
	type object = map[string]any
	labels := object{"alertname": "High memory usage", "heal": "restart", "container": b.Name, "grafana_folder": "shop"}
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
	d.Obeys("restarted", "was restarted", func() harness.Reply { return d.Call(http.MethodPost, string(body)) })
}
