package e2e

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
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
	text, err := os.ReadFile(repository("docs/privileges.md"))
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

// TestEachCallIsNeededForWhatTheDocsSay refuses one call after the other, and none.
func TestEachCallIsNeededForWhatTheDocsSay(t *testing.T) {
	t.Parallel()
	table, goods := privileges(t)
	for _, refused := range append(table, privilege{call: "none"}) {
		t.Run(refused.call, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			down, sick := s.run("down", spec{args: []string{"-code=1"}}), s.run("sick", spec{})
			g := newDenyProxy(t, s.engine, requestsBut(table, refused.call)...)
			d := startDefib(t, g.host, whitelist(down, sick), hasty, "--restart.stopped-delay=1s")
			if slices.Contains(refused.lost, "metrics") {
				d.awaitLine(1, "engine unavailable")
			} else {
				d.ready()
			}
			down.crash()
			works := d.probe(down, sick)
			for _, good := range goods {
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
				eventually(t, good, probe)
			}
			if said := d.told("allow " + refused.request); len(said) != min(1, len(refused.lost)) {
				t.Errorf("said %d times that %s is refused: %v", len(said), refused.request, said)
			}
			if n := len(d.told("a socket proxy refuses it")); n != min(1, len(refused.lost)) {
				t.Errorf("said %d times that calls are refused", n)
			}
		})
	}
}

// probe says how to see, at this moment, whether each good of the table is there;
// one container is down, the other runs.
func (d *defib) probe(down, sick *testContainer) map[string]func() bool {
	shows := func(name string, b *testContainer) bool {
		_, there := d.scrape()[series(name, "name", b.name)]
		return there
	}
	return map[string]func() bool{
		"metrics": func() bool { return d.scrape()["docker_up"] == 1 && shows("docker_container_up", sick) },
		"details": func() bool { return shows("docker_container_started_timestamp_seconds", sick) },
		"images":  func() bool { return shows("docker_container_image_outdated", sick) },
		"host name": func() bool {
			engines := d.scrape().with("docker_engine_info{")
			return len(engines) == 1 && !strings.Contains(engines[0], `host=""`)
		},
		"starts": func() bool {
			watch(d, 2*time.Second, "longer than the stopped delay")
			return len(down.times("start")) > 1
		},
		"restarts": func() bool { return len(d.post(sick.alarm()).told) == 1 && len(sick.times("start")) > 1 },
	}
}

// told are the lines for people, not those to debug by, that hold a text.
func (d *defib) told(text string) []string {
	var found []string
	for line := range strings.Lines(d.tail(1 << 20)) {
		if !strings.Contains(line, `"level":"DEBUG"`) && strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
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
	s := newEnv(t, sharedEngine(t))
	one, other := s.run("one", spec{args: []string{"-code=1"}}), s.run("other", spec{args: []string{"-code=1"}})
	g := newDenyProxyWith(t, s.engine, status, requestsBut(table, "start")...)
	d := startDefib(t, g.host, whitelist(one, other), never, "--restart.backoff-max=3s")
	d.ready()
	one.crash()
	other.crash()
	d.awaitHeld(one, "refused")
	d.awaitHeld(other, "refused")
	d.awaitValue(series("docker_container_exited", "name", one.name), 1)
	eventually(t, "several attempts", func() bool {
		return d.scrape()[series("defib_restart_failures_total", "name", one.name, "trigger", "exited")] >= 3
	})
	d.logged(1, "call refused", "call", "start")
	one.startedTimes(1)

	g.allow("POST /containers/*/start")
	for _, b := range []*testContainer{one, other} {
		b.awaitEvents("start", 2)
		d.awaitLine(1, "container started", "container", b.name)
	}
	d.awaitLine(1, "call allowed again", "call", "start")
	d.logged(1, "call refused", "call", "start")
	d.awaitAbsent(series("defib_container_held", "name", one.name, "reason", "refused"))
}
