package web

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"defib/e2e/browser"
	"defib/engine"
	"defib/restarter"
	"defib/restarter/postmortem"
)

// deathOf is the end of a run that lasted a minute, so long ago.
func deathOf(name string, ago time.Duration, lines ...string) postmortem.Death {
	ended := night.Add(-ago)
	d := postmortem.Death{
		Container: name, ID: runs(name, 0).Container.ID, Time: ended, Started: ended.Add(-time.Minute), Finished: ended,
		Trigger: "exited", Cause: engine.CauseSelf, ExitCode: new(137), OOMKilled: true,
		Usage: &postmortem.Usage{Seconds: 3.2, Cores: new(0.5), Memory: 509 * mib, MemoryLimit: 512 * mib},
	}
	for i, l := range lines {
		d.Log = append(d.Log, postmortem.Line{Time: ended.Add(time.Duration(i-len(lines)) * time.Millisecond), Stderr: i%2 == 1, Text: l})
	}
	return d
}

// deadly is a bad night whose deaths are kept.
func deadly() *host {
	h := ill()
	sick := deathOf("checkout", 20*time.Minute, "listening on :8080")
	sick.Restarted, sick.Trigger, sick.Cause, sick.OOMKilled, sick.ExitCode, sick.Health = true, "unhealthy", "", false, new(143), "HTTP 503"
	unread := deathOf("gone", 30*time.Minute)
	unread.LogError = "its logging driver cannot be read"
	h.report.Deaths = []postmortem.Death{
		unread, sick,
		deathOf("explorer", 3*time.Minute, "loading", "fatal error: out of memory"),
		deathOf("explorer", 40*time.Second, "loading", "fatal error: <script>alert(1)</script>", strings.Repeat("a long line ", 80), "\u202egoroutine 1 [running]:"),
	}
	h.report.DeathsVersion = 4
	return h
}

func TestThePageSaysWhyContainersDied(t *testing.T) {
	t.Parallel()
	p := open(t, deadly())
	for _, row := range []struct{ what, is, want string }{
		{"the deaths on the card", `document.querySelectorAll("#need .case:nth-child(2) .deaths details").length + ""`, "2"},
		{"the newest is open", `[...document.querySelectorAll("#need details")].map((d) => d.open).join()`, "true,false"},
		{"its summary", `document.querySelector("#need summary").textContent.replace(/.* ago/, "…")`, "…: exited with exit code 137 (out of memory) after 1 min"},
		{"what it used", `document.querySelector("#need details p").textContent`, "It used 509 of 512 MiB of memory and 50 % of one processor 3 s before that."},
		{
			"its log", `document.querySelector("#need .log").textContent.replaceAll(/\d\d:\d\d:\d\d.\d{3}/g, "TIME").replace(/(a long line ){80}/, "LONG")`,
			"TIME out loading\nTIME err fatal error: <script>alert(1)</script>\nTIME out LONG\nTIME err \uFFFDgoroutine 1 [running]:\n",
		},
		{"what a stranger wrote is text", `document.querySelectorAll("pre *").length + ""`, "0"},
		{"others, the newest first", `[...document.querySelectorAll("#deaths h3")].map((h) => h.textContent).join()`, "checkout,gone"},
		{"a restart", `document.querySelector("#deaths summary").textContent.replace(/.* ago/, "…")`, "…: restarted by Defib (unhealthy) with exit code 143 (terminated) after 1 min"},
		{"what the health check said", `[...document.querySelectorAll("#deaths li:nth-child(1) p")].at(-1).textContent`, "Its health check wrote HTTP 503."},
		{"why there is no log", `[...document.querySelectorAll("#deaths li:nth-child(2) p")].at(-1).textContent`, "Its log could not be read: its logging driver cannot be read."},
		{"one stream needs no name", `document.querySelector("#deaths .log").textContent.replace(/[\d:.]+/, "TIME")`, "TIME listening on :8080\n"},
	} {
		if got := browser.Eval[string](p, row.is); got != row.want {
			t.Errorf("%s: %q, want %q", row.what, got, row.want)
		}
	}
}

