// Package scripts_test runs the scripts that nothing else runs.
package scripts_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// limit is for a build on a slow machine.
const limit = 10 * time.Minute

// committed is when a clone's commit was made.
const committed = 1700000000

// clone is a repository of its own with what a build needs of this one, in one
// commit.
func clone(t *testing.T) (dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("a release is built several times over: leave out -short")
	}
	for _, program := range []string{"git", "bash", "tar", "gzip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program, "is not on the PATH")
		}
	}
	dir = t.TempDir()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel("..", path)
		switch {
		case err != nil:
			return err
		case slices.Contains([]string{".git", "dist", "defib", "bench.txt", "e2e"}, name) || d.Name() == "testdata":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		}
		return copyFile(path, filepath.Join(dir, name))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "-A"},
		{"-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "all"},
	} {
		if out, err := run(t, dir, []string{fmt.Sprintf("GIT_COMMITTER_DATE=%d +0000", committed)}, "git", args...); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}

// run runs a program without any engine.
func run(t *testing.T, dir string, env []string, program string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "DOCKER_HOST=unix:///nonexistent/docker.sock"), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// contents lists an archive: names with their modes; and it returns the program and the licenses
// of what is in it.
func contents(t *testing.T, file string) (names []string, program, licenses []byte) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(unpacked); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, program, licenses
		}
		if err != nil {
			t.Fatal(err)
		}
		if head.Uid != 0 || head.Gid != 0 || head.Uname != "" || head.ModTime.Unix() != committed {
			t.Errorf("%s is %d:%d's %s of %s", head.Name, head.Uid, head.Gid, head.Uname, head.ModTime)
		}
		_, name, _ := strings.Cut(head.Name, "/")
		if head.Typeflag != tar.TypeReg || strings.HasPrefix(name, "docs/") {
			continue
		}
		if strings.HasPrefix(name, "deploy/") && !strings.HasPrefix(name, "deploy/systemd/") && !strings.HasSuffix(name, ".go") {
			continue // some of them stand for all
		}
		names = append(names, head.FileInfo().Mode().String()+" "+name)
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		switch name {
		case "defib":
			program = text
		case "THIRD_PARTY_LICENSES":
			licenses = text
		}
	}
}

// checkLicenses: the text of each module in the program, and of Go, must be there.
func checkLicenses(t *testing.T, text string, program []byte) {
	t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{info.GoVersion}
	for _, module := range info.Deps {
		want = append(want, module.Path+" "+module.Version)
	}
	var got []string
	for _, part := range strings.Split("\n"+text, "\n==== ")[1:] {
		head, license, _ := strings.Cut(part, "\n")
		name, _, _ := strings.Cut(head, ": ")
		if len(license) < 100 {
			t.Errorf("%s: %q", head, license)
		}
		got = append(got, name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, slices.Compact(got)); d != "" {
		t.Errorf("modules: in the program (-), with a license (+)\n%s", d)
	}
}

// A scanner must find in the list what Go says is in the program, and nothing must be in it
// that is another one at each build.
func checkSBOM(t *testing.T, file string, program []byte) {
	t.Helper()
	var list struct {
		BOMFormat, SerialNumber string
		Metadata                struct {
			Timestamp string
			Tools     []struct{ Hashes []any }
			Component struct{ Name, Version string }
		}
		Components []struct {
			Name, Version string
			Evidence      struct{ Licenses []any }
		}
	}
	if err := json.Unmarshal([]byte(read(t, file)), &list); err != nil {
		t.Fatal(err)
	}
	version := "v" + strings.TrimSpace(read(t, "../VERSION"))
	if list.BOMFormat != "CycloneDX" || list.SerialNumber+list.Metadata.Timestamp != "" || list.Metadata.Component.Version != version {
		t.Errorf("%s of %q with serial number %q and time %q", list.BOMFormat, list.Metadata.Component, list.SerialNumber, list.Metadata.Timestamp)
	}
	if len(list.Metadata.Tools) != 1 || len(list.Metadata.Tools[0].Hashes) != 0 {
		t.Errorf("made by %v, want one tool, by which no machine is known", list.Metadata.Tools)
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if info.Main.Version != version {
		t.Errorf("the program calls itself %s, want %s", info.Main.Version, version)
	}
	want, got := []string{"std " + info.GoVersion}, []string(nil)
	for _, module := range info.Deps {
		want = append(want, module.Path+" "+module.Version)
	}
	for _, c := range list.Components {
		got = append(got, c.Name+" "+c.Version)
		if len(c.Evidence.Licenses) == 0 && c.Name != "std" { // whose directory has no licence of its own
			t.Errorf("%s has no licence", c.Name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("modules: in the program (-), in the list (+)\n%s", d)
	}
}

// It is built for one architecture only, and the second time with what the first
// has compiled: the rest is for make release.
func TestReleaseIsTheSameWhereverAndWheneverItIsBuilt(t *testing.T) {
	dir := clone(t)
	out, err := run(t, dir, []string{"QUICK=1", "ARCHES=" + runtime.GOARCH, "GOFLAGS=-buildvcs=false"}, "scripts/release.sh")
	if err != nil || !strings.Contains(out, "built twice alike") || !strings.Contains(out, "No image: there is no engine.") {
		t.Fatalf("%v\n%s", err, out)
	}
	dist := filepath.Join(dir, "dist")
	if out, err := run(t, dist, nil, "sha256sum", "-c", "sha256sums.txt"); err != nil || strings.Count(out, ": OK\n") != 4 {
		t.Error(err, out)
	}
	archives, _ := filepath.Glob(filepath.Join(dist, "*.tar.gz"))
	if len(archives) != 1 {
		t.Fatalf("archives: %q", archives)
	}
	names, program, licenses := contents(t, archives[0])
	want := []string{
		"-rw-r--r-- CHANGELOG.md", "-rw-r--r-- CODE_OF_CONDUCT.md", "-rw-r--r-- CONTRIBUTING.md", "-rw-r--r-- LICENSE",
		"-rw-r--r-- MAINTAINERS.md", "-rw-r--r-- README.md", "-rw-r--r-- RELEASE.md", "-rw-r--r-- SECURITY.md", "-rw-r--r-- THIRD_PARTY_LICENSES",
		"-rw-r--r-- alerts/containers.yml", "-rw-r--r-- alerts/healing.yml", "-rwxr-xr-x defib",
		"-rw-r--r-- deploy/systemd/defib.env", "-rw-r--r-- deploy/systemd/defib.service", "-rw-r--r-- deploy/systemd/sysusers.conf",
	}
	if d := cmp.Diff(want, names); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	alone, err := os.ReadFile(strings.TrimSuffix(archives[0], ".tar.gz"))
	if err != nil || !bytes.Equal(alone, program) {
		t.Errorf("the program alone differs from that in the archive: %v", err)
	}
	checkSBOM(t, strings.TrimSuffix(archives[0], ".tar.gz")+".cdx.json", program)
	checkLicenses(t, string(licenses), program)
}

func TestReleaseRefusesWhatIsInNoCommit(t *testing.T) {
	dir := clone(t)
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte("9.9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, dir, nil, "scripts/release.sh")
	if err == nil || !strings.Contains(out, "these are not in it:") || !strings.Contains(out, "VERSION") {
		t.Errorf("%v\n%s", err, out)
	}
}
