// Package e2e runs the built binary against a real Docker Engine, or against
// Podman with DEFIB_E2E_ENGINE=podman. As root, with dockerd or podman on the
// machine, the tests start engines of their own; otherwise they use the Docker
// Engine that runs (DOCKER_HOST or the usual socket) and leave out what would
// stop it. Without any engine they are skipped, or fail where CI is set.
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const (
	// limit bounds every wait. It is long because machines are slow and busy;
	// a wait that succeeds costs only what it needs.
	limit = 60 * time.Second
	// parallel tests at a time: they wait far more than they compute, so the
	// number of cores says nothing.
	parallel = "6"
)

// workdir holds the built programs and the engines' directories. Its path is
// short, since a unix socket's path is at most 108 bytes.
var workdir string

func TestMain(m *testing.M) {
	if file := os.Getenv(bareEnv); file != "" {
		os.Exit(serveBare(file))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	if !given("test.parallel") {
		if err := flag.Set("test.parallel", parallel); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if kind := os.Getenv(engineEnv); kind != "" && kind != "docker" && !onPodman {
		fmt.Fprintf(os.Stderr, "%s=%s: want docker or podman\n", engineEnv, kind)
		return 1
	}
	dir, err := os.MkdirTemp("", "defib-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	workdir = dir
	code := m.Run()
	if err := errors.Join(closeShared(), os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, "cleaning up:", err)
		return 1
	}
	return code
}

func given(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// unavailable ends a test that this machine cannot run: with a skip at home,
// with a failure in CI, where a skipped test would go unnoticed for ever.
func unavailable(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal("unavailable, and CI is set:", reason)
	}
	tb.Skip("unavailable: ", reason)
}

var (
	buildDefib = sync.OnceValues(func() (string, error) {
		if race {
			return build("defib", "-race")
		}
		return build("defib")
	})
	buildStatic  = sync.OnceValues(func() (string, error) { return build("defib") }) // as Defib's image has it
	buildTestapp = sync.OnceValues(func() (string, error) { return build("defib/e2e/testapp") })
)

// build compiles a program of this module into workdir. Only what runs under the
// race detector is not static: the testapp and a contained Defib stand alone in
// their images.
func build(pkg string, flags ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp(workdir, "build-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	args := append([]string{"build", "-o", path}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	if len(flags) == 0 {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// eventually polls until ok holds; what completes the sentence "waited for …".
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited %v for %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// watch lets time pass in which something must not happen; why says how this
// long can be long enough. Whatever else waits polls.
func watch(tb testing.TB, d time.Duration, why string) {
	tb.Helper()
	tb.Logf("watching for %v: %s", d, why)
	time.Sleep(d)
}
