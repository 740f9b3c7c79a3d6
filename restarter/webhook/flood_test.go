package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/webhook"
)

// ask posts a body and returns the whole answer.
func ask(h http.Handler, body string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://localhost/webhook", strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(rec, r)
	return rec
}

// many is a payload of n times the same alert.
func many(n int, alert string) string {
	return `{"version":"4","alerts":[` + strings.TrimSuffix(strings.Repeat(alert+",", n), ",") + "]}"
}

func TestARequestHoldsAThousandAlertsAndNotOneMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := NewWebhook(t, Usual())
		for n, want := range map[int]int{0: 200, 1: 200, webhook.MaxAlerts: 200, webhook.MaxAlerts + 1: 413, 340_000: 413} {
			rec := ask(h, many(n, "{}"))
			if rec.Code != want {
				t.Errorf("%d alerts: status %d, want %d", n, rec.Code, want)
			}
			if want == 413 && (!strings.Contains(rec.Body.String(), "group_by") || rec.Body.Len() > 500) {
				t.Errorf("%d alerts: answer %.500s", n, rec.Body)
			}
		}
	})
}

func TestFewLargeBodiesAreReadAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h := NewWebhook(t, Usual(), Up("a1", "web"))
		var done func()
		for range webhook.MaxLarge {
			done = h.ReadLarge()
		}
		large := Post(t, h, Firing("container", "web", "padding", strings.Repeat("x", webhook.LargeBody)))
		synctest.Wait()
		select {
		case <-large.Done:
			t.Error("one more is read meanwhile")
		default:
		}
		Post(t, h, Firing("container", "web")).Want(200, outcome.Restarted) // a small one does not wait
		done()
		large.Want(200, outcome.Outcome(outcome.TooYoung))
	})
}

func TestWhatASenderChoseIsRepeatedOnlyInPart(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	text := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	for name, alert := range map[string]string{
		"fingerprint": `{"fingerprint":` + text(long) + `}`,
		"alertname":   `{"labels":{"alertname":` + text(long) + `}}`,
		"container":   `{"status":"firing","labels":{"heal":"restart","container":` + text(long) + `}}`,
		"id":          `{"status":"firing","labels":{"heal":"restart","id":` + text(strings.Repeat("a", 100_000)) + `}}`,
		"instance":    `{"labels":{"instance":"a"}},{"labels":{"instance":` + text(long) + `}}`,
		"version":     "{}",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := NewWebhook(t, Usual())
				body := many(1, alert)
				if name == "version" {
					body = `{"version":` + text(long) + `}`
				}
				before := w.Log.Len()
				if n := ask(h, body).Body.Len(); n > 1500 {
					t.Errorf("the answer has %d bytes", n)
				}
				if n := w.Log.Len() - before; n > 1500 {
					t.Errorf("the log grew by %d bytes", n)
				}
			})
		})
	}
}

func TestTheSameIsLoggedOnceForARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		a := Firing("container", "nobody")
		alerts := []webhook.Alert{Firing("container", "web")}
		for range 500 {
			alerts = append(alerts, a)
		}
		<-Post(t, h, alerts...).Done
		if n := strings.Count(w.Log.String(), `msg="alert answered"`); n != 2 {
			t.Errorf("%d lines, want 2:\n%s", n, &w.Log)
		}
		if want := "alert=Sick container=\"\" outcome=not_found"; !strings.Contains(w.Log.String(), want) || !strings.Contains(w.Log.String(), " count=500\n") {
			t.Errorf("no line has %s and count=500:\n%s", want, &w.Log)
		}
	})
}

func TestARequestMakesFewLogLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		var alerts []webhook.Alert
		for i := range webhook.MaxAlerts {
			alerts = append(alerts, Firing("alertname", fmt.Sprint(i), "container", "nobody"))
		}
		before := strings.Count(w.Log.String(), "\n")
		<-Post(t, h, alerts...).Done
		if n := strings.Count(w.Log.String(), "\n") - before; n > webhook.MaxLines+1 {
			t.Errorf("%d lines", n)
		}
		if want := fmt.Sprintf(`msg="more alerts answered" peer=127.0.0.1:1234 count=%d`, webhook.MaxAlerts-webhook.MaxLines); !strings.Contains(w.Log.String(), "level=WARN "+want) {
			t.Errorf("the log does not say %s", want)
		}
	})
}

func TestTheJournalNamesSomeOfManyAskers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := NewWebhook(t, Usual(), Up("a1", "web"))
		var alerts []webhook.Alert
		for i := range webhook.MaxAlerts {
			alerts = append(alerts, Firing("alertname", fmt.Sprint(i), "container", "web"))
		}
		<-Post(t, h, alerts...).Done
		if got := w.Report().Actions; len(got) != 1 || len(got[0].Sources) != 20 {
			t.Errorf("want one action with 20 askers")
		}
	})
}

func TestACallAsksForABoundedNumberOfContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cs []*engine.Container
		for i := range 11 {
			cs = append(cs, Replica(fmt.Sprintf("a%02d", i), fmt.Sprintf("db-%02d", i)))
		}
		w, h := NewWebhook(t, Usual(func(p *policy.Policy) { p.DryRun = true }), cs...)
		var alerts []webhook.Alert
		for i := range webhook.MaxAlerts {
			alerts = append(alerts, Firing("alertname", fmt.Sprint(i), "container", "shop/db"))
		}
		c := Post(t, h, alerts...)
		<-c.Done
		want := map[outcome.Outcome]int{outcome.Busy: webhook.MaxAlerts - 10_000/11, outcome.Outcome(outcome.DryRun): 10_000 / 11}
		got := map[outcome.Outcome]int{}
		var body struct {
			Alerts []struct{ Outcome outcome.Outcome }
		}
		if err := json.Unmarshal(c.Rec.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		for _, a := range body.Alerts {
			got[a.Outcome]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if a := w.Report().Alerts[99]; a.Outcome != outcome.Busy || a.Container != "shop/db" {
			t.Errorf("the last is %+v", a)
		}
	})
}
