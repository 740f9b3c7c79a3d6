package docker

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"defib/engine/docker/call"

	"github.com/docker/docker/api/types"
)

// complaint runs an Engine until it has complained, and returns what it says.
func complaint(t *testing.T, o Options) string {
	t.Helper()
	w := runEngine(t, o)
	eventually(t, "it complains", func() bool { return len(w.log.lines("level=WARN", "engine unavailable")) > 0 })
	line := w.log.lines("engine unavailable", "address="+o.Host)[0]
	if _, err := w.Up(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "the engine is unavailable: no snapshot") {
		t.Errorf("up: %v", err)
	}
	return line
}

// Each way in which an engine can be away is named, and what to do about it.
func TestAdvice(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.sock")
	for _, tc := range []struct {
		name string
		host func(t *testing.T) string
		want []string
	}{
		{"no such socket", func(*testing.T) string { return "unix://" + missing }, []string{"no such socket", "is Docker running", "--docker.host"}},
		{"nothing listens on the socket", func(t *testing.T) string {
			path := shortSocket(t)
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
			if err != nil {
				t.Fatal(err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			l.Close()
			return "unix://" + path
		}, []string{"nothing listens", "start Defib again"}},
		{"nobody listens on the port", func(t *testing.T) string {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			return "tcp://" + l.Addr().String()
		}, []string{"connection refused", "does the engine listen there"}},
		{"permission denied", func(t *testing.T) string {
			f := serving(t)
			if err := os.Chmod(f.socket, 0); err != nil {
				t.Fatal(err)
			}
			if os.Geteuid() == 0 {
				t.Skip("root may open it")
			}
			return f.host()
		}, []string{"permission denied", "group of the socket", "--group-add"}},
		{"a proxy refuses all", func(t *testing.T) string {
			f := serving(t)
			f.on("ping", answers(http.StatusForbidden, "forbidden by the proxy"))
			return f.host()
		}, []string{"forbidden by the proxy", "refused by the engine or a socket proxy", "allow GET /_ping"}},
		{"a proxy refuses the events", func(t *testing.T) string {
			f := serving(t)
			f.on("events", answers(http.StatusForbidden, "forbidden by the proxy"))
			return f.host()
		}, []string{"refused by the engine or a socket proxy", "allow GET /events"}},
		{"a proxy refuses the list", func(t *testing.T) string {
			f := serving(t)
			f.on("list", answers(http.StatusForbidden, "forbidden by the proxy"))
			return f.host()
		}, []string{"list containers", "refused by the engine or a socket proxy", "allow GET /containers/json"}},
		{"a proxy that knows no GET", func(t *testing.T) string {
			f := serving(t)
			f.on("version", answers(http.StatusMethodNotAllowed, "Method Not Allowed"))
			return f.host()
		}, []string{"get the version", "refused by the engine or a socket proxy", "allow GET /version"}},
		{"it is too old", func(t *testing.T) string {
			f := serving(t)
			f.apiVersion = "1.12"
			f.version, _ = json.Marshal(types.Version{Version: "1.0", APIVersion: "1.12"})
			return f.host()
		}, []string{"too old", "1.12", "1.24"}},
		{"it is no engine", func(t *testing.T) string {
			s := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(s.Close)
			return "tcp://" + s.Listener.Addr().String()
		}, []string{"404"}},
		{"it is no engine and says yes to all", func(t *testing.T) string {
			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			t.Cleanup(s.Close)
			return "tcp://" + s.Listener.Addr().String()
		}, []string{"does not speak the Docker"}},
		{"it speaks TLS", func(t *testing.T) string {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			s.StartTLS()
			t.Cleanup(s.Close)
			return "tcp://" + s.Listener.Addr().String()
		}, []string{"TLS", "DOCKER_CERT_PATH"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			line := complaint(t, Options{Host: tc.host(t)})
			for _, w := range tc.want {
				if !strings.Contains(line, w) {
					t.Errorf("it does not say %q:\n%s", w, line)
				}
			}
		})
	}
}

func TestAdviceOnHangs(t *testing.T) {
	for call, want := range map[string]string{"ping": "deadline", "version": "get the version", "events": "events", "list": "list containers"} {
		t.Run(call, func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *fakeEngine) {
				f.on(call, hangs)
				w := inProcess(t, f)
				time.Sleep(time.Minute)
				if lines := w.log.lines("engine unavailable", want, "no answer within 10s"); len(lines) != 1 {
					t.Errorf("it says %q, want %q once", w.log.lines("engine unavailable"), want)
				}
			})
		})
	}
}

// shortSocket returns a path that is not too long for a socket.
func shortSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "defib")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// The text of an error may hold what changes with every attempt, such as the
// port that a connection comes from.
func TestLastingFailureIsSaidOnceThoughItsTextChanges(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // resets every connection
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}()
	w := runEngine(t, Options{Host: "tcp://" + l.Addr().String()})
	eventually(t, "it has tried four times", func() bool { return metricFailures(t, w.Engine, call.Ping) >= 4 })
	if lines := w.log.lines("engine unavailable"); len(lines) != 1 {
		t.Errorf("complained %d times: %s", len(lines), fmt.Sprint(lines))
	}
}

func TestNewFailsAtAnAddressThatCanNeverWork(t *testing.T) {
	if _, err := New(Options{Host: "npipe:////./pipe/x"}); err == nil {
		t.Error("no error")
	}
}
