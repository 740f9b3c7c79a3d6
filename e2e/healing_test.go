package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// Prometheus, Alertmanager, Defib and the engine, all real.

// scrapeInterval is what a scrape may take, too.
const scrapeInterval = 2 * time.Second

// prometheus starts one with the example configuration and the bundled rules, in
// haste, that scrapes Defib and tells these Alertmanagers. More rules are files.
func (d *defib) prometheus(healing string, alertmanagers ...*alertmanager) *server {
	d.Helper()
	path := program(d, "prometheus", "prometheus")
	targets := ""
	for _, a := range alertmanagers {
		targets += fmt.Sprintf(", %q", a.address())
	}
	config := file(d, "prometheus.yml", edited(d, "deploy/prometheus/prometheus.yml",
		"scrape_interval: 15s", fmt.Sprint("scrape_interval: ", scrapeInterval),
		"evaluation_interval: 15s", "evaluation_interval: 1s",
		"../../alerts/containers.yml", repository("alerts/containers.yml"),
		"../../alerts/healing.yml", healing,
		`["localhost:9093"]`, "["+strings.TrimPrefix(targets, ", ")+"]",
		"localhost:10911", d.base[len("http://"):],
	))
	address := loopback() + ":9090"
	cmd := exec.CommandContext(context.WithoutCancel(d.Context()), path,
		"--config.file="+config, "--storage.tsdb.path="+d.TempDir(), "--web.listen-address="+address,
		"--rules.alert.resend-delay=5s") // what fires before it has found the Alertmanagers is lost
	p := serve(d, "prometheus", address, cmd)
	eventually(d, "prometheus to find everybody, which takes it 5s", func() bool {
		peers, err := p.ask(http.MethodGet, "/api/v1/alertmanagers", nil)
		scraped, serr := p.ask(http.MethodGet, "/api/v1/query?query=docker_up", nil)
		return err == nil && serr == nil && strings.Count(peers, `"url"`) == len(alertmanagers) && strings.Contains(scraped, `"value"`)
	})
	return p
}

// firing reports whether any alert of the healing rules is active.
func (s *server) firing() bool {
	s.Helper()
	text, err := s.ask(http.MethodGet, "/api/v1/query?query="+url.QueryEscape(`ALERTS{heal!=""}`), nil)
	return err != nil || strings.Contains(text, `"value"`)
}

// round is when each step of one healing came about.
type round struct{ sick, firing, delivered, restarted, healthy, over time.Time }

func (r round) String() string {
	after := func(t time.Time) string { return fmt.Sprintf("+%.2fs", t.Sub(r.sick).Seconds()) }
	return fmt.Sprintf("sick %s, firing %s, delivered %s, restarted %s, healthy %s, over %s",
		r.sick.Format("15:04:05.000"), after(r.firing), after(r.delivered), after(r.restarted), after(r.healthy), after(r.over))
}

