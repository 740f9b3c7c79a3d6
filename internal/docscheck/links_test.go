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

// pages returns the text of every page of documentation, by path. CHANGELOG.md is
// none: it speaks of what there was.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/reference/*.md", "deploy/*/*.md"} {
		paths, err := filepath.Glob(at(pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d pages, %v", pattern, len(paths), err)
		}
		for _, p := range paths {
			p = strings.TrimPrefix(filepath.ToSlash(p), root+"/")
			all[p] = read(t, p)
		}
	}
	delete(all, "CHANGELOG.md")
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
			if _, err := os.Stat(at(target)); err != nil {
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
		if strings.HasPrefix(page, "docs/") && !slices.Contains(listed, page) {
			t.Errorf("README.md has no link to %s: nobody will find it", page)
		}
	}
}

// A reader decides within a screen or two whether to read on.
func TestReadmeIsShort(t *testing.T) {
	const words, bytes = 1200, 200_000
	if n := len(strings.Fields(read(t, "README.md"))); n > words {
		t.Errorf("README.md has %d words, want %d at most: move something to docs", n, words)
	}
	if info, err := os.Stat(at("docs/page.png")); err != nil || info.Size() > bytes {
		t.Errorf("docs/page.png is larger than %d bytes, or not there: %v", bytes, err)
	}
}
