package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

const (
	// hasty lets Defib restart for an alert what has only just been started.
	hasty = "--webhook.min-uptime=0s"
	// longBackoff puts off a second attempt for longer than any test takes.
	longBackoff = "--restart.backoff-initial=1h"
)

// TestAnswerSaysInWordsWhatBecameOfAnAlert goes through what one Defib can be
// made to answer by hand.
func TestAnswerSaysInWordsWhatBecameOfAnAlert(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	labelled := func(name, value string) map[string]string { return map[string]string{name: value} }
	web := s.Run("web", harness.Spec{})
	crashed := s.Run("crashed", harness.Spec{Args: []string{"-code=1"}, Labels: labelled("defib.triggers", "alert")})
	stopped := s.Run("stopped", harness.Spec{Labels: labelled("defib.policy", "unless-stopped")})
	deployed := s.Run("deployed", harness.Spec{})
	deployed.Stop()
	frozen := s.Run("frozen", harness.Spec{})
	frozen.Pause()
	young := s.Run("young", harness.Spec{Health: &container.HealthConfig{Test: []string{"CMD", "/testapp", "-healthcheck"}, Interval: time.Hour}})
	own := s.Run("own", harness.Spec{Labels: labelled("defib.triggers", "exited")})
	done := s.Run("done", harness.Spec{Restart: container.RestartPolicyOnFailure})
	done.Crash()
	unborn := s.Create("unborn", harness.Spec{})
	passing := s.Run("passing", harness.Spec{Host: func(h *container.HostConfig) { h.AutoRemove = true }})
	once := s.Run("once", harness.Spec{Labels: labelled("com.docker.compose.oneoff", "True")})
	task := s.Run("task", harness.Spec{Labels: labelled("com.docker.swarm.task.id", "x")})
	parent := s.Run("parent", harness.Spec{Network: "none", Labels: labelled("defib.policy", "unless-stopped")})
	child := s.Run("child", harness.InNetworkOf(parent))
	parent.Stop()
	lost := s.Run("lost", harness.Spec{Network: "none"})
	orphan := s.Run("orphan", harness.InNetworkOf(lost))
	lost.Remove()
	stranger := s.Run("stranger", harness.Spec{})

	held := s.Run("held", harness.Spec{})
	holds := "--restart.hold-file=" + filepath.Join(t.TempDir(), "holds")
	if code := harness.Spawn(t, nil, "hold", held.Name, "--for=1h", holds).ExitCode(); code != 0 {
		t.Fatalf("exit code %d of defib hold", code)
	}

	d := s.Defib("--restart.whitelist="+s.Prefix+"*", "--restart.exclude="+stranger.Name, "--restart.stopped-delay=1h", holds,
		"--restart.triggers=exited,alert", "--webhook.match=docker_host=alpha", "--restart.max-attempts=1", hasty, longBackoff, "--restart.backoff-max=1h")
	// Before Defib came, the health checks of other tests might have rolled the
	// evidence out of the engine's 256 events.
	crashed.Crash()
	stopped.Stop()
	for _, b := range []*harness.Container{crashed, stopped} {
		d.AwaitValue(harness.Series("docker_container_exited", "name", b.Name), 1)
	}
	first := web.Alert("docker_host", "alpha")
	counted := map[string]float64{"already_restarted": 1}
	for _, outcome := range d.Heals(first) {
		counted[outcome]++
	}
	d.Post(first).Is(t, 200, "already_restarted", "already been restarted for this alert")
	over := web.Alert()
	over.Status = "resolved"
	for _, row := range []struct {
		outcome, words string
		alert          harness.Alert
		before         func()
	}{
		{"gave_up", "did not help", web.Alert("again", "yes"), nil},
		{"already_running", "does not restart running containers", web.Alert("heal", "start"), nil},
		{"started", "was down and was started", crashed.Alert(), nil},
		{"back_off", "retry in", crashed.Alert("again", "yes"), func() {
			crashed.Crash()
			d.AwaitValue(harness.Series("docker_container_exited", "name", crashed.Name), 1)
		}},
		{"resolved", "resolved", over, nil},
		{"no_action", "no label heal", web.Alert("heal", ""), nil},
		{"unknown_action", "must be restart or start", web.Alert("heal", "reboot"), nil},
		{"not_evaluated", "could not evaluate", web.Alert("alertname", "DatasourceNoData"), nil},
		{"no_target", "no label names a container", harness.FiringAlert(), nil},
		{"not_found", "no such container on this host", harness.FiringAlert("container", s.Prefix+"nobody"), nil},
		{"gone", "no container with this ID", harness.FiringAlert("id", lost.ID, "name", web.Name), nil},
		{"other_host", "--webhook.match", web.Alert("docker_host", "beta"), nil},
		{"not_whitelisted", "is not whitelisted", stranger.Alert(), nil},
		{"too_young", "only just started", young.Alert(), nil},
		{"stopped", "stopped on purpose", stopped.Alert(), nil},
		{"stopped_delay", "retry in", deployed.Alert(), nil},
		{"on_hold", "on hold for maintenance", held.Alert(), nil},
		{"paused", "is paused", frozen.Alert(), nil},
		{"trigger_disabled", "the trigger is off", own.Alert(), nil},
		{"finished", "as it was meant to", done.Alert("heal", "start"), nil},
		{"created", "never started", unborn.Alert("heal", "start"), nil},
		{"auto_remove", "removes it", passing.Alert(), nil},
		{"one_off", "one-off", once.Alert(), nil},
		{"swarm_task", "Swarm", task.Alert(), nil},
		{"parent_down", "it shares is down", child.Alert(), nil},
		{"parent_gone", "no longer exists", orphan.Alert(), nil},
	} {
		if row.before != nil {
			row.before()
		}
		a := row.alert
		a.StartsAt = time.Now() // later than any start, else that would have healed it
		if a.Labels["docker_host"] == "" {
			a.Labels["docker_host"] = "alpha"
		}
		for _, outcome := range d.Obeys(row.outcome, row.words, func() harness.Reply { return d.Post(a) }) {
			counted[outcome]++
		}
	}

	found := d.Scrape()
	for _, key := range found.WithPrefix("defib_alerts_total{") {
		outcome := strings.Split(key, `"`)[1]
		if found[key] != counted[outcome] {
			t.Errorf("%s is %v, want %v", key, found[key], counted[outcome])
		}
	}
	for _, b := range []*harness.Container{web, crashed} {
		b.AwaitEvents("start", 2)
		b.StartedTimes(2)
	}
	for _, b := range []*harness.Container{stopped, deployed, held, frozen, young, own, done, passing, once, task, parent, child, orphan, stranger} {
		b.StartedTimes(1)
		d.Logged(0, "container restarted", "container", b.Name)
	}
	unborn.StartedTimes(0)
	d.Shows(harness.Series("defib_container_gave_up", "name", web.Name), 1)
}

func TestDryRunRestartsNothing(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), hasty, "--dry-run")
	first, second := b.Alert(), b.Alert()
	for _, a := range []harness.Alert{first, first, second, first, second} {
		d.Post(a).Is(t, 200, "dry_run", "--dry-run")
	}
	b.StartedTimes(1)
	d.Logged(2, "would restart container", "container", b.Name)
	d.Shows(harness.Series("defib_dry_run_actions_total", "name", b.Name, "trigger", "alert"), 2)
}

func TestLaw2OneBadRuleCannotRestartAHost(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	one, other := s.Run("one", harness.Spec{}), s.Run("other", harness.Spec{})
	d := s.Defib(harness.Whitelist(one, other), hasty, "--restart.max-per-minute=1")
	d.Heals(one.Alert())
	d.Post(other.Alert()).Is(t, 200, "rate_limited", "retry in")
	one.AwaitEvents("start", 2)
	other.StartedTimes(1)
}

func TestContainerThatHasJustComeUpIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), "--webhook.min-uptime=1h")
	d.Post(b.Alert()).Is(t, 200, "too_young", "retry in")
	b.StartedTimes(1)
}
