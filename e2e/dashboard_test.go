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
	"defib/e2e/harness"
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

// draw asks a query of the dashboard as Grafana would, for all hosts and for containers
// whose names begin so, from a moment on.
func draw(s *harness.Server, q grafana.Query, prefix string, from time.Time) answer {
	s.Helper()
	text := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	now := time.Now()
	expr := strings.NewReplacer(
		"$__rate_interval", "1m", "$__range", fmt.Sprintf("%ds", int(now.Sub(from).Seconds())+1), "$__interval", "1s",
		"$__from", strconv.FormatInt(from.UnixMilli(), 10), "$instance", ".+", "$name", prefix+".+",
	).Replace(q.Expr)
	params := url.Values{"query": {expr}, "start": {text(from)}, "end": {text(now)}, "step": {"1s"}}
	path := "/api/v1/query_range?"
	if q.Instant {
		params = url.Values{"query": {expr}}
		path = "/api/v1/query?"
	}
	body, err := s.Ask(http.MethodGet, path+params.Encode(), nil)
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
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	board, err := grafana.Defib()
	if err != nil {
		t.Fatal(err)
	}
	s := harness.NewEnv(t, harness.SharedEngine(t))
	begun := time.Now()
	check := &container.HealthConfig{Test: []string{"CMD", "/testapp", "-healthcheck"}, Interval: time.Second, Timeout: harness.Limit, Retries: 1}
	limited := func(h *container.HostConfig) { h.Memory, h.CPUPeriod, h.CPUQuota = 256<<20, 100_000, 50_000 }
	sick := s.Run("sick", harness.Spec{Health: check, Host: limited, Network: s.Network("net")}) // its checks use CPU
	crashes, healed := s.Run("crashes", harness.Spec{Args: []string{"-code=3"}}), s.Run("healed", harness.Spec{})
	stopped, stranger, well := s.Run("stopped", harness.Spec{}), s.Run("stranger", harness.Spec{}), s.Run("well", harness.Spec{Labels: map[string]string{"defib.recreate": "true"}})
	looping := s.Create("looping", harness.Spec{Args: []string{"-after=1ms", "-code=1"}})
	d := s.Defib(harness.Whitelist(sick, crashes, healed, stopped, well, looping),
		"--restart.policy=unless-stopped", "--restart.backoff-initial=100ms", hasty, harness.Resources)
	p := d.Prometheus(harness.File(t, "healing.yml", "groups: []\n"))

	sick.Exec("/testapp", "-sicken")
	stopped.Stop()
	stranger.Stop()
	crashes.Crash()
	looping.Start()
	d.Heals(healed.Alert())
	sick.AwaitEvents("health_status: unhealthy", 1)

	queries := map[string]grafana.Query{}
	for _, q := range board.Queries() {
		queries[q.Where] = q
		harness.Eventually(t, "data for "+q.Where, func() bool { return len(draw(p, q, s.Prefix, begun).numbers()) > 0 })
	}
	for where, want := range map[string]string{
		"Hosts without data, A": "0", "Down, A": "1", "Unhealthy, A": "1", "Crash-looping, A": "1", "Given up, A": "0", "On hold, A": "0",
	} {
		harness.Eventually(t, where+" to show "+want, func() bool {
			got := draw(p, queries[where], s.Prefix, begun).numbers()
			return len(got) == 1 && got[0] == want
		})
	}
	why := map[string]string{stopped.Name: "stopped", looping.Name: "back_off", sick.Name: "trigger_disabled"}
	reasons := map[string]string{}
	defer func() { t.Logf("the table's reasons: %v", reasons) }()
	harness.Eventually(t, "the table to say why each is left alone", func() bool {
		clear(reasons)
		for _, row := range draw(p, queries["Containers that need a look, A"], s.Prefix, begun).Data.Result {
			reasons[row.Metric["name"]] = row.Metric["reason"]
		}
		return maps.Equal(reasons, why)
	})
	seen := map[string]bool{}
	for _, row := range draw(p, queries["Unhealthy or down over time, A"], s.Prefix, begun).Data.Result {
		seen[row.Metric["name"]] = true
		for _, v := range row.Values {
			seen[row.Metric["name"]+" "+v.number()] = true
		}
	}
	for _, want := range []string{sick.Name + " 1", looping.Name + " 6", stopped.Name + " 6"} {
		if !seen[want] {
			t.Errorf("the timeline does not show %s: %v", want, seen)
		}
	}
	if seen[stranger.Name] || seen[well.Name] {
		t.Errorf("the timeline shows what was not sick: %v", seen)
	}
}
