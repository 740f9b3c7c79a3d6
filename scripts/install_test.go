package scripts_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// calls are those of install.sh, with the names of programs.
var calls = regexp.MustCompile(`scripts/install\.sh((?: [a-z][a-z0-9-]*)+)`)

func TestInstallKnowsThePackagesOfWhatTheScriptsAskFor(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("*.sh")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range calls.FindAllStringSubmatch(string(text), -1) {
			asked++
			ask := `eval "$(sed -n '/^packages() {$/,/^}$/p' install.sh)"; for program; do packages "$program" >/dev/null; done`
			if out, err := run(t, ".", nil, "bash", append([]string{"-euc", ask, "bash"}, strings.Fields(call[1])...)...); err != nil {
				t.Errorf("%s asks for%s: %v\n%s", script, call[1], err, out)
			}
		}
	}
	if asked < 5 {
		t.Errorf("found %d calls of install.sh only: this test tests nothing", asked)
	}
}
