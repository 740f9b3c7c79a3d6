package e2e

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v2"

	"defib/e2e/harness"
)

// socketProxy does what wollomatic/socket-proxy does with the settings of the
// example: 405 for a method that has no pattern, 403 for a path that does not
// match it, and it puts ^ and $ around a pattern but no brackets.
type socketProxy struct {
	allowed map[string]*regexp.Regexp // by method
	engine  *httputil.ReverseProxy

	mu       sync.Mutex
	requests []string // METHOD path
	refused  []string
}

// proxyService reads the proxy out of an example for compose.
func proxyService(tb testing.TB, path string) (command []string, environment map[string]string) {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Command     []string
			Environment map[string]string
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		tb.Fatal(err)
	}
	s, ok := file.Services["socket-proxy"]
	if !ok {
		tb.Fatalf("%s has no socket-proxy", path)
	}
	return s.Command, s.Environment
}

func newSocketProxy(tb testing.TB, e *harness.Engine) (p *socketProxy, host string) {
	tb.Helper()
	socket, ok := strings.CutPrefix(e.Host, "unix://")
	if !ok {
		harness.Unavailable(tb, "the socket proxy takes an engine with a socket, not "+e.Host)
	}
	command, _ := proxyService(tb, harness.Repository("deploy/socket-proxy/wollomatic.yaml"))
	p = &socketProxy{allowed: map[string]*regexp.Regexp{}}
	for _, arg := range command {
		if method, pattern, found := strings.Cut(strings.TrimPrefix(arg, "-allow"), "="); found && method == strings.ToUpper(method) {
			p.allowed[method] = regexp.MustCompile("^" + pattern + "$")
		}
	}
	p.engine = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	p.engine.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	p.engine.FlushInterval = -1
	server := httptest.NewServer(p)
	tb.Cleanup(func() {
		server.CloseClientConnections() // an event stream does not end by itself
		server.Close()
	})
	return p, "tcp://" + server.Listener.Addr().String()
}

// ServeHTTP keeps a record.
func (p *socketProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := http.StatusOK
	if pattern := p.allowed[r.Method]; pattern == nil {
		status = http.StatusMethodNotAllowed
	} else if !pattern.MatchString(r.URL.Path) {
		status = http.StatusForbidden
	}
	p.mu.Lock()
	p.requests = append(p.requests, r.Method+" "+r.URL.Path)
	if status != http.StatusOK {
		p.refused = append(p.refused, r.Method+" "+r.URL.Path)
	}
	p.mu.Unlock()
	if status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	p.engine.ServeHTTP(w, r)
}

// TestSocketProxyLetsDefibDoItsWork: all that Defib asks for passes the example's
// patterns, and it heals through them.
func TestSocketProxyLetsDefibDoItsWork(t *testing.T) {
	harness.DockerOnly(t, harness.HasOwnAPI)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	dead, sick := s.Run("dead", harness.Spec{Args: []string{"-code=3"}}), s.Run("sick", harness.Spec{})
	p, host := newSocketProxy(t, s.Engine)
	d := harness.StartDefib(t, host, harness.Whitelist(dead, sick), hasty, "--docker.resync-interval=1s")
	d.Ready()
	dead.Crash()
	dead.AwaitEvents("start", 2)
	d.Heals(sick.Alert())
	sick.AwaitEvents("start", 2)
	d.AwaitValue(harness.Restarts(dead), 1)
	if code := harness.Spawn(t, nil, "check", unhurried, "--docker.host="+host, harness.Whitelist(dead, sick)).ExitCode(); code != 0 {
		t.Errorf("defib check leaves with %d behind the proxy", code)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.refused) > 0 {
		t.Errorf("refused: %v", p.refused)
	}
	shapes := map[string]bool{} // without versions and ids
	_, env := proxyService(t, harness.Repository("deploy/socket-proxy/tecnativa.yaml"))
	for _, r := range p.requests {
		shape := regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(regexp.MustCompile(` /v[0-9.]+/`).ReplaceAllString(r, " /"), "*")
		shapes[shape] = true
		method, path, _ := strings.Cut(shape, " ")
		word, _, _ := strings.Cut(strings.TrimLeft(path, "/_"), "/")
		if method != http.MethodPost && env[strings.ToUpper(word)] != "1" {
			t.Errorf("Tecnativa's proxy, as set up in the example, would refuse %s", shape)
		}
	}
	for _, want := range []string{
		"HEAD /_ping", "GET /version", "GET /info", "GET /events", "GET /images/json", "GET /containers/json", "GET /containers/*/json",
		"POST /containers/*/start", "POST /containers/*/restart",
	} {
		if !shapes[want] {
			t.Errorf("there was no %s: this test does not try all that it should", want)
		}
	}
}
