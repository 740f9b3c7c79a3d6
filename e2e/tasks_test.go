package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"defib/e2e/harness"
)

// manager is an engine that is a swarm of its own.
func manager(t *testing.T) *harness.Env {
	harness.DockerOnly(t, harness.NoSwarm)
	t.Parallel()
	e := harness.PrivateEngine(t)
	e.ManageSwarm(t, "127.0.0.1")
	return harness.NewEnv(t, e)
}

// freely has Defib hold nothing back that the tests do not ask for.
const freely = "--restart.max-per-minute=100"

// restartBy gives the tasks of a service a restart condition, and as many attempts; 0: any
// number.
func restartBy(condition swarm.RestartPolicyCondition, attempts uint64) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) {
		s.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: condition, MaxAttempts: &attempts}
	}
}

// tagged gives the containers of a service these labels, and no others.
func tagged(labels map[string]string) func(*swarm.ServiceSpec) {
	return func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Labels = labels }
}

// TestTasksAreEndedOrDeclined asks for a task of each kind of service.
func TestTasksAreEndedOrDeclined(t *testing.T) {
	s := manager(t)
	services := map[string]struct {
		edit           func(*swarm.ServiceSpec)
		outcome, words string
	}{
		"plain":      {nil, "ended", "Swarm replaces it"},
		"any":        {restartBy(swarm.RestartPolicyConditionAny, 0), "ended", "Swarm replaces it"},
		"global":     {func(s *swarm.ServiceSpec) { s.Mode.Global = &swarm.GlobalService{} }, "ended", "Swarm replaces it"},
		"on-failure": {restartBy(swarm.RestartPolicyConditionOnFailure, 0), "not_replaced", "is on-failure, and must be any"},
		"none":       {restartBy(swarm.RestartPolicyConditionNone, 0), "not_replaced", "is none, and must be any"},
		"attempts":   {restartBy(swarm.RestartPolicyConditionAny, 2), "not_replaced", "max_attempts 2"},
		"job":        {func(s *swarm.ServiceSpec) { s.Mode.ReplicatedJob = &swarm.ReplicatedJob{} }, "not_replaced", "is a job"},
		"unlabelled": {tagged(map[string]string{"defib.enable": "true"}), "swarm_task", ""},
		"mislabeled": {tagged(map[string]string{"defib.enable": "true", "defib.swarm": "always"}), "bad_label", "defib.swarm"},
		"unlisted":   {tagged(map[string]string{"defib.swarm": "restart"}), "not_whitelisted", ""},
	}
	made := map[string]*harness.Service{}
	for name, row := range services {
		made[name] = s.Service(name, row.edit)
	}
	tasks := map[string]*harness.Container{}
	for name, v := range made {
		tasks[name] = v.Await(1)[0]
	}
	d := s.Defib(freely, hasty)
	for name, row := range services {
		t.Run(name, func(t *testing.T) {
			task, v := tasks[name], made[name]
			alert := v.Alert()
			d.Obeys(row.outcome, row.words, func() harness.Reply { return d.Post(alert) })
			if row.outcome != "ended" {
				if tasks := v.On(s); len(tasks) != 1 || tasks[0].ID != task.ID {
					t.Errorf("it does not run any more, but %v", tasks)
				}
				task.StartedTimes(1)
				return
			}
			d.AwaitLine(1, "task ended", "container", task.Name, "trigger", "alert")
			next := v.Await(1)[0]
			if next.ID == task.ID {
				t.Fatal("it was not ended")
			}
			d.AwaitValue(harness.Series("docker_container_up", "name", next.Name), 1)
			d.Post(alert).Is(t, 200, "already_restarted", "")
			if kills := len(task.Times("kill")); kills == 0 || len(task.Times("start")) != 1 {
				t.Errorf("it was told to stop %d times, and started %d times", kills, len(task.Times("start")))
			}
			d.AwaitValue(harness.Series("defib_container_restart_streak", "name", next.Name), 1)
		})
	}
}

