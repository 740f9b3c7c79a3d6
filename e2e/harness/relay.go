package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Relay stands between Alertmanager and Defib. It passes on what comes, as it
// is, keeps a record of it, and stays where it is while Defib comes and goes.
type Relay struct {
	testing.TB
	server    *httptest.Server
	TokenFile string

	mu    sync.Mutex
	url   string // of Defib; "": nobody is there
	posts []Delivery
}

// Delivery is one POST to the webhook and what came of it.
type Delivery struct {
	From    string // address of the Alertmanager
	At      time.Time
	Alerts  []Alert
	over    bool
	Status  int // 0: no answer, or none that was heard
	Results []AlertResult
}

// Firing reports whether it is about an alert that fires.
func (p Delivery) Firing() bool { return p.Alerts[0].Status == "firing" }

// NewRelay listens until the end of the test.
func NewRelay(tb testing.TB) *Relay {
	tb.Helper()
	r := &Relay{TB: tb, TokenFile: File(tb, "token", strings.Repeat("secret", 6)+"\n")}
	r.server = httptest.NewServer(r)
	tb.Cleanup(r.close)
	return r
}

func (r *Relay) close() {
	r.server.Close()
	if r.Failed() {
		for _, p := range r.Deliveries() {
			r.Logf("%s %s delivered %v, answered %d %v", p.At.Format("15:04:05.000"), p.From, p.Alerts, p.Status, p.Results)
		}
	}
}

// Token is the flag that makes Defib ask for what Alertmanager sends.
func (r *Relay) Token() string { return "--webhook.token-file=" + r.TokenFile }

// ForwardTo says which Defib the webhook is now; nil is none.
func (r *Relay) ForwardTo(d *Defib) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.url = ""
	if d != nil {
		r.url = d.URL
	}
}

// ServeHTTP hangs up where Defib does not answer.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var sent struct{ Alerts []Alert }
	if err := json.Unmarshal(body, &sent); err != nil {
		r.Errorf("delivered what is no JSON: %v\n%s", err, body)
	}
	r.mu.Lock()
	base, n := r.url, len(r.posts)
	r.posts = append(r.posts, Delivery{From: req.URL.Query().Get("from"), At: time.Now(), Alerts: sent.Alerts})
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.posts[n].over = true
	}()

	onward, err := http.NewRequestWithContext(req.Context(), req.Method, base+req.URL.Path, bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	onward.Header = req.Header
	onward.Close = true // a Defib of before may have had this port
	resp, err := http.DefaultClient.Do(onward)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var got struct{ Alerts []AlertResult }
	if err := json.Unmarshal(answer, &got); err != nil {
		r.Errorf("answered what is no JSON: %v\n%s", err, answer)
	}
	r.mu.Lock()
	r.posts[n].Status, r.posts[n].Results = resp.StatusCode, got.Alerts
	r.mu.Unlock()
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer)
}

// Deliveries returns what was delivered so far.
func (r *Relay) Deliveries() []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posts)
}

// Settled returns what was delivered so far, once all of it has been answered.
func (r *Relay) Settled() (posts []Delivery) {
	r.Helper()
	Eventually(r, "all deliveries to be answered", func() bool {
		posts = r.Deliveries()
		return !slices.ContainsFunc(posts, func(p Delivery) bool { return !p.over })
	})
	return posts
}

// Await waits for the nth delivery of a kind and returns it.
func (r *Relay) Await(n int, what string, is func(Delivery) bool) Delivery {
	r.Helper()
	var found []Delivery
	Eventually(r, fmt.Sprintf("delivery %d that is %s", n, what), func() bool {
		found = slices.DeleteFunc(r.Deliveries(), func(p Delivery) bool { return !is(p) })
		return len(found) >= n
	})
	return found[n-1]
}

// WithStatus is what a delivery with this status is.
func WithStatus(status int) func(Delivery) bool {
	return func(p Delivery) bool { return p.Status == status }
}

// Outcomes returns what became of the container's alerts, delivery by delivery,
// where there was an answer.
func (r *Relay) Outcomes(b *Container) []string {
	var found []string
	for _, p := range r.Deliveries() {
		for _, t := range p.Results {
			if t.Container == b.Name {
				found = append(found, t.Outcome)
			}
		}
	}
	return found
}

// WithOutcome is what a delivery that was answered with this outcome is.
func WithOutcome(outcome string) func(Delivery) bool {
	return func(p Delivery) bool {
		return slices.ContainsFunc(p.Results, func(t AlertResult) bool { return t.Outcome == outcome })
	}
}
