package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"strings"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/stats"
	"defib/web/heartbeat"
	"defib/web/resources"
)

// contentPolicy allows the page nothing but its own script, style and icon, and to ask
// Defib. Whatever a container's name or label may try, the browser will not do.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page serves the page and its data.
type page struct {
	metricsPath string
	ready       func(*http.Request) error
	report      func() restarter.Report
	usage       func(*engine.Snapshot) *stats.Reading // nil: resources are off
}

// content is what the template places.
type content struct {
	*Status
	Revision string // differs when anything that the page says does
	Build    string // of script and style
	Metrics  string // relative, so that the page may stand below any path of a proxy that ends with a slash
}

// Left lists the containers that nobody needs to look after.
func (c content) Left() []Container {
	return c.Of(OnHold, Stopped, Paused, Finished, Created, Old, Swarm, NotManaged)
}

// LeftSummary counts those.
func (c content) LeftSummary() string {
	counts := map[Kind]int{}
	for _, l := range c.Left() {
		counts[l.Kind]++
	}
	return summary(counts)
}

// Icon is that of the tab: it shows whether somebody is needed.
func (c content) Icon() string {
	if c.Counts[NeedsAttention] > 0 || !c.Engine.Up || c.HoldFault != "" {
		return "icon-need.svg"
	}
	return "icon.svg"
}

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"stamp":  func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }, // a countdown that jumps is none
	"clock":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"age":    age,
	"ago":    ago,
	"in":     in,
	"legend": heartbeat.Legend,
	"title":  func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
}).ParseFS(assets, "assets/page.html"))

// look asks whether the engine answers, and only then for the report: one from
// before it came back would be shown as what is. The reading is nil if resources are
// off, or there is nothing to read.
func (p page) look(r *http.Request) (now time.Time, report restarter.Report, reading *stats.Reading, away error) {
	away = p.ready(r)
	report = p.report()
	if p.usage != nil && away == nil && report.Snapshot != nil {
		reading = p.usage(report.Snapshot)
	}
	return time.Now(), report, reading, away
}

func (p page) serve(w http.ResponseWriter, r *http.Request) {
	now, report, reading, away := p.look(r)
	revision := etag(now, report, reading, away)
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store") // a page from a cache would show what was as what is
	if r.Header.Get("If-None-Match") == revision {
		w.WriteHeader(http.StatusNotModified) // the page's own script asks
		return
	}
	var body bytes.Buffer
	c := content{Status: newStatus(now, report, reading, away), Revision: revision, Build: build, Metrics: strings.TrimPrefix(p.metricsPath, "/")}
	if err := pageTemplate.Execute(&body, c); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, r, "text/html; charset=utf-8", body.Bytes())
}

func (p page) serveStatus(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(newStatus(p.look(r)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	send(w, r, "application/json", append(body, '\n'))
}

// etag names what the page says. It changes every minute in any case, since
// some of it depends on the time alone.
func etag(now time.Time, r restarter.Report, reading *stats.Reading, away error) string {
	sum := fnv.New64a()
	fmt.Fprintln(sum, build, r.Began.UnixNano(), r.Round, len(r.Actions), now.Unix()/60, away)
	if n := len(r.Actions); n > 0 {
		fmt.Fprintln(sum, r.Actions[n-1].Began.UnixNano())
	}
	if n := len(r.Alerts); n > 0 {
		fmt.Fprintln(sum, n, r.Alerts[n-1].ReceivedAt.UnixNano(), r.Alerts[n-1].Alert)
	}
	fmt.Fprintln(sum, r.DeathsVersion)
	if reading != nil {
		fmt.Fprintln(sum, reading.Faults)
		for _, s := range r.Containers {
			u := resources.Of(reading, s.Container)
			fmt.Fprintln(sum, u.CPUAmount.Text, u.MemoryAmount.Text, u.Sentence)
		}
	}
	return fmt.Sprintf("%x", sum.Sum64())
}

// send answers, compressed where that is understood: a thousand containers are
// half a megabyte, and whoever is paged may sit in a train.
func send(w http.ResponseWriter, r *http.Request, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Vary", "Accept-Encoding")
	if len(body) > 1<<10 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var packed bytes.Buffer
		z, _ := gzip.NewWriterLevel(&packed, gzip.BestSpeed) // the level is a valid one
		_, _ = z.Write(body)                                 // into memory
		_ = z.Close()
		h.Set("Content-Encoding", "gzip")
		body = packed.Bytes()
	}
	_, _ = w.Write(body) // whoever asked may have gone
}
