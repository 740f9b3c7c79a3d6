package e2e

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

// testappImage is what every test container runs: one static program.
const testappImage = "defib-testapp:e2e"

// engine is a Docker Engine under test.
type engine struct {
	*client.Client
	host   string  // as DOCKER_HOST has it
	daemon *daemon // nil: the machine's own, which tests must not disturb
	events *recorder
}

// shared is the engine of all tests that do not stop theirs; it starts with the
// first that asks.
var shared struct {
	once sync.Once
	e    *engine
	err  error
}

var errNoEngine = errors.New("no engine: neither root with dockerd on the machine, nor one that runs")

func sharedEngine(tb testing.TB) *engine {
	tb.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
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
		unavailable(tb, shared.err.Error())
	}
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.e
}

func closeShared() error {
	if shared.e == nil {
		return nil
	}
	return shared.e.close(context.Background())
}

// privateEngine is for tests that stop, kill or hang theirs.
func privateEngine(tb testing.TB) *engine {
	tb.Helper()
	e := unbornEngine(tb)
	if err := e.boot(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return e
}

// unbornEngine has a socket path and nobody behind it until boot.
func unbornEngine(tb testing.TB) *engine {
	tb.Helper()
	if !canStartOwn() {
		unavailable(tb, "an engine of one's own takes root and dockerd")
	}
	d, err := newDaemon()
	if err != nil {
		tb.Fatal(err)
	}
	e, err := connect(d.host())
	if err != nil {
		tb.Fatal(err)
	}
	e.daemon = d
	tb.Cleanup(func() {
		if err := e.close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error("closing the engine:", err)
		}
	})
	return e
}

func canStartOwn() bool {
	program := "dockerd"
	if onPodman {
		program = "podman"
	}
	_, err := exec.LookPath(program)
	return err == nil && os.Geteuid() == 0
}

func newEngine(ctx context.Context) (*engine, error) {
	d, err := newDaemon()
	if err != nil {
		return nil, err
	}
	e, err := connect(d.host())
	if err != nil {
		return nil, err
	}
	e.daemon = d
	if err := e.boot(ctx); err != nil {
		return nil, errors.Join(err, e.close(ctx))
	}
	return e, nil
}

func runningEngine(ctx context.Context) (*engine, error) {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = client.DefaultDockerHost
	}
	e, err := connect(host)
	if err != nil {
		return nil, err
	}
	if _, err := e.Ping(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoEngine, err)
	}
	return e, e.settle(ctx)
}

func connect(host string) (*engine, error) {
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", host, err)
	}
	return &engine{Client: c, host: host, events: record(c)}, nil
}

// boot starts the engine's daemon, again if need be, and waits for its answer.
func (e *engine) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*limit) // one that was killed puts much in order first
	defer cancel()
	if err := e.daemon.start(ctx); err != nil {
		return err
	}
	answers := func() bool {
		_, err := e.Ping(ctx)
		return err == nil
	}
	if err := e.daemon.await(ctx, answers); err != nil {
		return err
	}
	return e.settle(ctx)
}

// settle brings the image and waits until events are recorded.
func (e *engine) settle(ctx context.Context) error {
	if err := e.importTestapp(ctx); err != nil {
		return fmt.Errorf("importing the test image: %w", err)
	}
	return e.events.open(ctx)
}

func (e *engine) importTestapp(ctx context.Context) error {
	if _, err := e.ImageInspect(ctx, testappImage); err == nil && e.daemon != nil {
		return nil
	}
	return e.importAs(ctx, testappImage)
}

// importAs makes a new image of the testapp and gives it this name.
func (e *engine) importAs(ctx context.Context, name string, changes ...string) error {
	path, err := buildTestapp()
	if err != nil {
		return err
	}
	return e.importProgram(ctx, path, name, append(changes, `ENTRYPOINT ["/testapp"]`))
}

// close ends the engine if it is ours, and everything that it started; on the
// machine's own it takes the image away again.
func (e *engine) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*limit)
	defer cancel()
	e.events.close()
	if e.daemon == nil {
		_, err := e.ImageRemove(ctx, testappImage, image.RemoveOptions{Force: true, PruneChildren: true})
		return errors.Join(err, e.Close())
	}
	return errors.Join(e.daemon.close(ctx), e.Close())
}
