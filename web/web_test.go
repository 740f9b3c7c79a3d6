package web_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"defib/web"
)

// get asks a handler whose engine is as ready says and whose metrics are at /m.
func get(t *testing.T, path string, ready error) (status int, body string) {
	t.Helper()
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "docker_up 1") })
	webhook := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "{}") })
	handler, err := web.New("/m", metrics, webhook, func(*http.Request) error { return ready })
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestEachPathHasItsAnswer(t *testing.T) {
	away := errors.New("the engine is away: there is no such socket")
	for name, row := range map[string]struct {
		path  string
		ready error
		code  int
		body  string // part of it
	}{
		"healthy while the engine is there":                 {"/-/healthy", nil, http.StatusOK, "Defib is running."},
		"healthy while the engine is away":                  {"/-/healthy", away, http.StatusOK, "Defib is running."},
		"ready while the engine is there":                   {"/-/ready", nil, http.StatusOK, "Defib is ready."},
		"not ready while the engine is away, with reason":   {"/-/ready", away, http.StatusServiceUnavailable, away.Error() + "\n"},
		"metrics where they were asked for":                 {"/m", nil, http.StatusOK, "docker_up 1\n"},
		"metrics while the engine is away":                  {"/m", away, http.StatusOK, "docker_up 1\n"},
		"the webhook":                                       {"/webhook", nil, http.StatusOK, "{}"},
		"the webhook while the engine is away":              {"/webhook", away, http.StatusOK, "{}"},
		"the page links to the metrics":                     {"/", nil, http.StatusOK, `<a href="/m">`},
		"the page while the engine is away":                 {"/", away, http.StatusOK, "Defib"},
		"no metrics where they were not asked for":          {"/metrics", nil, http.StatusNotFound, ""},
		"nothing below the metrics":                         {"/m/x", nil, http.StatusNotFound, ""},
		"nothing elsewhere":                                 {"/favicon.ico", nil, http.StatusNotFound, ""},
		"nothing below healthy":                             {"/-/healthy/x", nil, http.StatusNotFound, ""},
		"no profiles, which tell strangers about a process": {"/debug/pprof/", nil, http.StatusNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := get(t, row.path, row.ready)
			if code != row.code || !strings.Contains(body, row.body) {
				t.Errorf("GET %s: %d, want %d with %q\n%s", row.path, code, row.code, row.body, body)
			}
		})
	}
}

func TestReadinessIsJudgedForTheRequestThatAsks(t *testing.T) {
	var judged *http.Request
	handler, err := web.New("/m", http.NotFoundHandler(), http.NotFoundHandler(), func(r *http.Request) error {
		judged = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	asked := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/-/ready", nil)
	handler.ServeHTTP(httptest.NewRecorder(), asked)
	if judged == nil || judged.Context() != asked.Context() {
		t.Error("a caller that hangs up would not end its ping")
	}
}
