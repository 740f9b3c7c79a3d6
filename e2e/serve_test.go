package e2e

import (
	"bytes"
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

func TestEndpointsAnswer(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	d := startDefib(t, sharedEngine(t).host, "--web.telemetry-path=/elsewhere")
	d.ready()
	for path, want := range map[string]int{
		"/":          http.StatusOK,
		"/elsewhere": http.StatusOK,
		"/-/healthy": http.StatusOK,
		"/nothing":   http.StatusNotFound,
	} {
		if got, body, err := d.get(path); err != nil || got != want {
			t.Errorf("GET %s: %d, %v; want %d\n%s", path, got, err, want, body)
		}
	}
}

func TestLaw9TermEndsDefibAtOnce(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("loop", spec{args: []string{"-code=1"}})
	d := s.defib(whitelist(b), "--restart.backoff-initial=5m")
	b.crash()
	b.awaitEvents("start", 2)
	b.crash()
	d.awaitHeld(b, "back_off")
	// In spite of a back-off that has minutes to go: exitCode waits limit.
	if code := d.terminate(); code != 0 {
		t.Errorf("exit code %d on SIGTERM, want 0", code)
	}
	b.startedTimes(2)
}

func TestTermEndsDefibWithoutAnEngine(t *testing.T) {
	t.Parallel()
	d := startDefib(t, "unix:///nonexistent/docker.sock")
	d.awaitLine(1, "engine unavailable")
	if code := d.terminate(); code != 0 {
		t.Errorf("exit code %d on SIGTERM, want 0", code)
	}
}

func TestImpossibleFlagsAreRefusedAllAtOnce(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	for name, row := range map[string]struct {
		args, want []string
	}{
		"several": {
			args: []string{"--restart.backoff-initial=10m", "--restart.concurrency=0", "--restart.policy=sometimes"},
			want: []string{"restart.backoff-initial", "restart.concurrency", "restart.policy"},
		},
		"negative times": {
			args: []string{"--restart.stopped-delay=-1s", "--docker.timeout=-1s", "--docker.resync-interval=0s"},
			want: []string{"restart.stopped-delay", "docker.timeout", "docker.resync-interval"},
		},
		"globs": {
			args: []string{"--restart.whitelist=web-[", "--restart.exclude=db-["},
			want: []string{"restart.whitelist", "restart.exclude"},
		},
		"ssh":              {args: []string{"--docker.host=ssh://host"}, want: []string{"ssh"}},
		"a path of no use": {args: []string{"--web.telemetry-path=/-/healthy"}, want: []string{"web.telemetry-path"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := spawn(t, nil, append([]string{"--web.listen-address=127.0.0.1:0"}, row.args...)...)
			if code := d.exitCode(); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			for _, want := range row.want {
				if !strings.Contains(d.tail(100), want) {
					t.Errorf("no word of %s:\n%s", want, d.tail(100))
				}
			}
		})
	}
}

func TestEnvironmentIsAsGoodAsFlags(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{args: []string{"-code=1"}})
	d := spawn(t, []string{
		"DOCKER_HOST=" + s.engine.host,
		"DEFIB_RESTART_WHITELIST=" + b.name,
		"DEFIB_RESTART_STOPPED_DELAY=" + strings.TrimPrefix(never, "--restart.stopped-delay="),
		"DEFIB_WEB_LISTEN_ADDRESS=127.0.0.1:0",
		"DEFIB_LOG_FORMAT=json",
		"DEFIB_LOG_LEVEL=debug",
	})
	d.serving()
	d.ready()
	b.crash()
	b.awaitEvents("start", 2)
	d.awaitLine(1, "container started", "container", b.name)
}

func TestPromtoolFindsNothingToMend(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		unavailable(t, "promtool, of Debian's package prometheus, is not on the PATH")
	}
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{args: []string{"-code=1"}})
	stopped := s.run("stopped", spec{})
	d := s.defib(whitelist(b, stopped), never)
	b.crash()
	b.awaitEvents("start", 2)
	stopped.stop()
	d.awaitHeld(stopped, "stopped_delay")

	status, body, err := d.get("/metrics")
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, promtool, "check", "metrics")
	cmd.Stdin = bytes.NewBufferString(body)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s\nof\n%s", err, out, body)
	}
}
