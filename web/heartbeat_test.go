package web

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/e2e/browser"
	"defib/restarter"
)

// strips finds the words for the strip of each container by what is before its SVG.
const strips = `Object.fromEntries([...document.querySelectorAll(".case, #rows tr")].map((e) =>
	[e.id[0] + " " + e.querySelector("bdi").textContent, e.querySelector(".day title")?.textContent ?? ""]))`

func TestEachContainerHasAStripInItsRowAndOnItsCard(t *testing.T) {
	t.Parallel()
	h := ill()
	standing(&h.report, "auth").Heartbeat = nil // nothing is known of it
	p := open(t, h)
	words := browser.Eval[map[string]string](p, strips)
	for which, want := range map[string]string{
		"c auth":     "",
		"c search":   "Last 24 hours: up 99.9",
		"c explorer": "Last 24 hours: up 9",
		"s explorer": "Last 24 hours: up 9",
		"s backup":   "Last 24 hours: up 100\u00a0% of 15 h, meant to be down for ",
		"m payments": "",
	} {
		if got, ok := words[which]; !ok || !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, %t, want %q", which, got, ok, want)
		}
	}
	if got := words["c search"]; !strings.Contains(got, "down in 2 quarters of an hour, the last from ") || !strings.Contains(got, "unknown for ") {
		t.Errorf("of two deaths and an upgrade it is said: %q", got)
	}
	var named []string
	for _, n := range p.Accessible() {
		if n.Role == "image" {
			named = append(named, n.Name)
		}
	}
	if len(named) != 33+7 || !slices.Contains(named, words["c search"]) {
		t.Errorf("%d images for a screen reader, want 40: %q", len(named), named)
	}
}

func TestTheDataHaveStrips(t *testing.T) {
	h := ill()
	standing(&h.report, "auth").Heartbeat = nil
	var s struct {
		Containers []struct {
			Name      string
			Heartbeat *struct {
				Since     time.Time
				Cells     string
				UpPercent *float64 `json:"up_percent"`
			}
		}
	}
	if err := json.Unmarshal(h.get(t, "/api/v1/status").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Containers {
		strip := c.Heartbeat
		switch c.Name {
		case "auth":
			if strip != nil {
				t.Errorf("%+v", strip)
			}
		case "search":
			if strip.Since.Sub(night.Add(-24*time.Hour)).Abs() > 15*time.Minute || len(strip.Cells) != 96 || strings.Count(strip.Cells, "d") != 2 || *strip.UpPercent >= 100 {
				t.Errorf("%+v", strip)
			}
		}
	}
}

// Who sees no colours goes by the height: the taller, the worse. All stand on one line.
func TestBarsDifferInTheirHeightToo(t *testing.T) {
	t.Parallel()
	p := open(t, ill())
	for _, where := range []string{"#rows", "#need", ".legend"} {
		heights := browser.Eval[map[string]float64](p, `Object.fromEntries([...document.querySelectorAll("`+where+` path")].map((path) => {
			const height = parseFloat(getComputedStyle(path).strokeWidth), middle = path.getBBox().y;
			if (middle + height / 2 !== 12) throw new Error(path.outerHTML + " is " + height + " high");
			return [path.getAttribute("class"), height];
		}))`)
		if d := cmp.Diff(map[string]float64{"down": 12, "unhealthy": 8, "up": 4, "off": 1, "gap": 1}, heights); d != "" && where == ".legend" {
			t.Error(d)
		}
		if heights["down"] == 0 || heights["up"] == 0 {
			t.Errorf("%s: %v", where, heights)
		}
	}
	dashes := browser.Eval[[]string](p, `["off", "gap"].map((c) => getComputedStyle(document.querySelector("#rows ." + c)).strokeDasharray)`)
	if dashes[0] == dashes[1] {
		t.Errorf("what is off and what is unknown look alike: %q", dashes)
	}
}

func TestAStripGoesOnBeforeTheReadersEyes(t *testing.T) {
	t.Parallel()
	h := ill()
	p := open(t, h)
	p.Until("the filter", `!document.getElementById("filter-box").hidden`)
	browser.Eval[bool](p, `(() => {
		window.row = [...document.querySelectorAll("#rows tr")].find((row) => row.cells[0].textContent === "web-1");
		window.drawing = row.querySelector("svg");
		return row.querySelector(".down") === null;
	})()`)
	h.change(func(r *restarter.Report) {
		s := standing(r, "web-1")
		s.Heartbeat = lived(past{25 * time.Hour, well}, past{time.Minute, crashed}, past{0, well})
	})
	p.Until("the death", `row.isConnected && row.querySelector(".down")?.namespaceURI === "http://www.w3.org/2000/svg" && row.querySelector(".down").getBBox().width > 0`)
	if got := browser.Eval[string](p, `String(drawing.isConnected) + " " + drawing.querySelectorAll("path").length + " " + row.querySelector(".day").textContent.includes("99.9")`); got != "true 2 true" {
		t.Errorf("the drawing that was there: %s", got)
	}
}

// A thousand containers must stay a page that a phone can load.
func TestStripsAreFewBytes(t *testing.T) {
	h := many(1000)
	size := func(header ...string) int { return h.get(t, "/", header...).Body.Len() }
	with, packed := size(), size("Accept-Encoding", "gzip")
	for i := range h.report.Containers {
		h.report.Containers[i].Heartbeat = nil
	}
	without, bare := size(), size("Accept-Encoding", "gzip")
	t.Logf("strips of 1,000 containers are %d of %d bytes, %d of %d compressed", with-without, with, packed-bare, packed)
	if with-without > 350<<10 || packed-bare > 20<<10 {
		t.Error("too many")
	}
}
