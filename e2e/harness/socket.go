package harness

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// serveSocket has a handler answer at a unix socket of its own until the end of the test,
// and returns its path.
func serveSocket(tb testing.TB, handler http.Handler) (path string) {
	tb.Helper()
	dir, err := os.MkdirTemp(workdir, "socket-")
	if err != nil {
		tb.Fatal(err)
	}
	path = filepath.Join(dir, "s")
	config := net.ListenConfig{}
	listener, err := config.Listen(tb.Context(), "unix", path)
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: Limit, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed, below
	tb.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
	return path
}

// onward passes calls on to an engine. Failed says what becomes of one that it does not
// answer.
func onward(e *Engine, failed func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(e.Host, "unix://"))
		}},
		FlushInterval: -1, // the event stream's
		ErrorLog:      slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ErrorHandler:  failed,
	}
}