// replacement waits for the task that replaces the only one of a service, and for Defib to know it.
func replacement(v *harness.Service, d *harness.Defib, old *harness.Container) (task *harness.Container) {
	v.Helper()
	harness.Eventually(v.Env, "the task that replaces "+old.Name, func() bool {
		found := v.On(v.Env)
		if len(found) != 1 || found[0].ID == old.ID {
			return false
		}
		task = found[0]
		return true
	})
	d.AwaitValue(harness.Series("docker_container_up", "name", task.Name), 1)
	return task
}

func TestTasksAreLeftToSwarmByEveryOtherTrigger(t *testing.T) {
	s := manager(t)
	down := s.Service("down", nil)
	sick := s.Service("sick", func(spec *swarm.ServiceSpec) { spec.TaskTemplate.ContainerSpec.Healthcheck = harness.Checked().Health })
	dies, sickens := down.Await(1)[0], sick.Await(1)[0]
	d := s.Defib(freely, hasty, "--restart.triggers=exited,unhealthy,alert,dependency,depends_on")
	d.Knows(s)
	dies.Crash()
	sickens.AwaitEvents("health_status: healthy", 1)
	sickens.MakeUnhealthy()
	replacement(down, d, dies)
	replacement(sick, d, sickens)
	d.AwaitLine(1, "container state", "container", dies.Name, "state", "exited", "reason", "swarm_task")
	for _, task := range []*harness.Container{dies, sickens} {
		task.StartedTimes(1)
	}
	found := d.Scrape()
	for _, key := range found.WithPrefix("defib_restarts_total{") {
		if found[key] != 0 {
			t.Errorf("%s is %v, want 0", key, found[key])
		}
	}
}

// TestTaskIsGivenUp has each task that replaces another one be as bad as that.
func TestTaskIsGivenUp(t *testing.T) {
	s := manager(t)
	v := s.Service("web", tagged(map[string]string{"defib.enable": "true", "defib.swarm": "restart", "defib.max-attempts": "2"}))
	task := v.Await(1)[0]
	d := s.Defib(freely, hasty)
	for range 2 {
		alert := task.Alert()
		d.Obeys("ended", "Swarm replaces it", func() harness.Reply { return d.Post(alert) })
		task = replacement(v, d, task)
	}
	d.Post(task.Alert()).Is(t, 200, "gave_up", "did not help")
	d.Shows(harness.Series("defib_container_gave_up", "name", task.Name), 1)
	task.StartedTimes(1)
	neverStopped(task)
}

func TestTaskOfAServiceThatIsBeingUpdatedIsDeclined(t *testing.T) {
	s := manager(t)
	v := s.Service("slow", func(spec *swarm.ServiceSpec) {
		spec.UpdateConfig = &swarm.UpdateConfig{Monitor: time.Hour} // it is not over before that
	})
	task := v.Await(1)[0]
	d := s.Defib(freely, hasty)
	v.Update(func(spec *swarm.ServiceSpec) { spec.TaskTemplate.ForceUpdate++ })
	task = replacement(v, d, task)
	d.Post(task.Alert()).Is(t, 200, "service_updating", "its update is updating")
	d.Logged(0, "task ended")
	task.StartedTimes(1)
	neverStopped(task)
}

// neverStopped checks that a task was not told to stop.
func neverStopped(task *harness.Container) {
	task.Helper()
	if kills := task.Times("kill"); len(kills) > 0 {
		task.Errorf("it was told to stop %d times", len(kills))
	}
}

