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
)

// What is answered by 503 is delivered again by Alertmanager.

func TestEngineAwayIsToldAtOnce(t *testing.T) {
	t.Parallel()
	d := startDefib(t, "unix:///nonexistent/docker.sock", "--restart.whitelist=web")
	d.post(firingAlert("container", "web")).is(t, 503, "engine_unavailable", "engine is away")
}

func TestRestartThatTakesLongIsInProgressUntilItIsDone(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("slow", spec{args: []string{"-stubborn"}, stopTimeout: 11})
	d := s.defib(whitelist(b), hasty)
	a := b.alarm()
	got := d.post(a)
	got.is(t, 503, "in_progress", "being started or restarted")
	if got.took < 9*time.Second {
		t.Errorf("answered after %v: Alertmanager would have waited for 9s", got.took)
	}
	b.awaitEvents("start", 2)
	d.awaitLine(1, "container restarted", "container", b.name)
	d.post(a).is(t, 200, "already_restarted", "already")
	b.startedTimes(2)
}

// brittle is a container that cannot be started again once the directory is gone.
func (s *env) brittle(suffix string) (b *testContainer, dir string) {
	s.Helper()
	dir = filepath.Join(s.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.Fatal(err)
	}
	b = s.run(suffix, spec{host: func(h *container.HostConfig) {
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
			s := newEnv(t, sharedEngine(t))
			b, dir := s.brittle("web")
			m := newMeddler(t, s.engine, 1)
			d := startDefib(t, m.host(), whitelist(b), hasty, longBackoff, "--restart.backoff-max=1h")
			d.knows(s)
			if lost {
				m.begin(faultDrop, 1, "events")
			}
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			if got := d.post(b.alarm()); got.outcome() != "in_progress" { // as it is if that takes long
				got.is(t, 503, "failed", dir)
			}
			if l := d.awaitLine(1, "restart failed", "container", b.name); !strings.Contains(l.str("err"), dir) {
				t.Errorf("the log does not say why: %s", l.text)
			}
			b.mustBe(container.StateExited)
			d.post(b.alarm()).is(t, 200, "back_off", "ask again in")
			d.shows(series("defib_restart_failures_total", "name", b.name, "trigger", "alert"), 1)
		})
	}
}

func TestLaw9CallersAreToldOfAShutdown(t *testing.T) {
	dockerOnly(t, noKillEvents)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("slow", spec{args: []string{"-stubborn"}, stopTimeout: 8})
	d := s.defib(whitelist(b), hasty)
	answer := make(chan reply, 1)
	go func() { answer <- d.post(b.alarm()) }()
	b.awaitEvents("kill", 1)
	if code := d.terminate(); code != 0 {
		t.Errorf("exit code %d on SIGTERM, want 0", code)
	}
	got := <-answer
	got.is(t, 503, "shutting_down", "shutting down")
	b.awaitEvents("start", 2) // the engine carries on
}

func TestCallersBeyondTheBoundAreTurnedAway(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	d := s.defib()
	var slow []net.Conn
	hangUp := func() {
		for _, c := range slow {
			c.Close()
		}
	}
	defer hangUp()
	dialer := net.Dialer{Timeout: limit}
	oneMore := func() {
		c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(d.base, "http://"))
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
	var got reply
	eventually(t, "one caller too many", func() bool {
		got = d.post(firingAlert())
		if got.status == http.StatusServiceUnavailable {
			return true
		}
		oneMore() // one of them may have been too slow to write, and was given up
		return false
	})
	got.refuses(t, 503, "too many requests")
	hangUp()
	eventually(t, "room for another caller", func() bool {
		got = d.post(firingAlert())
		return got.status == http.StatusOK
	})
	got.is(t, 200, "no_target", "no label names a container")
}

func TestRefusalOfASocketProxyIsToldAndNotRetried(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", spec{})
	table, _ := privileges(t)
	g := newDenyProxy(t, s.engine, requestsBut(table, "start", "restart")...)
	d := startDefib(t, g.host, whitelist(b), hasty, longBackoff, "--restart.backoff-max=1h")
	d.ready()
	d.post(b.alarm()).is(t, 200, "refused", "refuses to start or restart containers")
	d.post(b.alarm()).is(t, 200, "refused", "ask again in")
	b.startedTimes(1)
}
