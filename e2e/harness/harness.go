package harness

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

const (
	// Limit bounds every wait. It is long because machines are slow and busy;
	// a wait that succeeds costs hardly more than it needs, see EventuallyWithin.
	Limit = 60 * time.Second
	// parallel tests at a time: they wait far more than they compute, so the
	// number of cores says nothing.
	parallel = "8"
)

// workdir holds the built programs and the engines' directories. Its path is
// short, since a unix socket's path is at most 108 bytes.
var workdir string

// Run runs the tests of a package, for its TestMain, and returns the exit code. It
// takes away all that they left.
func Run(m *testing.M) int {
	flag.Parse()
	if !given("test.parallel") {
		if err := flag.Set("test.parallel", parallel); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if kind := os.Getenv(EngineVariable); kind != "" && kind != "docker" && !onPodman {
		fmt.Fprintf(os.Stderr, "%s=%s: want docker or podman\n", EngineVariable, kind)
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

// Unavailable ends a test that this machine cannot run: with a skip at home,
// with a failure in CI, where a skipped test would go unnoticed.
func Unavailable(tb testing.TB, reason string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal("unavailable, and CI is set:", reason)
	}
	tb.Skip("unavailable: ", reason)
}
