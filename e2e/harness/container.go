package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// Container is one container.
type Container struct {
	*Env
	Name, ID    string
	stopTimeout int // seconds; 0: the engine's own
}

// Create makes a container under the prefix of the Env.
func (s *Env) Create(suffix string, p Spec) *Container {
	s.Helper()
	b := &Container{Env: s, Name: s.Prefix + suffix, stopTimeout: p.StopTimeout}
	s.Must("creating "+b.Name, func(ctx context.Context) (err error) {
		b.ID, err = s.Engine.CreateTestapp(ctx, b.Name, p)
		return err
	})
	return b
}

// Run returns once the container's testapp listens to signals: before that,
// PID 1 drops them.
func (s *Env) Run(suffix string, p Spec) *Container {
	s.Helper()
	b := s.Create(suffix, p)
	b.Start()
	b.AwaitAlive()
	return b
}

// AwaitAlive waits until the testapp of the newest start has said so.
func (b *Container) AwaitAlive() {
	b.Helper()
	Eventually(b.TB, b.Name+" to say that it lives", func() bool {
		var out bytes.Buffer
		b.Must("reading the output of "+b.Name, func(ctx context.Context) error {
			r, err := b.Engine.ContainerLogs(ctx, b.ID, container.LogsOptions{ShowStdout: true})
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = out.ReadFrom(r)
			return err
		})
		return bytes.Count(out.Bytes(), []byte("testapp: alive")) >= max(1, len(b.Times("start")))
	})
}

// Start is docker start.
func (b *Container) Start() {
	b.Helper()
	b.Must("starting "+b.Name, func(ctx context.Context) error {
		return b.Engine.ContainerStart(ctx, b.ID, container.StartOptions{})
	})
}

// Stop is docker stop with the container's own timeout.
func (b *Container) Stop() {
	b.Helper()
	b.AwaitAlive()
	b.StopAtOnce()
}

// StopAtOnce is stop, whether or not the testapp is there yet to hear of it.
func (b *Container) StopAtOnce() {
	b.Helper()
	b.Must("stopping "+b.Name, func(ctx context.Context) error {
		return b.Engine.ContainerStop(ctx, b.ID, b.stopOptions())
	})
}

// Kill is docker kill, once the testapp listens to signals.
func (b *Container) Kill(signal string) {
	b.Helper()
	b.AwaitAlive()
	b.Must("killing "+b.Name, func(ctx context.Context) error {
		return b.Engine.ContainerKill(ctx, b.ID, signal)
	})
}

// Restart is docker restart.
func (b *Container) Restart() {
	b.Helper()
	b.Must("restarting "+b.Name, func(ctx context.Context) error {
		return b.Engine.ContainerRestart(ctx, b.ID, container.StopOptions{})
	})
}

// Remove is docker rm -f.
func (b *Container) Remove() {
	b.Helper()
	b.Must("removing "+b.Name, func(ctx context.Context) error {
		return b.Engine.ContainerRemove(ctx, b.ID, container.RemoveOptions{Force: true})
	})
}

// Rename is docker rename.
func (b *Container) Rename(name string) {
	b.Helper()
	b.Must("renaming "+b.Name, func(ctx context.Context) error {
		return b.Engine.ContainerRename(ctx, b.ID, name)
	})
	b.Name = name
}

// pauseTries is how often a container is to be paused before that counts as failed: on
// cgroup v1, runc gives up on processes that a busy machine does not let run into the
// kernel's freezer in time, and thaws them.
const pauseTries = 10

// Pause is docker pause.
func (b *Container) Pause() {
	b.Helper()
	b.Must("pausing "+b.Name, func(ctx context.Context) (err error) {
		for range pauseTries {
			if err = b.Engine.ContainerPause(ctx, b.ID); err == nil {
				break
			}
		}
		return err
	})
}

// Unpause is docker unpause.
func (b *Container) Unpause() {
	b.Helper()
	b.Must("unpausing "+b.Name, func(ctx context.Context) error { return b.Engine.ContainerUnpause(ctx, b.ID) })
}

// Crash makes the container die by itself with its testapp's code: a process
// inside asks for it, so that the engine announces no kill.
func (b *Container) Crash() {
	b.Helper()
	b.AwaitAlive()
	deaths := len(b.Times("die"))
	b.Exec("/testapp", "-crash")
	b.AwaitEvents("die", deaths+1)
}

