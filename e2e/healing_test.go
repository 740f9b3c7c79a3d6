package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Prometheus, Alertmanager, Defib and the engine, all real.

// prometheus starts one with the example configuration and the bundled rules, in
// haste, that scrapes Defib and tells these Alertmanagers. More rules are files.
func (d *defib) prometheus(healing string, alertmanagers ...*alertmanager) *server {
	d.Helper()
	path := program(d, "prometheus", "prometheus")
	targets := ""
	for _, a := range alertmanagers {
		targets += fmt.Sprintf(", %q", a.address())
	}
	containers, err := filepath.Abs("../alerts/containers.yml")
	if err != nil {
		d.Fatal(err)
	}
	config := file(d, "prometheus.yml", edited(d, "../deploy/prometheus/prometheus.yml",
		"scrape_interval: 15s", "scrape_interval: 1s",
		"evaluation_interval: 15s", "evaluation_interval: 1s",
		"../../alerts/containers.yml", containers,
		"../../alerts/healing.yml", healing,
		`["localhost:9093"]`, "["+strings.TrimPrefix(targets, ", ")+"]",
		"localhost:10911", d.base[len("http://"):],
	))
	address := loopback() + ":9090"
	cmd := exec.CommandContext(context.WithoutCancel(d.Context()), path,
		"--config.file="+config, "--storage.tsdb.path="+d.TempDir(), "--web.listen-address="+address,
		"--rules.alert.resend-delay=1s") // what fires before it has found the Alertmanagers is lost
	p := serve(d, "prometheus", address, cmd)
	eventually(d, "prometheus to find everybody, which takes it 5s", func() bool {
		peers, err := p.ask(http.MethodGet, "/api/v1/alertmanagers", nil)
		scraped, serr := p.ask(http.MethodGet, "/api/v1/query?query=docker_up", nil)
		return err == nil && serr == nil && strings.Count(peers, `"url"`) == len(alertmanagers) && strings.Contains(scraped, `"value"`)
	})
	return p
}

// round is when each step of one healing came about.
type round struct{ sick, firing, delivered, restarted, healthy, resolved time.Time }

func (r round) String() string {
	after := func(t time.Time) string { return fmt.Sprintf("+%.2fs", t.Sub(r.sick).Seconds()) }
	return fmt.Sprintf("sick %s, firing %s, delivered %s, restarted %s, healthy %s, resolved %s",
		r.sick.Format("15:04:05.000"), after(r.firing), after(r.delivered), after(r.restarted), after(r.healthy), after(r.resolved))
}

// TestSickContainerIsHealedByItsAlert goes the whole way round, thrice.
func TestSickContainerIsHealedByItsAlert(t *testing.T) {
	t.Parallel()
	const rounds = 3
	s := newScene(t, sharedEngine(t))
	b := s.run("web", checked())
	r := newRelay(t)
	d := s.defib(whitelist(b), r.token(), hasty, "--restart.backoff-initial=100ms")
	r.to(d)
	d.prometheus(file(t, "healing.yml", edited(t, "../alerts/healing.yml", "for: 1m", "for: 2s")), r.alertmanager())

	var worst time.Duration
	for n := range rounds {
		b.awaitEvents("health_status: healthy", n+1)
		b.sicken()
		var now round
		now.sick = b.awaitEvents("health_status: unhealthy", n+1)[n]
		delivered := r.await(n+1, "answered restarted", with("restarted"))
		now.firing, now.delivered = delivered.alerts[0].StartsAt, delivered.at
		now.restarted = b.awaitEvents("start", n+2)[n+1]
		now.healthy = b.awaitEvents("health_status: healthy", n+2)[n+1]
		now.resolved = r.await(n+1, "answered resolved", with("resolved")).at
		t.Logf("round %d: %v", n+1, now)
		worst = max(worst, now.restarted.Sub(now.sick))
		if wait := now.firing.Sub(now.sick); wait < time.Second {
			t.Errorf("the alert fired %v after the container had become unhealthy: the rule waits for 2s, counted from a scrape that takes 1s at most", wait)
		}
	}
	t.Logf("sick to healed took %.2fs at worst; worked out: scrape 1s + evaluation 1s + for 2s + group_wait 1s + stop and start = 5s and the engine's own time", worst.Seconds())
	b.startedTimes(1 + rounds)
	d.shows(series("defib_restarts_total", "name", b.name, "trigger", "alert"), rounds)
	d.shows(series("defib_alerts_total", "outcome", "restarted"), rounds)
	d.shows(series("defib_alerts_total", "outcome", "resolved"), rounds)
	d.shows(series("defib_recovery_seconds_count", "trigger", "alert"), rounds)
}

// TestPairOfAlertmanagersRestartsOnce has both deliver: each by itself, or the
// second of a cluster because the first has not finished in time.
func TestPairOfAlertmanagersRestartsOnce(t *testing.T) {
	t.Parallel()
	for name, clustered := range map[string]bool{"in a cluster": true, "cut off from each other": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sharedEngine(t))
			quick := s.run("quick", spec{})
			slow := s.run("slow", spec{args: []string{"-stubborn"}, stopTimeout: 4})
			r := newRelay(t)
			d := s.defib(whitelist(quick, slow), r.token(), hasty)
			r.to(d)
			rules := "groups:\n  - name: e2e\n    rules:\n"
			for _, b := range []*box{quick, slow} {
				rules += fmt.Sprintf("      - alert: Sick\n        expr: vector(1)\n        labels: {heal: restart, container: %s}\n", b.name)
			}
			d.prometheus(file(t, "rules.yml", rules), r.pair(clustered)...)

			about := func(b *box) func(delivery) bool {
				return func(p delivery) bool {
					return p.status == 200 && p.alerts[0].Labels["container"] == b.name
				}
			}
			r.await(2, "about the slow one and answered 200", about(slow))
			if !clustered {
				r.await(2, "about the quick one and answered 200", about(quick))
			}
			watch(t, 3*time.Second, "several group_intervals, so another delivery would show")
			for _, b := range []*box{quick, slow} {
				b.startedTimes(2)
				// On a slow machine it may take longer than Alertmanager waits.
				got := slices.DeleteFunc(r.outcomes(b), func(o string) bool { return o == "in_progress" })
				if len(got) == 0 || got[0] != "restarted" && got[0] != "already_restarted" {
					t.Errorf("answers about %s: %v, want restarted first", b.name, got)
				}
			}
			d.shows(series("defib_restarts_total", "name", slow.name, "trigger", "alert"), 1)
		})
	}
}
