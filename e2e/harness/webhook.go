package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Alert is one as Alertmanager has it in its webhook.
type Alert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	StartsAt    time.Time         `json:"startsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// String tells it to people.
func (a Alert) String() string {
	return fmt.Sprint(a.Status, a.Labels, " since ", a.StartsAt.Format("15:04:05.000"))
}

// AlertResult is what Defib answers about an alert.
type AlertResult struct {
	Fingerprint, Alertname, Container, Outcome, Message string
	Until                                               time.Time
}

// FiringAlert is an alert that fires from now on and asks for a restart, with these
// labels: names and values in turn; an empty value takes one away.
func FiringAlert(labels ...string) Alert {
	a := Alert{Status: "firing", StartsAt: time.Now(), Labels: map[string]string{"alertname": "Sick", "heal": "restart"}}
	for i := 0; i+1 < len(labels); i += 2 {
		a.Labels[labels[i]] = labels[i+1]
	}
	maps.DeleteFunc(a.Labels, func(_, v string) bool { return v == "" })
	a.Fingerprint = fmt.Sprintf("%x", fmt.Sprint(a.Labels))
	return a
}

// Alert is one about this container.
func (b *Container) Alert(labels ...string) Alert {
	return FiringAlert(append([]string{"container", b.Name}, labels...)...)
}

// Reply is an answer of the webhook, or the lack of one.
type Reply struct {
	Status  int
	Text    string
	Results []AlertResult
	Took    time.Duration
	Err     error
}

// Call sends anything to the webhook.
func (d *Defib) Call(method, body string, header ...string) Reply {
	ctx, cancel := context.WithTimeout(d.Context(), Limit)
	defer cancel()
	begun := time.Now()
	req, err := http.NewRequestWithContext(ctx, method, d.URL+"/webhook", strings.NewReader(body))
	if err != nil {
		return Reply{Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	req.Close = true // a Defib of before may have had this port
	resp, err := d.client.Do(req)
	if err != nil {
		return Reply{Err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	got := struct{ Alerts []AlertResult }{}
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	return Reply{resp.StatusCode, string(text), got.Alerts, time.Since(begun), err}
}

// Post sends alerts by hand, as curl would.
func (d *Defib) Post(alerts ...Alert) Reply {
	body, err := json.Marshal(map[string]any{"version": "4", "status": "firing", "alerts": alerts})
	if err != nil {
		return Reply{Err: err}
	}
	return d.Call(http.MethodPost, string(body))
}

// Obeys checks that an alert has its container restarted or started, in these words
// among others. An engine may need longer for that than an answer may take: then it
// is sent again, as Alertmanager does. It returns the outcomes, the last one last.
func (d *Defib) Obeys(outcome, words string, send func() Reply) (outcomes []string) {
	d.Helper()
	r := send()
	for deadline := time.Now().Add(Limit); r.Outcome() == "in_progress" && time.Now().Before(deadline); r = send() {
		outcomes = append(outcomes, r.Outcome())
	}
	if len(outcomes) > 0 && r.Outcome() == "already_restarted" {
		outcome, words = r.Outcome(), ""
	}
	r.Is(d, http.StatusOK, outcome, words)
	return append(outcomes, r.Outcome())
}

// Heals posts an alert that asks for a restart and gets it.
func (d *Defib) Heals(a Alert) (outcomes []string) {
	d.Helper()
	return d.Obeys("restarted", "was restarted", func() Reply { return d.Post(a) })
}

// Outcome is what became of a single alert.
func (r Reply) Outcome() string {
	if r.Err != nil || len(r.Results) != 1 {
		return "no answer"
	}
	return r.Results[0].Outcome
}

// Is checks what became of a single alert, and that it is said in these words
// among others.
func (r Reply) Is(tb testing.TB, status int, outcome, words string) {
	tb.Helper()
	switch {
	case r.Err != nil:
		tb.Errorf("no answer: %v", r.Err)
	case r.Status != status || r.Outcome() != outcome || !strings.Contains(r.Results[0].Message, words):
		tb.Errorf("answered %d %s\nwant %d %s and the words %q", r.Status, r.Text, status, outcome, words)
	}
}

// Refuses checks that a request was turned away as a whole, in these words
// among others.
func (r Reply) Refuses(tb testing.TB, status int, words string) {
	tb.Helper()
	if r.Err != nil || r.Status != status || !strings.Contains(r.Text, words) {
		tb.Errorf("answered %d %s %v\nwant %d and the words %q", r.Status, r.Text, r.Err, status, words)
	}
}
