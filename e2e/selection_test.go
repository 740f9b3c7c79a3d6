package e2e

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// TestLaw1WhitelistDecidesWhoIsTouched lets everybody crash under one Defib, on an
// engine of its own: a container that is listed by its label is so for every
// Defib of its engine.
func TestLaw1WhitelistDecidesWhoIsTouched(t *testing.T) {
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	compose := func(project, service string) map[string]string {
		return map[string]string{"com.docker.compose.project": s.prefix + project, "com.docker.compose.service": service}
	}
	rows := []struct {
		why, name string
		labels    map[string]string
		touched   bool
		box       *testContainer
	}{
		{why: "named", name: "token", touched: true},
		{why: "matched by a glob", name: "web-1", touched: true},
		{why: "matched by a glob but excluded by name", name: "web-2"},
		{why: "matched by a glob but excluded by a glob", name: "web-tmp-1"},
		{why: "a service of a project", name: "shop_db_1", labels: compose("shop", "db"), touched: true},
		{why: "another service of the project", name: "shop_cache_1", labels: compose("shop", "cache")},
		{why: "the same service of another project", name: "other_db_1", labels: compose("other", "db")},
		{why: "listed by its label only", name: "volunteer", labels: map[string]string{"defib.enable": "true"}, touched: true},
		{why: "named but taken out by its label", name: "refuser", labels: map[string]string{"defib.enable": "false"}},
		{why: "named but excluded", name: "outcast"},
		{why: "excluded, whatever its label says", name: "outlaw", labels: map[string]string{"defib.enable": "true"}},
		{why: "not listed", name: "stranger"},
		{why: "not listed, though its name begins like a listed one", name: "token2"},
	}
	for i := range rows {
		rows[i].box = s.run(rows[i].name, spec{args: []string{"-code=1"}, labels: rows[i].labels})
	}
	n := s.prefix
	d := s.defib(
		"--restart.whitelist="+n+"token,"+n+"web-*",
		"--restart.whitelist="+n+"shop/db",
		"--restart.whitelist="+n+"refuser,"+n+"outcast",
		"--restart.exclude="+n+"web-2,"+n+"web-tmp-*",
		"--restart.exclude="+n+"outcast,"+n+"outlaw",
		"--restart.stopped-delay=1s")
	for _, row := range rows {
		row.box.crash()
	}
	for _, row := range rows {
		if row.touched {
			row.box.awaitEvents("start", 2)
			d.awaitLine(1, "container started", "container", row.box.name)
		}
	}
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	found := d.current()
	for _, row := range rows {
		want := 0.0
		if row.touched {
			want = 1
		} else {
			row.box.startedTimes(1)
			row.box.mustBe(container.StateExited)
			d.leftAlone(row.box)
			d.logged(0, "container state", "container", row.box.name)
		}
		key := series("defib_container_whitelisted", "name", row.box.name)
		if got, there := found[key]; !there || got != want {
			t.Errorf("%s (%s) is %s, want %v", key, row.why, written(got, there), want)
		}
	}
}

func TestWhitelistEntryThatMatchesNobodyIsShown(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	entry := series("defib_whitelist_matches", "entry", s.prefix+"expected")
	d := s.defib("--restart.whitelist=" + s.prefix + "expected")
	d.shows(entry, 0)
	b := s.create("expected", spec{})
	d.awaitValue(entry, 1)
	b.remove()
	d.awaitValue(entry, 0)
}

func TestLaw1EmptyWhitelistTouchesNobody(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("free", spec{args: []string{"-code=1"}})
	d := s.defib("--restart.stopped-delay=1s")
	b.crash()
	d.awaitValue(series("docker_container_exited", "name", b.name), 1)
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.leftAlone(b)
	b.startedTimes(1)
}

func TestStateOfWhitelistedContainersIsLogged(t *testing.T) {
	dockerOnly(t, noStopEvents)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{})
	d := s.defib(whitelist(b), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s")
	d.awaitLine(1, "container state", "container", b.name, "state", "running")
	b.stop()
	d.awaitLine(1, "container state", "container", b.name, "state", "exited", "reason", "stopped")
	b.start()
	d.awaitLine(2, "container state", "container", b.name, "state", "running")
}

func TestDryRunTouchesNothingAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("token", spec{args: []string{"-code=1"}})
	d := s.defib(whitelist(b), "--dry-run", "--restart.stopped-delay=1s", "--docker.resync-interval=1s")
	counted := series("defib_dry_run_actions_total", "name", b.name, "trigger", "exited")
	d.shows("defib_dry_run", 1)
	for cause := 1; cause <= 2; cause++ {
		b.crash()
		d.awaitHeld(b, "dry_run")
		d.awaitLine(cause, "would start container", "container", b.name, "trigger", "exited")
		watch(t, 3*time.Second, "several resyncs, none of which is a new cause")
		d.logged(cause, "would start container", "container", b.name)
		d.shows(counted, float64(cause))
		b.mustBe(container.StateExited)
		b.startedTimes(cause)
		d.leftAlone(b)
		b.start()
		b.awaitEvents("start", cause+1)
		d.awaitAbsent(series("defib_container_held", "name", b.name, "reason", "dry_run"))
	}
}

func TestLabelThatIsNotUnderstoodMeansHandsOff(t *testing.T) {
	t.Parallel()
	s := newEnv(t, privateEngine(t))
	crash := func(name, key, value string) *testContainer {
		return s.run(name, spec{args: []string{"-code=1"}, labels: map[string]string{key: value}})
	}
	off, on := crash("off", "defib.enable", "no"), crash("on", "defib.enable", "Yes")
	bad := []*testContainer{crash("enable", "defib.enable", "nope"), crash("policy", "defib.policy", "sometimes"), crash("key", "Defib.Enable", "true")}
	d := s.defib(whitelist(off, bad[1]), "--restart.stopped-delay=1s")
	for _, b := range bad {
		d.awaitHeld(b, "bad_label") // while it runs
		d.awaitLine(1, "label not understood: the container is left alone", "container", b.name)
	}
	for _, b := range append(bad, off, on) {
		b.crash()
	}
	on.awaitEvents("start", 2)
	watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	for _, b := range append(bad, off) {
		b.mustBe(container.StateExited)
		b.startedTimes(1)
	}
	for _, b := range bad {
		d.awaitHeld(b, "bad_label")
	}
}
