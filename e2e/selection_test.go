package e2e

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// TestLaw1WhitelistDecidesWhoIsTouched lets everybody crash under one Defib, on an
// engine of its own: a container that is listed by its label is so for every
// Defib of its engine.
func TestLaw1WhitelistDecidesWhoIsTouched(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	compose := func(project, service string) map[string]string {
		return map[string]string{"com.docker.compose.project": s.Prefix + project, "com.docker.compose.service": service}
	}
	rows := []struct {
		why, name string
		labels    map[string]string
		touched   bool
		box       *harness.Container
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
		{why: "has a label, whatever its value", name: "labelled", labels: map[string]string{s.Prefix + "any": "x"}, touched: true},
		{why: "has a label with a value", name: "valued", labels: map[string]string{s.Prefix + "team": "core-1"}, touched: true},
		{why: "has a label with another value", name: "misvalued", labels: map[string]string{s.Prefix + "team": "lab"}},
		{why: "named but excluded by a label", name: "tenant", labels: map[string]string{s.Prefix + "owner": "lab"}},
		{why: "named but excluded", name: "outcast"},
		{why: "excluded, whatever its label says", name: "outlaw", labels: map[string]string{"defib.enable": "true"}},
		{why: "not listed", name: "stranger"},
		{why: "not listed, though its name begins like a listed one", name: "token2"},
	}
	for i := range rows {
		rows[i].box = s.Run(rows[i].name, harness.Spec{Args: []string{"-code=1"}, Labels: rows[i].labels})
	}
	n := s.Prefix
	d := s.Defib(
		"--restart.whitelist="+n+"token,"+n+"web-*",
		"--restart.whitelist="+n+"shop/db",
		"--restart.whitelist="+n+"refuser,"+n+"outcast,"+n+"tenant",
		"--restart.whitelist=label:"+n+"any,label:"+n+"team=c*-?",
		"--restart.exclude=label:"+n+"owner=lab",
		"--restart.exclude="+n+"web-2,"+n+"web-tmp-*",
		"--restart.exclude="+n+"outcast,"+n+"outlaw",
		"--restart.stopped-delay=1s")
	for _, row := range rows {
		row.box.Crash()
	}
	for _, row := range rows {
		if row.touched {
			row.box.AwaitEvents("start", 2)
			d.AwaitLine(1, "container started", "container", row.box.Name)
		}
	}
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	found := d.Current()
	for _, row := range rows {
		want := 0.0
		if row.touched {
			want = 1
		} else {
			row.box.StartedTimes(1)
			row.box.MustBe(container.StateExited)
			d.LeftAlone(row.box)
			d.Logged(0, "container state", "container", row.box.Name)
		}
		key := harness.Series("defib_container_whitelisted", "name", row.box.Name)
		if got, there := found[key]; !there || got != want {
			t.Errorf("%s (%s) is %s, want %v", key, row.why, harness.Written(got, there), want)
		}
	}
}

func TestWhitelistEntryThatMatchesNobodyIsShown(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	entry := harness.Series("defib_whitelist_matches", "entry", s.Prefix+"expected")
	d := s.Defib("--restart.whitelist=" + s.Prefix + "expected")
	d.Shows(entry, 0)
	b := s.Create("expected", harness.Spec{})
	d.AwaitValue(entry, 1)
	b.Remove()
	d.AwaitValue(entry, 0)
}

func TestLaw1EmptyWhitelistTouchesNobody(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("free", harness.Spec{Args: []string{"-code=1"}})
	d := s.Defib("--restart.stopped-delay=1s")
	b.Crash()
	d.AwaitValue(harness.Series("docker_container_exited", "name", b.Name), 1)
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	d.LeftAlone(b)
	b.StartedTimes(1)
}

func TestStateOfWhitelistedContainersIsLogged(t *testing.T) {
	harness.DockerOnly(t, harness.NoStopEvents)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{})
	d := s.Defib(harness.Whitelist(b), "--restart.policy=unless-stopped", "--restart.stopped-delay=1s")
	d.AwaitLine(1, "container state", "container", b.Name, "state", "running")
	b.Stop()
	d.AwaitLine(1, "container state", "container", b.Name, "state", "exited", "reason", "stopped")
	b.Start()
	d.AwaitLine(2, "container state", "container", b.Name, "state", "running")
}

func TestDryRunTouchesNothingAndSaysSoOnce(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("token", harness.Spec{Args: []string{"-code=1"}})
	d := s.Defib(harness.Whitelist(b), "--dry-run", "--restart.stopped-delay=1s", "--docker.resync-interval=1s")
	counted := harness.Series("defib_dry_run_actions_total", "name", b.Name, "trigger", "exited")
	d.Shows("defib_dry_run", 1)
	for cause := 1; cause <= 2; cause++ {
		b.Crash()
		d.AwaitHeld(b, "dry_run")
		d.AwaitLine(cause, "would start container", "container", b.Name, "trigger", "exited")
		harness.Watch(t, 3*time.Second, "several resyncs, none of which is a new cause")
		d.Logged(cause, "would start container", "container", b.Name)
		d.Shows(counted, float64(cause))
		b.MustBe(container.StateExited)
		b.StartedTimes(cause)
		d.LeftAlone(b)
		b.Start()
		b.AwaitEvents("start", cause+1)
		d.AwaitAbsent(harness.Series("defib_container_held", "name", b.Name, "reason", "dry_run"))
	}
}

func TestSettingsOfOneContainerReplaceThoseOfAll(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	labelled := func(name, delay string) *harness.Container {
		return s.Run(name, harness.Spec{Labels: map[string]string{"defib.stopped-delay": delay}})
	}
	soon, wrong, plain := labelled("soon", "1s"), labelled("wrong", "2 days"), s.Run("plain", harness.Spec{})
	d := s.Defib(harness.Whitelist(soon, wrong, plain), "--restart.stopped-delay=1h")
	d.AwaitLine(1, "invalid label: it is ignored", "container", wrong.Name)
	for _, b := range []*harness.Container{wrong, plain, soon} {
		b.Stop()
	}
	soon.AwaitEvents("start", 2)
	for _, b := range []*harness.Container{wrong, plain} {
		d.AwaitHeld(b, "stopped_delay")
		b.StartedTimes(1)
	}
}

func TestLabelThatIsNotUnderstoodMeansHandsOff(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	crash := func(name, key, value string) *harness.Container {
		return s.Run(name, harness.Spec{Args: []string{"-code=1"}, Labels: map[string]string{key: value}})
	}
	off, on := crash("off", "defib.enable", "no"), crash("on", "defib.enable", "Yes")
	bad := []*harness.Container{crash("enable", "defib.enable", "nope"), crash("policy", "defib.policy", "sometimes"), crash("key", "Defib.Enable", "true")}
	d := s.Defib(harness.Whitelist(off, bad[1]), "--restart.stopped-delay=1s")
	for _, b := range bad {
		d.AwaitHeld(b, "bad_label") // while it runs
		d.AwaitLine(1, "invalid label: the container is left alone", "container", b.Name)
	}
	for _, b := range append(bad, off, on) {
		b.Crash()
	}
	on.AwaitEvents("start", 2)
	harness.Watch(t, 3*time.Second, "longer than the stopped delay, so one put off would show")
	for _, b := range append(bad, off) {
		b.MustBe(container.StateExited)
		b.StartedTimes(1)
	}
	for _, b := range bad {
		d.AwaitHeld(b, "bad_label")
	}
}
