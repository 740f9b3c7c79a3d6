package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const unit = "systemd/defib.service"

func TestSystemdAcceptsTheUnit(t *testing.T) {
	t.Parallel()
	const program = "ExecStart=/usr/local/bin/defib\n"
	text := read(t, unit)
	if !strings.Contains(text, program) {
		t.Fatalf("%s has no %s", unit, program)
	}
	// A unit whose program is not there is refused.
	file := filepath.Join(t.TempDir(), "defib.service")
	if err := os.WriteFile(file, []byte(strings.Replace(text, program, "ExecStart=/bin/true\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, "systemd", "systemd-analyze", "verify", file); out != "" {
		t.Error(out)
	}
}

// TestSystemdSaysWhatTheUnitSays: the exposure, in tenths, must not rise above the
// figure in the comment.
func TestSystemdSaysWhatTheUnitSays(t *testing.T) {
	t.Parallel()
	figure := regexp.MustCompile(`an exposure of ([0-9])\.([0-9]) `).FindStringSubmatch(read(t, unit))
	if figure == nil {
		t.Fatalf("%s does not say its exposure", unit)
	}
	out := run(t, "systemd", "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+strings.TrimLeft(figure[1]+figure[2], "0"), unit)
	if !strings.Contains(out, "Overall exposure level") {
		t.Errorf("no figure in:\n%s", out)
	}
}

// TestUnitLetsDefibReadWhatContainersUse: their processes are of other users.
func TestUnitLetsDefibReadWhatContainersUse(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"ProtectProc", "ProcSubset", "InaccessiblePaths", "PrivatePIDs"} {
		if strings.Contains(read(t, unit), "\n"+setting+"=") {
			t.Errorf("%s hides other users' processes in /proc, or cgroups", setting)
		}
	}
}

func TestSysusersMakeTheUserOfTheUnit(t *testing.T) {
	t.Parallel()
	out := run(t, "systemd", "systemd-sysusers", "--root="+t.TempDir(), "--dry-run", absolute(t, "systemd/sysusers.conf"))
	if out != "" {
		t.Error(out)
	}
	if !regexp.MustCompile(`(?m)^u defib `).MatchString(read(t, "systemd/sysusers.conf")) || !strings.Contains(read(t, unit), "\nUser=defib\n") {
		t.Error("the unit's user is not the one that is made")
	}
}

// TestEnvironmentFileNamesFlags: a misspelt one would say nothing.
func TestEnvironmentFileNamesFlags(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`(?m)^#?DEFIB_([A-Z_]+)=`).FindAllStringSubmatch(read(t, "systemd/defib.env"), -1)
	if len(names) == 0 {
		t.Fatal("it names none")
	}
	flags := regexp.MustCompile("(?m)^\\| `--([a-z.-]+)`").FindAllStringSubmatch(read(t, "../docs/reference/flags.md"), -1)
	known := map[string]bool{}
	for _, f := range flags {
		known[strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(f[1]))] = true
	}
	for _, n := range names {
		if !known[n[1]] {
			t.Errorf("there is no flag for DEFIB_%s", n[1])
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
