package e2e

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

// alert is one as Alertmanager has it in its webhook.
type alert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	StartsAt    time.Time         `json:"startsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// String tells it to people.
func (a alert) String() string {
	return fmt.Sprint(a.Status, a.Labels, " since ", a.StartsAt.Format("15:04:05.000"))
}

// told is what Defib answers about an alert.
type told struct {
	Fingerprint, Alertname, Container, Outcome, Message string
	Until                                               time.Time
}

// firingAlert is an alert that fires from now on and asks for a restart, with these
// labels: names and values in turn; an empty value takes one away.
func firingAlert(labels ...string) alert {
	a := alert{Status: "firing", StartsAt: time.Now(), Labels: map[string]string{"alertname": "Sick", "heal": "restart"}}
	for i := 0; i+1 < len(labels); i += 2 {
		a.Labels[labels[i]] = labels[i+1]
	}
	maps.DeleteFunc(a.Labels, func(_, v string) bool { return v == "" })
	a.Fingerprint = fmt.Sprintf("%x", fmt.Sprint(a.Labels))
	return a
}

// alarm is one about this container.
func (b *testContainer) alarm(labels ...string) alert {
	return firingAlert(append([]string{"container", b.name}, labels...)...)
}

// reply is an answer of the webhook, or the lack of one.
type reply struct {
	status int
	text   string
	told   []told
	took   time.Duration
	err    error
}

// call sends anything to the webhook.
func (d *defib) call(method, body string, header ...string) reply {
	ctx, cancel := context.WithTimeout(d.Context(), limit)
	defer cancel()
	begun := time.Now()
	req, err := http.NewRequestWithContext(ctx, method, d.base+"/webhook", strings.NewReader(body))
	if err != nil {
		return reply{err: err}
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
		return reply{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	got := struct{ Alerts []told }{}
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	return reply{resp.StatusCode, string(text), got.Alerts, time.Since(begun), err}
}

// post sends alerts by hand, as curl would.
func (d *defib) post(alerts ...alert) reply {
	body, err := json.Marshal(map[string]any{"version": "4", "status": "firing", "alerts": alerts})
	if err != nil {
		return reply{err: err}
	}
	return d.call(http.MethodPost, string(body))
}

// obeys checks that an alert has its container restarted or started, in these words
// among others. An engine may need longer for that than an answer may take: then it
// is sent again, as Alertmanager does. It returns the outcomes, the last one last.
func (d *defib) obeys(outcome, words string, send func() reply) (outcomes []string) {
	d.Helper()
	r := send()
	for deadline := time.Now().Add(limit); r.outcome() == "in_progress" && time.Now().Before(deadline); r = send() {
		outcomes = append(outcomes, r.outcome())
	}
	if len(outcomes) > 0 && r.outcome() == "already_restarted" {
		outcome, words = r.outcome(), ""
	}
	r.is(d, http.StatusOK, outcome, words)
	return append(outcomes, r.outcome())
}

// heals posts an alert that asks for a restart and gets it.
func (d *defib) heals(a alert) (outcomes []string) {
	d.Helper()
	return d.obeys("restarted", "was restarted", func() reply { return d.post(a) })
}

// outcome is what became of a single alert.
func (r reply) outcome() string {
	if r.err != nil || len(r.told) != 1 {
		return "no answer"
	}
	return r.told[0].Outcome
}

// is checks what became of a single alert, and that it is said in these words
// among others.
func (r reply) is(tb testing.TB, status int, outcome, words string) {
	tb.Helper()
	switch {
	case r.err != nil:
		tb.Errorf("no answer: %v", r.err)
	case r.status != status || r.outcome() != outcome || !strings.Contains(r.told[0].Message, words):
		tb.Errorf("answered %d %s\nwant %d %s and the words %q", r.status, r.text, status, outcome, words)
	}
}

// refuses checks that a request was turned away as a whole, in these words
// among others.
func (r reply) refuses(tb testing.TB, status int, words string) {
	tb.Helper()
	if r.err != nil || r.status != status || !strings.Contains(r.text, words) {
		tb.Errorf("answered %d %s %v\nwant %d and the words %q", r.status, r.text, r.err, status, words)
	}
}
