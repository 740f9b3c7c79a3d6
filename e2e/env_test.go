package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// env is a test's own corner of an engine: containers under a prefix that no
// other test and no other run has.
type env struct {
	testing.TB
	engine *engine
	prefix string
}

var scenes atomic.Int64

func newEnv(tb testing.TB, e *engine) *env {
	tb.Helper()
	s := &env{tb, e, fmt.Sprintf("e2e%d-%d-", os.Getpid(), scenes.Add(1))}
	tb.Cleanup(s.cleanUp)
	return s
}

// cleanUp removes the scene's containers, by id, also those that the test lost
// track of.
func (s *env) cleanUp() {
	if s.engine.daemon != nil && !s.engine.daemon.running() {
		return // its own end takes them away
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), limit)
	defer cancel()
	all, err := s.list(ctx)
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
		before, err = len(all), nil
		all = slices.DeleteFunc(all, func(c container.Summary) bool {
			why := s.remove(c.ID)
			err = errors.Join(err, why)
			return why == nil
		})
	}
	if len(all) > 0 {
		s.Error("removing containers:", err)
	}
}

// remove removes one container, also after the test's end.
func (s *env) remove(id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), limit)
	defer cancel()
	return s.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
}

// report logs what the engine says of a container of a test that failed.
func (s *env) report(ctx context.Context, id string) {
	c, err := s.engine.ContainerInspect(ctx, id)
	if err != nil {
		s.Log(err)
		return
	}
	s.Logf("%s %s %s: %+v\nevents: %v", c.Name, id, c.HostConfig.RestartPolicy.Name, *c.State, s.engine.events.of(id))
}

// list is the engine's own list of the scene's containers, in any state.
func (s *env) list(ctx context.Context) ([]container.Summary, error) {
	mine := filters.NewArgs(filters.Arg("name", "^/?"+s.prefix))
	return s.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
}

