package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"defib/e2e/harness"
)

// What is answered by 503 is delivered again by Alertmanager.

func TestEngineAwayIsToldAtOnce(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	d := harness.StartDefib(t, "unix:///nonexistent/docker.sock", "--restart.whitelist=web")
	d.Post(harness.FiringAlert("container", "web")).Is(t, 503, "engine_unavailable", "engine is unavailable")
}

func TestRestartThatTakesLongIsInProgressUntilItIsDone(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("slow", harness.Spec{Args: []string{"-stubborn"}, StopTimeout: 11})
	d := s.Defib(harness.Whitelist(b), hasty)
	a := b.Alert()
	got := d.Post(a)
	got.Is(t, 503, "in_progress", "being started or restarted")
	if got.Took < 9*time.Second {
		t.Errorf("answered after %v: Alertmanager would have waited for 9s", got.Took)
	}
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "container restarted", "container", b.Name)
	d.Post(a).Is(t, 200, "already_restarted", "already")
	b.StartedTimes(2)
}

// brittle is a container that cannot be started again once the directory is gone.
func brittle(s *harness.Env, suffix string) (b *harness.Container, dir string) {
	s.Helper()
	dir = filepath.Join(s.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.Fatal(err)
	}
	b = s.Run(suffix, harness.Spec{Host: func(h *container.HostConfig) {
		h.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: dir, Target: "/data"}}
	}})
	return b, dir
}

// TestRestartThatFailsIsToldWithTheEnginesWords: whether or not the events of it
// come in time, it is Defib that has stopped the container.
func TestRestartThatFailsIsToldWithTheEnginesWords(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("events lost: ", lost), func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			b, dir := brittle(s, "web")
			m := harness.NewFaultProxy(t, s.Engine, 1)
			d := harness.StartDefib(t, m.Host(), harness.Whitelist(b), hasty, longBackoff, "--restart.backoff-max=1h")
			d.Knows(s)
			if lost {
				m.Begin(harness.FaultDrop, 1, "events")
			}
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			if got := d.Post(b.Alert()); got.Outcome() != "in_progress" { // as it is if that takes long
				got.Is(t, 503, "failed", dir)
			}
			if l := d.AwaitLine(1, "restart failed", "container", b.Name); !strings.Contains(l.Str("err"), dir) {
				t.Errorf("the log does not say why: %s", l.Text)
			}
			b.MustBe(container.StateExited)
			d.Post(b.Alert()).Is(t, 200, "back_off", "retry in")
			d.Shows(harness.Series("defib_restart_failures_total", "name", b.Name, "trigger", "alert"), 1)
		})
	}
}

func TestLaw9CallersAreToldOfAShutdown(t *testing.T) {
	harness.DockerOnly(t, harness.NoKillEvents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("slow", harness.Spec{Args: []string{"-stubborn"}, StopTimeout: 8})
	d := s.Defib(harness.Whitelist(b), hasty)
	answer := make(chan harness.Reply, 1)
	go func() { answer <- d.Post(b.Alert()) }()
	b.AwaitEvents("kill", 1)
	if code := d.Terminate(); code != 0 {
		t.Errorf("exit code %d on SIGTERM, want 0", code)
	}
	got := <-answer
	got.Is(t, 503, "shutting_down", "shutting down")
	b.AwaitEvents("start", 2) // the engine carries on
}

func TestCallersBeyondTheBoundAreTurnedAway(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	d := s.Defib()
	var slow []net.Conn
	hangUp := func() {
		for _, c := range slow {
			c.Close()
		}
	}
	defer hangUp()
	dialer := net.Dialer{Timeout: harness.Limit}
	oneMore := func() {
		c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(d.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
		// A body is announced and does not come.
		fmt.Fprintf(c, "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n")
	}
	for range 64 {
		oneMore()
	}
	var got harness.Reply
	harness.Eventually(t, "one caller too many", func() bool {
		got = d.Post(harness.FiringAlert())
		if got.Status == http.StatusServiceUnavailable {
			return true
		}
		oneMore() // one of them may have been too slow to write, and was given up
		return false
	})
	got.Refuses(t, 503, "too many requests")
	hangUp()
	harness.Eventually(t, "room for another caller", func() bool {
		got = d.Post(harness.FiringAlert())
		return got.Status == http.StatusOK
	})
	got.Is(t, 200, "no_target", "no label names a container")
}

func TestRefusalOfASocketProxyIsToldAndNotRetried(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	table, _ := privileges(t)
	g := harness.NewDenyProxy(t, s.Engine, requestsBut(table, "start", "restart")...)
	d := harness.StartDefib(t, g.Host, harness.Whitelist(b), hasty, longBackoff, "--restart.backoff-max=1h")
	d.Ready()
	d.Post(b.Alert()).Is(t, 200, "refused", "refuses to start or restart containers")
	d.Post(b.Alert()).Is(t, 200, "refused", "retry in")
	b.StartedTimes(1)
}
