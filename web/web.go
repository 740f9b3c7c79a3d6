// Package web serves everything but metrics: the page at /, liveness and
// readiness.
package web

import (
	"fmt"
	"net/http"

	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// New returns a handler of all endpoints. Ready returns why the engine's
// containers cannot be seen now, nil if they can; metrics serves metricsPath.
func New(metricsPath string, metrics, webhook http.Handler, ready func(*http.Request) error) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle(metricsPath, metrics)
	mux.Handle("/webhook", webhook)
	mux.HandleFunc("/-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Defib is running.")
	})
	mux.HandleFunc("/-/ready", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Defib is ready.")
	})
	page, err := toolkit.NewLandingPage(toolkit.LandingConfig{
		Name:        "Defib",
		Description: "Prometheus exporter for Docker that brings containers back to life",
		Version:     version.Version,
		Profiling:   "false",
		Links: []toolkit.LandingLinks{
			{Address: metricsPath, Text: "Metrics"},
			{Address: "/-/healthy", Text: "Health", Description: "200 while Defib runs"},
			{Address: "/-/ready", Text: "Readiness", Description: "200 while it sees the containers"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("landing page: %w", err)
	}
	mux.Handle("/{$}", page)
	return mux, nil
}
