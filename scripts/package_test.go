package scripts_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// debArch is what Debian calls the architecture of this machine.
var debArch = map[string]string{"amd64": "amd64", "arm64": "arm64", "arm": "armhf"}[runtime.GOARCH]

// pack makes the package of a clone, in a folder, and returns its path.
func pack(t *testing.T, dir, version, folder, umask string) string {
	t.Helper()
	arch := map[string]string{"armhf": "armv7"}[debArch]
	if arch == "" {
		arch = runtime.GOARCH
	}
	env := []string{"VERSION=" + version, "DIST=" + folder, fmt.Sprint("SOURCE_DATE_EPOCH=", committed), "GOFLAGS=-buildvcs=false"}
	if out, err := run(t, dir, env, "bash", "-c", "umask "+umask+" && scripts/package.sh "+arch+" defib"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(folder, fmt.Sprintf("defib_%s_%s.deb", version, debArch))
}

func TestDebianPackageIsTheSameWheneverItIsBuilt(t *testing.T) {
	dir := clone(t)
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not on the PATH: this is no Debian")
	}
	if out, err := run(t, dir, []string{"GOFLAGS=-buildvcs=false"}, "scripts/build.sh"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	deb := pack(t, dir, "1.2.0-dev", t.TempDir(), "022")
	if out, err := run(t, dir, nil, "find", ".", "-path", "./.git", "-prune", "-o", "-exec", "touch", "{}", "+"); err != nil {
		t.Fatal(err, out)
	}
	again := pack(t, dir, "1.2.0-dev", t.TempDir(), "077")
	if a, b := content(t, deb), content(t, again); !bytes.Equal(a, b) {
		t.Error("built again, it differs")
	}
	if d := cmp.Diff(listing, files(t, deb)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for field, want := range map[string]string{
		"Version": "1.2.0~dev", "Architecture": debArch, "Maintainer": "Defib maintainers <maintainers@defib.invalid>",
		"Depends": "systemd | systemd-standalone-sysusers | systemd-sysusers",
	} {
		if got, err := run(t, dir, nil, "dpkg-deb", "-f", deb, field); err != nil || got != want+"\n" {
			t.Errorf("%s: %q, %v, want %s", field, got, err, want)
		}
	}
	if out, err := run(t, dir, nil, "dpkg", "--compare-versions", "1.2.0~dev", "lt", "1.2.0"); err != nil {
		t.Error("does not sort before the release:", err, out)
	}
	checkUnit(t, deb)
	checkWords(t, dir)
	checkByLintian(t, deb)
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// listing is what is in the package, but for folders and the pages of documentation.
var listing = []string{
	"-rw-r--r-- /etc/default/defib",
	"-rwxr-xr-x /usr/bin/defib",
	"-rw-r--r-- /usr/lib/systemd/system/defib.service",
	"-rw-r--r-- /usr/lib/sysusers.d/defib.conf",
	"-rw-r--r-- /usr/share/bash-completion/completions/defib",
	"-rw-r--r-- /usr/share/doc/defib/CHANGELOG.md",
	"-rw-r--r-- /usr/share/doc/defib/README.md",
	"-rw-r--r-- /usr/share/doc/defib/THIRD_PARTY_LICENSES.gz",
	"-rw-r--r-- /usr/share/doc/defib/alerts/containers.yml",
	"-rw-r--r-- /usr/share/doc/defib/alerts/healing.yml",
	"-rw-r--r-- /usr/share/doc/defib/changelog.gz",
	"-rw-r--r-- /usr/share/doc/defib/copyright",
	"lrwxrwxrwx /usr/share/doc/defib/deploy -> examples",
	"-rw-r--r-- /usr/share/doc/defib/docs/install.md",
	"-rw-r--r-- /usr/share/doc/defib/examples/prometheus/prometheus.yml",
	"-rw-r--r-- /usr/share/lintian/overrides/defib",
	"-rw-r--r-- /usr/share/man/man1/defib.1.gz",
	"-rw-r--r-- /usr/share/zsh/vendor-completions/_defib",
}

// files lists what is in a package. Of the documentation some stand for all.
func files(t *testing.T, deb string) (all []string) {
	t.Helper()
	out, err := run(t, ".", []string{"TZ=UTC"}, "dpkg-deb", "-c", deb)
	if err != nil {
		t.Fatal(err, out)
	}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line) // mode, owner, size, date, time, path
		name := strings.TrimPrefix(strings.Join(fields[5:], " "), ".")
		if fields[1] != "root/root" || fields[3] != "2023-11-14" {
			t.Errorf("%s is %s's of %s", name, fields[1], fields[3])
		}
		if below, isDoc := strings.CutPrefix(name, "/usr/share/doc/defib/"); isDoc && !standsForAll(below) || strings.HasSuffix(name, "/") {
			continue
		}
		all = append(all, fields[0]+" "+name)
	}
	return all
}

func standsForAll(page string) bool {
	folder, file := filepath.Split(page)
	switch folder {
	case "":
		return !strings.HasSuffix(file, ".md") || file == "README.md" || file == "CHANGELOG.md"
	case "docs/":
		return file == "install.md"
	case "alerts/":
		return true
	}
	return folder == "examples/prometheus/" || strings.HasSuffix(file, ".go") || strings.HasPrefix(file, ".") || strings.HasPrefix(folder, "examples/debian/")
}

// checkUnit checks that the service of the package runs the program of the package.
func checkUnit(t *testing.T, deb string) {
	t.Helper()
	root := t.TempDir()
	if out, err := run(t, ".", nil, "dpkg-deb", "-x", deb, root); err != nil {
		t.Fatal(err, out)
	}
	unit := string(content(t, filepath.Join(root, "usr/lib/systemd/system/defib.service")))
	if !strings.Contains(unit, "\nExecStart=/usr/bin/defib\n") || strings.Contains(unit, "/usr/local") {
		t.Errorf("the unit runs another program:\n%s", unit)
	}
}

// checkWords checks what bash completes.
func checkWords(t *testing.T, dir string) {
	t.Helper()
	for typed, want := range map[string]string{
		"'' ":                "help serve check hold release rules healthcheck",
		"hea":                "healthcheck",
		"--restart.wh":       "--restart.whitelist",
		"hold --f":           "--for",
		"--dry-run --log.le": "--log.level",
	} {
		script := `. deploy/debian/completion.bash; COMP_WORDS=(./defib ` + typed + `); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _defib ./defib; echo "${COMPREPLY[*]}"`
		if out, err := run(t, dir, nil, "bash", "-euc", script); err != nil || out != want+"\n" {
			t.Errorf("defib %s: bash completes %q, %v, want %q", typed, out, err, want)
		}
	}
}

// checkByLintian has Debian's own check of packages look at it.
func checkByLintian(t *testing.T, deb string) {
	t.Helper()
	if _, err := exec.LookPath("lintian"); err != nil {
		if os.Getenv("CI") != "" {
			t.Error("lintian is not on the PATH, and CI is set")
		}
		t.Log("not checked by lintian: it is not on the PATH")
		return
	}
	if out, err := run(t, ".", nil, "lintian", "--no-cfg", "--allow-root", "--fail-on", "error,warning", deb); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
