package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/outcome"
	"defib/stats"
)

func TestThePageBeginsWithWhatNeedsSomebody(t *testing.T) {
	body := ill().get(t, "/").Body.String()
	last := -1
	for _, part := range []string{
		"<title>5 need attention · 1 being healed · 27 fine · 1 stopped by hand · 1 finished · harbor-3 · Defib</title>",
		"icon-need.svg", "harbor-3", "engine connected", "engine version 29.1.2", "watched for", "9 days", "on hold", "worker-*",
		"5 need attention · 1 being healed", "Needs attention", "payments",
		"explorer", "It used 512 of 512 MiB of memory 3 s before it was killed.",
		"gateway", "503 upstream ledger is gone", "It uses 503 of 512 MiB of memory", "importer", "ledger",
		"Being healed", "token", "Left alone", "1 stopped by hand · 1 finished", "All containers", "<tbody", "auth", "worker-2",
		"What Defib did", "287ms", "SearchIsSlow", "10.0.4.17", "Alerts received", "not_found",
	} {
		i := strings.Index(body[last+1:], part)
		if i < 0 {
			t.Fatalf("no %q, or not in its place", part)
		}
		last += 1 + i
	}
}

func TestNothingIsSaidOfContainersThatCannotBeSeen(t *testing.T) {
	h := ill()
	h.away = errAway
	body := h.get(t, "/").Body.String()
	data := h.get(t, "/api/v1/status").Body.String()
	for _, part := range []string{errAway.Error(), "engine unavailable", "The engine is unavailable", "icon-need.svg"} {
		if !strings.Contains(body, part) {
			t.Errorf("the page does not say %q", part)
		}
	}
	for _, stale := range []string{"checkout", "gateway", "All containers", "27 fine", "payments"} {
		if strings.Contains(body, stale) || strings.Contains(data, stale) {
			t.Errorf("%q is said of what may be otherwise by now", stale)
		}
	}
	if !strings.Contains(body, "287ms") || !strings.Contains(body, "SearchIsSlow") {
		t.Error("what was done stays true, and is missing")
	}
}

// The engine is back, and the report with it: the one from before is of the past.
func TestAReportIsNotOlderThanTheProofThatTheEngineAnswers(t *testing.T) {
	for _, path := range []string{"/", "/api/v1/status"} {
		var asked []string
		ready := func(*http.Request) error { asked = append(asked, "ready"); return nil }
		report := func() restarter.Report { asked = append(asked, "report"); return restarter.Report{} }
		New("/m", http.NotFoundHandler(), http.NotFoundHandler(), ready, report, nil).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if len(asked) != 2 || asked[0] != "ready" {
			t.Errorf("%s asks for %v", path, asked)
		}
	}
}

func TestNothingIsSaidBeforeTheFirstDecision(t *testing.T) {
	h := &host{report: restarter.Report{Began: night}}
	if body := h.get(t, "/").Body.String(); !strings.Contains(body, "has just started") || strings.Contains(body, "no containers") {
		t.Errorf("an unknown host is shown as an empty one: %s", body)
	}
}

func TestThePageIsAskedForAgainOnlyWhenItDiffers(t *testing.T) {
	h := ill()
	revision := func() string {
		return regexp.MustCompile(`data-revision="([0-9a-f]+)"`).FindStringSubmatch(h.get(t, "/").Body.String())[1]
	}
	same := func(was string) bool {
		w := h.get(t, "/", "If-None-Match", was)
		if w.Code == http.StatusNotModified && w.Body.Len() > 0 {
			t.Error("a body comes with 304")
		}
		return w.Code == http.StatusNotModified
	}
	was := revision()
	h.reading.At = h.reading.At.Add(time.Second) // and finds what the one before did
	if !same(was) && !same(revision()) {         // a minute may just have ended
		t.Error("what has not changed comes again")
	}
	for name, change := range map[string]func(){
		"a decision": func() { h.change(func(*restarter.Report) {}) },
		"an action": func() {
			h.report.Actions = append(h.report.Actions, restarter.ActionRecord{Began: time.Now(), Container: "x"})
		},
		"an alert": func() { h.report.Alerts = append(h.report.Alerts, restarter.AlertRecord{ReceivedAt: time.Now()}) },
		"another use": func() {
			h.read(map[string]*stats.Usage{"auth": using(0.77, 9*mib, 0)})
		},
		"a death": func() { h.report.DeathsVersion++ },
		"the last use of one that died": func() {
			h.reading.Last[standing(&h.report, "explorer").Container.ID] = stats.Past{At: night.Add(-50 * time.Second), Usage: using(0, 9*mib, 0)}
		},
		"a fault": func() { h.reading.Faults = []stats.Fault{"no mount"} },
		"the engine goes away": func() {
			h.goesAway(errAway)
		},
	} {
		h.goesAway(nil)
		was := revision()
		change()
		if same(was) {
			t.Errorf("%s is not seen", name)
		}
	}
	if now, later := etag(night, h.report, h.reading, nil), etag(night.Add(time.Minute), h.report, h.reading, nil); now == later {
		t.Error("what depends on the time alone never changes")
	}
}

