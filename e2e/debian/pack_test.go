package debian

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

// older is a version that is older than any.
const older = "0.0.1"

// pack makes the package of a version, into a folder, and returns the name of its file.
func pack(t *testing.T, version, folder string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	program := filepath.Join(t.TempDir(), "defib")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "-trimpath", "-ldflags", "-s -w -X github.com/prometheus/common/version.Version="+version, "defib")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	arch := map[string]string{"arm": "armv7"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	cmd := exec.CommandContext(ctx, harness.Repository("scripts/package.sh"), arch, program)
	cmd.Env = append(os.Environ(), "VERSION="+version, "DIST="+folder, "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found, _ := filepath.Glob(filepath.Join(folder, "defib_"+version+"_*.deb"))
	if len(found) != 1 {
		t.Fatalf("packages of %s: %q", version, found)
	}
	return filepath.Base(found[0])
}

// version is that of this tree.
func version(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(harness.Repository("VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