func TestHeldTaskIsNotEnded(t *testing.T) {
	s := manager(t)
	v := s.Service("web", nil)
	task := v.Await(1)[0]
	for name, row := range map[string]struct{ flag, outcome string }{
		"a dry run": {"--dry-run", "dry_run"},
		"a trigger": {"--restart.triggers=exited,unhealthy", "trigger_disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			d := s.Defib(hasty, row.flag)
			d.Post(v.Alert()).Is(t, 200, row.outcome, "")
		})
	}
	file := harness.File(t, "holds", fmt.Sprintf("%s.* %s\n", v.Name, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
	d := s.Defib("--restart.hold-file=" + file)
	d.Post(v.Alert()).Is(t, 200, "on_hold", "")
	other := s.Service("other", nil)
	other.Await(1)
	d = s.Defib(hasty, "--restart.max-per-minute=1")
	d.Obeys("ended", "", func() harness.Reply { return d.Post(other.Alert()) })
	d.Post(v.Alert()).Is(t, 200, "rate_limited", "retry in")
	task.StartedTimes(1)
	neverStopped(task)
}

func TestTaskIsNotEndedIfItsServiceCannotBeRead(t *testing.T) {
	s := manager(t)
	v := s.Service("web", nil)
	task := v.Await(1)[0]
	table, _ := privileges(t)
	for _, call := range []string{"services", "tasks", "stop"} {
		t.Run(call, func(t *testing.T) {
			g := harness.NewDenyProxy(t, s.Engine, requestsBut(table, call)...)
			d := harness.StartDefib(t, g.Host, hasty)
			d.Ready()
			d.Knows(s)
			var request string
			for _, p := range table {
				if p.call == call {
					request = p.request
				}
			}
			d.Post(v.Alert()).Is(t, 200, "refused", "allow "+request)
			d.AwaitLine(1, "call refused", "call", call)
		})
	}
	neverStopped(task)
}

// TestReplicasOfASwarmServiceAreEndedOneAfterTheOther repeats one alert on a service until all
// of its tasks have been replaced. Never are two of them missing.
func TestReplicasOfASwarmServiceAreEndedOneAfterTheOther(t *testing.T) {
	const replicas = 3
	s := manager(t)
	v := s.Service("web", harness.Replicas(replicas))
	old := map[string]bool{}
	for _, task := range v.Await(replicas) {
		old[task.ID] = true
	}
	d := s.Defib(freely, hasty)
	alert := v.Alert()
	harness.Eventually(t, "all tasks to be replaced", func() bool {
		r := d.Post(alert)
		if r.Err != nil || r.Status >= 500 && r.Outcome() != "in_progress" {
			t.Fatalf("%d %s %v", r.Status, r.Text, r.Err)
		}
		return r.Outcome() == "already_restarted" && len(v.On(s)) == replicas
	})
	now := maps.Clone(old)
	for _, task := range v.On(s) {
		if old[task.ID] {
			t.Errorf("%s was not replaced", task.Name)
		}
		now[task.ID] = true
	}
	if len(now) != 2*replicas || len(d.Find("task ended")) != replicas {
		t.Errorf("%d tasks in all, %d were ended; want %d and %d", len(now), len(d.Find("task ended")), 2*replicas, replicas)
	}
	up := 0
	for _, e := range s.Engine.Recorder.All() {
		switch {
		case !strings.HasPrefix(e.Name, v.Name+"."):
		case e.Action == "start":
			up++
		case e.Action == "die":
			if up--; up < replicas-1 {
				t.Errorf("at %s only %d of %d tasks are up", e.At, up, replicas)
			}
		}
	}
}

// TestLaw7KilledDefibEndsATaskOnce kills Defib while it ends a task, and has the next life hear
// of the same alert.
func TestLaw7KilledDefibEndsATaskOnce(t *testing.T) {
	s := manager(t)
	v := s.Service("web", func(spec *swarm.ServiceSpec) {
		spec.TaskTemplate.ContainerSpec.Args = []string{"-slow=3s"}
		spec.TaskTemplate.ContainerSpec.StopGracePeriod = new(harness.Limit / 4)
	})
	task := v.Await(1)[0]
	task.AwaitAlive() // before that it would not hear the signal
	state := "--state.file=" + t.TempDir() + "/state.json"
	d := s.Defib(state, hasty, "--webhook.cooldown=1h")
	alert := v.Alert()
	go d.Post(alert)
	task.AwaitEvents("kill", 1)
	d.Kill()
	d = s.Defib(state, hasty, "--webhook.cooldown=1h")
	task.AwaitEvents("die", 1)
	harness.Eventually(t, "the alert to be answered for good", func() bool {
		r := d.Post(alert)
		return r.Outcome() == "already_restarted" && len(v.On(s)) == 1
	})
	next := v.Await(1)[0]
	if harness.Watch(t, 3*time.Second, "longer than a stop takes"); len(next.Times("kill")) > 0 {
		t.Error("the replacement was ended for the same alert")
	}
	if kills := task.Times("kill"); len(kills) > 2 {
		t.Errorf("it was told to stop %d times, want at most one repeat", len(kills))
	}
}
