package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

// firing reports whether any alert of the healing rules is active.
func firing(s *harness.Server) bool {
	s.Helper()
	text, err := s.Ask(http.MethodGet, "/api/v1/query?query="+url.QueryEscape(`ALERTS{heal!=""}`), nil)
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
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	const rounds, pending = 2, 4 * time.Second
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Checked())
	r := harness.NewRelay(t)
	d := s.Defib(harness.Whitelist(b), r.Token(), hasty, "--restart.backoff-initial=100ms")
	r.ForwardTo(d)
	p := d.Prometheus(harness.File(t, "healing.yml", harness.Edited(t, "alerts/healing.yml", "for: 1m", fmt.Sprint("for: ", pending))), r.Alertmanager())

	var worst time.Duration
	for n := range rounds {
		b.AwaitEvents("health_status: healthy", n+1)
		b.MakeUnhealthy()
		var now round
		now.sick = b.AwaitEvents("health_status: unhealthy", n+1)[n]
		now.restarted = b.AwaitEvents("start", n+2)[n+1]
		fired := r.Await(1, "of this sickness", func(p harness.Delivery) bool { return p.Firing() && p.Alerts[0].StartsAt.After(now.sick) })
		now.firing, now.delivered = fired.Alerts[0].StartsAt, fired.At
		now.healthy = b.AwaitEvents("health_status: healthy", n+2)[n+1]
		harness.Eventually(t, "the alert to be over", func() bool { return !firing(p) })
		now.over = time.Now()
		// What no Alertmanager heard the end of, since it took longer than it waits,
		// it does not tell the end of either.
		if slices.ContainsFunc(r.Settled(), func(p harness.Delivery) bool { return p.Firing() && p.Status == http.StatusOK && p.At.After(now.sick) }) {
			r.Await(1, "that it is over", func(p harness.Delivery) bool { return !p.Firing() && p.At.After(now.restarted) })
		}
		t.Logf("round %d: %v", n+1, now)
		worst = max(worst, now.restarted.Sub(now.sick))
		if wait := now.firing.Sub(now.sick); wait < pending-harness.ScrapeInterval {
			t.Errorf("the alert fired %v after the container had become unhealthy: the rule waits for %v, counted from a scrape that takes %v at most", wait, pending, harness.ScrapeInterval)
		}
	}
	t.Logf("sick to healed took %.2fs at worst; worked out: scrape 2s + evaluation 1s + for 4s + group_wait 1s + stop and start = 8s and the engine's own time", worst.Seconds())
	b.StartedTimes(1 + rounds)
	d.Shows(harness.Series("defib_restarts_total", "name", b.Name, "trigger", "alert"), rounds)
	d.AwaitValue(harness.Series("defib_recovery_seconds_count", "trigger", "alert"), rounds)
	told := map[string]float64{}
	for _, p := range r.Settled() {
		for _, one := range p.Results {
			told[one.Outcome]++
		}
		if p.Status == 0 {
			t.Skip("an answer was not heard: what is counted is not what was told")
		}
	}
	if told["restarted"] == 0 || told["resolved"] == 0 {
		t.Errorf("the answers were %v", told)
	}
	for outcome, n := range told {
		d.Shows(harness.Series("defib_alerts_total", "outcome", outcome), n)
	}
}

// TestPairOfAlertmanagersRestartsOnce has both deliver: each by itself, or the
// second of a cluster because the first has not finished in time.
func TestPairOfAlertmanagersRestartsOnce(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	for name, clustered := range map[string]bool{"in a cluster": true, "cut off from each other": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			quick := s.Run("quick", harness.Spec{})
			slow := s.Run("slow", harness.Spec{Args: []string{"-stubborn"}, StopTimeout: 6})
			r := harness.NewRelay(t)
			d := s.Defib(harness.Whitelist(quick, slow), r.Token(), hasty)
			r.ForwardTo(d)
			rules := "groups:\n  - name: e2e\n    rules:\n"
			for _, b := range []*harness.Container{quick, slow} {
				rules += fmt.Sprintf("      - alert: Sick\n        expr: vector(1)\n        labels: {heal: restart, container: %s}\n", b.Name)
			}
			pair := r.Pair(clustered)
			d.Prometheus(harness.File(t, "rules.yml", rules), pair...)

			about := func(b *harness.Container, from string, status ...int) func(harness.Delivery) bool {
				return func(p harness.Delivery) bool {
					return p.Firing() && p.Alerts[0].Labels["container"] == b.Name && strings.HasSuffix(p.From, from) && (status == nil || slices.Contains(status, p.Status))
				}
			}
			for _, a := range pair {
				if clustered { // whoever sees that the other is through says nothing more
					r.Await(1, "about the slow one, from "+a.Address(), about(slow, a.Address()))
					continue
				}
				for _, b := range []*harness.Container{quick, slow} {
					r.Await(1, "about "+b.Name+" and answered 200, from "+a.Address(), about(b, a.Address(), http.StatusOK))
				}
			}
			for _, b := range []*harness.Container{quick, slow} {
				r.Await(1, "about "+b.Name+" and answered 200", about(b, "", http.StatusOK))
				b.AwaitEvents("start", 2)
			}
			harness.Watch(t, 3*time.Second, "several group_intervals, so another delivery would show")
			for _, b := range []*harness.Container{quick, slow} {
				b.StartedTimes(2)
				// On a slow machine it may take longer than Alertmanager waits.
				got := slices.DeleteFunc(r.Outcomes(b), func(o string) bool { return o == "in_progress" })
				if len(got) == 0 || got[0] != "restarted" && got[0] != "already_restarted" {
					t.Errorf("answers about %s: %v, want restarted first", b.Name, got)
				}
			}
			d.Shows(harness.Series("defib_restarts_total", "name", slow.Name, "trigger", "alert"), 1)
		})
	}
}
