package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// stub is an engine with one container, which exited just now. A start of it
// takes until it is released.
type stub struct {
	host    string
	started chan struct{} // gets an element for each start asked for
	release chan struct{}
}

func newStub(t *testing.T) *stub {
	t.Helper()
	s := &stub{started: make(chan struct{}, 9), release: make(chan struct{})}
	s.host = engineOf(t, s.handler())
	return s
}

// engineOf listens as an engine does, and returns where.
func engineOf(t *testing.T, handler http.Handler) (host string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "defib") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "docker.sock")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return "unix://" + socket
}

var apiVersion = regexp.MustCompile(`^/v[0-9.]+`)

func (s *stub) handler() http.Handler {
	id, died := strings.Repeat("4f", 32), time.Now().UTC()
	type object map[string]any
	state := func() object {
		select {
		case <-s.release:
			return object{"Status": "running", "StartedAt": died.Add(time.Second), "FinishedAt": died}
		default:
			return object{"Status": "exited", "ExitCode": 3, "StartedAt": died.Add(-time.Second), "FinishedAt": died}
		}
	}
	answers := map[string]func() any{
		"/_ping":       func() any { return "OK" },
		"/version":     func() any { return object{"Version": "29.0.1", "ApiVersion": "1.52", "Os": "linux", "Arch": "amd64"} },
		"/info":        func() any { return object{"Name": "box", "SystemTime": time.Now()} },
		"/images/json": func() any { return []object{} },
		"/containers/json": func() any {
			return []object{{"Id": id, "Names": []string{"/token"}, "State": state()["Status"], "Created": died.Unix()}}
		},
		"/containers/" + id + "/json": func() any {
			return object{"Id": id, "Name": "/token", "Created": died, "State": state(), "Config": object{"Image": "x"}}
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.52")
		path := apiVersion.ReplaceAllString(r.URL.Path, "")
		switch answer := answers[path]; {
		case path == "/events":
			w.(http.Flusher).Flush()
			if !r.URL.Query().Has("until") {
				<-r.Context().Done()
			}
		case strings.HasPrefix(path, "/containers/") && answer == nil && !strings.Contains(path, id):
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(object{"message": "No such container: " + path})
		case strings.HasSuffix(path, "/start"):
			s.started <- struct{}{}
			<-s.release
			w.WriteHeader(http.StatusNoContent)
		case answer == nil:
			http.NotFound(w, r)
		default:
			_ = json.NewEncoder(w).Encode(answer())
		}
	})
}

func TestLaw9StartUnderWayEndsAndIsSeenToEnd(t *testing.T) {
	s := newStub(t)
	p := start(t, "--docker.host="+s.host, "--restart.whitelist=token", "--restart.stopped-delay=0s")
	select {
	case <-s.started:
	case <-time.After(limit):
		t.Fatal("it starts nothing:\n", p.log.String())
	}
	p.term()
	for range 2 { // what answers after SIGTERM tells the truth
		status, body := p.get("/metrics")
		if status != http.StatusOK || !strings.Contains(body, "\ndocker_up 1\n") ||
			!strings.Contains(body, `docker_container_up{name="token"} 0`) {
			t.Errorf("metrics: status %d\n%s", status, body)
		}
		if status, body := p.get("/-/ready"); status != http.StatusOK {
			t.Errorf("ready: status %d, %s", status, body)
		}
	}
	close(s.release)
	p.exits(exitOK)
	p.logs(`msg="container started" container=token`)
	if len(s.started) > 0 {
		t.Error("it was started again")
	}
}
