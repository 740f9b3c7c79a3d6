package e2e

import (
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Alerts delivered by a real Alertmanager, with its repeats and retries.

func TestRestartThatDoesNotHelpIsRepeatedAndThenGivenUp(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	const repeat = 4 * time.Second
	s := newEnv(t, sharedEngine(t))
	b := s.run("hopeless", spec{})
	r := newRelay(t)
	d := s.defib(whitelist(b), r.token(), hasty, "--webhook.cooldown=3500ms", "--restart.max-attempts=2")
	r.to(d)
	a := r.alertmanager("repeat_interval: 10m", "repeat_interval: 4s")
	a.fire(b.alarm())

	starts := b.awaitEvents("start", 3)
	if gap := starts[2].Sub(starts[1]); gap < repeat {
		t.Errorf("restarted again after %v, want repeat_interval %v at least", gap, repeat)
	}
	r.await(2, "answered gave_up", with("gave_up"))
	b.startedTimes(3)
	d.shows(series("defib_container_gave_up", "name", b.name), 1)
	d.shows(series("defib_restarts_total", "name", b.name, "trigger", "alert"), 2)
	tried, failed := a.notifications()
	late := slices.ContainsFunc(r.deliveries(), func(p delivery) bool { return p.status != http.StatusOK }) // as on a slow machine
	if tried < 4 || failed != 0 && !late {
		t.Errorf("Alertmanager counts %v notifications and %v failed ones, want 4 at least and 0", tried, failed)
	}
}

func TestOneThatFailsDoesNotHaveItsNeighbourRestartedAgain(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	well := s.run("well", spec{})
	failing, dir := s.brittle("failing")
	r := newRelay(t)
	d := s.defib(whitelist(well, failing), r.token(), hasty, "--restart.backoff-max=2s")
	r.to(d)
	a := r.alertmanager("group_by: ['...']", "group_by: [team]")
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	a.fire(failing.alarm("team", "shop"), well.alarm("team", "shop"))
	third := r.await(3, "answered failed", with("failed"))
	if len(third.alerts) != 2 {
		t.Errorf("delivered %v, want the whole group", third.alerts)
	}
	failing.mustBe(container.StateExited)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.await(1, "answered 200", answered(http.StatusOK))
	failing.awaitState(container.StateRunning)
	well.startedTimes(2)
	// On a slow machine it may take longer than an answer may, or than Alertmanager waits.
	got := slices.DeleteFunc(r.outcomes(well), func(o string) bool { return o == "in_progress" })
	if got[0] != "restarted" && got[0] != "already_restarted" || slices.Contains(got[1:], "restarted") {
		t.Errorf("the answers about the one that is well were %v, want restarted once and first", got)
	}
}

func TestLaw7KilledDefibNeitherLosesNorRepeatsARestart(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		event string // whose nth is awaited, else the alert's delivery to nobody
		n     int
	}{
		"before the alert comes":               {},
		"while the container is being stopped": {"kill", 1},
		"just as the container has started":    {"start", 2},
	} {
		t.Run(name, func(t *testing.T) {
			if row.event == "kill" {
				dockerOnly(t, noKillEvents)
			}
			t.Parallel()
			s := newEnv(t, sharedEngine(t))
			b := s.run("slow", spec{args: []string{"-stubborn"}, stopTimeout: 6})
			r := newRelay(t)
			args := []string{whitelist(b), r.token(), hasty}
			d := s.defib(args...)
			a := r.alertmanager()
			if row.event != "" {
				r.to(d)
				a.fire(b.alarm())
				b.awaitEvents(row.event, row.n)
			} else {
				a.fire(b.alarm())
				r.await(1, "not answered", answered(0))
			}
			d.kill()
			r.to(s.defib(args...))
			r.await(1, "answered 200", answered(http.StatusOK))
			b.awaitEvents("start", 2)
			watch(t, 8*time.Second, "longer than a restart takes, so a second one would show")
			b.startedTimes(2)
			b.mustBe(container.StateRunning)
			t.Log("answers of the Defib that came after: ", r.outcomes(b))
		})
	}
}

func TestAlertThatComesWhileTheEngineIsAwayIsHealedByARetry(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", spec{})
	p := newProxy(t, s.engine)
	r := newRelay(t)
	d := startDefib(t, p.host(), whitelist(b), r.token(), hasty)
	d.ready()
	r.to(d)
	a := r.alertmanager()
	p.refuse(true)
	d.awaitAway()
	a.fire(b.alarm())
	away := r.await(2, "answered 503", answered(http.StatusServiceUnavailable))
	if !with("engine_unavailable")(away) {
		t.Errorf("answered %v, want engine_unavailable", away.told)
	}
	b.startedTimes(1)
	p.refuse(false)
	r.await(1, "answered restarted", with("restarted"))
	b.awaitEvents("start", 2)
	b.startedTimes(2)
}

func TestAlertsThatAskForNothingTouchNothing(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	web, old := s.run("web", spec{}), s.run("recreated", spec{})
	stranger, healed := s.run("stranger", spec{}), s.run("healed", spec{})
	r := newRelay(t)
	d := s.defib("--restart.whitelist="+s.prefix+"*", "--restart.exclude="+stranger.name, r.token(), hasty, "--webhook.match=docker_host=alpha")
	r.to(d)
	// A route that catches too much, so that all of it arrives.
	a := r.alertmanager(`heal=~".+"`, `alertname=~".+"`)
	old.remove()
	fresh := s.run("recreated", spec{})

	alerts := []alert{
		web.alarm("heal", "", "docker_host", "alpha"),
		web.alarm("docker_host", "beta"),
		stranger.alarm("docker_host", "alpha"),
		firingAlert("name", fresh.name, "id", old.id, "docker_host", "alpha"),
		healed.alarm("docker_host", "alpha"),
	}
	a.fire(alerts...)
	for _, outcome := range []string{"no_action", "other_host", "not_whitelisted", "gone", "restarted"} {
		r.await(1, "answered "+outcome, with(outcome))
	}
	for i := range alerts {
		alerts[i].Status = "resolved"
	}
	a.fire(alerts...)
	r.await(len(alerts), "answered resolved", with("resolved"))
	for _, b := range []*testContainer{web, fresh, stranger} {
		b.startedTimes(1)
	}
	healed.awaitEvents("start", 2)
	healed.startedTimes(2)
	for outcome, want := range map[string]float64{
		"no_action": 1, "other_host": 1, "not_whitelisted": 1, "gone": 1, "restarted": 1, "resolved": 5, "already_restarted": 0,
	} {
		d.shows(series("defib_alerts_total", "outcome", outcome), want)
	}
}

func TestSilenceStopsTheHealing(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", spec{})
	r := newRelay(t)
	d := s.defib(whitelist(b), r.token(), hasty)
	r.to(d)
	a := r.alertmanager()
	silence := a.amtool("silence", "add", "--author=e2e", "--comment=let it be", "--duration=1h", "container="+b.name)
	a.fire(b.alarm())
	watch(t, 5*time.Second, "group_wait and several group_intervals, so a delivery would show")
	if posts := r.deliveries(); len(posts) > 0 {
		t.Errorf("%d deliveries in spite of a silence", len(posts))
	}
	b.startedTimes(1)
	a.amtool("silence", "expire", silence)
	r.await(1, "answered restarted", with("restarted"))
	b.awaitEvents("start", 2)
	b.startedTimes(2)
}
