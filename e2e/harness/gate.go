package harness

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// Call is one that changes something: of a kind as Defib's metrics have it, to one
// container, or to none, as create.
type Call struct{ Kind, ID string }

// Gate stands between Defib and the engine's socket, and holds one call: before the engine
// hears of it, or once the engine has answered, before Defib hears of that.
type Gate struct {
	Host  string
	holds func(Call) bool
	late  bool // once the engine has answered

	engine http.Handler
	held   chan struct{} // closed when the call is there
	verdict
}

// verdict says what becomes of the call that is held.
type verdict struct {
	passed, broken chan struct{} // closed
	mu             sync.Mutex
	calls          []Call
	caught         bool
}

// NewGate stands before an engine until the end of the test. It holds the first call that
// is meant; late says when.
func NewGate(tb testing.TB, e *Engine, late bool, holds func(Call) bool) *Gate {
	tb.Helper()
	g := &Gate{holds: holds, late: late, held: make(chan struct{})}
	g.passed, g.broken = make(chan struct{}), make(chan struct{})
	g.engine = onward(e, func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) })
	g.Host = "unix://" + serveSocket(tb, g)
	return g
}

// Held reports whether the call has come.
func (g *Gate) Held() bool {
	select {
	case <-g.held:
		return true
	default:
		return false
	}
}

// Pass lets the call go on, and all others from now on.
func (g *Gate) Pass() { close(g.passed) }

// Break breaks the connection that the call came by.
func (g *Gate) Break() { close(g.broken) }

// Calls are those so far that were to change something, held or not.
func (g *Gate) Calls() []Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}

// ServeHTTP passes one call on, and holds the one that is meant.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch mine := g.take(r); {
	case !mine:
		g.engine.ServeHTTP(w, r)
	case g.late:
		// The engine does what it was asked, whoever goes away meanwhile.
		answer := httptest.NewRecorder()
		g.engine.ServeHTTP(answer, r.Clone(context.WithoutCancel(r.Context())))
		g.wait(r.Context())
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	default:
		g.wait(r.Context())
		g.engine.ServeHTTP(w, r)
	}
}

// take notes a call, and reports whether it is the one to hold.
func (g *Gate) take(r *http.Request) bool {
	c, changes := changing(r)
	if !changes {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, c)
	mine := !g.caught && g.holds(c)
	g.caught = g.caught || mine
	return mine
}

// wait holds a call until it may pass. Otherwise it ends it.
func (g *Gate) wait(ctx context.Context) {
	close(g.held)
	select {
	case <-g.passed:
	case <-g.broken:
		panic(http.ErrAbortHandler)
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	}
}

var changeOf = regexp.MustCompile(`^(?:/v1\.\d+)?/containers/([^/]+)(?:/([a-z]+))?$`)

// changing says what a request is to change.
func changing(r *http.Request) (c Call, changes bool) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return Call{}, false
	}
	m := changeOf.FindStringSubmatch(r.URL.Path)
	switch {
	case m == nil:
		return Call{Kind: r.Method + " " + r.URL.Path}, true
	case r.Method == http.MethodDelete:
		return Call{"remove", m[1]}, true
	case m[1] == "create":
		return Call{Kind: "create"}, true
	}
	return Call{m[2], m[1]}, true
}
