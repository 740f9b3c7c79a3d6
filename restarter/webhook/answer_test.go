package webhook_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/webhook"
)

func TestWhatWasSoughtIsInTheAnswerTheLogAndTheReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		c := Post(t, h, Firing("container", "nobody", "exported_container", "web"))
		c.Want(200, outcome.NotFound)
		for place, text := range map[string]string{"answer": c.Rec.Body.String(), "log": w.Log.String(), "report": fmt.Sprint(w.Report().Alerts)} {
			text = strings.ReplaceAll(text, `\`, "")
			for _, want := range []string{`container="nobody"`, `exported_container="web"`, "honor_labels"} {
				if !strings.Contains(text, want) {
					t.Errorf("the %s does not say %s: %s", place, want, text)
				}
			}
		}
	})
}

func TestAWarningNamesTheRuleThatGrafanaCouldNotEvaluate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		Post(t, h, Firing("alertname", "DatasourceError", "rulename", "Slow", "container", "web")).Want(200, outcome.NotEvaluated)
		if want := `level=WARN msg="alert answered" alert=DatasourceError container="" outcome=not_evaluated peer=127.0.0.1:1234 detail="rulename=\"Slow\", container=\"web\""`; !strings.Contains(w.Log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, &w.Log)
		}
		w.WantStarts()
	})
}

func TestAlertsThatTheSenderLeftOutAreToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		for text, want := range map[string]float64{"0": 0, "-1": 0, "7": 7} {
			before := truncated(t, h)
			if rec := ask(h, `{"version":"4","alerts":[],"truncatedAlerts":`+text+`}`); rec.Code != 200 {
				t.Errorf("%s: status %d", text, rec.Code)
			}
			if got := truncated(t, h) - before; got != want {
				t.Errorf("%s: counted %v, want %v", text, got, want)
			}
		}
		if got := w.Log.String(); strings.Count(got, "max_alerts") != 1 || !strings.Contains(got, "count=7") {
			t.Errorf("want one line on max_alerts with count=7:\n%s", got)
		}
	})
}

func TestBlanksAroundLabelsAreHarmless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := NewWebhook(t, Usual(), Up("a1", "web"))
		h := webhook.New(w.Restarter, webhook.Guard{}, []webhook.Match{{Label: "docker_host", Value: "alpha"}}, w.Logger)
		Post(t, h, Firing("container", " web ", "heal", " restart\n", "docker_host", " alpha")).Want(200, outcome.Restarted)
	})
}

// truncated is what the webhook counts as left out.
func truncated(t *testing.T, h *webhook.Webhook) float64 {
	t.Helper()
	f := Gather(t, h, "defib_webhook_truncated_alerts_total")
	if f == nil {
		t.Fatal("it is not counted")
	}
	return f.GetMetric()[0].GetCounter().GetValue()
}
