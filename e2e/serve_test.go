package e2e

import (
	"bytes"
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"defib/e2e/harness"
)

func TestEndpointsAnswer(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	d := harness.StartDefib(t, harness.SharedEngine(t).Host, "--web.telemetry-path=/elsewhere")
	d.Ready()
	for path, want := range map[string]int{
		"/":          http.StatusOK,
		"/elsewhere": http.StatusOK,
		"/-/healthy": http.StatusOK,
		"/nothing":   http.StatusNotFound,
	} {
		if got, body, err := d.Get(path); err != nil || got != want {
			t.Errorf("GET %s: %d, %v; want %d\n%s", path, got, err, want, body)
		}
	}
}

func TestLaw9TermEndsDefibAtOnce(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("loop", harness.Spec{Args: []string{"-code=1"}})
	d := s.Defib(harness.Whitelist(b), "--restart.backoff-initial=5m")
	b.Crash()
	b.AwaitEvents("start", 2)
	b.Crash()
	d.AwaitHeld(b, "back_off")
	// In spite of a back-off that has minutes to go: ExitCode waits Limit.
	if code := d.Terminate(); code != 0 {
		t.Errorf("exit code %d on SIGTERM, want 0", code)
	}
	b.StartedTimes(2)
}

func TestTermEndsDefibWithoutAnEngine(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	d := harness.StartDefib(t, "unix:///nonexistent/docker.sock")
	d.AwaitLine(1, "engine unavailable")
	if code := d.Terminate(); code != 0 {
		t.Errorf("exit code %d on SIGTERM, want 0", code)
	}
}

func TestImpossibleFlagsAreRefusedAllAtOnce(t *testing.T) {
	harness.EngineIndependent(t)
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
			d := harness.Spawn(t, nil, append([]string{"--web.listen-address=127.0.0.1:0"}, row.args...)...)
			if code := d.ExitCode(); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			for _, want := range row.want {
				if !strings.Contains(d.Tail(100), want) {
					t.Errorf("no word of %s:\n%s", want, d.Tail(100))
				}
			}
		})
	}
}

func TestEnvironmentIsAsGoodAsFlags(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
	d := harness.Spawn(t, []string{
		"DOCKER_HOST=" + s.Engine.Host,
		"DEFIB_RESTART_WHITELIST=" + b.Name,
		"DEFIB_RESTART_STOPPED_DELAY=" + strings.TrimPrefix(harness.Never, "--restart.stopped-delay="),
		"DEFIB_WEB_LISTEN_ADDRESS=127.0.0.1:0",
		"DEFIB_LOG_FORMAT=json",
		"DEFIB_LOG_LEVEL=debug",
	})
	d.Serving()
	d.Ready()
	b.Crash()
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "container started", "container", b.Name)
}

func TestPromtoolFindsNothingToMend(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	promtool := harness.Program(t, "prometheus", "promtool")
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
	stopped := s.Run("stopped", harness.Spec{})
	d := s.Defib(harness.Whitelist(b, stopped), harness.Never, harness.Resources)
	b.Crash()
	b.AwaitEvents("start", 2)
	stopped.Stop()
	d.AwaitHeld(stopped, "stopped_delay")

	status, body, err := d.Get("/metrics")
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), harness.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, promtool, "check", "metrics")
	cmd.Stdin = bytes.NewBufferString(body)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s\nof\n%s", err, out, body)
	}
}
