package world

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/webhook"
)

// Firing writes an alert as Alertmanager does; kv are its labels.
func Firing(kv ...string) webhook.Alert {
	a := webhook.Alert{Status: "firing", StartsAt: time.Now().Add(-time.Minute), Labels: map[string]string{"alertname": "Sick", "heal": "restart"}}
	for i := 0; i < len(kv); i += 2 {
		a.Labels[kv[i]] = kv[i+1]
	}
	a.Fingerprint = fmt.Sprint(a.Labels)
	return a
}

// Call is one POST of alerts under way.
type Call struct {
	t    *testing.T
	Rec  *httptest.ResponseRecorder
	Done chan struct{}
}

// Post sends alerts to a webhook, from this host.
func Post(t *testing.T, h http.Handler, alerts ...webhook.Alert) *Call {
	return PostUntil(t.Context(), t, h, alerts...)
}

// PostUntil is Post whose caller leaves at the end of the context.
func PostUntil(ctx context.Context, t *testing.T, h http.Handler, alerts ...webhook.Alert) *Call {
	t.Helper()
	body, err := json.Marshal(struct {
		Version string          `json:"version"`
		Alerts  []webhook.Alert `json:"alerts"`
	}{"4", alerts})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/webhook", strings.NewReader(string(body)))
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	c := &Call{t: t, Rec: httptest.NewRecorder(), Done: make(chan struct{})}
	go func() {
		defer close(c.Done)
		h.ServeHTTP(c.Rec, r)
	}()
	return c
}

// Want waits for the answer and compares its status and outcomes.
func (c *Call) Want(status int, outcomes ...outcome.Outcome) {
	c.t.Helper()
	<-c.Done
	var body struct {
		Alerts []struct {
			Outcome outcome.Outcome
			Message string
		}
	}
	if err := json.Unmarshal(c.Rec.Body.Bytes(), &body); err != nil {
		c.t.Fatalf("%v in %s", err, c.Rec.Body)
	}
	var got []outcome.Outcome
	for _, s := range body.Alerts {
		got = append(got, s.Outcome)
		if s.Message == "" {
			c.t.Errorf("outcome %q without a sentence", s.Outcome)
		}
	}
	if diff := cmp.Diff(outcomes, got); diff != "" || c.Rec.Code != status {
		c.t.Errorf("status %d, want %d; outcomes (-want +got):\n%s", c.Rec.Code, status, diff)
	}
}

// NewWebhook runs a Restarter over these containers, which came up an hour ago, and
// its webhook. A restart takes three seconds.
func NewWebhook(t *testing.T, p policy.Policy, cs ...*engine.Container) (*World, *webhook.Webhook) {
	for _, c := range cs {
		if c.Up() {
			c.Created, c.StartSeenAt, c.Started = time.Now().Add(-time.Hour), time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)
		}
	}
	w := NewWorld(t, p, cs...)
	w.OnStart(func(_ context.Context, c *engine.Container) error {
		time.Sleep(3 * time.Second)
		w.Runs(c.ID)
		return nil
	})
	return w, webhook.New(w.Restarter, webhook.Guard{}, nil, w.Logger)
}

// Says checks that the answer has this sentence.
func (c *Call) Says(words string) {
	c.t.Helper()
	if <-c.Done; !strings.Contains(c.Rec.Body.String(), words) {
		c.t.Errorf("the answer does not say %q: %s", words, c.Rec.Body)
	}
}
