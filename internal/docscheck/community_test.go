package docscheck

import (
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v2"
)

// targets returns the targets of the Makefile.
func targets(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		all[m[1]] = true
	}
	return all
}

// called is a call of the Makefile, in back quotes or at the beginning of a line of a
// block or of a step.
var called = regexp.MustCompile("(?m)(?:`|^ *|run: )make ([a-z-]+)(?:`|$|  )")

func TestDocsCallTargetsThatExist(t *testing.T) {
	known, found := targets(t), 0
	for page, text := range pages(t) {
		for _, m := range called.FindAllStringSubmatch(text, -1) {
			found++
			if !known[m[1]] {
				t.Errorf("%s speaks of make %s, which the Makefile does not have", page, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d calls were found: this test does not see them", found)
	}
}

// TestWorkflowsCallTheMakefile: what continuous integration does, anybody can do.
func TestWorkflowsCallTheMakefile(t *testing.T) {
	for file, want := range map[string][]string{
		"push.yml":    {"build", "lint", "unit"},
		"nightly.yml": {"test", "test-engines", "vuln"},
		"release.yml": {"lint", "release", "unit"},
	} {
		var got []string
		for _, m := range called.FindAllStringSubmatch(read(t, ".github/workflows/"+file), -1) {
			got = append(got, m[1])
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: wanted (-), called (+): %s", file, d)
		}
		for _, target := range got {
			if !targets(t)[target] {
				t.Errorf("%s calls make %s, which the Makefile does not have", file, target)
			}
		}
	}
}

// form is an issue form, as GitHub reads it.
// Source: https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-issue-forms
type form struct {
	Name, Description string
	Labels            []string
	Body              []field
}

type field struct {
	Type, ID   string
	Attributes struct {
		Label, Description, Render string
	}
	Validations struct{ Required bool }
}

func TestIssueFormsAreRead(t *testing.T) {
	files, err := filepath.Glob(at(".github/ISSUE_TEMPLATE/*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]form{}
	for _, file := range files {
		name := path.Base(filepath.ToSlash(file))
		if name == "config.yml" {
			continue
		}
		var f form
		if err := yaml.UnmarshalStrict([]byte(read(t, ".github/ISSUE_TEMPLATE/"+name)), &f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		ids := map[string]bool{}
		for _, q := range f.Body {
			if !slices.Contains([]string{"textarea", "input"}, q.Type) || q.ID == "" || ids[q.ID] || q.Attributes.Label == "" {
				t.Errorf("%s: field %+v", name, q)
			}
			ids[q.ID] = true
		}
		if f.Name == "" || f.Description == "" || len(f.Body) == 0 {
			t.Errorf("%s: a form needs a name, a description and a body", name)
		}
		forms[name] = f
	}
	asks := slices.ContainsFunc(forms["bug.yml"].Body, func(f field) bool {
		return f.Validations.Required && strings.Contains(f.Attributes.Label, "`defib check`")
	})
	if !asks {
		t.Errorf("of %v, none asks for what defib check prints", slices.Sorted(maps.Keys(forms)))
	}
}
