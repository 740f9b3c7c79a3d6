package e2e

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

// privilege is a row of the table in docs/privileges.md: a call, the request that
// a proxy must allow for it, and what is lost without.
type privilege struct {
	call, request string
	lost          []string
}

// privileges reads the table, and its columns: all that can be lost.
func privileges(tb testing.TB) (table []privilege, goods []string) {
	tb.Helper()
	text, err := os.ReadFile(harness.Repository("docs/privileges.md"))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(cells[i], " `")
		}
		if goods == nil {
			goods = cells[2:]
			continue
		}
		p := privilege{call: cells[0], request: cells[1]}
		for i, cell := range cells[2:] {
			if cell == "x" {
				p.lost = append(p.lost, goods[i])
			}
		}
		table = append(table, p)
	}
	if len(table) == 0 {
		tb.Fatal("docs/privileges.md has no table")
	}
	return table, goods
}

// requestsBut are the requests of the table without those of these calls.
func requestsBut(table []privilege, calls ...string) []string {
	var requests []string
	for _, p := range table {
		if !slices.Contains(calls, p.call) {
			requests = append(requests, p.request)
		}
	}
	return requests
}

// elsewhere is what TestEachCallIsNeededForWhatTheDocsSay leaves to the tests of package docker,
// and to those on a swarm: none of these containers is created anew, or a task. So it does a
// call without which all of this is there.
var elsewhere = []string{"re-creations", "tasks"}

// TestEachCallIsNeededForWhatTheDocsSay refuses one call after the other, and none.
func TestEachCallIsNeededForWhatTheDocsSay(t *testing.T) {
	t.Parallel()
	table, goods := privileges(t)
	for _, refused := range append(table, privilege{call: "none"}) {
		lost := slices.DeleteFunc(slices.Clone(refused.lost), func(good string) bool { return slices.Contains(elsewhere, good) })
		if len(lost) == 0 && refused.call != "none" {
			continue
		}
		t.Run(refused.call, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			down, sick := s.Run("down", harness.Spec{Args: []string{"-code=1"}}), s.Run("sick", harness.Spec{})
			g := harness.NewDenyProxy(t, s.Engine, requestsBut(table, refused.call)...)
			d := harness.StartDefib(t, g.Host, harness.Whitelist(down, sick), hasty, "--restart.stopped-delay=1s", "--postmortem.log-lines=5")
			if slices.Contains(refused.lost, "metrics") {
				d.AwaitLine(1, "engine unavailable")
			} else {
				d.Ready()
			}
			down.Crash()
			if len(refused.lost) > 0 {
				harness.Watch(t, 2*time.Second, "longer than the stopped delay, so a start would show")
			}
			works := probe(d, down, sick)
			for _, good := range goods {
				if slices.Contains(elsewhere, good) {
					continue
				}
				probe, ok := works[good]
				if !ok {
					t.Fatalf("nothing tests the column %q", good)
				}
				if slices.Contains(refused.lost, good) {
					if probe() {
						t.Errorf("without %s there still is: %s", refused.request, good)
					}
					continue
				}
				harness.Eventually(t, good, probe)
			}
			if said := d.Notices("allow " + refused.request); len(said) != min(1, len(refused.lost)) {
				t.Errorf("said %d times that %s is refused: %v", len(said), refused.request, said)
			}
			if n := len(d.Notices("refused by the engine or a socket proxy")); n != min(1, len(refused.lost)) {
				t.Errorf("said %d times that calls are refused", n)
			}
		})
	}
}

// probe says how to see, at this moment, whether each good of the table is there;
// one container is down, the other runs.
func probe(d *harness.Defib, down, sick *harness.Container) map[string]func() bool {
	shows := func(name string, b *harness.Container) bool {
		_, there := d.Exposition().Value(harness.Series(name, "name", b.Name))
		return there
	}
	return map[string]func() bool{
		"metrics": func() bool {
			up, _ := d.Exposition().Value("docker_up")
			return up == 1 && shows("docker_container_up", sick)
		},
		"details": func() bool { return shows("docker_container_started_timestamp_seconds", sick) },
		"images":  func() bool { return shows("docker_container_image_outdated", sick) },
		"host name": func() bool {
			engines := d.Scrape().WithPrefix("docker_engine_info{")
			return len(engines) == 1 && !strings.Contains(engines[0], `host=""`)
		},
		"starts": func() bool { return len(down.Times("start")) > 1 },
		"logs": func() bool {
			deaths := d.Deaths(down)
			return len(deaths) > 0 && len(deaths[0].Log) > 0
		},
		"restarts": func() bool { return len(d.Post(sick.Alert()).Results) == 1 && len(sick.Times("start")) > 1 },
	}
}

func TestRefusedStartIsShownAndDoneOnceItIsAllowed(t *testing.T) {
	t.Parallel()
	// A proxy may also hide what it refuses.
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			refusedStart(t, status)
		})
	}
}

func refusedStart(t *testing.T, status int) {
	table, _ := privileges(t)
	s := harness.NewEnv(t, harness.SharedEngine(t))
	one, other := s.Run("one", harness.Spec{Args: []string{"-code=1"}}), s.Run("other", harness.Spec{Args: []string{"-code=1"}})
	g := harness.NewDenyProxyWith(t, s.Engine, status, requestsBut(table, "start")...)
	d := harness.StartDefib(t, g.Host, harness.Whitelist(one, other), harness.Never, "--restart.backoff-max=3s")
	d.Ready()
	one.Crash()
	other.Crash()
	d.AwaitHeld(one, "refused")
	d.AwaitHeld(other, "refused")
	d.AwaitValue(harness.Series("docker_container_exited", "name", one.Name), 1)
	harness.Eventually(t, "several attempts", func() bool {
		failed, _ := d.Exposition().Value(harness.Series("defib_restart_failures_total", "name", one.Name, "trigger", "exited"))
		return failed >= 3
	})
	d.Logged(1, "call refused", "call", "start")
	one.StartedTimes(1)

	g.Allow("POST /containers/*/start")
	for _, b := range []*harness.Container{one, other} {
		b.AwaitEvents("start", 2)
		d.AwaitLine(1, "container started", "container", b.Name)
	}
	d.AwaitLine(1, "call allowed again", "call", "start")
	d.Logged(1, "call refused", "call", "start")
	d.AwaitAbsent(harness.Series("defib_container_held", "name", one.Name, "reason", "refused"))
}
