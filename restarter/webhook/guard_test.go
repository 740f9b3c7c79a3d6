package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"defib/restarter"
	"defib/restarter/decision"
)

const secret = "0123456789abcdef"

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// caller is a good request from this host, as edited.
func caller(edits ...func(*http.Request)) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://localhost:10911/webhook", strings.NewReader(`{"version":"4"}`))
	r.RemoteAddr = "127.0.0.1:4711"
	r.Header.Set("Content-Type", "application/json")
	for _, edit := range edits {
		edit(r)
	}
	return r
}

func from(addr string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = addr } }

func header(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }

func hostname(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }

func TestWhoMayCallTheWebhook(t *testing.T) {
	token := Guard{TokenFile: file(t, secret+"\n")}
	users := Guard{WebConfig: file(t, "basic_auth_users:\n  am: x\n")}
	noUsers := Guard{WebConfig: file(t, "tls_server_config: {}\n")}
	remote := from("192.0.2.1:80")
	password := func(r *http.Request) { r.SetBasicAuth("am", "x") }
	certificate := func(r *http.Request) {
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{nil}}}
	}
	for _, row := range []struct {
		name  string
		guard Guard
		r     *http.Request
		want  int
	}{
		{"the right token", token, caller(remote, header("Authorization", "Bearer "+secret)), 200},
		{"a wrong token", token, caller(remote, header("Authorization", "Bearer "+secret+"x")), 401},
		{"no token, from this host", token, caller(), 401},
		{"a password instead of the token", token, caller(password), 401},
		{"a token file that is gone", Guard{TokenFile: "/nonexistent"}, caller(header("Authorization", "Bearer ")), 503},
		{"a token file emptied meanwhile", Guard{TokenFile: file(t, "")}, caller(header("Authorization", "Bearer ")), 503},
		{"a token file of anything else", Guard{TokenFile: file(t, strings.Repeat(secret, 1000))}, caller(header("Authorization", "Bearer "+secret)), 503},
		{"a short token", Guard{TokenFile: file(t, "short")}, caller(header("Authorization", "Bearer short")), 503},
		{"this host, IPv4", Guard{}, caller(), 200},
		{"this host, IPv6", Guard{}, caller(from("[::1]:80"), hostname("[::1]:10911")), 200},
		{"this host, by address", Guard{}, caller(hostname("127.0.0.1:10911")), 200},
		{"this host, IPv4 in IPv6", Guard{}, caller(from("[::ffff:127.0.0.1]:80")), 200},
		{"another host", Guard{}, caller(remote), 403},
		{"a page in a browser on this host", Guard{}, caller(hostname("evil.example:10911")), 403},
		{"a proxy that says Forwarded", Guard{}, caller(header("Forwarded", "for=192.0.2.1")), 403},
		{"a proxy that says X-Forwarded-For", Guard{}, caller(header("X-Forwarded-For", "192.0.2.1")), 403},
		{"a proxy that says X-Forwarded-Proto", Guard{}, caller(header("X-Forwarded-Proto", "https")), 403},
		{"a proxy that says X-Real-IP", Guard{}, caller(header("X-Real-IP", "192.0.2.1")), 403},
		{"a proxy that says Via", Guard{}, caller(header("Via", "1.1 proxy")), 403},
		{"a password that the web config has checked", users, caller(remote, password), 200},
		{"no password", users, caller(remote), 403},
		{"a password that nobody has checked", noUsers, caller(remote, password), 403},
		{"a password without a web config", Guard{}, caller(remote, password), 403},
		{"a web config that is gone", Guard{WebConfig: "/nonexistent"}, caller(), 503},
		{"a client certificate that was verified", Guard{}, caller(remote, certificate), 200},
		{"TLS without a client certificate", Guard{}, caller(remote, func(r *http.Request) { r.TLS = &tls.ConnectionState{} }), 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, body := answerTo(t, row.guard, row.r); got != row.want {
				t.Errorf("status %d, want %d: %s", got, row.want, body)
			}
		})
	}
}

