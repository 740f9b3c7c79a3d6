package e2e

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// depending is one of a compose project whose service depends on others, as compose has it.
func depending(s *harness.Env, service, on string, p harness.Spec) harness.Spec {
	p = ofCompose(s, service, p)
	p.Labels["com.docker.compose.depends_on"] = on
	return p
}

// TestWhatDependsOnAnotherIsRestartedAfterIt: first the service that depends on the health of
// the database, then the one that depends on that.
func TestWhatDependsOnAnotherIsRestartedAfterIt(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	const delay = 3 * time.Second
	for name, row := range map[string]struct {
		policy  container.RestartPolicyMode
		restart func(db *harness.Container)
	}{
		"by Defib":               {restart: (*harness.Container).Crash},
		"by the engine's policy": {policy: "always", restart: (*harness.Container).Crash},
		"by a person":            {restart: (*harness.Container).Restart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			checked := harness.Checked()
			checked.Restart = row.policy
			db := s.Run("db", ofCompose(s, "db", checked))
			api := s.Run("api", depending(s, "api", "db:service_healthy:true", harness.Spec{}))
			web := s.Run("web", depending(s, "web", "api:service_started:true", harness.Spec{}))
			idle := s.Run("idle", depending(s, "idle", "db:service_healthy:false", harness.Spec{}))
			db.AwaitEvents("health_status: healthy", 1)
			d := s.Defib(wholeProject(s), "--restart.triggers=exited,depends_on", "--restart.stopped-delay=3s")

			row.restart(db)
			d.AwaitLine(1, "container restarted", "container", api.Name, "trigger", "depends_on", "depends_on", db.Name)
			d.AwaitLine(1, "container restarted", "container", web.Name, "trigger", "depends_on", "depends_on", api.Name)
			healthy, first, second := db.AwaitEvents("health_status: healthy", 2)[1], api.AwaitEvents("start", 2)[1], web.AwaitEvents("start", 2)[1]
			t.Logf("db started %v, healthy %v, api restarted %v, web restarted %v", db.StartedAt().Format(time.StampMilli), healthy.Format(time.StampMilli), first.Format(time.StampMilli), second.Format(time.StampMilli))
			const slack = 500 * time.Millisecond // between the clocks of the engine and of Defib
			if first.Sub(healthy) < delay-slack {
				t.Errorf("restarted %v after the database was healthy, want %v", first.Sub(healthy), delay)
			}
			if second.Sub(first) < delay-slack {
				t.Errorf("the second was restarted %v after the first, want %v", second.Sub(first), delay)
			}
			time.Sleep(2 * delay)
			for _, b := range []*harness.Container{db, api, web} {
				b.StartedTimes(2)
			}
			idle.StartedTimes(1)
		})
	}
}

// TestWhatADeployHasLeftBehindIsStarted: compose has created it, and has not waited until the
// database was healthy; unless somebody has stopped one of the project since.
func TestWhatADeployHasLeftBehindIsStarted(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	d := s.Defib("--restart.whitelist="+s.Prefix+"shop/*,"+s.Prefix+"toys/*", "--restart.triggers=exited,depends_on", "--restart.stopped-delay=3s")
	elsewhere := func(p harness.Spec) harness.Spec {
		p.Labels["com.docker.compose.project"] = s.Prefix + "toys"
		return p
	}
	api := s.Create("api", depending(s, "api", "db:service_healthy:false", harness.Spec{}))
	given := s.Create("given-up", elsewhere(depending(s, "api", "db:service_healthy:false", harness.Spec{})))
	db := s.Run("db", ofCompose(s, "db", harness.Checked()))
	stopped := s.Run("stopped", elsewhere(ofCompose(s, "db", harness.Checked())))
	db.AwaitEvents("health_status: healthy", 1)
	stopped.AwaitEvents("health_status: healthy", 1)
	stopped.Restart()
	stopped.AwaitEvents("health_status: healthy", 2)
	d.AwaitHeld(api, "created")
	harness.Watch(t, 40*time.Second, "a deploy may still be under way in the first minute, which is as long as any wait here")
	d.AwaitLine(1, "container started", "container", api.Name, "trigger", "depends_on")
	if young := api.AwaitEvents("start", 1)[0].Sub(api.Times("create")[0]); young < 55*time.Second {
		t.Errorf("started %v after it was created, want a minute", young)
	}
	time.Sleep(4 * time.Second) // longer than the delay
	api.StartedTimes(1)
	given.MustBe(container.StateCreated)
	d.Shows(harness.Series("defib_container_held", "name", given.Name, "reason", "created"), 1)
}
