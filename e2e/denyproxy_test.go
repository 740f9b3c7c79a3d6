package e2e

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

// denyProxy is a socket proxy before an engine, which lets pass what it is told to.
type denyProxy struct {
	host   string
	status int // of what it refuses

	mu      sync.Mutex
	allowed []string // as "GET /containers/*/json", without a version
}

// newDenyProxy is the engine behind a guard, which answers 403 to what it refuses.
func newDenyProxy(tb testing.TB, e *engine, allowed ...string) *denyProxy {
	return newDenyProxyWith(tb, e, http.StatusForbidden, allowed...)
}

func newDenyProxyWith(tb testing.TB, e *engine, status int, allowed ...string) *denyProxy {
	tb.Helper()
	dir, err := os.MkdirTemp(workdir, "guard-")
	if err != nil {
		tb.Fatal(err)
	}
	config := net.ListenConfig{}
	listener, err := config.Listen(tb.Context(), "unix", filepath.Join(dir, "s"))
	if err != nil {
		tb.Fatal(err)
	}
	g := &denyProxy{host: "unix://" + listener.Addr().String(), status: status, allowed: allowed}
	server := &http.Server{ReadHeaderTimeout: limit, Handler: g.before(e)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // until it is closed
	}()
	tb.Cleanup(func() {
		server.Close()
		<-ended
	})
	return g
}

func (g *denyProxy) before(e *engine) http.Handler {
	onward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(e.host, "unix://"))
		}},
		FlushInterval: -1, // the event stream's
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.allows(r) {
			http.Error(w, http.StatusText(g.status), g.status)
			return
		}
		onward.ServeHTTP(w, r)
	})
}

var versionPrefix = regexp.MustCompile(`^/v[0-9.]+`)

func (g *denyProxy) allows(r *http.Request) bool {
	request := r.Method + " " + versionPrefix.ReplaceAllString(r.URL.Path, "")
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.allowed, func(pattern string) bool {
		matches, err := path.Match(pattern, request)
		return err == nil && matches
	})
}

// allow lets pass a request that was refused.
func (g *denyProxy) allow(request string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowed = append(g.allowed, request)
}
