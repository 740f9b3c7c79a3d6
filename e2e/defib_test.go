package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// defib is a running Defib.
type defib struct {
	testing.TB
	*journal
	cmd    *exec.Cmd
	client *http.Client
	base   string // http://127.0.0.1:PORT
	gone   chan struct{}
}

// defib starts a Defib that watches the scene's engine, and waits until it knows
// all about the scene.
func (s *env) defib(args ...string) *defib {
	s.Helper()
	d := startDefib(s.TB, s.engine.host, args...)
	d.ready()
	d.knows(s)
	return d
}

// knows waits until Defib has inspected what runs of the scene, and has decided.
func (d *defib) knows(s *env) {
	d.Helper()
	eventually(d, "defib to know the scene", func() bool {
		ctx, cancel := context.WithTimeout(d.Context(), limit)
		defer cancel()
		all, err := s.list(ctx)
		found := d.scrape()
		return err == nil && !slices.ContainsFunc(all, func(c container.Summary) bool {
			name := strings.TrimPrefix(c.Names[0], "/")
			_, judged := found[series("defib_container_whitelisted", "name", name)]
			_, inspected := found[series("docker_container_started_timestamp_seconds", "name", name)]
			return !judged || c.State == container.StateRunning && !inspected
		})
	})
}

// startDefib starts a Defib for the engine at host and waits until it serves.
func startDefib(tb testing.TB, host string, args ...string) *defib {
	tb.Helper()
	args = append([]string{"--docker.host=" + host, "--web.listen-address=127.0.0.1:0", "--log.format=json"}, args...)
	for _, usual := range append(allowance(), "--log.level=debug") {
		flag, _, _ := strings.Cut(usual, "=")
		if !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, flag) }) {
			args = append(args, usual)
		}
	}
	d := spawn(tb, nil, args...)
	d.serving()
	return d
}

// spawn starts the program with just these arguments and this environment.
func spawn(tb testing.TB, env []string, args ...string) *defib {
	tb.Helper()
	path, err := buildDefib()
	if err != nil {
		tb.Fatal(err)
	}
	d := &defib{TB: tb, journal: &journal{}, client: http.DefaultClient, gone: make(chan struct{})}
	d.cmd = exec.CommandContext(context.WithoutCancel(tb.Context()), path, args...)
	d.cmd.Env = append(cleanEnv(), env...)
	d.cmd.Stdout, d.cmd.Stderr = d.journal, d.journal
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		// How it ended is in ProcessState.
		_ = d.cmd.Wait()
		close(d.gone)
	}()
	tb.Cleanup(d.close)
	return d
}

// cleanEnv is the environment without what Defib or the Docker client read.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "DEFIB_") || strings.HasPrefix(kv, "DOCKER_")
	})
}

// close ends a Defib that still runs as an operator would, and holds it to its
// promises: exit code 0, nothing on stderr but log lines.
func (d *defib) close() {
	if d.alive() {
		if code := d.terminate(); code != 0 {
			d.Errorf("defib left with exit code %d on SIGTERM", code)
		}
		if strays := d.strays(); len(strays) > 0 {
			d.Errorf("defib wrote what is no log line:\n%s", strings.Join(strays, "\n"))
		}
	}
	if d.Failed() {
		d.Logf("defib's log:\n%s", d.tail(300))
	}
}

func (d *defib) alive() bool {
	select {
	case <-d.gone:
		return false
	default:
		return true
	}
}

// serving waits for the address that Defib listens on.
func (d *defib) serving() {
	d.Helper()
	eventually(d, "defib to listen", func() bool {
		if !d.alive() {
			d.Fatalf("defib ended with exit code %d", d.cmd.ProcessState.ExitCode())
		}
		listening := d.find("Listening on")
		if len(listening) > 0 {
			d.base = "http://" + listening[0].str("address")
		}
		return len(listening) > 0
	})
}

// ready waits until Defib has a snapshot of its engine.
func (d *defib) ready() {
	d.Helper()
	d.awaitStatus("/-/ready", http.StatusOK)
}

func (d *defib) awaitStatus(path string, want int) {
	d.Helper()
	last := 0
	eventually(d, fmt.Sprintf("%s to answer %d", path, want), func() bool {
		last, _, _ = d.get(path)
		return last == want
	})
}

// get returns status and body; an error says that there was no answer.
func (d *defib) get(path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(d.Context(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
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

// awaitLine waits for the nth line with this message and these pairs.
func (d *defib) awaitLine(n int, msg string, pairs ...any) line {
	d.Helper()
	var found []line
	eventually(d, fmt.Sprintf("log line %d of %q %v", n, msg, pairs), func() bool {
		found = d.find(msg, pairs...)
		return len(found) >= n
	})
	return found[n-1]
}

// logged checks how many such lines there are now.
func (d *defib) logged(want int, msg string, pairs ...any) {
	d.Helper()
	if got := len(d.find(msg, pairs...)); got != want {
		d.Errorf("%d log lines %q %v, want %d", got, msg, pairs, want)
	}
}

// leftAlone checks that nothing was done to the container, or tried.
func (d *defib) leftAlone(b *testContainer) {
	d.Helper()
	d.logged(0, "container started", "container", b.name)
	d.logged(0, "start failed", "container", b.name)
}

// terminate sends SIGTERM and returns the exit code.
func (d *defib) terminate() int {
	d.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		d.Error(err)
	}
	return d.exitCode()
}

// kill ends Defib with no chance to clean up.
func (d *defib) kill() {
	d.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		d.Fatal(err)
	}
	d.exitCode()
}

// exitCode waits for the end; -1 is a death by signal.
func (d *defib) exitCode() int {
	d.Helper()
	select {
	case <-d.gone:
		return d.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		_ = d.cmd.Process.Kill()
		<-d.gone
		d.Errorf("defib did not end within %v", limit)
		return d.cmd.ProcessState.ExitCode()
	}
}
