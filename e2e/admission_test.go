package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"defib/e2e/harness"
)

func TestWhoMayCallTheWebhookAndHow(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	const well = `{"version": "4", "alerts": []}`
	r := harness.NewRelay(t)
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), r.Token(), hasty)
	token := strings.Repeat("secret", 6)
	bearer := "Bearer " + token
	for name, row := range map[string]struct {
		method, body string
		header       []string
		status       int
		words        string
	}{
		"with the token":                        {"POST", well, []string{"Authorization", bearer}, 200, "alerts"},
		"without a token":                       {"POST", well, nil, 401, "token is missing or wrong"},
		"with the wrong token":                  {"POST", well, []string{"Authorization", bearer + "s"}, 401, "token is missing or wrong"},
		"with the token as a password":          {"POST", well, []string{"Authorization", "Basic " + token}, 401, "token is missing or wrong"},
		"in a page's link":                      {"GET", "", []string{"Authorization", bearer}, 405, "must be POST"},
		"as a form":                             {"POST", well, []string{"Authorization", bearer, "Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		"with too much":                         {"POST", well + strings.Repeat(" ", 1<<20), []string{"Authorization", bearer}, 413, "larger than 1 MiB"},
		"with what is no JSON":                  {"POST", "heal web, please", []string{"Authorization", bearer}, 400, "invalid payload"},
		"with another version of the payload":   {"POST", `{"version": "5", "alerts": []}`, []string{"Authorization", bearer}, 400, `version \"5\"`},
		"in every wrong way: who comes first":   {"GET", "", []string{"Content-Type", "text/plain"}, 401, "token is missing or wrong"},
		"in two wrong ways: type before size":   {"POST", strings.Repeat(" ", 2<<20), []string{"Authorization", bearer, "Content-Type", "text/plain"}, 415, "application/json"},
		"in two wrong ways: method before type": {"PUT", well, []string{"Authorization", bearer, "Content-Type", "text/plain"}, 405, "must be POST"},
	} {
		t.Run(name, func(t *testing.T) { d.Call(row.method, row.body, row.header...).Refuses(t, row.status, row.words) })
	}
	d.Post(b.Alert()).Refuses(t, 401, "token is missing or wrong")
	b.StartedTimes(1)
	for code, want := range map[string]float64{"200": 1, "400": 2, "401": 5, "405": 2, "413": 1, "415": 2} {
		d.Shows(harness.Series("defib_webhook_requests_total", "code", code), want)
	}
	if err := os.WriteFile(r.TokenFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.Call("POST", well, "Authorization", "Bearer ").Refuses(t, 503, "webhook rejects all requests")
}

func TestWithoutATokenOnlyThisHostMayCall(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	const well = `{"version": "4", "alerts": []}`
	d := harness.NewEnv(t, harness.SharedEngine(t)).Defib()
	for name, row := range map[string]struct {
		header []string
		status int
		words  string
	}{
		"itself":                          {nil, http.StatusOK, "alerts"},
		"behind a reverse proxy":          {[]string{"X-Forwarded-For", "192.0.2.1"}, http.StatusForbidden, "set --webhook.token-file"},
		"in a browser, by a foreign page": {[]string{"Host", "rebound.example.org"}, http.StatusForbidden, "set --webhook.token-file"},
	} {
		t.Run(name, func(t *testing.T) { d.Call(http.MethodPost, well, row.header...).Refuses(t, row.status, row.words) })
	}
}

func TestWrongTokenOfAlertmanagerHealsNothing(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	r := harness.NewRelay(t)
	d := s.Defib(harness.Whitelist(b), r.Token(), hasty)
	r.ForwardTo(d)
	a := r.Alertmanager(`credentials_file: `+r.TokenFile, "credentials_file: "+harness.File(t, "wrong", "a token of somebody else"))
	a.Fire(b.Alert())
	r.Await(1, "refused", harness.WithStatus(http.StatusUnauthorized))
	b.StartedTimes(1)
	d.AwaitLine(1, "webhook request refused", "code", "401")
}