// must runs one call to the engine, within limit.
func (s *env) must(what string, call func(context.Context) error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	if err := call(ctx); err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// spec is what a container is made of; the zero value lives until told to stop.
type spec struct {
	args        []string // of the testapp
	program     string   // instead of the image's
	image       string   // "": the testapp's
	labels      map[string]string
	restart     container.RestartPolicyMode
	stopTimeout int // seconds; 0: the engine's own
	health      *container.HealthConfig
	host        func(*container.HostConfig)
}

// inNetworkOf is a container that lives in the network of another.
func inNetworkOf(parent *testContainer) spec {
	return spec{host: func(h *container.HostConfig) { h.NetworkMode = container.NetworkMode("container:" + parent.name) }}
}

// checked is a container that becomes unhealthy within a second of being made
// sick.
func checked() spec {
	return spec{health: &container.HealthConfig{
		Test: []string{"CMD", "/testapp", "-healthcheck"}, Interval: time.Second, Timeout: limit, Retries: 1,
	}}
}

// testContainer is one container.
type testContainer struct {
	*env
	name, id    string
	stopTimeout int // seconds; 0: the engine's own
}

// create makes a container under the scene's prefix.
func (s *env) create(suffix string, p spec) *testContainer {
	s.Helper()
	b := &testContainer{env: s, name: s.prefix + suffix, stopTimeout: p.stopTimeout}
	s.must("creating "+b.name, func(ctx context.Context) (err error) {
		b.id, err = s.engine.createTestapp(ctx, b.name, p)
		return err
	})
	return b
}

// createTestapp makes a container and returns its id.
func (e *engine) createTestapp(ctx context.Context, name string, p spec) (string, error) {
	config := &container.Config{Image: cmp.Or(p.image, testappImage), Cmd: p.args, Labels: p.labels, Healthcheck: p.health}
	if p.program != "" {
		config.Entrypoint = []string{p.program}
	}
	if p.stopTimeout > 0 {
		config.StopTimeout = &p.stopTimeout
	}
	host := &container.HostConfig{
		NetworkMode:   "none",
		RestartPolicy: container.RestartPolicy{Name: p.restart},
	}
	if p.host != nil {
		p.host(host)
	}
	answer, err := e.ContainerCreate(ctx, config, host, nil, nil, name)
	return answer.ID, err
}

// run returns once the container's testapp listens to signals: before that,
// PID 1 drops them.
func (s *env) run(suffix string, p spec) *testContainer {
	s.Helper()
	b := s.create(suffix, p)
	b.start()
	b.awaitAlive()
	return b
}

// awaitAlive waits until the testapp of the newest start has said so.
func (b *testContainer) awaitAlive() {
	b.Helper()
	eventually(b.TB, b.name+" to say that it lives", func() bool {
		var out bytes.Buffer
		b.must("reading the output of "+b.name, func(ctx context.Context) error {
			r, err := b.engine.ContainerLogs(ctx, b.id, container.LogsOptions{ShowStdout: true})
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = out.ReadFrom(r)
			return err
		})
		return bytes.Count(out.Bytes(), []byte("testapp: alive")) >= max(1, len(b.times("start")))
	})
}

func (b *testContainer) start() {
	b.Helper()
	b.must("starting "+b.name, func(ctx context.Context) error {
		return b.engine.ContainerStart(ctx, b.id, container.StartOptions{})
	})
}

// stop is docker stop with the container's own patience.
func (b *testContainer) stop() {
	b.Helper()
	b.awaitAlive()
	b.stopAtOnce()
}

// stopAtOnce is stop, whether or not the testapp is there yet to hear of it.
func (b *testContainer) stopAtOnce() {
	b.Helper()
	b.must("stopping "+b.name, func(ctx context.Context) error {
		return b.engine.ContainerStop(ctx, b.id, b.stopOptions())
	})
}

func (b *testContainer) kill(signal string) {
	b.Helper()
	b.awaitAlive()
	b.must("killing "+b.name, func(ctx context.Context) error {
		return b.engine.ContainerKill(ctx, b.id, signal)
	})
}

func (b *testContainer) restart() {
	b.Helper()
	b.must("restarting "+b.name, func(ctx context.Context) error {
		return b.engine.ContainerRestart(ctx, b.id, container.StopOptions{})
	})
}

func (b *testContainer) remove() {
	b.Helper()
	b.must("removing "+b.name, func(ctx context.Context) error {
		return b.engine.ContainerRemove(ctx, b.id, container.RemoveOptions{Force: true})
	})
}

func (b *testContainer) rename(name string) {
	b.Helper()
	b.must("renaming "+b.name, func(ctx context.Context) error {
		return b.engine.ContainerRename(ctx, b.id, name)
	})
	b.name = name
}

func (b *testContainer) pause() {
	b.Helper()
	b.must("pausing "+b.name, func(ctx context.Context) error { return b.engine.ContainerPause(ctx, b.id) })
}

func (b *testContainer) unpause() {
	b.Helper()
	b.must("unpausing "+b.name, func(ctx context.Context) error { return b.engine.ContainerUnpause(ctx, b.id) })
}

// crash makes the container die by itself with its testapp's code: a process
// inside asks for it, so that the engine announces no kill.
func (b *testContainer) crash() {
	b.Helper()
	b.awaitAlive()
	deaths := len(b.times("die"))
	b.exec("/testapp", "-crash")
	b.awaitEvents("die", deaths+1)
}

// makeUnhealthy makes it unhealthy until it is started anew, and waits for that.
func (b *testContainer) makeUnhealthy() {
	b.Helper()
	seen := len(b.times("health_status: unhealthy"))
	b.exec("/testapp", "-sicken")
	b.awaitEvents("health_status: unhealthy", seen+1)
}

// exec runs a program in the container and does not wait for its end. If the
// container dies of it, the engine may call that a failure to start it.
func (b *testContainer) exec(cmd ...string) {
	b.Helper()
	b.must("running a program in "+b.name, func(ctx context.Context) error {
		answer, err := b.engine.ContainerExecCreate(ctx, b.id, container.ExecOptions{Cmd: cmd})
		if err != nil {
			return err
		}
		err = b.engine.ContainerExecStart(ctx, answer.ID, container.ExecStartOptions{Detach: true})
		if errdefs.IsConflict(err) {
			return nil
		}
		return err
	})
}

func (b *testContainer) inspect() *container.State {
	b.Helper()
	var state *container.State
	b.must("inspecting "+b.name, func(ctx context.Context) error {
		answer, err := b.engine.ContainerInspect(ctx, b.id)
		if err == nil {
			state = answer.State
		}
		return err
	})
	return state
}

// startedAt is when its last run began, by the engine's clock.
func (b *testContainer) startedAt() time.Time {
	b.Helper()
	at, err := time.Parse(time.RFC3339Nano, b.inspect().StartedAt)
	if err != nil {
		b.Fatal(err)
	}
	return at
}

func (b *testContainer) awaitState(want container.ContainerState) {
	b.Helper()
	var last container.ContainerState
	eventually(b.TB, b.name+" to be "+want, func() bool {
		last = b.inspect().Status
		return last == want
	})
}

// mustBe checks the state as the engine has it now.
func (b *testContainer) mustBe(want container.ContainerState) {
	b.Helper()
	if got := b.inspect().Status; got != want {
		b.Errorf("%s is %s, want %s", b.name, got, want)
	}
}

// times says when something happened to the container, by the engine's clock.
func (b *testContainer) times(action string) []time.Time { return b.engine.events.times(b.id, action) }

// awaitEvents waits for the nth event of a kind and returns all of that kind.
func (b *testContainer) awaitEvents(action string, n int) []time.Time {
	b.Helper()
	eventually(b.TB, fmt.Sprintf("%s to %s for the %d. time", b.name, action, n), func() bool {
		return len(b.times(action)) >= n
	})
	return b.times(action)
}

// startedTimes checks how often the container has been started so far.
func (b *testContainer) startedTimes(want int) {
	b.Helper()
	if got := len(b.times("start")); got != want {
		b.Errorf("%s was started %d times, want %d", b.name, got, want)
	}
}

// whitelist is the flag that names these containers and nothing else.
func whitelist(boxes ...*testContainer) string {
	names := make([]string, len(boxes))
	for i, b := range boxes {
		names[i] = b.name
	}
	return "--restart.whitelist=" + strings.Join(names, ",")
}
