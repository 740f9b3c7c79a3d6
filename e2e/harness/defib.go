package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Defib is a running Defib.
type Defib struct {
	testing.TB
	*Journal
	Cmd    *exec.Cmd
	client *http.Client
	URL    string // http://127.0.0.1:PORT
	gone   chan struct{}
}

// Defib starts a Defib that watches the engine, and waits until it knows all the
// containers of the Env.
func (s *Env) Defib(args ...string) *Defib {
	s.Helper()
	d := StartDefib(s.TB, s.Engine.Host, args...)
	d.Ready()
	d.Knows(s)
	return d
}

// Knows waits until Defib has inspected what runs in the Env, and has decided.
func (d *Defib) Knows(s *Env) {
	d.Helper()
	Eventually(d, "defib to know the containers", func() bool {
		ctx, cancel := context.WithTimeout(d.Context(), Limit)
		defer cancel()
		all, err := s.List(ctx)
		found := d.Exposition()
		return err == nil && !slices.ContainsFunc(all, func(c container.Summary) bool {
			name := strings.TrimPrefix(c.Names[0], "/")
			_, judged := found.Value(Series("defib_container_whitelisted", "name", name))
			_, inspected := found.Value(Series("docker_container_started_timestamp_seconds", "name", name))
			return !judged || c.State == container.StateRunning && !inspected
		})
	})
}

// StartDefib starts a Defib for the engine at host and waits until it serves.
func StartDefib(tb testing.TB, host string, args ...string) *Defib {
	tb.Helper()
	args = append([]string{"--docker.host=" + host, "--web.listen-address=127.0.0.1:0", "--log.format=json"}, args...)
	for _, usual := range append(allowance(), "--log.level=debug") {
		flag, _, _ := strings.Cut(usual, "=")
		if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, flag) }) {
			args = append(args, usual)
		}
	}
	d := Spawn(tb, nil, args...)
	d.Serving()
	return d
}

// Spawn starts the program with just these arguments and this environment.
func Spawn(tb testing.TB, env []string, args ...string) *Defib {
	tb.Helper()
	path, err := buildDefib()
	if err != nil {
		tb.Fatal(err)
	}
	d := &Defib{TB: tb, Journal: &Journal{}, client: plainClient, gone: make(chan struct{})}
	d.Cmd = exec.CommandContext(context.WithoutCancel(tb.Context()), path, args...)
	d.Cmd.Env = append(CleanEnv(), env...)
	d.Cmd.Stdout, d.Cmd.Stderr = d.Journal, d.Journal
	d.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.Cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		// How it ended is in ProcessState.
		_ = d.Cmd.Wait()
		close(d.gone)
	}()
	tb.Cleanup(d.close)
	return d
}

// plainClient asks for no compression: under the race detector that costs Defib more
// than all the rest of a scrape. Prometheus asks for it, where a test has one.
var plainClient = &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}

// CleanEnv is the environment without what Defib or the Docker client read.
func CleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "DEFIB_") || strings.HasPrefix(kv, "DOCKER_")
	})
}

// close ends a Defib that still runs as an operator would, and holds it to its
// promises: exit code 0, nothing on stderr but log lines.
func (d *Defib) close() {
	if d.Alive() {
		if code := d.Terminate(); code != 0 {
			d.Errorf("defib left with exit code %d on SIGTERM", code)
		}
		if strays := d.Strays(); len(strays) > 0 {
			d.Errorf("defib wrote what is no log line:\n%s", strings.Join(strays, "\n"))
		}
	}
	if d.Failed() {
		d.Logf("defib's log:\n%s", d.Tail(300))
	}
}

// Alive reports whether the process has not ended yet.
func (d *Defib) Alive() bool {
	select {
	case <-d.gone:
		return false
	default:
		return true
	}
}

// Serving waits for the address that Defib listens on.
func (d *Defib) Serving() {
	d.Helper()
	Eventually(d, "defib to listen", func() bool {
		if !d.Alive() {
			d.Fatalf("defib ended with exit code %d", d.Cmd.ProcessState.ExitCode())
		}
		listening := d.Find("Listening on")
		if len(listening) > 0 {
			d.URL = "http://" + listening[0].Str("address")
		}
		return len(listening) > 0
	})
}

// Ready waits until Defib has a snapshot of its engine.
func (d *Defib) Ready() {
	d.Helper()
	d.AwaitStatus("/-/ready", http.StatusOK)
}

// AwaitStatus waits until a path answers with this status.
func (d *Defib) AwaitStatus(path string, want int) {
	d.Helper()
	last := 0
	Eventually(d, fmt.Sprintf("%s to answer %d", path, want), func() bool {
		last, _, _ = d.Get(path)
		return last == want
	})
}

// Get returns status and body; an error says that there was no answer.
func (d *Defib) Get(path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(d.Context(), Limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Close = true // a Defib of before may have had this port
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// Terminate sends SIGTERM and returns the exit code.
func (d *Defib) Terminate() int {
	d.Helper()
	if err := d.Cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.Error(err)
	}
	return d.ExitCode()
}

// Kill ends Defib with no chance to clean up.
func (d *Defib) Kill() {
	d.Helper()
	if err := d.Cmd.Process.Kill(); err != nil {
		d.Fatal(err)
	}
	d.ExitCode()
}

// ExitCode waits for the end; -1 is a death by signal.
func (d *Defib) ExitCode() int {
	d.Helper()
	select {
	case <-d.gone:
		return d.Cmd.ProcessState.ExitCode()
	case <-time.After(Limit):
		_ = d.Cmd.Process.Kill()
		<-d.gone
		d.Errorf("defib did not end within %v", Limit)
		return d.Cmd.ProcessState.ExitCode()
	}
}

// Whitelist is the flag that names these containers and nothing else.
func Whitelist(containers ...*Container) string {
	names := make([]string, len(containers))
	for i, b := range containers {
		names[i] = b.Name
	}
	return "--restart.whitelist=" + strings.Join(names, ",")
}

// Memory is what the kernel says of the process's memory, in kB: VmRSS now,
// VmHWM at most so far.
func (d *Defib) Memory(what string) int {
	d.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Cmd.Process.Pid))
	if err != nil {
		d.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == what+":" {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				d.Fatal(err)
			}
			return n
		}
	}
	d.Fatalf("the kernel does not tell %s", what)
	return 0
}
