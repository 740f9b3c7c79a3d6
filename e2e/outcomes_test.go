package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
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
	dockerOnly(t, keepsParents)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	labelled := func(name, value string) map[string]string { return map[string]string{name: value} }
	web := s.run("web", spec{})
	crashed := s.run("crashed", spec{args: []string{"-code=1"}, labels: labelled("defib.triggers", "alert")})
	stopped := s.run("stopped", spec{labels: labelled("defib.policy", "unless-stopped")})
	deployed := s.run("deployed", spec{})
	deployed.stop()
	frozen := s.run("frozen", spec{})
	frozen.pause()
	young := s.run("young", spec{health: &container.HealthConfig{Test: []string{"CMD", "/testapp", "-healthcheck"}, Interval: time.Hour}})
	own := s.run("own", spec{labels: labelled("defib.triggers", "exited")})
	done := s.run("done", spec{restart: container.RestartPolicyOnFailure})
	done.crash()
	unborn := s.create("unborn", spec{})
	passing := s.run("passing", spec{host: func(h *container.HostConfig) { h.AutoRemove = true }})
	once := s.run("once", spec{labels: labelled("com.docker.compose.oneoff", "True")})
	task := s.run("task", spec{labels: labelled("com.docker.swarm.task.id", "x")})
	parent := s.run("parent", spec{labels: labelled("defib.policy", "unless-stopped")})
	child := s.run("child", inNetworkOf(parent))
	parent.stop()
	lost := s.run("lost", spec{})
	orphan := s.run("orphan", inNetworkOf(lost))
	lost.remove()
	stranger := s.run("stranger", spec{})

	held := s.run("held", spec{})
	holds := "--restart.hold-file=" + filepath.Join(t.TempDir(), "holds")
	if code := spawn(t, nil, "hold", held.name, "--for=1h", holds).exitCode(); code != 0 {
		t.Fatalf("exit code %d of defib hold", code)
	}

	d := s.defib("--restart.whitelist="+s.prefix+"*", "--restart.exclude="+stranger.name, "--restart.stopped-delay=1h", holds,
		"--restart.triggers=exited,alert", "--webhook.match=docker_host=alpha", "--restart.max-attempts=1", hasty, longBackoff, "--restart.backoff-max=1h")
	// Before Defib came, the health checks of other tests might have rolled the
	// evidence out of the engine's 256 events.
	crashed.crash()
	stopped.stop()
	for _, b := range []*testContainer{crashed, stopped} {
		d.awaitValue(series("docker_container_exited", "name", b.name), 1)
	}
	first := web.alarm("docker_host", "alpha")
	counted := map[string]float64{"already_restarted": 1}
	for _, outcome := range d.heals(first) {
		counted[outcome]++
	}
	d.post(first).is(t, 200, "already_restarted", "for this alert already")
	over := web.alarm()
	over.Status = "resolved"
	for _, row := range []struct {
		outcome, words string
		alert          alert
		before         func()
	}{
		{"gave_up", "did not help", web.alarm("again", "yes"), nil},
		{"already_running", "does not restart what runs", web.alarm("heal", "start"), nil},
		{"started", "was down and has been started", crashed.alarm(), nil},
		{"back_off", "ask again in", crashed.alarm("again", "yes"), func() {
			crashed.crash()
			d.awaitValue(series("docker_container_exited", "name", crashed.name), 1)
		}},
		{"resolved", "resolved", over, nil},
		{"no_action", "no label heal", web.alarm("heal", ""), nil},
		{"unknown_action", "neither restart nor start", web.alarm("heal", "reboot"), nil},
		{"not_evaluated", "could not evaluate", web.alarm("alertname", "DatasourceNoData"), nil},
		{"no_target", "no label names a container", firingAlert(), nil},
		{"not_found", "has that name", firingAlert("container", s.prefix+"nobody"), nil},
		{"gone", "has that id", firingAlert("id", lost.id, "name", web.name), nil},
		{"other_host", "--webhook.match", web.alarm("docker_host", "beta"), nil},
		{"not_whitelisted", "whitelist does not name it", stranger.alarm(), nil},
		{"too_young", "only just come up", young.alarm(), nil},
		{"stopped", "stopped on purpose", stopped.alarm(), nil},
		{"stopped_delay", "ask again in", deployed.alarm(), nil},
		{"on_hold", "on hold for maintenance", held.alarm(), nil},
		{"paused", "is paused", frozen.alarm(), nil},
		{"trigger_disabled", "not among its triggers", own.alarm(), nil},
		{"finished", "as it was meant to", done.alarm("heal", "start"), nil},
		{"created", "never started", unborn.alarm("heal", "start"), nil},
		{"auto_remove", "removes it", passing.alarm(), nil},
		{"one_off", "one-off", once.alarm(), nil},
		{"swarm_task", "Swarm", task.alarm(), nil},
		{"parent_down", "it shares is down", child.alarm(), nil},
		{"parent_gone", "does not exist any more", orphan.alarm(), nil},
	} {
		if row.before != nil {
			row.before()
		}
		a := row.alert
		a.StartsAt = time.Now() // later than any start, else that would have healed it
		if a.Labels["docker_host"] == "" {
			a.Labels["docker_host"] = "alpha"
		}
		for _, outcome := range d.obeys(row.outcome, row.words, func() reply { return d.post(a) }) {
			counted[outcome]++
		}
	}

	found := d.scrape()
	for _, key := range found.with("defib_alerts_total{") {
		outcome := strings.Split(key, `"`)[1]
		if found[key] != counted[outcome] {
			t.Errorf("%s is %v, want %v", key, found[key], counted[outcome])
		}
	}
	for _, b := range []*testContainer{web, crashed} {
		b.awaitEvents("start", 2)
		b.startedTimes(2)
	}
	for _, b := range []*testContainer{stopped, deployed, held, frozen, young, own, done, passing, once, task, parent, child, orphan, stranger} {
		b.startedTimes(1)
		d.logged(0, "container restarted", "container", b.name)
	}
	unborn.startedTimes(0)
	d.shows(series("defib_container_gave_up", "name", web.name), 1)
}

func TestDryRunRestartsNothing(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", spec{})
	d := s.defib(whitelist(b), hasty, "--dry-run")
	first, second := b.alarm(), b.alarm()
	for _, a := range []alert{first, first, second, first, second} {
		d.post(a).is(t, 200, "dry_run", "--dry-run")
	}
	b.startedTimes(1)
	d.logged(2, "would restart container", "container", b.name)
	d.shows(series("defib_dry_run_actions_total", "name", b.name, "trigger", "alert"), 2)
}

func TestLaw2OneBadRuleCannotRestartAHost(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	one, other := s.run("one", spec{}), s.run("other", spec{})
	d := s.defib(whitelist(one, other), hasty, "--restart.max-per-minute=1")
	d.heals(one.alarm())
	d.post(other.alarm()).is(t, 200, "rate_limited", "ask again in")
	one.awaitEvents("start", 2)
	other.startedTimes(1)
}

func TestContainerThatHasJustComeUpIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("web", spec{})
	d := s.defib(whitelist(b), "--webhook.min-uptime=1h")
	d.post(b.alarm()).is(t, 200, "too_young", "ask again in")
	b.startedTimes(1)
}
