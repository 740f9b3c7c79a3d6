package e2e

import (
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// Alerts delivered by a real Alertmanager, with its repeats and retries.

func TestRestartThatDoesNotHelpIsRepeatedAndThenGivenUp(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	const repeat = 4 * time.Second
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("hopeless", harness.Spec{})
	r := harness.NewRelay(t)
	d := s.Defib(harness.Whitelist(b), r.Token(), hasty, "--webhook.cooldown=3500ms", "--restart.max-attempts=2")
	r.ForwardTo(d)
	a := r.Alertmanager("repeat_interval: 10m", "repeat_interval: 4s")
	a.Fire(b.Alert())

	starts := b.AwaitEvents("start", 3)
	if gap := starts[2].Sub(starts[1]); gap < repeat {
		t.Errorf("restarted again after %v, want repeat_interval %v at least", gap, repeat)
	}
	r.Await(2, "answered gave_up", harness.WithOutcome("gave_up"))
	b.StartedTimes(3)
	d.Shows(harness.Series("defib_container_gave_up", "name", b.Name), 1)
	d.Shows(harness.Series("defib_restarts_total", "name", b.Name, "trigger", "alert"), 2)
	tried, failed := a.Notifications()
	late := slices.ContainsFunc(r.Deliveries(), func(p harness.Delivery) bool { return p.Status != http.StatusOK }) // as on a slow machine
	if tried < 4 || failed != 0 && !late {
		t.Errorf("Alertmanager counts %v notifications and %v failed ones, want 4 at least and 0", tried, failed)
	}
}

func TestOneThatFailsDoesNotHaveItsNeighbourRestartedAgain(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	well := s.Run("well", harness.Spec{})
	failing, dir := brittle(s, "failing")
	r := harness.NewRelay(t)
	d := s.Defib(harness.Whitelist(well, failing), r.Token(), hasty, "--restart.backoff-max=2s")
	r.ForwardTo(d)
	a := r.Alertmanager("group_by: ['...']", "group_by: [team]")
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	a.Fire(failing.Alert("team", "shop"), well.Alert("team", "shop"))
	third := r.Await(3, "answered failed", harness.WithOutcome("failed"))
	if len(third.Alerts) != 2 {
		t.Errorf("delivered %v, want the whole group", third.Alerts)
	}
	failing.MustBe(container.StateExited)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.Await(1, "answered 200", harness.WithStatus(http.StatusOK))
	failing.AwaitState(container.StateRunning)
	well.StartedTimes(2)
	// On a slow machine it may take longer than an answer may, or than Alertmanager waits.
	got := slices.DeleteFunc(r.Outcomes(well), func(o string) bool { return o == "in_progress" })
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
				harness.DockerOnly(t, harness.NoKillEvents)
			}
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			b := s.Run("slow", harness.Spec{Args: []string{"-stubborn"}, StopTimeout: 6})
			r := harness.NewRelay(t)
			args := []string{harness.Whitelist(b), r.Token(), hasty}
			d := s.Defib(args...)
			a := r.Alertmanager()
			if row.event != "" {
				r.ForwardTo(d)
				a.Fire(b.Alert())
				b.AwaitEvents(row.event, row.n)
			} else {
				a.Fire(b.Alert())
				r.Await(1, "not answered", harness.WithStatus(0))
			}
			d.Kill()
			r.ForwardTo(s.Defib(args...))
			r.Await(1, "answered 200", harness.WithStatus(http.StatusOK))
			b.AwaitEvents("start", 2)
			harness.Watch(t, 8*time.Second, "longer than a restart takes, so a second one would show")
			b.StartedTimes(2)
			b.MustBe(container.StateRunning)
			t.Log("answers of the Defib that came after: ", r.Outcomes(b))
		})
	}
}

func TestAlertThatComesWhileTheEngineIsAwayIsHealedByARetry(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	p := harness.NewProxy(t, s.Engine)
	r := harness.NewRelay(t)
	d := harness.StartDefib(t, p.Host(), harness.Whitelist(b), r.Token(), hasty)
	d.Ready()
	r.ForwardTo(d)
	a := r.Alertmanager()
	p.Refuse(true)
	d.AwaitUnavailable()
	a.Fire(b.Alert())
	away := r.Await(2, "answered 503", harness.WithStatus(http.StatusServiceUnavailable))
	if !harness.WithOutcome("engine_unavailable")(away) {
		t.Errorf("answered %v, want engine_unavailable", away.Results)
	}
	b.StartedTimes(1)
	p.Refuse(false)
	r.Await(1, "answered restarted", harness.WithOutcome("restarted"))
	b.AwaitEvents("start", 2)
	b.StartedTimes(2)
}

func TestAlertsThatAskForNothingTouchNothing(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	web, old := s.Run("web", harness.Spec{}), s.Run("recreated", harness.Spec{})
	stranger, healed := s.Run("stranger", harness.Spec{}), s.Run("healed", harness.Spec{})
	r := harness.NewRelay(t)
	d := s.Defib("--restart.whitelist="+s.Prefix+"*", "--restart.exclude="+stranger.Name, r.Token(), hasty, "--webhook.match=docker_host=alpha")
	r.ForwardTo(d)
	// A route that catches too much, so that all of it arrives.
	a := r.Alertmanager(`heal=~".+"`, `alertname=~".+"`)
	old.Remove()
	fresh := s.Run("recreated", harness.Spec{})

	alerts := []harness.Alert{
		web.Alert("heal", "", "docker_host", "alpha"),
		web.Alert("docker_host", "beta"),
		stranger.Alert("docker_host", "alpha"),
		harness.FiringAlert("name", fresh.Name, "id", old.ID, "docker_host", "alpha"),
		healed.Alert("docker_host", "alpha"),
	}
	a.Fire(alerts...)
	for _, outcome := range []string{"no_action", "other_host", "not_whitelisted", "gone", "restarted"} {
		r.Await(1, "answered "+outcome, harness.WithOutcome(outcome))
	}
	for i := range alerts {
		alerts[i].Status = "resolved"
	}
	a.Fire(alerts...)
	r.Await(len(alerts), "answered resolved", harness.WithOutcome("resolved"))
	for _, b := range []*harness.Container{web, fresh, stranger} {
		b.StartedTimes(1)
	}
	healed.AwaitEvents("start", 2)
	healed.StartedTimes(2)
	for outcome, want := range map[string]float64{
		"no_action": 1, "other_host": 1, "not_whitelisted": 1, "gone": 1, "restarted": 1, "resolved": 5, "already_restarted": 0,
	} {
		d.Shows(harness.Series("defib_alerts_total", "outcome", outcome), want)
	}
}

func TestSilenceStopsTheHealing(t *testing.T) {
	harness.ServersOnly(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	r := harness.NewRelay(t)
	d := s.Defib(harness.Whitelist(b), r.Token(), hasty)
	r.ForwardTo(d)
	a := r.Alertmanager()
	silence := a.Amtool("silence", "add", "--author=e2e", "--comment=let it be", "--duration=1h", "container="+b.Name)
	a.Fire(b.Alert())
	harness.Watch(t, 5*time.Second, "group_wait and several group_intervals, so a delivery would show")
	if posts := r.Deliveries(); len(posts) > 0 {
		t.Errorf("%d deliveries in spite of a silence", len(posts))
	}
	b.StartedTimes(1)
	a.Amtool("silence", "expire", silence)
	r.Await(1, "answered restarted", harness.WithOutcome("restarted"))
	b.AwaitEvents("start", 2)
	b.StartedTimes(2)
}
