package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/container"
)

// operation is one thing that can happen to a container of a fleet.
type operation struct {
	name string
	fits func(*role) bool // nil: everybody
	do   func(context.Context, *fleet, *role) error
}

var soon = 1 // second, until a container that is told to stop is killed

// operations are all there are; what is there twice happens twice as often.
var operations = []operation{
	{name: "crash", do: killProcess},
	{name: "crash", do: killProcess},
	{name: "crash from inside", do: func(ctx context.Context, f *fleet, x *role) error { return f.exec(ctx, x, "-crash") }},
	{name: "stop", do: func(ctx context.Context, f *fleet, x *role) error {
		return f.Engine.ContainerStop(ctx, x.id, container.StopOptions{Timeout: &soon})
	}},
	{name: "stop", do: func(ctx context.Context, f *fleet, x *role) error {
		return f.Engine.ContainerStop(ctx, x.id, container.StopOptions{Timeout: &soon})
	}},
	{name: "kill", do: func(ctx context.Context, f *fleet, x *role) error { return f.Engine.ContainerKill(ctx, x.id, "KILL") }},
	{name: "hang up", do: func(ctx context.Context, f *fleet, x *role) error { return f.Engine.ContainerKill(ctx, x.id, "HUP") }},
	{name: "start", do: start},
	{name: "start a stranger", fits: func(x *role) bool { return !x.listed }, do: start},
	{name: "start a stranger", fits: func(x *role) bool { return !x.listed }, do: start},
	{name: "restart", do: restart},
	{name: "restart a parent", fits: isParent, do: restart},
	{name: "restart a parent", fits: isParent, do: restart},
	{name: "rename", fits: func(x *role) bool { return !x.follows }, do: func(ctx context.Context, f *fleet, x *role) error { return f.rename(ctx, x) }},
	{name: "rename a mover", fits: func(x *role) bool { return x.stray }, do: func(ctx context.Context, f *fleet, x *role) error { return f.rename(ctx, x) }},
	{name: "pause", do: func(ctx context.Context, f *fleet, x *role) error { return f.Engine.ContainerPause(ctx, x.id) }},
	{name: "unpause", do: func(ctx context.Context, f *fleet, x *role) error { return f.Engine.ContainerUnpause(ctx, x.id) }},
	{name: "unpause", do: func(ctx context.Context, f *fleet, x *role) error { return f.Engine.ContainerUnpause(ctx, x.id) }},
	{name: "recreate", do: func(ctx context.Context, f *fleet, x *role) error { return f.recreate(ctx, x) }},
	{name: "remove", do: func(ctx context.Context, f *fleet, x *role) error {
		return f.Engine.ContainerRemove(ctx, x.id, container.RemoveOptions{Force: true})
	}},
	{name: "recreate as one that dies at once", fits: func(x *role) bool { return x.parent == nil }, do: func(ctx context.Context, f *fleet, x *role) error {
		x.looping = !x.looping
		return f.recreate(ctx, x)
	}},
	{name: "sicken", fits: isChecked, do: func(ctx context.Context, f *fleet, x *role) error { return f.exec(ctx, x, "-sicken") }},
	{name: "sicken", fits: isChecked, do: func(ctx context.Context, f *fleet, x *role) error { return f.exec(ctx, x, "-sicken") }},
	{name: "crash for want of a mount", fits: isMounting, do: func(ctx context.Context, f *fleet, x *role) error { return f.unmount(ctx, x) }},
	{name: "have the mount again", fits: isMounting, do: func(_ context.Context, _ *fleet, x *role) error { return os.MkdirAll(x.dir, 0o755) }},
}

func isChecked(x *role) bool { return x.spec.Health != nil }

func isMounting(x *role) bool { return x.dir != "" }

func isParent(x *role) bool { return x.suffix == "app-parent" }

func start(ctx context.Context, f *fleet, x *role) error {
	return f.Engine.ContainerStart(ctx, x.id, container.StartOptions{})
}

func restart(ctx context.Context, f *fleet, x *role) error {
	return f.Engine.ContainerRestart(ctx, x.id, container.StopOptions{Timeout: &soon})
}

// killProcess has the container die by no hand that the engine knows of.
func killProcess(ctx context.Context, f *fleet, x *role) error {
	c, err := f.Engine.ContainerInspect(ctx, x.id)
	if err != nil {
		return err
	}
	if c.State.Pid == 0 {
		return errors.New("it does not run")
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", c.State.Pid))
	if err != nil || !strings.HasPrefix(string(cmdline), "/testapp") {
		return errors.Join(err, errors.New("its process is another by now"))
	}
	return syscall.Kill(c.State.Pid, syscall.SIGKILL)
}
