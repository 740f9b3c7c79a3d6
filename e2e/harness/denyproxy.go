package harness

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
	dir, err := os.MkdirTemp(workdir, "deny-")
	if err != nil {
		tb.Fatal(err)
	}
	config := net.ListenConfig{}
	listener, err := config.Listen(tb.Context(), "unix", filepath.Join(dir, "s"))
	if err != nil {
		tb.Fatal(err)
	}
	p := &DenyProxy{Host: "unix://" + listener.Addr().String(), status: status, allowed: allowed}
	server := &http.Server{ReadHeaderTimeout: Limit, Handler: p.before(e)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until it is closed
	}()
	tb.Cleanup(func() {
		server.Close()
		<-ended
	})
	return p
}

func (p *DenyProxy) before(e *Engine) http.Handler {
	onward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(e.Host, "unix://"))
		}},
		FlushInterval: -1, // the event stream's
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.allows(r) {
			http.Error(w, http.StatusText(p.status), p.status)
			return
		}
		onward.ServeHTTP(w, r)
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
