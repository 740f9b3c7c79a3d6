package docscheck

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// pages returns the text of README.md and of every page in docs, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, p := range append(paths, "README.md") {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.ToSlash(p)] = string(text)
	}
	return all
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	linked  = regexp.MustCompile(`\]\(\s*([^)\s]+)\s*\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// links returns where the links of a page lead.
func links(text string) []string {
	var targets []string
	text = backQuotes.ReplaceAllString(fenced.ReplaceAllString(text, ""), "")
	for _, m := range linked.FindAllStringSubmatch(text, -1) {
		targets = append(targets, m[1])
	}
	return targets
}

// anchors returns what a link may name after #: GitHub makes it of each heading,
// in small letters and without punctuation, numbered if there are several alike.
// Source: https://docs.github.com/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links
func anchors(text string) map[string]bool {
	known := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		unique := anchor
		for i := 1; known[unique]; i++ {
			unique = fmt.Sprintf("%s-%d", anchor, i)
		}
		known[unique] = true
	}
	return known
}

func TestDocsLinkToWhatExists(t *testing.T) {
	all := pages(t)
	for _, page := range slices.Sorted(maps.Keys(all)) {
		for _, link := range links(all[page]) {
			if strings.Contains(link, "://") {
				continue
			}
			file, anchor, named := strings.Cut(link, "#")
			target := page
			if file != "" {
				target = path.Join(path.Dir(page), file)
			}
			if _, err := os.Stat(filepath.FromSlash(target)); err != nil {
				t.Errorf("%s: link to %s: %v", page, link, err)
			} else if named && !anchors(all[target])[anchor] {
				t.Errorf("%s: link to %s: %s has no such heading", page, link, target)
			}
		}
	}
}

func TestReadmeLeadsToEveryPage(t *testing.T) {
	all := pages(t)
	listed := links(all["README.md"])
	for page := range all {
		if page != "README.md" && !slices.Contains(listed, page) {
			t.Errorf("README.md has no link to %s: nobody will find it", page)
		}
	}
}
