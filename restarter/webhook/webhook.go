// Package webhook receives alerts from Alertmanager: it admits and decodes a request,
// hands its alerts over, waits, and answers with what really became of each.
package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"defib/internal/transition"
	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/outcome"
)

const (
	// Alertmanager hangs up after group_interval, which is 10 s at least.
	timeout    = 9 * time.Second
	maxBody    = 1 << 20
	maxIgnored = 8 << 20 // of a body that is refused unread
	maxCalls   = 64      // under way at a time
	largeBody  = 64 << 10
	maxLarge   = 2 // larger bodies that are read at a time: one takes up to 15 MB
)

var errTooLarge = errors.New("the body is larger than 1 MiB: group the alerts by more labels (group_by: ['...'])")

// Restarter is what the webhook asks of a restarter.
type Restarter interface {
	// Heal has alerts carried out or declined, and returns what became of each, in
	// their order, by their deadlines at the latest.
	Heal(ctx context.Context, peer string, alerts []decision.Alert) []restarter.Answer
	// Record keeps what was answered to an alert, for people to read.
	Record(restarter.AlertRecord)
}

// Webhook receives alerts from Alertmanager and answers with what really became
// of each. It implements http.Handler and prometheus.Collector.
type Webhook struct {
	restarter   Restarter
	logger      *slog.Logger
	guard       Guard
	credentials *reader // of the guard
	matches     []Match
	slots       chan struct{}
	large       chan struct{} // as slots, for large bodies that are being read

	outcomes  *prometheus.CounterVec
	requests  *prometheus.CounterVec
	truncated prometheus.Counter

	said transition.States // by status code: the minute in which a refusal was logged; and of instances
}

// New returns the webhook of a Restarter. Alerts that do not bear every
// label of matches are another host's.
func New(r Restarter, g Guard, matches []Match, logger *slog.Logger) *Webhook {
	h := &Webhook{
		restarter: r, logger: logger, guard: g, credentials: newReader(g.read), matches: matches, slots: make(chan struct{}, maxCalls), large: make(chan struct{}, maxLarge),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defib_alerts_total", Help: "Alerts received, by outcome.",
		}, []string{"outcome"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "defib_webhook_requests_total", Help: "Requests to the webhook, by HTTP status code.",
		}, []string{"code"}),
		truncated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "defib_webhook_truncated_alerts_total", Help: "Alerts that their sender left out of a request because of max_alerts.",
		}),
	}
	for o := range outcome.Outcomes {
		h.outcomes.WithLabelValues(string(o))
	}
	for reason := range outcome.Reasons {
		h.outcomes.WithLabelValues(string(reason))
	}
	for _, code := range []int{200, 400, 401, 403, 405, 413, 415, 503} {
		h.requests.WithLabelValues(strconv.Itoa(code))
	}
	return h
}

// Describe implements prometheus.Collector.
func (h *Webhook) Describe(ch chan<- *prometheus.Desc) {
	h.outcomes.Describe(ch)
	h.requests.Describe(ch)
	h.truncated.Describe(ch)
}

// Collect implements prometheus.Collector.
func (h *Webhook) Collect(ch chan<- prometheus.Metric) {
	h.outcomes.Collect(ch)
	h.requests.Collect(ch)
	h.truncated.Collect(ch)
}

// ServeHTTP answers a POST of alerts. docs/reference/outcomes.md has the status codes.
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
		h.outcomes.WithLabelValues(string(outcome.Busy)).Inc()
		return Status(outcome.Busy), refusal{outcome.Busy.Sentence()}
	}
	p, status, err := h.read(w, r)
	if err != nil {
		return h.refuse(r, status, err)
	}
	h.warnOfTruncated(r, p.truncated())
	return h.answer(r, p.Alerts)
}

// read reads the body; an error comes with the status to answer with. Few large bodies
// are read at a time, since that takes a multiple of their size in memory.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request) (p payload, status int, err error) {
	if r.ContentLength < 0 || r.ContentLength > largeBody { // its size is not known, or large
		select {
		case h.large <- struct{}{}:
			defer func() { <-h.large }()
		case <-r.Context().Done():
			return p, http.StatusServiceUnavailable, errors.New("the client closed the connection")
		}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return p, http.StatusRequestEntityTooLarge, errTooLarge
	}
	if err != nil {
		return p, http.StatusBadRequest, fmt.Errorf("read the request body: %w", err)
	}
	p, err = decode(text)
	if errors.Is(err, errTooMany) {
		return p, http.StatusRequestEntityTooLarge, err
	}
	return p, http.StatusBadRequest, err
}

// refuse turns a request away. That is logged once a minute for each status:
// anybody can make it happen.
func (h *Webhook) refuse(r *http.Request, status int, err error) (int, any) {
	if minute := time.Now().Truncate(time.Minute); h.said.Changed(strconv.Itoa(status), minute.String()) {
		h.logger.Warn("webhook request refused", "peer", r.RemoteAddr, "code", status, "err", err)
	}
	return status, refusal{err.Error()}
}

// admit checks who calls, how, and with what, in this order.
func (h *Webhook) admit(r *http.Request) (status int, err error) {
	if status, err := h.guard.admit(r, h.credentials); err != nil {
		return status, err
	}
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, errors.New("the method must be POST, not " + echo(r.Method))
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return http.StatusUnsupportedMediaType, errors.New("Content-Type must be application/json")
	}
	if r.ContentLength > maxBody {
		return http.StatusRequestEntityTooLarge, errTooLarge
	}
	return 0, nil
}

// warnOfTruncated warns of alerts that never arrive: what they ask for is not done.
func (h *Webhook) warnOfTruncated(r *http.Request, n float64) {
	if n <= 0 {
		return
	}
	h.truncated.Add(n)
	h.logger.Warn("alerts truncated by their sender: in its receiver set max_alerts: 0, and in its route group_by: ['...']", "peer", r.RemoteAddr, "count", n)
}

// warnOfHosts warns once if alerts of several hosts come in and nothing tells
// which are this host's: a container of the same name may be restarted here for
// a fault of the other.
func (h *Webhook) warnOfHosts(alerts []Alert) {
	if len(h.matches) > 0 {
		return
	}
	for _, a := range alerts {
		instance, first := echo(a.Labels["instance"]), h.said.Last("instance")
		switch {
		case instance == "":
		case first == "":
			h.said.Changed("instance", instance)
		case instance != first && h.said.Changed("instances", "several"):
			h.logger.Warn("received alerts of several instances: set --webhook.match, or an alert from one host may restart a container of the same name on another",
				"instance", instance, "other", first)
		}
	}
}
