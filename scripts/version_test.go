package scripts_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whoever packages Defib may know no script of it.
func TestAnyBuildTellsWhatItIs(t *testing.T) {
	dir := clone(t)
	revision, err := run(t, dir, nil, "git", "rev-parse", "HEAD")
	if err != nil {
		t.Fatal(err, revision)
	}
	revision = strings.TrimSpace(revision)
	version := strings.TrimSpace(read(t, filepath.Join(dir, "VERSION")))
	elsewhere := filepath.Join(t.TempDir(), "defib")
	env := []string{"CGO_ENABLED=0", "GOFLAGS=-buildvcs=auto", "OUTPUT=" + elsewhere} // what Go does if nobody says otherwise
	for name, build := range map[string][]string{
		"plain":    {"go", "build", "-o", elsewhere, "."},
		"build.sh": {"scripts/build.sh"},
	} {
		if out, err := run(t, dir, env, build[0], build[1:]...); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		said, err := run(t, dir, nil, elsewhere, "--version")
		if err != nil || !strings.HasPrefix(said, "defib, version "+version+" (") || !strings.Contains(said, "revision: "+revision+")") ||
			!slices.Contains(strings.Fields(said), "20231114-22:13:20") {
			t.Errorf("%s: --version: %v\n%s", name, err, said)
		}
		info, err := run(t, dir, nil, "go", "version", "-m", elsewhere)
		if err != nil || !strings.Contains(info, "vcs.revision="+revision+"\n") || !strings.Contains(info, "vcs.time=2023-11-14T22:13:20Z\n") ||
			!strings.Contains(info, "vcs.modified=false\n") {
			t.Errorf("%s: go version -m: %v\n%s", name, err, info)
		}
	}
}

// In a clone of another owner git reads nothing, and Go would fail. So it does where git is
// led astray.
func TestBuildNeedsNoHistory(t *testing.T) {
	dir := clone(t)
	out := filepath.Join(t.TempDir(), "defib")
	if said, err := run(t, dir, []string{"GIT_DIR=" + t.TempDir(), "OUTPUT=" + out}, "scripts/build.sh"); err != nil {
		t.Fatal(err, said)
	}
	said, err := run(t, dir, nil, out, "--version")
	if err != nil || !strings.HasPrefix(said, "defib, version "+strings.TrimSpace(read(t, filepath.Join(dir, "VERSION")))+" (branch: unknown, revision: unknown)") {
		t.Error(err, said)
	}
}