// TestSickContainerIsHealedByItsAlert goes the whole way round, twice.
func TestSickContainerIsHealedByItsAlert(t *testing.T) {
	dockerOnly(t, noHealthTimer)
	t.Parallel()
	const rounds, pending = 2, 4 * time.Second
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", checked())
	r := newRelay(t)
	d := s.defib(whitelist(b), r.token(), hasty, "--restart.backoff-initial=100ms")
	r.to(d)
	p := d.prometheus(file(t, "healing.yml", edited(t, "alerts/healing.yml", "for: 1m", fmt.Sprint("for: ", pending))), r.alertmanager())

	var worst time.Duration
	for n := range rounds {
		b.awaitEvents("health_status: healthy", n+1)
		b.makeUnhealthy()
		var now round
		now.sick = b.awaitEvents("health_status: unhealthy", n+1)[n]
		now.restarted = b.awaitEvents("start", n+2)[n+1]
		fired := r.await(1, "of this sickness", func(p delivery) bool { return p.firing() && p.alerts[0].StartsAt.After(now.sick) })
		now.firing, now.delivered = fired.alerts[0].StartsAt, fired.at
		now.healthy = b.awaitEvents("health_status: healthy", n+2)[n+1]
		eventually(t, "the alert to be over", func() bool { return !p.firing() })
		now.over = time.Now()
		// What no Alertmanager heard the end of, since it took longer than it waits,
		// it does not tell the end of either.
		if slices.ContainsFunc(r.settled(), func(p delivery) bool { return p.firing() && p.status == http.StatusOK && p.at.After(now.sick) }) {
			r.await(1, "that it is over", func(p delivery) bool { return !p.firing() && p.at.After(now.restarted) })
		}
		t.Logf("round %d: %v", n+1, now)
		worst = max(worst, now.restarted.Sub(now.sick))
		if wait := now.firing.Sub(now.sick); wait < pending-scrapeInterval {
			t.Errorf("the alert fired %v after the container had become unhealthy: the rule waits for %v, counted from a scrape that takes %v at most", wait, pending, scrapeInterval)
		}
	}
	t.Logf("sick to healed took %.2fs at worst; worked out: scrape 2s + evaluation 1s + for 4s + group_wait 1s + stop and start = 8s and the engine's own time", worst.Seconds())
	b.startedTimes(1 + rounds)
	d.shows(series("defib_restarts_total", "name", b.name, "trigger", "alert"), rounds)
	d.awaitValue(series("defib_recovery_seconds_count", "trigger", "alert"), rounds)
	told := map[string]float64{}
	for _, p := range r.settled() {
		for _, one := range p.told {
			told[one.Outcome]++
		}
		if p.status == 0 {
			t.Skip("an answer was not heard: what is counted is not what was told")
		}
	}
	if told["restarted"] == 0 || told["resolved"] == 0 {
		t.Errorf("the answers were %v", told)
	}
	for outcome, n := range told {
		d.shows(series("defib_alerts_total", "outcome", outcome), n)
	}
}

// TestPairOfAlertmanagersRestartsOnce has both deliver: each by itself, or the
// second of a cluster because the first has not finished in time.
func TestPairOfAlertmanagersRestartsOnce(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	for name, clustered := range map[string]bool{"in a cluster": true, "cut off from each other": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			quick := s.run("quick", spec{})
			slow := s.run("slow", spec{args: []string{"-stubborn"}, stopTimeout: 6})
			r := newRelay(t)
			d := s.defib(whitelist(quick, slow), r.token(), hasty)
			r.to(d)
			rules := "groups:\n  - name: e2e\n    rules:\n"
			for _, b := range []*testContainer{quick, slow} {
				rules += fmt.Sprintf("      - alert: Sick\n        expr: vector(1)\n        labels: {heal: restart, container: %s}\n", b.name)
			}
			pair := r.pair(clustered)
			d.prometheus(file(t, "rules.yml", rules), pair...)

			about := func(b *testContainer, from string, status ...int) func(delivery) bool {
				return func(p delivery) bool {
					return p.firing() && p.alerts[0].Labels["container"] == b.name && strings.HasSuffix(p.from, from) && (status == nil || slices.Contains(status, p.status))
				}
			}
			for _, a := range pair {
				if clustered { // whoever sees that the other is through says nothing more
					r.await(1, "about the slow one, from "+a.address(), about(slow, a.address()))
					continue
				}
				for _, b := range []*testContainer{quick, slow} {
					r.await(1, "about "+b.name+" and answered 200, from "+a.address(), about(b, a.address(), http.StatusOK))
				}
			}
			for _, b := range []*testContainer{quick, slow} {
				r.await(1, "about "+b.name+" and answered 200", about(b, "", http.StatusOK))
				b.awaitEvents("start", 2)
			}
			watch(t, 3*time.Second, "several group_intervals, so another delivery would show")
			for _, b := range []*testContainer{quick, slow} {
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
