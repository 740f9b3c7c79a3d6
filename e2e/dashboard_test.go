package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/deploy/grafana"
)

// answer is what Prometheus says to a query.
type answer struct {
	Data struct {
		Result []struct {
			Metric map[string]string
			Value  sample
			Values []sample
		}
	}
}

// sample is a moment and a number, written as text.
type sample [2]any

func (s sample) number() string {
	text, _ := s[1].(string)
	return text
}

// numbers returns every number of an answer that is one, the newest of each
// series last.
func (a answer) numbers() []string {
	var all []string
	for _, series := range a.Data.Result {
		for _, s := range append(series.Values, series.Value) {
			if n := s.number(); n != "" && n != "NaN" {
				all = append(all, n)
			}
		}
	}
	return all
}

// draw asks a query of the dashboard as Grafana would, for all hosts and
// containers, from a moment on.
func (s *server) draw(q grafana.Query, from time.Time) answer {
	s.Helper()
	text := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	now := time.Now()
	expr := strings.NewReplacer(
		"$__rate_interval", "1m", "$__range", fmt.Sprintf("%ds", int(now.Sub(from).Seconds())+1), "$__interval", "1s",
		"$__from", strconv.FormatInt(from.UnixMilli(), 10), "$instance", ".+", "$name", ".+",
	).Replace(q.Expr)
	params := url.Values{"query": {expr}, "start": {text(from)}, "end": {text(now)}, "step": {"1s"}}
	path := "/api/v1/query_range?"
	if q.Instant {
		params = url.Values{"query": {expr}}
		path = "/api/v1/query?"
	}
	body, err := s.ask(http.MethodGet, path+params.Encode(), nil)
	if err != nil {
		s.Fatalf("%s: %v\n%s", q.Where, err, expr)
	}
	var a answer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		s.Fatalf("%s: %v\n%s", q.Where, err, body)
	}
	return a
}

// TestDashboardShowsAScene has every query of the dashboard answered, without an
// error and with data, by a Prometheus that scrapes a Defib with much to tell.
func TestDashboardShowsAScene(t *testing.T) {
	dockerOnly(t, noHealthTimer)
	t.Parallel()
	board, err := grafana.Defib()
	if err != nil {
		t.Fatal(err)
	}
	s := newEnv(t, sharedEngine(t))
	begun := time.Now()
	check := &container.HealthConfig{Test: []string{"CMD", "/testapp", "-healthcheck"}, Interval: time.Second, Timeout: limit, Retries: 1}
	sick := s.run("sick", spec{health: check})
	crashes, healed := s.run("crashes", spec{args: []string{"-code=3"}}), s.run("healed", spec{})
	stopped, stranger, well := s.run("stopped", spec{}), s.run("stranger", spec{}), s.run("well", spec{})
	looping := s.create("looping", spec{args: []string{"-after=1ms", "-code=1"}})
	d := s.defib(whitelist(sick, crashes, healed, stopped, well, looping),
		"--restart.policy=unless-stopped", "--restart.backoff-initial=100ms", hasty)
	p := d.prometheus(file(t, "healing.yml", "groups: []\n"))

	sick.exec("/testapp", "-sicken")
	stopped.stop()
	stranger.stop()
	crashes.crash()
	looping.start()
	d.heals(healed.alarm())
	sick.awaitEvents("health_status: unhealthy", 1)

	queries := map[string]grafana.Query{}
	for _, q := range board.Queries() {
		queries[q.Where] = q
		eventually(t, "data for "+q.Where, func() bool { return len(p.draw(q, begun).numbers()) > 0 })
	}
	for where, want := range map[string]string{
		"Hosts blind, A": "0", "Down, A": "1", "Unhealthy, A": "1", "Looping, A": "1", "Given up, A": "0", "On hold, A": "0",
	} {
		eventually(t, where+" to show "+want, func() bool {
			got := p.draw(queries[where], begun).numbers()
			return len(got) == 1 && got[0] == want
		})
	}
	why := map[string]string{stopped.name: "stopped", looping.name: "back_off", sick.name: "trigger_disabled"}
	reasons := map[string]string{}
	defer func() { t.Logf("the table's reasons: %v", reasons) }()
	eventually(t, "the table to say why each is left alone", func() bool {
		clear(reasons)
		for _, row := range p.draw(queries["Containers that need a look, A"], begun).Data.Result {
			reasons[row.Metric["name"]] = row.Metric["reason"]
		}
		return maps.Equal(reasons, why)
	})
	seen := map[string]bool{}
	for _, row := range p.draw(queries["States of those that were sick, A"], begun).Data.Result {
		seen[row.Metric["name"]] = true
		for _, v := range row.Values {
			seen[row.Metric["name"]+" "+v.number()] = true
		}
	}
	for _, want := range []string{sick.name + " 1", looping.name + " 6", stopped.name + " 6"} {
		if !seen[want] {
			t.Errorf("the timeline does not show %s: %v", want, seen)
		}
	}
	if seen[stranger.name] || seen[well.name] {
		t.Errorf("the timeline shows what was not sick: %v", seen)
	}
}
