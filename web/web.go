// Package web serves everything but metrics: the page at /, its data, liveness
// and readiness.
package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"defib/engine"
	"defib/restarter"
	"defib/stats"
)

// Paths that this package serves besides the page.
const (
	pathWebhook = "/webhook"
	pathHealthy = "/-/healthy"
	pathReady   = "/-/ready"
	pathStatus  = "/api/v1/status"
	pathAssets  = "/assets/"
)

// Reserved reports whether the path is that of something else than metrics.
func Reserved(path string) bool {
	return slices.Contains([]string{"/", pathWebhook, pathHealthy, pathReady, pathStatus}, path) || strings.HasPrefix(path, pathAssets)
}

// New returns a handler of all endpoints. Metrics serves metricsPath, which must
// not be taken; ready returns why the engine's containers cannot be seen now, nil
// if they can; report is what the page shows of them; usage reads what those of a
// snapshot use, nil if they are not to be read. All may be called at once.
func New(metricsPath string, metrics, webhook http.Handler, ready func(*http.Request) error, report func() restarter.Report, usage func(*engine.Snapshot) *stats.Reading) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(metricsPath, metrics)
	mux.Handle(pathWebhook, webhook)
	mux.HandleFunc(pathHealthy, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Defib is running.")
	})
	mux.HandleFunc(pathReady, func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Defib is ready.")
	})
	p := page{metricsPath: metricsPath, ready: ready, report: report, usage: usage}
	mux.HandleFunc("GET /{$}", p.serve)
	mux.HandleFunc("GET "+pathStatus, p.serveStatus)
	mux.HandleFunc("GET "+pathAssets+"{file}", serveAsset)
	return mux
}
