package e2e

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

// relay stands between Alertmanager and Defib. It passes on what comes, as it
// is, keeps a record of it, and stays where it is while Defib comes and goes.
type relay struct {
	testing.TB
	server    *httptest.Server
	tokenFile string

	mu    sync.Mutex
	base  string // of Defib; "": nobody is there
	posts []delivery
}

// delivery is one POST to the webhook and what came of it.
type delivery struct {
	from   string // address of the Alertmanager
	at     time.Time
	alerts []alert
	over   bool
	status int // 0: no answer, or none that was heard
	told   []told
}

// firing reports whether it is about an alert that fires.
func (p delivery) firing() bool { return p.alerts[0].Status == "firing" }

func newRelay(tb testing.TB) *relay {
	tb.Helper()
	r := &relay{TB: tb, tokenFile: file(tb, "token", strings.Repeat("secret", 6)+"\n")}
	r.server = httptest.NewServer(r)
	tb.Cleanup(r.close)
	return r
}

func (r *relay) close() {
	r.server.Close()
	if r.Failed() {
		for _, p := range r.deliveries() {
			r.Logf("%s %s delivered %v, answered %d %v", p.at.Format("15:04:05.000"), p.from, p.alerts, p.status, p.told)
		}
	}
}

// token is the flag that makes Defib ask for what Alertmanager sends.
func (r *relay) token() string { return "--webhook.token-file=" + r.tokenFile }

// to says which Defib the webhook is now; nil is none.
func (r *relay) to(d *defib) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.base = ""
	if d != nil {
		r.base = d.base
	}
}

// ServeHTTP hangs up where Defib does not answer.
func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var sent struct{ Alerts []alert }
	if err := json.Unmarshal(body, &sent); err != nil {
		r.Errorf("delivered what is no JSON: %v\n%s", err, body)
	}
	r.mu.Lock()
	base, n := r.base, len(r.posts)
	r.posts = append(r.posts, delivery{from: req.URL.Query().Get("from"), at: time.Now(), alerts: sent.Alerts})
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
	var got struct{ Alerts []told }
	if err := json.Unmarshal(answer, &got); err != nil {
		r.Errorf("answered what is no JSON: %v\n%s", err, answer)
	}
	r.mu.Lock()
	r.posts[n].status, r.posts[n].told = resp.StatusCode, got.Alerts
	r.mu.Unlock()
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer)
}

// deliveries returns what was delivered so far.
func (r *relay) deliveries() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.posts)
}

// settled returns what was delivered so far, once all of it has been answered.
func (r *relay) settled() (posts []delivery) {
	r.Helper()
	eventually(r, "all deliveries to be answered", func() bool {
		posts = r.deliveries()
		return !slices.ContainsFunc(posts, func(p delivery) bool { return !p.over })
	})
	return posts
}

// await waits for the nth delivery of a kind and returns it.
func (r *relay) await(n int, what string, is func(delivery) bool) delivery {
	r.Helper()
	var found []delivery
	eventually(r, fmt.Sprintf("delivery %d that is %s", n, what), func() bool {
		found = slices.DeleteFunc(r.deliveries(), func(p delivery) bool { return !is(p) })
		return len(found) >= n
	})
	return found[n-1]
}

// answered is what a delivery with this status is.
func answered(status int) func(delivery) bool {
	return func(p delivery) bool { return p.status == status }
}

// outcomes returns what became of the container's alerts, delivery by delivery,
// where there was an answer.
func (r *relay) outcomes(b *testContainer) []string {
	var found []string
	for _, p := range r.deliveries() {
		for _, t := range p.told {
			if t.Container == b.name {
				found = append(found, t.Outcome)
			}
		}
	}
	return found
}

// with is what a delivery that was answered with this outcome is.
func with(outcome string) func(delivery) bool {
	return func(p delivery) bool {
		return slices.ContainsFunc(p.told, func(t told) bool { return t.Outcome == outcome })
	}
}
