package restarter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
)

const (
	// Alertmanager hangs up after group_interval, which is 10 s at least.
	webhookPatience = 9 * time.Second
	maxBody         = 1 << 20
	maxIgnored      = 8 << 20 // of a body that is refused unread
	maxRequests     = 64      // under way at a time
)

var errTooLarge = errors.New("the body is larger than 1 MiB: lower max_alerts of the receiver")

// Webhook receives alerts from Alertmanager and answers with what really became
// of each. It implements http.Handler and prometheus.Collector.
type Webhook struct {
	*Restarter
	guard   Guard
	matches []Match
	slots   chan struct{}

	alerts   *prometheus.CounterVec
	requests *prometheus.CounterVec

	mu       sync.Mutex
	refused  map[int]time.Time // by status: when a refusal was last logged
	instance string            // of the first alert; several are warned about once
	warned   bool
}

// NewWebhook returns the webhook of a Restarter. Alerts that do not bear every
// label of matches are another host's.
func NewWebhook(r *Restarter, g Guard, matches []Match) *Webhook {
	h := &Webhook{
		Restarter: r, guard: g, matches: matches, slots: make(chan struct{}, maxRequests), refused: map[int]time.Time{},
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defib_alerts_total", Help: "Alerts received, by what became of them.",
		}, []string{"outcome"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defib_webhook_requests_total", Help: "Requests to the webhook, by HTTP status code.",
		}, []string{"code"}),
	}
	for o := range Outcomes {
		h.alerts.WithLabelValues(string(o))
	}
	for reason := range Reasons {
		h.alerts.WithLabelValues(string(reason))
	}
	for _, code := range []int{200, 400, 401, 403, 405, 413, 415, 503} {
		h.requests.WithLabelValues(strconv.Itoa(code))
	}
	return h
}

// Describe implements prometheus.Collector.
func (h *Webhook) Describe(ch chan<- *prometheus.Desc) {
	h.alerts.Describe(ch)
	h.requests.Describe(ch)
}

// Collect implements prometheus.Collector.
func (h *Webhook) Collect(ch chan<- prometheus.Metric) {
	h.alerts.Collect(ch)
	h.requests.Collect(ch)
}

// says is what the answer says of one alert.
type says struct {
	Fingerprint string     `json:"fingerprint,omitempty"`
	Alertname   string     `json:"alertname,omitempty"`
	Container   string     `json:"container,omitempty"`
	Outcome     Outcome    `json:"outcome"`
	Message     string     `json:"message"`
	Until       *time.Time `json:"until,omitempty"` // when it may be otherwise
}

func (s *says) tell(a answer) {
	s.Outcome, s.Message = a.outcome, a.outcome.Sentence()
	if a.err != nil {
		s.Message += ": " + a.err.Error()
	}
	if !a.until.IsZero() {
		s.Until = &a.until
		s.Message += "; ask again in " + time.Until(a.until).Round(time.Second).String()
	}
}

// ServeHTTP answers a POST of alerts. See the README for the status codes.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body := h.serve(w, r)
	h.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// refusal is the answer to a request that is turned away as a whole.
type refusal struct {
	Error string `json:"error"`
}

func (h *Webhook) serve(w http.ResponseWriter, r *http.Request) (status int, body any) {
	status, err := h.admit(r)
	if err != nil {
		switch status {
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", "Bearer")
		case http.StatusMethodNotAllowed:
			w.Header().Set("Allow", http.MethodPost)
		case http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge:
			// Who is still writing when the connection closes hears of a reset
			// instead of the answer.
			_, _ = io.CopyN(io.Discard, r.Body, maxIgnored)
		}
		return h.refuse(r, status, err)
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default: // its alerts are not even read: counted as one
		h.alerts.WithLabelValues(string(Busy)).Inc()
		return Busy.Status(), refusal{Busy.Sentence()}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return h.refuse(r, http.StatusRequestEntityTooLarge, errTooLarge)
	}
	if err != nil {
		return h.refuse(r, http.StatusBadRequest, fmt.Errorf("the body ended early: %w", err))
	}
	alerts, err := decode(text)
	if err != nil {
		return h.refuse(r, http.StatusBadRequest, err)
	}
	return h.answer(r, alerts)
}

