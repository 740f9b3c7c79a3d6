package webhook

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/outcome"
)

// alertResult is what the answer says of one alert.
type alertResult struct {
	Fingerprint string          `json:"fingerprint,omitempty"`
	Alertname   string          `json:"alertname,omitempty"`
	Container   string          `json:"container,omitempty"`
	Outcome     outcome.Outcome `json:"outcome"`
	Message     string          `json:"message"`
	Until       *time.Time      `json:"until,omitempty"` // when it may be otherwise

	detail string
	took   time.Duration
}

func (s *alertResult) set(a restarter.Answer) {
	s.Container, s.Outcome, s.Message, s.took = a.Container, a.Outcome, a.Outcome.Sentence(), a.Took
	if s.detail = a.Detail; a.Detail != "" {
		s.Message += ": " + a.Detail
	}
	if !a.Until.IsZero() {
		s.Until = &a.Until
		s.Message += "; retry in " + time.Until(a.Until).Round(time.Second).String()
	}
}

// answer hands over the alerts that ask for something, waits for what comes of them, and
// says what became of each. One that Alertmanager is to try again makes the whole answer a
// 503.
func (h *Webhook) answer(r *http.Request, alerts []Alert) (status int, body any) {
	came := time.Now()
	h.warnOfHosts(alerts)
	results := make([]alertResult, len(alerts))
	var asking []decision.Alert
	var asker []*alertResult
	for i, a := range alerts {
		s := &results[i]
		s.Fingerprint, s.Alertname = echo(a.Fingerprint), echo(a.Labels["alertname"])
		start, none := a.action(h.matches)
		if none != "" {
			s.set(restarter.Answer{Answer: outcome.Answer{Outcome: none, Detail: a.about(none)}})
			continue
		}
		asker = append(asker, s)
		asking = append(asking, decision.Alert{
			Name: s.Alertname, ID: a.id(), Since: a.since(), Target: a.target(), Start: start,
			Asked: came, Deadline: came.Add(timeout),
		})
	}
	for i, a := range h.restarter.Heal(r.Context(), peer(r), asking) {
		asker[i].set(a)
	}
	status = http.StatusOK
	for _, s := range results {
		h.outcomes.WithLabelValues(string(s.Outcome)).Inc()
		h.restarter.Record(restarter.AlertRecord{
			AlertSource: restarter.AlertSource{Alert: s.Alertname, Peer: peer(r)}, ReceivedAt: came, Container: s.Container,
			Took: s.took, Outcome: s.Outcome, Message: s.Message,
		})
		status = max(status, Status(s.Outcome))
	}
	h.logAlerts(r, results)
	return status, struct {
		Alerts []alertResult `json:"alerts"`
	}{results}
}

// Status is the HTTP status that the outcome of one alert gives the answer: by 503
// Alertmanager's own retry carries on.
func Status(o outcome.Outcome) int {
	if o.Retry() {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// level is that of an outcome's log line: a person should look at a rule that
// cannot work.
func level(o outcome.Outcome) slog.Level {
	switch o {
	case outcome.NoTarget, outcome.UnknownAction, outcome.NotEvaluated, outcome.NotFound, outcome.NotWhitelisted, outcome.Outcome(outcome.BadLabel):
		return slog.LevelWarn
	case outcome.Resolved, outcome.NoAction, outcome.OtherHost, outcome.Gone, outcome.AlreadyRunning, outcome.AlreadyRestarted:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// maxLines is how many log lines one request may make of its alerts.
const maxLines = 20

// logAlerts logs what became of the alerts of a request: those of which the same is to
// be said in one line.
func (h *Webhook) logAlerts(r *http.Request, results []alertResult) {
	type text struct {
		alert, container, detail string
		outcome                  outcome.Outcome
	}
	var order []text
	counts := map[text]int{}
	rest, most := 0, slog.LevelDebug
	for _, s := range results {
		t := text{s.Alertname, s.Container, s.detail, s.Outcome}
		switch {
		case !h.logger.Enabled(r.Context(), level(t.outcome)):
			continue
		case counts[t] == 0 && len(order) == maxLines:
			rest, most = rest+1, max(most, level(t.outcome))
			continue
		case counts[t] == 0:
			order = append(order, t)
		}
		counts[t]++
	}
	for _, t := range order {
		attrs := []any{"alert", t.alert, "container", t.container, "outcome", t.outcome, "peer", r.RemoteAddr}
		if t.detail != "" && t.outcome != outcome.Outcome(outcome.Refused) { // which the engine warns of, once
			attrs = append(attrs, "detail", t.detail)
		}
		if n := counts[t]; n > 1 {
			attrs = append(attrs, "count", n)
		}
		h.logger.Log(r.Context(), level(t.outcome), "alert answered", attrs...)
	}
	if rest > 0 {
		h.logger.Log(r.Context(), most, "more alerts answered", "peer", r.RemoteAddr, "count", rest)
	}
}

// maxEcho is how much is repeated of a text that a sender chose, in bytes.
const maxEcho = 200

// echo is what is repeated of a text that a sender chose, as long as it likes.
func echo(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxEcho)], "") }

// peer is the address of the caller, without the port, which differs each time that the
// same alert comes.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