func TestLaw12AWebConfigurationThatHangsIsNotWaitedForAtTheStart(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "web.yml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Guard{TokenFile: file(t, secret), WebConfig: fifo}).Check(t.Context()); err != nil {
		t.Error(err) // of the file itself others complain
	}
	if err := os.WriteFile(fifo, nil, 0o600); err != nil { // which ends the wait
		t.Fatal(err)
	}
}

// A token file on a file system that hangs refuses callers, each after a while, and holds up
// nothing for longer.
func TestLaw12ATokenFileThatHangsRefusesCallersInTime(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "token")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	h := New(nobody{}, Guard{TokenFile: fifo}, nil, slog.New(slog.DiscardHandler))
	call := func() (status int, body string) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, caller(header("Authorization", "Bearer "+secret)))
		return rec.Code, rec.Body.String()
	}
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if status, body := call(); status != http.StatusServiceUnavailable || !strings.Contains(body, "does not respond") {
				t.Errorf("status %d: %s", status, body)
			}
		})
	}
	calls.Wait()
	waiting := make([]byte, 1<<20)
	waiting = waiting[:runtime.Stack(waiting, true)]
	if n := strings.Count(string(waiting), "webhook.Guard.token("); n != 1 {
		t.Errorf("%d goroutines read the token file, want 1", n)
	}

	// Whoever writes what the one that hangs is waiting for ends it.
	if err := os.WriteFile(fifo, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file(t, secret), fifo); err != nil {
		t.Fatal(err)
	}
	if status, body := call(); status != http.StatusOK {
		t.Errorf("status %d once it responds: %s", status, body)
	}
}

// nobody is a restarter without containers.
type nobody struct{}

func (nobody) Heal(_ context.Context, _ string, alerts []decision.Alert) []restarter.Answer {
	return make([]restarter.Answer, len(alerts))
}

func (nobody) Record(restarter.AlertRecord) {}

// answerTo gives a request to a webhook with this guard.
func answerTo(t *testing.T, g Guard, r *http.Request) (status int, body string) {
	t.Helper()
	rec := httptest.NewRecorder()
	New(nobody{}, g, nil, slog.New(slog.DiscardHandler)).ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

func TestRequestsAreCheckedInOrderWhoMethodTypeSizeBody(t *testing.T) {
	huge := func(r *http.Request) {
		*r = *httptest.NewRequestWithContext(r.Context(), r.Method, "http://localhost/webhook", strings.NewReader(strings.Repeat("x", maxBody+1)))
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/json")
	}
	chunked := func(r *http.Request) { huge(r); r.ContentLength = -1 }
	get := func(r *http.Request) { r.Method = http.MethodGet }
	text := header("Content-Type", "text/plain")
	for _, row := range []struct {
		name string
		r    *http.Request
		want int
	}{
		{"all wrong", caller(huge, text, get, from("192.0.2.1:1")), 403},
		{"all but who", caller(huge, text, get), 405},
		{"all but who and method", caller(huge, text), 415},
		{"no type", caller(func(r *http.Request) { r.Header.Del("Content-Type") }), 415},
		{"size and body", caller(huge), 413},
		{"size, unannounced", caller(chunked), 413},
		{"body", caller(func(r *http.Request) { r.Body = http.NoBody }), 400},
		{"nothing", caller(), 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, body := answerTo(t, Guard{}, row.r); got != row.want {
				t.Errorf("status %d, want %d: %s", got, row.want, body)
			}
		})
	}
}

func TestGuardRefusesAtStartWhatCannotWork(t *testing.T) {
	for _, row := range []struct {
		guard Guard
		want  string
	}{
		{Guard{}, ""},
		{Guard{TokenFile: file(t, secret)}, ""},
		{Guard{TokenFile: file(t, secret), WebConfig: file(t, "tls_server_config: {}\n")}, ""},
		{Guard{TokenFile: "/nonexistent"}, "no such file"},
		{Guard{TokenFile: file(t, "  short  ")}, "5 characters"},
		{Guard{TokenFile: file(t, secret), WebConfig: file(t, "basic_auth_users:\n  am: x\n")}, "one Authorization header"},
	} {
		err := row.guard.Check(t.Context())
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: %v, want %q", row.guard, err, row.want)
		}
	}
}
