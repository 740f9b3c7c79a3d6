package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// limit is how long anything may take in these tests.
const limit = time.Minute

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "DEFIB_") || strings.HasPrefix(name, "DOCKER_") {
			_ = os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// journal is what a program has written so far.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// program is Defib, running beside the test.
type program struct {
	*testing.T
	log  journal
	addr string
	term context.CancelFunc // as SIGTERM does
	exit chan int
}

// start runs the program until the test ends, at the latest.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{T: t, term: cancel, exit: make(chan int, 1)}
	go func() { p.exit <- Run(ctx, append(args, "--web.listen-address=127.0.0.1:0"), io.Discard, &p.log) }()
	p.addr = p.logs(`Listening on.* address=(\S+)`)[1]
	return p
}

// logs waits for something in the log, and returns its groups.
func (p *program) logs(pattern string) []string {
	p.Helper()
	wanted := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		if m := wanted.FindStringSubmatch(p.log.String()); m != nil {
			return m
		}
		if time.Now().After(deadline) {
			p.Fatalf("nothing like %s in the log:\n%s", pattern, p.log.String())
		}
	}
}

func (p *program) get(path string) (status int, body string) {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), http.MethodGet, "http://"+p.addr+path, nil)
	if err != nil {
		p.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (p *program) exits(want int) {
	p.Helper()
	select {
	case code := <-p.exit:
		if code != want {
			p.Errorf("exit code %d, want %d\n%s", code, want, p.log.String())
		}
	case <-time.After(limit):
		p.Fatal("it does not end:\n", p.log.String())
	}
}

func noEngine(t *testing.T) string {
	return "--docker.host=unix://" + filepath.Join(t.TempDir(), "docker.sock")
}

func TestLaw6WithoutAnEngineItServesThatThereIsNone(t *testing.T) {
	p := start(t, noEngine(t), "--restart.whitelist=token")
	status, body := p.get("/metrics")
	if status != http.StatusOK || !strings.Contains(body, "\ndocker_up 0\n") || !strings.Contains(body, "\ndefib_engine_watch_connected 0\n") {
		t.Errorf("status %d\n%s", status, body)
	}
	if s := regexp.MustCompile(`(?m)^(docker_container_|defib_container_|defib_whitelist_matches).*`).FindAllString(body, -1); s != nil {
		t.Errorf("series of containers: %q", s)
	}
	if status, body := p.get("/-/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "the engine is unavailable") {
		t.Errorf("ready: status %d, %s", status, body)
	}
	if status, _ := p.get("/-/healthy"); status != http.StatusOK {
		t.Errorf("healthy: status %d", status)
	}
	p.logs("no such socket")
	p.term()
	p.exits(exitOK)
	p.logs("defib stopped")
}

func TestPortThatIsTakenEndsTheProgramWithAMessage(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	code, stdout, stderr := ended(t, noEngine(t), "--web.listen-address="+l.Addr().String())
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, l.Addr().String()+": bind: address already in use") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
