package docscheck

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// kinds of changes, in the order in which a release lists them.
// Source: https://github.com/prometheus/prometheus/blob/main/RELEASE.md
var kinds = []string{"SECURITY", "CHANGE", "FEATURE", "ENHANCEMENT", "PERF", "BUGFIX"}

func TestChangelogBeginsWithTheVersion(t *testing.T) {
	version := strings.TrimSpace(read(t, "VERSION"))
	sections := strings.Split(read(t, "CHANGELOG.md"), "\n## ")[1:]
	if len(sections) == 0 {
		t.Fatal("there are no sections")
	}
	for i, section := range sections {
		name, text, _ := strings.Cut(section, "\n")
		released, date, ok := strings.Cut(name, " / ")
		if i == 0 && (name == "Unreleased") != strings.HasSuffix(version, "-dev") || i == 0 && ok && released != version {
			t.Errorf("the first section is %q, and VERSION is %s", name, version)
		}
		lines := regexp.MustCompile(`(?m)^\* (?:\[([A-Z]+)\])?`).FindAllStringSubmatch(text, -1)
		if len(lines) == 0 && ok {
			t.Errorf("%s has no lines", name)
		}
		last := 0
		for _, line := range lines {
			place := slices.Index(kinds, line[1])
			if place < 0 {
				t.Errorf("%s: a line begins with %q, want one of %v", name, line[0], kinds)
			}
			if ok && place < last {
				t.Errorf("%s: [%s] stands below [%s]", name, line[1], kinds[last])
			}
			last = place
		}
		if name == "Unreleased" {
			continue
		}
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			t.Errorf("%q: want VERSION / YYYY-MM-DD", name)
		}
	}
}
