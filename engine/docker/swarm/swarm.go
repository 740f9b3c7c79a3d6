// Package swarm asks a swarm whether one of its tasks may be ended: whether Swarm replaces
// it, and no other task of its service is missing meanwhile.
package swarm

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"defib/engine"
	"defib/engine/docker/call"
)

// API is what is called of Docker's client.
type API interface {
	ServiceInspectWithRaw(ctx context.Context, id string, options swarm.ServiceInspectOptions) (swarm.Service, []byte, error)
	TaskList(ctx context.Context, options swarm.TaskListOptions) ([]swarm.Task, error)
}

// Reader reads what a manager knows.
type Reader struct {
	API API
	// Call makes one call, counts it, and explains why it is refused.
	Call func(ctx context.Context, name string, f func(context.Context) error) error
	// Timeout is that of one call.
	Timeout time.Duration
}

// MayEnd returns how long the task may take to stop: what its service says, which its
// container does not know, or nil if this is a worker, which is told nothing of either.
// The error says why the task is not to be ended: ErrNotReplaced, ErrServiceUpdating or
// ErrServiceShort, or what kept the service from being read.
func (r *Reader) MayEnd(ctx context.Context, c *engine.Container) (grace *time.Duration, err error) {
	var service swarm.Service
	worker, err := r.read(ctx, call.Services, c.SwarmServiceID(), func(ctx context.Context) (err error) {
		service, _, err = r.API.ServiceInspectWithRaw(ctx, c.SwarmServiceID(), swarm.ServiceInspectOptions{})
		return err
	})
	if worker || err != nil {
		return nil, err
	}
	if err := replaces(service.Spec); err != nil {
		return nil, err
	}
	if u := service.UpdateStatus; u != nil && !settled(u.State) {
		return nil, fmt.Errorf("%w: its update is %s", engine.ErrServiceUpdating, u.State)
	}
	var tasks []swarm.Task
	worker, err = r.read(ctx, call.Tasks, c.SwarmServiceID(), func(ctx context.Context) (err error) {
		tasks, err = r.API.TaskList(ctx, swarm.TaskListOptions{Filters: TasksOf(c.SwarmServiceID())})
		return err
	})
	if worker || err != nil {
		return nil, err
	}
	if spec := service.Spec.TaskTemplate.ContainerSpec; spec != nil {
		grace = spec.StopGracePeriod
	}
	return grace, complete(c, tasks)
}

// TasksOf lists no tasks but those of a service.
func TasksOf(service string) filters.Args { return filters.NewArgs(filters.Arg("service", service)) }

// read makes one call. A worker has nothing to read, which is no failure; nor is that there
// is no swarm, or no such service, which is an error all the same.
func (r *Reader) read(ctx context.Context, call, service string, f func(context.Context) error) (worker bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var none error
	err = r.Call(ctx, call, func(ctx context.Context) error {
		err := f(ctx)
		switch worker = isWorker(err); {
		case worker:
			return nil
		case noSwarm(err):
			none = fmt.Errorf("%w: this node is in no swarm", engine.ErrNotReplaced)
			return nil
		case NoService(err, service):
			none = fmt.Errorf("%w: it was removed", engine.ErrServiceUpdating)
			return nil
		}
		return err
	})
	return worker, cmp.Or(none, err)
}

// NoManager reports whether an engine says that it does not manage a swarm. One that should,
// and has lost the others, says so in other words.
// Source: errNoManager in https://github.com/moby/moby/blob/master/daemon/cluster/cluster.go
func NoManager(err error) bool { return isWorker(err) || noSwarm(err) }

func isWorker(err error) bool {
	return errdefs.IsUnavailable(err) && strings.Contains(err.Error(), "Worker nodes can't be used")
}

func noSwarm(err error) bool {
	return errdefs.IsUnavailable(err) && strings.Contains(err.Error(), `Use "docker swarm init" or "docker swarm join"`)
}

// NoService reports whether a manager says that a service does not exist. A proxy that hides
// the path has other words.
func NoService(err error, service string) bool {
	return errdefs.IsNotFound(err) && strings.Contains(err.Error(), "service "+service+" not found")
}

// replaces reports as an error whether Swarm would not replace a task of this service,
// whatever its exit code and however often it is ended.
// Source: https://github.com/moby/swarmkit/blob/master/manager/orchestrator/restart/restart.go
func replaces(spec swarm.ServiceSpec) error {
	policy := spec.TaskTemplate.RestartPolicy
	switch {
	case spec.Mode.ReplicatedJob != nil || spec.Mode.GlobalJob != nil:
		return fmt.Errorf("%w: %s is a job", engine.ErrNotReplaced, spec.Name)
	case policy == nil:
		return nil
	case policy.Condition != "" && policy.Condition != swarm.RestartPolicyConditionAny:
		return fmt.Errorf("%w: the restart condition of %s is %s, and must be any", engine.ErrNotReplaced, spec.Name, policy.Condition)
	case policy.MaxAttempts != nil && *policy.MaxAttempts > 0:
		return fmt.Errorf("%w: %s has max_attempts %d, which this would use up", engine.ErrNotReplaced, spec.Name, *policy.MaxAttempts)
	}
	return nil
}

// settled reports whether an update is over, and its tasks are those that the service asks
// for. After one that was paused a task would be replaced by one of the new version.
func settled(state swarm.UpdateState) bool {
	return state == "" || state == swarm.UpdateStateCompleted || state == swarm.UpdateStateRollbackCompleted
}

// complete reports as an error whether the task is not to run any more, or another one that
// is to run does not.
func complete(c *engine.Container, tasks []swarm.Task) error {
	wanted := false
	short := ""
	for _, t := range tasks {
		switch {
		case t.DesiredState != swarm.TaskStateRunning && t.DesiredState != swarm.TaskStateReady:
		case t.ID == c.Task():
			wanted = true
		case t.Status.State != swarm.TaskStateRunning && short == "":
			short = fmt.Sprintf("%s.%s is %s", c.SwarmService(), place(t), t.Status.State)
		}
	}
	switch {
	case !wanted:
		return fmt.Errorf("%w: Swarm is ending the task itself", engine.ErrServiceUpdating)
	case short != "":
		return fmt.Errorf("%w: %s", engine.ErrServiceShort, short)
	}
	return nil
}

// place is the number of a task, or its node's ID if its service has one on each.
func place(t swarm.Task) string {
	if t.Slot == 0 {
		return t.NodeID
	}
	return fmt.Sprint(t.Slot)
}
