package restarter

import (
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"defib/engine"
)

// alertResult is what the answer says of one alert.
type alertResult struct {
	Fingerprint string     `json:"fingerprint,omitempty"`
	Alertname   string     `json:"alertname,omitempty"`
	Container   string     `json:"container,omitempty"`
	Outcome     Outcome    `json:"outcome"`
	Message     string     `json:"message"`
	Until       *time.Time `json:"until,omitempty"` // when it may be otherwise

	detail string
}

func (s *alertResult) set(a answer) {
	s.Outcome, s.Message = a.outcome, a.outcome.Sentence()
	if s.detail = a.detail; a.detail != "" {
		s.Message += ": " + a.detail
	}
	if !a.until.IsZero() {
		s.Until = &a.until
		s.Message += "; ask again in " + time.Until(a.until).Round(time.Second).String()
	}
}

// answer has the alerts carried out, each judged by itself, and waits for what
// comes of them. One that Alertmanager is to try again makes the whole answer a
// 503.
func (h *Webhook) answer(r *http.Request, alerts []Alert) (status int, body any) {
	came := time.Now()
	h.warnOfHosts(alerts)
	snapshot := h.engine.Snapshot()
	told := make([]alertResult, len(alerts))
	requests := make([][]*request, len(alerts)) // none: said already
	asked := 0
	for i, a := range alerts {
		requests[i] = h.judge(r, a, snapshot, &told[i])
		if asked += len(requests[i]); asked > maxAsked {
			requests[i] = nil
			told[i].set(answer{outcome: Busy})
		}
	}
	h.ask(r.Context(), slices.Concat(requests...))
	status = http.StatusOK
	for i, qs := range requests {
		if len(qs) > 0 {
			told[i].set(h.waitAll(r.Context(), qs))
		}
		o := told[i].Outcome
		h.outcomes.WithLabelValues(string(o)).Inc()
		h.alerts.add(AlertRecord{
			AlertSource: alertSource(r, told[i].Alertname), ReceivedAt: came, Container: told[i].Container,
			Took: time.Since(came), Outcome: o, Message: told[i].Message,
		})
		status = max(status, o.Status())
	}
	h.logAlerts(r, told)
	return status, struct {
		Alerts []alertResult `json:"alerts"`
	}{told}
}

// maxAsked is how many containers the alerts of one request may ask for.
const maxAsked = 10_000

// judge returns what the alert asks of which containers; nothing if it asks for
// nothing that could be done: then s says why.
func (h *Webhook) judge(r *http.Request, a Alert, p *engine.Snapshot, s *alertResult) []*request {
	s.Fingerprint, s.Alertname = echo(a.Fingerprint), echo(a.Labels["alertname"])
	start, outcome := a.action(h.matches)
	if outcome != "" {
		s.set(answer{outcome: outcome, detail: a.about(outcome)})
		return nil
	}
	cs, none := a.targets(p)
	now := time.Now()
	deadline := now.Add(webhookTimeout)
	if !p.Connected { // it is answered at once, but remembered: what starts from now on answers it
		none, deadline = answer{outcome: EngineUnavailable}, now
	}
	if len(cs) == 0 {
		s.set(none)
		return nil
	}
	s.Container = cs[0].Name
	if len(cs) > 1 {
		s.Container = serviceName(cs[0])
	}
	qs := make([]*request, len(cs))
	for i, c := range cs {
		qs[i] = &request{
			container: c.ID, name: c.Name, replica: len(cs) > 1, start: start,
			key: a.key(c.Name), source: alertSource(r, s.Alertname), since: a.since(),
			asked: now, deadline: deadline, left: r.Context().Done(), answer: make(chan answer, 1),
		}
	}
	return qs
}

// serviceName names the service of a container to people.
func serviceName(c *engine.Container) string {
	if c.Service() == "" {
		return c.Labels[labelSwarmService]
	}
	return service(c)
}

// maxLines is how many log lines one request may make of its alerts.
const maxLines = 20

// logAlerts logs what became of the alerts of a request: those of which the same is to
// be said in one line.
func (h *Webhook) logAlerts(r *http.Request, told []alertResult) {
	type text struct {
		alert, container, detail string
		outcome                  Outcome
	}
	var order []text
	counts := map[text]int{}
	rest, level := 0, slog.LevelDebug
	for _, s := range told {
		t := text{s.Alertname, s.Container, s.detail, s.Outcome}
		switch {
		case !h.logger.Enabled(r.Context(), t.outcome.level()):
			continue
		case counts[t] == 0 && len(order) == maxLines:
			rest, level = rest+1, max(level, t.outcome.level())
			continue
		case counts[t] == 0:
			order = append(order, t)
		}
		counts[t]++
	}
	for _, t := range order {
		attrs := []any{"alert", t.alert, "container", t.container, "outcome", t.outcome, "peer", r.RemoteAddr}
		if t.detail != "" && t.outcome != Outcome(Refused) { // which the engine warns of, once
			attrs = append(attrs, "detail", t.detail)
		}
		if n := counts[t]; n > 1 {
			attrs = append(attrs, "count", n)
		}
		h.logger.Log(r.Context(), t.outcome.level(), "alert answered", attrs...)
	}
	if rest > 0 {
		h.logger.Log(r.Context(), level, "more alerts answered", "peer", r.RemoteAddr, "count", rest)
	}
}

// maxEcho is how much is repeated of a text that a sender chose, in bytes.
const maxEcho = 200

// echo is what is repeated of a text that a sender chose, as long as it likes.
func echo(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxEcho)], "") }

// alertSource leaves out the port, which differs each time that the same alert comes.
func alertSource(r *http.Request, alert string) AlertSource {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	return AlertSource{Alert: alert, Peer: peer}
}
