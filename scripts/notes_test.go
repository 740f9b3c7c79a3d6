package scripts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNotesAreThoseOfTheTag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := copyFile("release-notes.sh", filepath.Join(dir, "scripts", "release-notes.sh")); err != nil {
		t.Fatal(err)
	}
	changes := "# Changelog\n\n## 1.2.0 / 2030-02-01\n\n* [FEATURE] A: [how](docs/a.md), [why](docs/b.md#c)\n* [BUGFIX] B\n\n## 1.2.0-rc.1 / 2030-01-01\n\n* [FEATURE] C\n"
	if err := os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(changes), 0o600); err != nil {
		t.Fatal(err)
	}
	none, github := []string{"GITHUB_REPOSITORY="}, []string{"GITHUB_REPOSITORY=owner/defib", "GITHUB_SERVER_URL=https://example.org"}
	for name, row := range map[string]struct {
		version, tag, want, complaint string
		env                           []string
	}{
		"a release":           {"1.2.0", "v1.2.0", "* [FEATURE] A: [how](docs/a.md), [why](docs/b.md#c)\n* [BUGFIX] B", "", none},
		"in an action":        {"1.2.0", "v1.2.0", "* [FEATURE] A: [how](https://example.org/owner/defib/blob/v1.2.0/docs/a.md), [why](https://example.org/owner/defib/blob/v1.2.0/docs/b.md#c)\n* [BUGFIX] B", "", github},
		"the last section":    {"1.2.0-rc.1", "v1.2.0-rc.1", "* [FEATURE] C", "", none},
		"a tag of another":    {"1.2.0", "v1.2.1", "", "The tag is v1.2.1, and VERSION says 1.2.0.", none},
		"a tag without the v": {"1.2.0", "1.2.0", "", "The tag is 1.2.0, and VERSION says 1.2.0.", none},
		"no section":          {"1.3.0", "v1.3.0", "", "CHANGELOG.md has no section of 1.3.0.", none},
		"a dot is a dot":      {"1.2-0", "v1.2-0", "", "CHANGELOG.md has no section of 1.2-0.", none},
	} {
		if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(row.version+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := run(t, dir, row.env, "scripts/release-notes.sh", row.tag)
		if got := strings.TrimSpace(out); got != row.want+row.complaint || (err != nil) != (row.complaint != "") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