// refuse turns a request away. That is logged once a minute for each status:
// anybody can make it happen.
func (h *Webhook) refuse(r *http.Request, status int, err error) (int, any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); now.Sub(h.refused[status]) >= time.Minute {
		h.refused[status] = now
		h.logger.Warn("webhook request refused", "peer", r.RemoteAddr, "code", status, "err", err)
	}
	return status, refusal{err.Error()}
}

// admit checks who calls, how, and with what, in this order.
func (h *Webhook) admit(r *http.Request) (status int, err error) {
	if status, err := h.guard.admit(r); err != nil {
		return status, err
	}
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, errors.New("want POST, not " + r.Method)
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return http.StatusUnsupportedMediaType, errors.New("want Content-Type: application/json")
	}
	if r.ContentLength > maxBody {
		return http.StatusRequestEntityTooLarge, errTooLarge
	}
	return 0, nil
}

// answer has the alerts carried out, each judged by itself, and waits for what
// comes of them. One that Alertmanager is to try again makes the whole answer a
// 503.
func (h *Webhook) answer(r *http.Request, alerts []Alert) (status int, body any) {
	came := time.Now()
	h.warnOfHosts(alerts)
	picture := h.engine.Picture()
	told := make([]says, len(alerts))
	requests := make([]*request, len(alerts)) // nil: said already
	for i, a := range alerts {
		requests[i] = h.judge(r, a, picture, &told[i])
	}
	h.ask(r.Context(), requests)
	status = http.StatusOK
	for i, q := range requests {
		if q != nil {
			told[i].tell(h.wait(r.Context(), q))
		}
		o := told[i].Outcome
		h.alerts.WithLabelValues(string(o)).Inc()
		h.logger.Log(r.Context(), o.level(), "alert answered", "alert", told[i].Alertname, "container", told[i].Container, "outcome", o, "peer", r.RemoteAddr)
		h.heard.add(Heard{
			Asker: asker(r, told[i].Alertname), Came: came, Container: told[i].Container,
			Took: time.Since(came), Outcome: o, Message: told[i].Message,
		})
		status = max(status, o.Status())
	}
	return status, struct {
		Alerts []says `json:"alerts"`
	}{told}
}

// judge returns what the alert asks of which container; nil if it asks for
// nothing that could be done: then s says why.
func (h *Webhook) judge(r *http.Request, a Alert, p *engine.Picture, s *says) *request {
	s.Fingerprint, s.Alertname = a.Fingerprint, a.Labels["alertname"]
	start, outcome := a.action(h.matches)
	if outcome == "" && !p.Connected {
		outcome = EngineAway
	}
	if outcome != "" {
		s.tell(answer{outcome: outcome})
		return nil
	}
	c, outcome := a.target(p)
	if outcome != "" {
		s.tell(answer{outcome: outcome})
		return nil
	}
	s.Container = c.Name
	now := time.Now()
	return &request{
		container: c.ID, start: start, key: a.key(c.ID), asker: asker(r, s.Alertname), since: a.since(),
		asked: now, deadline: now.Add(webhookPatience), left: r.Context().Done(), answer: make(chan answer, 1),
	}
}

// warnOfHosts warns once if alerts of several hosts come in and nothing tells
// which are this host's: a container of the same name may be restarted here for
// another one's sickness.
func (h *Webhook) warnOfHosts(alerts []Alert) {
	if len(h.matches) > 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range alerts {
		instance := a.Labels["instance"]
		switch {
		case instance == "" || h.warned:
		case h.instance == "":
			h.instance = instance
		case h.instance != instance:
			h.warned = true
			h.logger.Warn("alerts of several instances arrive: set --webhook.match, else one host's alert may restart another's container of the same name",
				"instance", instance, "other", h.instance)
		}
	}
}

// maxName is how much of an alert's name is kept, in bytes.
const maxName = 200

// asker leaves out the port, which differs each time that the same alert comes.
func asker(r *http.Request, alert string) Asker {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	return Asker{Alert: strings.ToValidUTF8(alert[:min(len(alert), maxName)], ""), Peer: peer}
}
