package docscheck

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/outcome"
	"defib/restarter/webhook"
)

// healer is a restarter that notes what it is asked for, and answers always the same.
type healer struct {
	asked  []decision.Alert
	answer restarter.Answer
}

func (h *healer) Heal(_ context.Context, _ string, alerts []decision.Alert) []restarter.Answer {
	h.asked = append(h.asked, alerts...)
	return slices.Repeat([]restarter.Answer{h.answer}, len(alerts))
}

func (h *healer) Record(restarter.AlertRecord) {}

// post sends a body to a webhook over a restarter, from this host unless changed.
func post(t *testing.T, h *healer, g webhook.Guard, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhook", strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:10911", "127.0.0.1:1234"
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	rec := httptest.NewRecorder()
	webhook.New(h, g, []webhook.Match{{Label: "host", Value: "here"}}, slog.New(slog.DiscardHandler)).ServeHTTP(rec, r)
	return rec
}

// payload is what Alertmanager sends of one firing alert.
func payload(version string, labels, annotations map[string]string) string {
	labels = maps.Clone(labels)
	labels["host"] = "here"
	text, _ := json.Marshal(map[string]any{"version": version, "alerts": []any{map[string]any{
		"status": "firing", "labels": labels, "annotations": annotations, "startsAt": "2026-01-02T15:04:05Z", "fingerprint": "c0ffee",
	}}})
	return string(text)
}

// targetLabels name a container in an alert, those that count most first.
var targetLabels = []string{
	"container_id", "id", "container", "container_name", "name",
	"container_label_com_docker_swarm_service_name", "container_label_com_docker_compose_service",
}

// stableAlertLabels are the labels and annotations of alerts that the webhook goes by.
func stableAlertLabels(t *testing.T) (lines []string) {
	t.Helper()
	asked := func(labels map[string]string) *decision.Alert {
		h := &healer{}
		post(t, h, webhook.Guard{}, payload("4", labels, nil), nil)
		if len(h.asked) == 0 {
			return nil
		}
		return &h.asked[0]
	}
	for _, action := range []string{"restart", "start"} {
		if a := asked(map[string]string{"heal": action, "container": "web"}); a != nil && a.Start == (action == "start") {
			lines = append(lines, "alert label: heal="+action)
		}
	}
	// Each is added to those that count less.
	labels := map[string]string{"heal": "restart", "container_label_com_docker_compose_project": "shop"}
	for place, label := range slices.Backward(targetLabels) {
		labels[label] = strings.Repeat(fmt.Sprintf("%x", 10+place%6), 12)
		a := asked(labels)
		if a == nil {
			continue
		}
		for what, value := range map[string]string{
			"the ID": a.Target.ID, "the name": a.Target.Name, "the compose service, beside its project": a.Target.Service, "the Swarm service": a.Target.SwarmService,
		} {
			if value == labels[label] {
				lines = append(lines, fmt.Sprintf("alert label: %s is %s", label, what))
				if place < len(targetLabels)-1 {
					lines = append(lines, fmt.Sprintf("alert label: %s counts more than %s", label, targetLabels[place+1]))
				}
			}
		}
	}
	h := &healer{}
	if rec := post(t, h, webhook.Guard{}, payload("4", map[string]string{"heal": "restart", "container": "web"}, map[string]string{"grafana_state_reason": "NoData"}), nil); strings.Contains(rec.Body.String(), string(outcome.NotEvaluated)) {
		lines = append(lines, "alert annotation: grafana_state_reason")
	}
	return lines
}

// stableWebhook are the statuses and the fields of the webhook's answers.
func stableWebhook(t *testing.T) (lines []string) {
	t.Helper()
	for o := range outcome.Outcomes {
		lines = append(lines, fmt.Sprintf("webhook: %d for the outcome %s", webhook.Status(o), o))
	}
	for reason := range outcome.Reasons {
		lines = append(lines, fmt.Sprintf("webhook: %d for the outcome %s", webhook.Status(outcome.Outcome(reason)), reason))
	}
	ask := map[string]string{"heal": "restart", "container": "web", "alertname": "Slow"}
	for _, version := range []string{"1", "4"} {
		rec := post(t, &healer{answer: restarter.Answer{Answer: outcome.Answer{Outcome: outcome.Restarted}}}, webhook.Guard{}, payload(version, ask, nil), nil)
		lines = append(lines, fmt.Sprintf("webhook: %d to a payload of version %s, with %s", rec.Code, version, rec.Header().Get("Content-Type")))
	}
	full := post(t, &healer{answer: restarter.Answer{
		Answer: outcome.Answer{Outcome: outcome.Outcome(outcome.TooYoung), Until: time.Now().Add(time.Minute)}, Container: "web",
	}}, webhook.Guard{}, payload("4", ask, nil), nil)
	least := post(t, &healer{}, webhook.Guard{}, `{"version":"4","alerts":[{"status":"resolved"}]}`, nil)
	always := answerFields(t, least)
	for field, typ := range answerFields(t, full) {
		if always[field] == "" {
			field += "?"
		}
		lines = append(lines, "webhook: field "+field+", "+typ)
	}

	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	right := payload("4", ask, nil)
	for what, rec := range map[string]*httptest.ResponseRecorder{
		"a caller on another host, without authentication": post(t, &healer{}, webhook.Guard{}, right, func(r *http.Request) { r.RemoteAddr = "192.0.2.1:1234" }),
		"a request without the token":                      post(t, &healer{}, webhook.Guard{TokenFile: token}, right, nil),
		"a token file that cannot be read":                 post(t, &healer{}, webhook.Guard{TokenFile: token + "x"}, right, nil),
		"GET":                                              post(t, &healer{}, webhook.Guard{}, "", func(r *http.Request) { r.Method = http.MethodGet }),
		"another Content-Type":                             post(t, &healer{}, webhook.Guard{}, right, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }),
		"what is not Alertmanager's JSON":                  post(t, &healer{}, webhook.Guard{}, "[]", nil),
		"more than 1 MiB":                                  post(t, &healer{}, webhook.Guard{}, strings.Repeat(" ", 1<<20+1), nil),
		"more than 1,000 alerts":                           post(t, &healer{}, webhook.Guard{}, `{"version":"4","alerts":[{}`+strings.Repeat(",{}", 1000)+`]}`, nil),
	} {
		lines = append(lines, fmt.Sprintf("webhook: %d to %s", rec.Code, what))
		for field, typ := range answerFields(t, rec) {
			lines = append(lines, fmt.Sprintf("webhook: field %s of a %d, %s", field, rec.Code, typ))
		}
	}
	return lines
}

// answerFields are the fields of a JSON answer, with their types.
func answerFields(t *testing.T, rec *httptest.ResponseRecorder) map[string]string {
	t.Helper()
	var v any
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("%s: %v", rec.Body, err)
	}
	fields := map[string]string{}
	valueFields("", v, fields)
	return fields
}

// valueFields notes the types of what is in a value.
func valueFields(path string, v any, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			valueFields(strings.TrimPrefix(path+"."+name, "."), field, into)
		}
	case []any:
		for _, one := range v {
			valueFields(path+"[]", one, into)
		}
	case string:
		into[path] = "string"
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			into[path] = "time"
		}
	case bool:
		into[path] = "boolean"
	case float64:
		into[path] = "number"
	}
}
