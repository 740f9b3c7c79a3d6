package docscheck

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// impure are packages that do I/O, wait or log.
var impure = regexp.MustCompile(`^(context|net|os|log)(/|$)|docker/`)

// pure are the packages that decide. Whatever they need is told to them.
var pure = []string{"defib/engine", "defib/engine/internal/store"}

func TestPurePackagesDependOnNothingThatDoesIO(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, pure...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if impure.MatchString(dep) {
			t.Errorf("one of %v depends on %s", pure, dep)
		}
	}
}
