package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"defib/restarter"
)

var errAway = errors.New("the engine is away: there is no such socket")

func TestEachPathHasItsAnswer(t *testing.T) {
	for name, row := range map[string]struct {
		path  string
		ready error
		code  int
		body  string // part of it
	}{
		"healthy while the engine is there":                 {"/-/healthy", nil, http.StatusOK, "Defib is running."},
		"healthy while the engine is away":                  {"/-/healthy", errAway, http.StatusOK, "Defib is running."},
		"ready while the engine is there":                   {"/-/ready", nil, http.StatusOK, "Defib is ready."},
		"not ready while the engine is away, with reason":   {"/-/ready", errAway, http.StatusServiceUnavailable, errAway.Error() + "\n"},
		"metrics where they were asked for":                 {"/m", nil, http.StatusOK, "docker_up 1\n"},
		"metrics while the engine is away":                  {"/m", errAway, http.StatusOK, "docker_up 1\n"},
		"the webhook":                                       {"/webhook", nil, http.StatusOK, "{}"},
		"the webhook while the engine is away":              {"/webhook", errAway, http.StatusOK, "{}"},
		"the page links to the metrics":                     {"/", nil, http.StatusOK, `<a href="m">`},
		"the page while the engine is away":                 {"/", errAway, http.StatusOK, errAway.Error()},
		"the data of the page":                              {"/api/v1/status", nil, http.StatusOK, `"up":true`},
		"the data while the engine is away":                 {"/api/v1/status", errAway, http.StatusOK, `"error":"the engine is away`},
		"the style":                                         {"/assets/style.css", nil, http.StatusOK, "prefers-color-scheme: dark"},
		"the script":                                        {"/assets/page.js", nil, http.StatusOK, "use strict"},
		"the icon":                                          {"/assets/icon.svg", nil, http.StatusOK, "<svg"},
		"not the template":                                  {"/assets/page.html", nil, http.StatusNotFound, ""},
		"no list of the assets":                             {"/assets/", nil, http.StatusNotFound, ""},
		"nothing beside the assets":                         {"/assets/..%2fweb.go", nil, http.StatusNotFound, ""},
		"no metrics where they were not asked for":          {"/metrics", nil, http.StatusNotFound, ""},
		"nothing below the metrics":                         {"/m/x", nil, http.StatusNotFound, ""},
		"nothing elsewhere":                                 {"/favicon.ico", nil, http.StatusNotFound, ""},
		"nothing below healthy":                             {"/-/healthy/x", nil, http.StatusNotFound, ""},
		"no profiles, which tell strangers about a process": {"/debug/pprof/", nil, http.StatusNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := ill()
			h.away = row.ready
			w := h.get(t, row.path)
			if w.Code != row.code || !strings.Contains(w.Body.String(), row.body) {
				t.Errorf("GET %s: %d, want %d with %q\n%s", row.path, w.Code, row.code, row.body, w.Body)
			}
		})
	}
}

// A path of the metrics that is not taken never makes the mux panic.
func TestMetricsMayBeAnywhereElse(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/webhook": true, "/-/healthy": true, "/-/ready": true, "/api/v1/status": true, "/assets/": true, "/assets/page.js": true, "/assets/x/y": true,
		"/metrics": false, "/api": false, "/api/": false, "/api/v1/status/": false, "/assets": false, "/-/": false, "/webhook/": false, "/x/assets/": false,
	} {
		if got := Reserved(path); got != want {
			t.Errorf("%s is taken: %v, want %v", path, got, want)
		}
		if want {
			continue
		}
		metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		handler := New(path, metrics, http.NotFoundHandler(), func(*http.Request) error { return nil }, func() restarter.Report { return restarter.Report{} }, nil)
		for asked, code := range map[string]int{path: http.StatusTeapot, "/": http.StatusOK, "/api/v1/status": http.StatusOK, "/assets/page.js": http.StatusOK} {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, asked, nil))
			if w.Code != code {
				t.Errorf("with metrics at %s, %s answers %d, want %d", path, asked, w.Code, code)
			}
		}
	}
}

func TestReadinessIsJudgedForTheRequestThatAsks(t *testing.T) {
	var judged *http.Request
	ready := func(r *http.Request) error {
		judged = r
		return nil
	}
	handler := New("/m", http.NotFoundHandler(), http.NotFoundHandler(), ready, func() restarter.Report { return restarter.Report{} }, nil)
	for _, path := range []string{"/-/ready", "/", "/api/v1/status"} {
		judged = nil
		asked := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		handler.ServeHTTP(httptest.NewRecorder(), asked)
		if judged == nil || judged.Context() != asked.Context() {
			t.Errorf("%s: a caller that hangs up would not end its ping", path)
		}
	}
}

func TestNobodyActsThroughThePage(t *testing.T) {
	for _, path := range []string{"/", "/api/v1/status", "/assets/page.js"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			w := httptest.NewRecorder()
			ill().handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d, want %d", method, path, w.Code, http.StatusMethodNotAllowed)
			}
		}
	}
	if body := ill().get(t, "/").Body.String(); strings.Contains(body, "<form") || strings.Contains(body, "<button") {
		t.Error("the page has something to press")
	}
}