func TestNothingButItsOwnFilesRunsInThePage(t *testing.T) {
	w := ill().get(t, "/")
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		"Cache-Control":           "no-store",
		"Content-Type":            "text/html; charset=utf-8",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	body := w.Body.String()
	for _, inline := range []string{`<style`, `<script>`, ` style=`, ` onclick`, ` onload`, `javascript:`, `//`} {
		if strings.Contains(body, inline) {
			t.Errorf("the page has %q in it", inline)
		}
	}
}

func TestAssetsAreKeptByTheBrowser(t *testing.T) {
	h := ill()
	page := h.get(t, "/").Body.String()
	for _, name := range []string{"style.css", "page.js", "icon-need.svg"} {
		url := "assets/" + name + "?" + build
		if !strings.Contains(page, `"`+url+`"`) {
			t.Errorf("the page does not ask for %s", url)
		}
		w := h.get(t, "/"+url)
		if got := w.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("%s: Cache-Control %q", url, got)
		}
		if w := h.get(t, "/assets/"+name); w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s without its build: Cache-Control %q", name, w.Header().Get("Cache-Control"))
		}
		if w := h.get(t, "/assets/"+name, "If-None-Match", w.Header().Get("ETag")); w.Code != http.StatusNotModified {
			t.Errorf("%s, unchanged: %d, want 304", name, w.Code)
		}
	}
}

func TestAnswersArePackedForWhoUnderstandsIt(t *testing.T) {
	h := many(1000)
	for _, path := range []string{"/", "/api/v1/status"} {
		plain, packed := h.get(t, path), h.get(t, path, "Accept-Encoding", "br, gzip")
		if packed.Header().Get("Content-Encoding") != "gzip" || packed.Header().Get("Vary") != "Accept-Encoding" {
			t.Fatalf("%s is not packed: %v", path, packed.Header())
		}
		size := packed.Body.Len()
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), "node-0999") || 5*size > plain.Body.Len() {
			t.Errorf("%s: %d bytes packed, %d plain", path, size, plain.Body.Len())
		}
	}
}

// hostile is what anybody may call an image or write into a label.
const hostile = `"><script src="assets/page.js"></script><img src=x onerror=alert(1)>'{{.}}</title></code>` + "\u202e\x00\n</table>"

// stranger is a host on which everything that others choose is hostile.
func stranger() *host {
	s := died(hostile, minAgo, 1, bare, as(func(c *engine.Container) {
		c.ID = strings.Repeat("e", 64)
		c.Image, c.Error = hostile, hostile
		c.Labels = map[string]string{"com.docker.compose.project": hostile, "com.docker.compose.service": hostile, hostile: hostile}
	}), func(s *restarter.ContainerStatus) { s.Predecessor = &engine.Container{ID: "old", Image: hostile} })
	sick := but(runs("sick", hour), unhealthy, as(func(c *engine.Container) { c.HealthOutput, c.Image = hostile, hostile }))
	h := newHost(s, sick)
	h.read(nil)
	h.reading.Faults = []stats.Fault{hostile}
	h.report.Snapshot.Host, h.report.Snapshot.Version = hostile, hostile
	h.report.Actions = []restarter.ActionRecord{{Began: night, Container: hostile, Outcome: outcome.Failed, Err: hostile, Sources: []restarter.AlertSource{{Alert: hostile, Peer: "10.0.0.1"}}}}
	h.report.Alerts = []restarter.AlertRecord{{AlertSource: restarter.AlertSource{Alert: hostile}, ReceivedAt: night, Container: hostile, Outcome: outcome.Failed, Message: hostile}}
	return h
}

func TestHostileNamesStayText(t *testing.T) {
	for _, away := range []error{nil, errorString(hostile)} {
		h := stranger()
		h.away = away
		body := h.get(t, "/").Body.String()
		for tag, most := range map[string]int{"<script": 1, "<img": 0, "</title": strings.Count(body, "<title>"), "</table": 3, "</code": strings.Count(body, "<code")} {
			if got := strings.Count(body, tag); got > most {
				t.Errorf("%d of %s, want %d:\n%s", got, tag, most, body)
			}
		}
		if strings.ContainsAny(body, "\u202e\x00") {
			t.Error("what is not seen is in the page")
		}
	}
}

type errorString string

func (e errorString) Error() string { return string(e) }

func BenchmarkThousandRows(b *testing.B) {
	handler := many(1000).handler()
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
