package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// Env is a test's own corner of an engine: containers under a prefix that no
// other test and no other run has.
type Env struct {
	testing.TB
	Engine *Engine
	Prefix string
}

var envs atomic.Int64

// NewEnv makes a test a corner of an engine, which is cleaned up at its end.
func NewEnv(tb testing.TB, e *Engine) *Env {
	tb.Helper()
	s := &Env{tb, e, fmt.Sprintf("e2e%d-%d-", os.Getpid(), envs.Add(1))}
	tb.Cleanup(s.CleanUp)
	return s
}

// CleanUp removes its containers, by ID, also those that the test lost track of, and its
// volumes.
func (s *Env) CleanUp() {
	if s.Engine.Daemon != nil && !s.Engine.Daemon.running() {
		return // its own end takes them away
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), Limit)
	defer cancel()
	all, err := s.List(ctx)
	if err != nil {
		s.Error("listing containers:", err)
	}
	for i, c := range all {
		if s.Failed() && i < 10 {
			s.report(ctx, c.ID)
		}
	}
	// Podman keeps those whose network others share, until those are gone.
	for before := len(all) + 1; 0 < len(all) && len(all) < before; {
		before = len(all)
		all, err = s.removeAll(all)
	}
	if s.Engine.Daemon != nil && errors.Is(err, context.DeadlineExceeded) {
		s.Log("the engine hangs, as Docker 20.10 may over removals; its end takes away what is left:", err)
		return
	}
	if len(all) > 0 {
		s.Error("removing containers:", err)
	}
	volumes, err := s.Engine.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", "^"+s.Prefix))})
	for _, v := range volumes.Volumes {
		err = errors.Join(err, s.Engine.VolumeRemove(ctx, v.Name, true))
	}
	if err != nil {
		s.Error("removing volumes:", err)
	}
}

// removeAll removes containers, some at a time, and returns those that it could not
// remove, and why. An engine that has not answered is not asked for another one.
func (s *Env) removeAll(all []container.Summary) (left []container.Summary, err error) {
	errs := make([]error, len(all))
	var removing errgroup.Group
	removing.SetLimit(4)
	var hangs atomic.Bool
	for i, c := range all {
		removing.Go(func() error {
			if hangs.Load() {
				errs[i] = context.DeadlineExceeded
				return nil
			}
			errs[i] = s.remove(c.ID)
			if errors.Is(errs[i], context.DeadlineExceeded) {
				hangs.Store(true)
			}
			return nil
		})
	}
	_ = removing.Wait() // each has an error of its own
	for i, c := range all {
		if errs[i] != nil {
			left = append(left, c)
		}
	}
	return left, errors.Join(errs...)
}

// remove removes one container, also after the test's end.
func (s *Env) remove(id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), Limit)
	defer cancel()
	for {
		err := s.Engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if errdefs.IsNotFound(err) {
			return nil // Podman may remove it, and say that it could not
		}
		// Podman cannot remove one that ends by itself at that moment, and Docker none whose
		// file system is still in use, or that is being removed.
		again := func(text string) bool { return err != nil && strings.Contains(err.Error(), text) }
		if !again("container state improper") && !again("device or resource busy") && !again("is already in progress") {
			return err
		}
		if Pause(ctx.Done(), 100*time.Millisecond) {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// report logs what the engine says of a container of a test that failed.
func (s *Env) report(ctx context.Context, id string) {
	c, err := s.Engine.ContainerInspect(ctx, id)
	if err != nil {
		s.Log(err)
		return
	}
	s.Logf("%s %s %s: %+v\nevents: %v", c.Name, id, c.HostConfig.RestartPolicy.Name, *c.State, s.Engine.Recorder.of(id))
}

// List is the engine's own list of its containers, in any state.
func (s *Env) List(ctx context.Context) ([]container.Summary, error) {
	mine := filters.NewArgs(filters.Arg("name", "^/?"+s.Prefix))
	return s.Engine.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
}

// Must runs one call to the engine, within Limit.
func (s *Env) Must(what string, call func(context.Context) error) {
	s.Helper()
	s.MustWithin(Limit, what, call)
}

// MustWithin is Must of what may take longer.
func (s *Env) MustWithin(limit time.Duration, what string, call func(context.Context) error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	if err := call(ctx); err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// Boot starts the engine again.
func (s *Env) Boot() {
	s.Helper()
	if err := s.Engine.boot(s.Context()); err != nil {
		s.Fatal(err)
	}
}

// EndHost ends the engine and what it runs as a host does that loses its power.
func (s *Env) EndHost() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), Limit)
	defer cancel()
	if err := s.Engine.Daemon.LosePower(ctx); err != nil {
		s.Fatal(err)
	}
}

// EndEngine ends the engine by a signal.
func (s *Env) EndEngine(signal syscall.Signal) {
	s.Helper()
	if err := s.Engine.Daemon.End(s.Context(), signal); err != nil {
		s.Fatal(err)
	}
}
