package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/e2e/browser"
	"defib/engine"
	"defib/restarter"
	"defib/stats"
)

func TestTheDataHaveWhatIsUsed(t *testing.T) {
	h := ill()
	for _, u := range h.reading.Containers {
		u.Interfaces = []stats.Interface{{Receive: stats.Traffic{Bytes: 7}, Transmit: stats.Traffic{Bytes: 0}}}
	}
	h.reading.Faults = []stats.Fault{"No mount.\n\u202e"}
	used := func() (found []map[string]any, faults []string) {
		var s struct {
			Faults     []string `json:"resource_faults"`
			Containers []map[string]any
		}
		if err := json.Unmarshal(h.get(t, "/api/v1/status").Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		for _, c := range s.Containers {
			use := map[string]any{}
			for _, field := range []string{"cpu_cores", "memory_bytes", "memory_limit_bytes", "network_receive_bytes", "network_transmit_bytes", "last_usage"} {
				if value, there := c[field]; there {
					use[field] = value
				}
			}
			switch c["name"] {
			case "explorer", "gateway", "worker-1", "backup":
				found = append(found, use)
			}
		}
		return found, s.Faults
	}
	got, faults := used()
	if d := cmp.Diff([]map[string]any{
		{}, // backup
		{"last_usage": map[string]any{"seconds_before_exit": 3.0, "memory_bytes": 512.0 * mib, "memory_limit_bytes": 512.0 * mib}},
		{"cpu_cores": 0.49, "memory_bytes": 503.0 * mib, "memory_limit_bytes": 512.0 * mib, "network_receive_bytes": 7.0, "network_transmit_bytes": 0.0},
		{"cpu_cores": 3.4, "memory_bytes": 5120.0 * mib, "network_receive_bytes": 7.0, "network_transmit_bytes": 0.0},
	}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"No mount. \uFFFD"}, faults); d != "" {
		t.Error(d)
	}
	h.reading = nil
	if got, faults := used(); !cmp.Equal(got, []map[string]any{{}, {}, {}, {}}) || faults != nil {
		t.Errorf("resources are off, and there are %v, faults %v", got, faults)
	}
}

func TestColumnsOfUseAreThereIfResourcesAreOn(t *testing.T) {
	h := ill()
	h.reading.Faults = []stats.Fault{"No mount.\n<b>"}
	on := h.get(t, "/").Body.String()
	for _, part := range []string{
		">CPU</th>", ">Memory</th>", "Resources: <bdi>No mount. &lt;b&gt;</bdi>",
		"<td class=\"usage cpu number high\">49\u00a0% (limit 50\u00a0%, high)</td><td class=\"usage number high\">503\u00a0of 512\u00a0MiB (98\u00a0%, high)</td>",
	} {
		if !strings.Contains(on, part) {
			t.Errorf("the page has no %q", part)
		}
	}
	if n := strings.Count(on, `<td class="usage`); n != 2*34 {
		t.Errorf("%d cells, want 2 for each of 34 containers", n)
	}
	h.reading = nil
	off := h.get(t, "/").Body.String()
	for _, part := range []string{">CPU</th>", ">Memory</th>", `<td class="usage`, "It uses", "It used", "Resources:"} {
		if strings.Contains(off, part) {
			t.Errorf("resources are off, and the page has %q", part)
		}
	}
}

// A reading costs something, and one of another snapshot would miss containers.
func TestResourcesAreReadOnceForEachRequest(t *testing.T) {
	seen := &engine.Snapshot{}
	for name, row := range map[string]struct {
		report restarter.Report
		away   error
		want   int
	}{
		"the engine is up":          {restarter.Report{Snapshot: seen}, nil, 1},
		"the engine is away":        {restarter.Report{Snapshot: seen}, errAway, 0},
		"before the first snapshot": {restarter.Report{}, nil, 0},
	} {
		for _, path := range []string{"/", "/api/v1/status"} {
			asked := 0
			usage := func(p *engine.Snapshot) *stats.Reading {
				if asked++; p != seen {
					t.Errorf("%s, %s: another snapshot is read", name, path)
				}
				return &stats.Reading{}
			}
			New("/m", http.NotFoundHandler(), http.NotFoundHandler(), func(*http.Request) error { return row.away }, func() restarter.Report { return row.report }, usage).
				ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if asked != row.want {
				t.Errorf("%s, %s: it is read %d times, want %d", name, path, asked, row.want)
			}
		}
	}
}

func TestUseGoesOnBeforeTheReadersEyes(t *testing.T) {
	t.Parallel()
	h := ill()
	p := open(t, h)
	p.Until("the filter", `!document.getElementById("filter-box").hidden`)
	browser.Eval[bool](p, `(() => {
		window.row = [...document.querySelectorAll("#rows tr")].find((row) => row.cells[0].textContent === "auth");
		const box = document.getElementById("filter");
		box.value = "77";
		box.dispatchEvent(new Event("input"));
		return true;
	})()`)
	h.mu.Lock()
	h.read(map[string]*stats.Usage{"auth": using(0.77, 300*mib, 310*mib)})
	h.mu.Unlock()
	p.Until("another use", `row.isConnected && row.cells[5].textContent === "77\u00a0%" && row.cells[6].textContent === "300\u00a0of 310\u00a0MiB (97\u00a0%, high)"`)
	if got := browser.Eval[string](p, `document.getElementById("found").textContent`); got != "0 of 34" {
		t.Errorf("rows come and go with what they use: %s are shown", got)
	}
}
