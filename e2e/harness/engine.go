package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// TestappImage is what every test container runs: one static program. Its name is
// that of this process: on the machine's own engine another may use one of its own.
var TestappImage = fmt.Sprint("defib-testapp:e2e", os.Getpid())

// Engine is a Docker Engine under test.
type Engine struct {
	*client.Client
	Host     string  // as DOCKER_HOST has it
	Daemon   *Daemon // nil: the machine's own, which tests must not disturb
	Recorder *Recorder
}

// shared is the engine of all tests that do not stop theirs; it starts with the
// first that asks.
var shared struct {
	once sync.Once
	e    *Engine
	err  error
}

var errNoEngine = errors.New("no engine: neither root with dockerd on the machine, nor one that runs")

// SharedEngine is the engine of all tests that do not stop theirs.
func SharedEngine(tb testing.TB) *Engine {
	tb.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*Limit)
		defer cancel()
		switch {
		case canStartOwn():
			shared.e, shared.err = newEngine(ctx)
		case onPodman: // what runs is Docker
			shared.err = errNoEngine
		default:
			shared.e, shared.err = runningEngine(ctx)
		}
	})
	if errors.Is(shared.err, errNoEngine) {
		Unavailable(tb, shared.err.Error())
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	if shared.e.Daemon != nil {
		Uses(tb, engineProgram())
	}
	return shared.e
}

func closeShared() error {
	if shared.e == nil {
		return nil
	}
	return shared.e.close(context.Background())
}

// PrivateEngine is for tests that stop, kill or hang theirs.
func PrivateEngine(tb testing.TB) *Engine {
	tb.Helper()
	return EngineOfKind(tb, Kind{})
}

// MeasuringEngine is for tests that ask the engine what containers use: where a controller
// of cgroups has a folder and is not mounted there, as on a machine without systemd,
// containerd 1.6 says nothing. This one has such mounts for itself.
func MeasuringEngine(tb testing.TB) *Engine {
	tb.Helper()
	return EngineOfKind(tb, Kind{Prepare: mountCgroups})
}

// UnstartedEngine has a socket path and nobody behind it until boot.
func UnstartedEngine(tb testing.TB) *Engine {
	tb.Helper()
	return unstarted(tb, Kind{})
}

func unstarted(tb testing.TB, k Kind) *Engine {
	tb.Helper()
	if !canStartOwn() {
		Unavailable(tb, "an engine of one's own takes root and dockerd")
	}
	Uses(tb, engineProgram())
	d, err := newDaemon(k)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := Connect(d.host())
	if err != nil {
		tb.Fatal(err)
	}
	e.Daemon = d
	tb.Cleanup(func() {
		if err := e.close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error("closing the engine:", err)
		}
	})
	return e
}

func engineProgram() string {
	if onPodman {
		return "podman"
	}
	return "dockerd"
}

func canStartOwn() bool {
	_, err := exec.LookPath(engineProgram())
	return err == nil && os.Geteuid() == 0
}

func newEngine(ctx context.Context) (*Engine, error) {
	d, err := newDaemon(Kind{})
	if err != nil {
		return nil, err
	}
	e, err := Connect(d.host())
	if err != nil {
		return nil, err
	}
	e.Daemon = d
	if err := e.boot(ctx); err != nil {
		return nil, errors.Join(err, e.close(ctx))
	}
	return e, nil
}

func runningEngine(ctx context.Context) (*Engine, error) {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = client.DefaultDockerHost
	}
	e, err := Connect(host)
	if err != nil {
		return nil, err
	}
	if _, err := e.Ping(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoEngine, err)
	}
	return e, e.settle(ctx)
}

// kind is how the engine was set up, as far as it is ours.
func (e *Engine) kind() Kind {
	if e.Daemon == nil {
		return Kind{}
	}
	return e.Daemon.kind
}

// Connect is a client of an engine that may not be there yet.
func Connect(host string) (*Engine, error) {
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", host, err)
	}
	return &Engine{Client: c, Host: host, Recorder: record(c)}, nil
}

// boot starts the engine's daemon, again if need be, and waits for its answer.
func (e *Engine) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*Limit) // one that was killed puts much in order first, and starts what has a policy
	defer cancel()
	if err := e.Daemon.start(ctx); err != nil {
		return err
	}
	answers := func() bool {
		_, err := e.Ping(ctx)
		return err == nil
	}
	if err := e.Daemon.await(ctx, answers); err != nil {
		return err
	}
	return e.settle(ctx)
}

// settle brings the image and waits until events are recorded.
func (e *Engine) settle(ctx context.Context) error {
	if err := e.importTestapp(ctx); err != nil {
		return fmt.Errorf("importing the test image: %w", err)
	}
	return e.Recorder.open(ctx)
}

// close ends the engine if it is ours, and everything that it started; on the
// machine's own it takes the image away again.
func (e *Engine) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*Limit)
	defer cancel()
	e.Recorder.close()
	if e.Daemon == nil {
		_, err := e.ImageRemove(ctx, TestappImage, image.RemoveOptions{Force: true, PruneChildren: true})
		return errors.Join(err, e.Close())
	}
	return errors.Join(e.Daemon.close(ctx), e.Close())
}