// MakeUnhealthy makes it unhealthy until it is started anew, and waits for that.
func (b *Container) MakeUnhealthy() {
	b.Helper()
	seen := len(b.Times("health_status: unhealthy"))
	b.Exec("/testapp", "-sicken")
	b.AwaitEvents("health_status: unhealthy", seen+1)
}

// Exec runs a program in the container and does not wait for its end. If the
// container dies of it, the engine may call that a failure to start it.
func (b *Container) Exec(cmd ...string) {
	b.Helper()
	b.Must("running a program in "+b.Name, func(ctx context.Context) error {
		answer, err := b.Engine.ContainerExecCreate(ctx, b.ID, container.ExecOptions{Cmd: cmd})
		if err != nil {
			return err
		}
		err = b.Engine.ContainerExecStart(ctx, answer.ID, container.ExecStartOptions{Detach: true})
		if errdefs.IsConflict(err) {
			return nil
		}
		return err
	})
}

// Output is docker exec: it waits for the end of a program in the container, and returns
// its exit code and all that it said.
func (b *Container) Output(cmd ...string) (code int, said string) {
	b.Helper()
	b.MustWithin(5*Limit, "docker exec "+strings.Join(cmd, " "), func(ctx context.Context) error { // it may need seconds of a busy processor
		created, err := b.Engine.ContainerExecCreate(ctx, b.ID, container.ExecOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
		if err != nil {
			return err
		}
		stream, err := b.Engine.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
		if err != nil {
			return err
		}
		defer stream.Close()
		var text bytes.Buffer
		if _, err := stdcopy.StdCopy(&text, &text, stream.Reader); err != nil {
			return err
		}
		said = text.String()
		for {
			now, err := b.Engine.ContainerExecInspect(ctx, created.ID)
			if err != nil || !now.Running || Pause(ctx.Done(), 20*time.Millisecond) {
				code = now.ExitCode
				return errors.Join(err, ctx.Err())
			}
		}
	})
	return code, said
}

// Work has a second testapp in the container do what it is told, waits until it is done,
// and returns what it said.
func (b *Container) Work(args ...string) string {
	b.Helper()
	code, said := b.Output(append([]string{"/testapp"}, args...)...)
	if code != 0 {
		b.Fatalf("testapp %v in %s: exit code %d, %s", args, b.Name, code, said)
	}
	return said
}

// Inspect is the state as the engine has it now.
func (b *Container) Inspect() *container.State {
	b.Helper()
	var state *container.State
	b.Must("inspecting "+b.Name, func(ctx context.Context) error {
		answer, err := b.Engine.ContainerInspect(ctx, b.ID)
		if err == nil {
			state = answer.State
		}
		return err
	})
	return state
}

// StartedAt is when its last run began, by the engine's clock.
func (b *Container) StartedAt() time.Time {
	b.Helper()
	at, err := time.Parse(time.RFC3339Nano, b.Inspect().StartedAt)
	if err != nil {
		b.Fatal(err)
	}
	return at
}

// AwaitState waits until the engine has the container in this state.
func (b *Container) AwaitState(want container.ContainerState) {
	b.Helper()
	var last container.ContainerState
	Eventually(b.TB, b.Name+" to be "+want, func() bool {
		last = b.Inspect().Status
		return last == want
	})
}

// MustBe checks the state as the engine has it now.
func (b *Container) MustBe(want container.ContainerState) {
	b.Helper()
	if got := b.Inspect().Status; got != want {
		b.Errorf("%s is %s, want %s", b.Name, got, want)
	}
}

// Times says when something happened to the container, by the engine's clock.
func (b *Container) Times(action string) []time.Time { return b.Engine.Recorder.times(b.ID, action) }

// AwaitEvents waits for the nth event of a kind and returns all of that kind.
func (b *Container) AwaitEvents(action string, n int) []time.Time {
	b.Helper()
	Eventually(b.TB, fmt.Sprintf("%s to %s for the %d. time", b.Name, action, n), func() bool {
		return len(b.Times(action)) >= n
	})
	return b.Times(action)
}

// StartedTimes checks how often the container has been started so far.
func (b *Container) StartedTimes(want int) {
	b.Helper()
	// Awaited, since Defib may have heard of one before the recorder has.
	if got := len(b.AwaitEvents("start", want)); got != want {
		b.Errorf("%s was started %d times, want %d", b.Name, got, want)
	}
}
