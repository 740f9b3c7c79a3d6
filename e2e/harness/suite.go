package harness

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// SuiteVariable says that the engines and servers on the PATH are those of another suite
// of Debian, for which only what depends on them is run again.
const SuiteVariable = "DEFIB_E2E_SUITE"

var onSuite = os.Getenv(SuiteVariable) != ""

// EngineIndependent skips a test of nothing of an engine, such as the page and the flags,
// wherever it would only be repeated: on Podman and on another suite.
func EngineIndependent(tb testing.TB) {
	tb.Helper()
	if onPodman || onSuite {
		tb.Skip("depends on no engine: make test runs it on Docker")
	}
}

// ServersOnly skips a test of Prometheus or Alertmanager, and of nothing of an engine, on
// Podman: it runs on the Docker of each suite.
func ServersOnly(tb testing.TB) {
	tb.Helper()
	if onPodman {
		tb.Skip("depends on Prometheus or Alertmanager, and on no engine: it runs on Docker")
	}
}

var (
	releases sync.Map // by program, as func() string
	release  = regexp.MustCompile(`version (\d\S*\d)`)
)

// Uses logs which release of a program the test is about to use, for package matrix.
func Uses(tb testing.TB, program string) {
	tb.Helper()
	tb.Logf("uses %s %s", filepath.Base(program), releaseOf(program))
}

const unknownRelease = "unknown"

// releaseOf asks a program, once; unknownRelease: it does not tell.
func releaseOf(program string) string {
	ask, _ := releases.LoadOrStore(program, sync.OnceValue(func() string {
		ctx, cancel := context.WithTimeout(context.Background(), Limit)
		defer cancel()
		out, err := exec.CommandContext(ctx, program, "--version").CombinedOutput()
		if found := release.FindSubmatch(out); err == nil && found != nil {
			return string(found[1])
		}
		return unknownRelease
	}))
	return ask.(func() string)()
}
