package docker

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"defib/engine"
	"defib/engine/docker/call"
)

// managing has a fake engine be the manager of a service api, whose tasks these are, and
// returns the container of the first of them.
func managing(t *testing.T, edit func(*swarm.Service), tasks ...swarm.Task) (f *fakeEngine, w *watchedEngine, c *engine.Container) {
	t.Helper()
	f = serving(t)
	id := f.put("api.1.t1")
	f.change(id, func(c *container.InspectResponse) {
		c.Config.Labels = map[string]string{
			"com.docker.swarm.task.id": "t1", "com.docker.swarm.task.name": "api.1.t1", "com.docker.swarm.service.id": "s1", "com.docker.swarm.service.name": "api",
		}
	})
	service := swarm.Service{ID: "s1", Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "api"}}}
	service.Spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{}
	if edit != nil {
		edit(&service)
	}
	says := func(v any) http.HandlerFunc { return func(w http.ResponseWriter, _ *http.Request) { f.write(w, v) } }
	f.on("services", says(service))
	f.on("tasks", says(tasks))
	w = connected(t, Options{Host: f.host()})
	w.untilState(t, id, engine.Running)
	return f, w, w.Snapshot().Get(id)
}

// task is a task of the service api.
func task(id string, slot int, wanted, is swarm.TaskState) swarm.Task {
	return swarm.Task{ID: id, Slot: slot, ServiceID: "s1", DesiredState: wanted, Status: swarm.TaskStatus{State: is}}
}

var alive = task("t1", 1, swarm.TaskStateRunning, swarm.TaskStateRunning)

func restartBy(condition swarm.RestartPolicyCondition, attempts uint64) func(*swarm.Service) {
	return func(s *swarm.Service) {
		s.Spec.TaskTemplate.RestartPolicy = &swarm.RestartPolicy{Condition: condition, MaxAttempts: &attempts}
	}
}

func updating(state swarm.UpdateState) func(*swarm.Service) {
	return func(s *swarm.Service) { s.UpdateStatus = &swarm.UpdateStatus{State: state} }
}

