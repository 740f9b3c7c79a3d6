package harness

import (
	"net/http"
	"path"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// DenyProxy is a socket proxy before an engine, which lets pass what it is told to.
type DenyProxy struct {
	Host   string
	status int // of what it refuses

	mu      sync.Mutex
	allowed []string // as "GET /containers/*/json", without a version
}

// NewDenyProxy is a socket proxy that answers 403 to what it refuses.
func NewDenyProxy(tb testing.TB, e *Engine, allowed ...string) *DenyProxy {
	return NewDenyProxyWith(tb, e, http.StatusForbidden, allowed...)
}

// NewDenyProxyWith is NewDenyProxy with another status for what it refuses.
func NewDenyProxyWith(tb testing.TB, e *Engine, status int, allowed ...string) *DenyProxy {
	tb.Helper()
	p := &DenyProxy{status: status, allowed: allowed}
	p.Host = "unix://" + serveSocket(tb, p.before(e))
	return p
}

func (p *DenyProxy) before(e *Engine) http.Handler {
	engine := onward(e, func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.allows(r) {
			http.Error(w, http.StatusText(p.status), p.status)
			return
		}
		engine.ServeHTTP(w, r)
	})
}

var versionPrefix = regexp.MustCompile(`^/v[0-9.]+`)

func (p *DenyProxy) allows(r *http.Request) bool {
	request := r.Method + " " + versionPrefix.ReplaceAllString(r.URL.Path, "")
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.allowed, func(pattern string) bool {
		matches, err := path.Match(pattern, request)
		return err == nil && matches
	})
}

// Allow lets pass a request that was refused.
func (p *DenyProxy) Allow(request string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, request)
}
