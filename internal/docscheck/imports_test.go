package docscheck

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// impure are packages that do I/O, wait or log.
var impure = regexp.MustCompile(`^(context|net|os|log)(/|$)|docker/docker`)

// pure are the packages that decide. Whatever they need is told to them.
var pure = []string{"defib/engine", "defib/engine/internal/gap", "defib/engine/internal/listing", "defib/engine/internal/ownchange", "defib/engine/internal/queue", "defib/engine/internal/store", "defib/restarter/compose", "defib/restarter/decision", "defib/restarter/heartbeat", "defib/restarter/history", "defib/restarter/outcome", "defib/restarter/policy", "defib/restarter/succession", "defib/restarter/target"}

// What the standard library's own packages import does not count.
func TestPurePackagesImportNothingThatDoesIO(t *testing.T) {
	const imports = `{{if not .Standard}}{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}{{end}}`
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-f", imports}, pure...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(out)) {
		if by, imported, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			lines++
			if impure.MatchString(imported) {
				t.Errorf("%s imports %s", by, imported)
			}
		}
	}
	if lines == 0 {
		t.Error("nothing is imported: this test tests nothing")
	}
}