func TestTaskIsEndedIfSwarmReplacesIt(t *testing.T) {
	job := func(s *swarm.Service) { s.Spec.Mode.ReplicatedJob = &swarm.ReplicatedJob{} }
	global := func(s *swarm.Service) { s.Spec.Mode.GlobalJob = &swarm.GlobalJob{} }
	fails := func(status int, text string) func(*fakeEngine) {
		return func(f *fakeEngine) { f.on("services", answers(status, text)) }
	}
	for name, tc := range map[string]struct {
		edit  func(*swarm.Service)
		tasks []swarm.Task // nil: the task alone
		fault func(*fakeEngine)
		want  error // nil: it is ended, unless says is given
		says  string
	}{
		"its service says nothing":               {},
		"the condition is any":                   {edit: restartBy("any", 0)},
		"the condition is on-failure":            {edit: restartBy("on-failure", 0), want: engine.ErrNotReplaced, says: "the restart condition of api is on-failure, and must be any"},
		"the condition is none":                  {edit: restartBy("none", 0), want: engine.ErrNotReplaced, says: "is none"},
		"attempts are counted":                   {edit: restartBy("any", 3), want: engine.ErrNotReplaced, says: "max_attempts 3"},
		"a job":                                  {edit: job, want: engine.ErrNotReplaced, says: "api is a job"},
		"a global job":                           {edit: global, want: engine.ErrNotReplaced, says: "api is a job"},
		"it was updated":                         {edit: updating("completed")},
		"it was rolled back":                     {edit: updating("rollback_completed")},
		"it is being updated":                    {edit: updating("updating"), want: engine.ErrServiceUpdating, says: "its update is updating"},
		"its update was paused":                  {edit: updating("paused"), want: engine.ErrServiceUpdating, says: "paused"},
		"it is being rolled back":                {edit: updating("rollback_started"), want: engine.ErrServiceUpdating, says: "rollback_started"},
		"the rollback was paused":                {edit: updating("rollback_paused"), want: engine.ErrServiceUpdating, says: "rollback_paused"},
		"Swarm ends the task":                    {tasks: []swarm.Task{task("t1", 1, "shutdown", "running")}, want: engine.ErrServiceUpdating, says: "Swarm is ending the task itself"},
		"Swarm does not know it":                 {tasks: []swarm.Task{}, want: engine.ErrServiceUpdating},
		"others run, and have run":               {tasks: []swarm.Task{task("t0", 2, "shutdown", "failed"), alive, task("t2", 2, "running", "running")}},
		"another one is starting":                {tasks: []swarm.Task{alive, task("t2", 2, "running", "starting")}, want: engine.ErrServiceShort, says: "api.2 is starting"},
		"another one waits for its start":        {tasks: []swarm.Task{task("t2", 2, "ready", "ready"), alive}, want: engine.ErrServiceShort, says: "api.2 is ready"},
		"the service was removed":                {fault: fails(http.StatusNotFound, "service s1 not found"), want: engine.ErrServiceUpdating, says: "removed"},
		"a worker":                               {fault: fails(http.StatusServiceUnavailable, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.")},
		"a node in no swarm":                     {fault: fails(http.StatusServiceUnavailable, `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`), want: engine.ErrNotReplaced, says: "in no swarm"},
		"a manager that has lost the others":     {fault: fails(http.StatusServiceUnavailable, "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster."), says: "trouble connecting"},
		"a proxy refuses":                        {fault: fails(http.StatusForbidden, "no"), want: engine.ErrRefused, says: "allow GET /services/*"},
		"a proxy hides the path":                 {fault: fails(http.StatusNotFound, "page not found"), want: engine.ErrRefused, says: "allow GET /services/*"},
		"the managers cannot agree":              {fault: fails(http.StatusInternalServerError, "The swarm does not have a leader."), says: "does not have a leader"},
		"a proxy is unavailable":                 {fault: fails(http.StatusServiceUnavailable, "no server is available"), says: "no server"},
		"a proxy refuses the tasks":              {fault: func(f *fakeEngine) { f.on("tasks", answers(http.StatusForbidden, "no")) }, want: engine.ErrRefused, says: "allow GET /tasks"},
		"a proxy refuses the stop":               {fault: func(f *fakeEngine) { f.on("stop", answers(http.StatusForbidden, "no")) }, want: engine.ErrRefused, says: "allow POST /containers/*/stop"},
		"the engine says yes, and it runs on":    {fault: func(f *fakeEngine) { f.on("stop", answers(http.StatusNoContent, "")) }, says: "was not ended"},
		"the engine says yes, and it is paused":  {fault: pauses, says: "was not ended"},
		"the engine cannot":                      {fault: func(f *fakeEngine) { f.on("stop", answers(http.StatusInternalServerError, "cannot kill")) }, says: "cannot kill"},
		"the engine says no, and ends it anyway": {fault: endsBut(http.StatusInternalServerError)},
		"it is removed as soon as it has ended":  {fault: removes(http.StatusNoContent, "")},
		"somebody has removed it":                {fault: removes(http.StatusNotFound, "No such container: 1"), want: engine.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.tasks == nil {
				tc.tasks = []swarm.Task{alive}
			}
			f, w, c := managing(t, tc.edit, tc.tasks...)
			if tc.fault != nil {
				tc.fault(f)
			}
			switch err := w.EndTask(t.Context(), c); {
			case tc.want == nil && tc.says == "":
				if now := w.Snapshot().Get(c.ID); err != nil || now != nil && now.Alive() {
					t.Errorf("%v, and it is %+v", err, now)
				}
			case err == nil || !errors.Is(err, tc.want) && tc.want != nil || !strings.Contains(err.Error(), tc.says):
				t.Errorf("%v, want %v that says %q", err, tc.want, tc.says)
			case errors.Is(err, engine.ErrNotBegun) != (f.asked("stop") == 0):
				t.Errorf("%v, and it was told to stop %d times", err, f.asked("stop"))
			}
		})
	}
}

// pauses has a container be paused by a stop.
func pauses(f *fakeEngine) {
	f.on("stop", func(w http.ResponseWriter, _ *http.Request) {
		f.set(f.order[0], container.StatePaused)
		w.WriteHeader(http.StatusNoContent)
	})
}

// endsBut has a stop carried out and answered so.
func endsBut(status int) func(*fakeEngine) {
	return func(f *fakeEngine) {
		f.on("stop", func(w http.ResponseWriter, r *http.Request) {
			f.die(f.order[0])
			answers(status, "context canceled")(w, r)
		})
	}
}

// removes has a stopped container be gone, and the stop answered so.
func removes(status int, text string) func(*fakeEngine) {
	return func(f *fakeEngine) {
		f.on("stop", func(w http.ResponseWriter, r *http.Request) {
			if id := r.URL.Path; len(f.order) > 0 {
				f.destroy(f.order[0])
				text = strings.Replace(text, ": 1", ": "+id, 1)
			}
			if status == http.StatusNoContent {
				w.WriteHeader(status)
				return
			}
			answers(status, text)(w, r)
		})
	}
}

func TestTaskIsStoppedWithTheTimeoutOfItsService(t *testing.T) {
	for name, tc := range map[string]struct {
		grace  time.Duration
		worker bool
		want   string // as the query has it
	}{
		"as the service says":   {grace: 90 * time.Second, want: "90"},
		"which is rounded up":   {grace: 1500 * time.Millisecond, want: "2"},
		"at once":               {grace: time.Nanosecond, want: "1"},
		"it says nothing":       {want: ""},
		"a worker is told none": {grace: 90 * time.Second, worker: true, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w, c := managing(t, func(s *swarm.Service) {
				if tc.grace > 0 {
					s.Spec.TaskTemplate.ContainerSpec.StopGracePeriod = &tc.grace
				}
			}, alive)
			if tc.worker {
				f.on("services", nil)
			}
			got := "none"
			f.on("stop", func(w http.ResponseWriter, r *http.Request) {
				got = r.URL.Query().Get("t")
				f.die(c.ID)
				w.WriteHeader(http.StatusNoContent)
			})
			if err := w.EndTask(t.Context(), c); err != nil || got != tc.want {
				t.Errorf("%v; it has %q seconds, want %q", err, got, tc.want)
			}
			if n := metricFailures(t, w.Engine, call.Services); n != 0 {
				t.Errorf("%v failed requests: that a worker knows nothing is none", n)
			}
			if now := w.Snapshot().Get(c.ID); now.ExitCause != engine.CauseSelf {
				t.Errorf("it counts as %q, want as our own doing", now.ExitCause)
			}
		})
	}
}

func TestTheTasksOfOneServiceAreAskedFor(t *testing.T) {
	t.Parallel()
	f, w, c := managing(t, nil, alive)
	var filters map[string]map[string]bool
	f.on("tasks", func(w http.ResponseWriter, r *http.Request) {
		_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
		f.write(w, []swarm.Task{alive})
	})
	if err := w.EndTask(t.Context(), c); err != nil || !filters["service"]["s1"] {
		t.Errorf("%v; asked by %v", err, filters)
	}
}