// What a reader has opened stays open, and where it was, while the page goes on.
func TestALogStaysOpenWhileThePageGoesOn(t *testing.T) {
	t.Parallel()
	h := deadly()
	p := open(t, h)
	p.Until("the filter", `!document.getElementById("filter-box").hidden`)
	browser.Eval[bool](p, `document.querySelector("#need details:nth-child(2)").open = true; window.kept = document.querySelector("#need details:nth-child(2)"); true`)
	h.change(func(r *restarter.Report) {
		r.Deaths = append(slices.Clone(r.Deaths), deathOf("explorer", time.Second, "loading"))
		r.DeathsVersion++
	})
	p.Until("the next death", `document.querySelectorAll("#need details").length === 3`)
	if !browser.Eval[bool](p, `kept.open && kept === document.querySelector("#need details:nth-child(3)")`) {
		t.Error("it has closed, or has become another")
	}
}

func TestDeathsAreShownWhileTheEngineIsUnavailable(t *testing.T) {
	h := deadly()
	h.away = errAway
	body := h.get(t, "/").Body.String()
	for _, part := range []string{"Recent deaths", "explorer", "out of memory", "HTTP 503"} {
		if !strings.Contains(body, part) {
			t.Errorf("no %q", part)
		}
	}
}

func TestTheDataHasEveryDeath(t *testing.T) {
	var s struct {
		Deaths []struct {
			Container, Trigger, Cause string
			ExitCode                  int     `json:"exit_code"`
			OOMKilled                 bool    `json:"oom_killed"`
			Ran                       float64 `json:"ran_seconds"`
			Restarted                 bool
			Log                       []struct{ Stream, Text string }
			LogError                  string `json:"log_error"`
		}
	}
	h := deadly()
	if err := json.Unmarshal(h.get(t, "/api/v1/status").Body.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Deaths) != 4 || s.Deaths[0].Container != "explorer" || len(s.Deaths[0].Log) != 4 || s.Deaths[0].Log[1].Stream != "stderr" || s.Deaths[0].Ran != 60 ||
		!s.Deaths[2].Restarted || s.Deaths[2].Cause != "" || s.Deaths[3].LogError == "" {
		t.Errorf("%+v", s.Deaths)
	}
}

// However much is kept, the page stays one for a train: the rest is in the data.
func TestManyDeathsDoNotBlowThePageUp(t *testing.T) {
	h := many(1000)
	line := strings.Repeat("x", 1000)
	for i := range 2500 {
		name := h.report.Containers[i/5*2].Container.Name
		lines := []string{}
		if i >= 2000 {
			lines = slices.Repeat([]string{line}, 16)
		}
		h.report.Deaths = append(h.report.Deaths, deathOf(name, time.Duration(2500-i)*time.Second, lines...))
	}
	page, data := h.get(t, "/").Body.Len(), h.get(t, "/api/v1/status").Body.Len()
	bare := many(1000).get(t, "/").Body.Len()
	if page > bare+512<<10 || data < 8<<20 {
		t.Errorf("the page has %d bytes, without deaths %d; the data %d", page, bare, data)
	}
	if body := h.get(t, "/").Body.String(); strings.Count(body, "<pre") < 10 || !strings.Contains(body, "there is no room for it here") {
		t.Error("the newest logs are not shown, or it is not said that others are not")
	}
}

func TestALogFitsAPhone(t *testing.T) {
	t.Parallel()
	p := open(t, deadly(), chromedp.EmulateViewport(320, 568))
	p.Until("the window to be resized", "innerWidth === 320")
	if got := browser.Eval[string](p, `(() => { const log = document.querySelector("#need .log"); return [log.scrollWidth > log.clientWidth, document.scrollingElement.scrollWidth].join(); })()`); got != "true,320" {
		t.Errorf("the log scrolls by itself, and the page is as wide as the window: %s, want true,320", got)
	}
}
