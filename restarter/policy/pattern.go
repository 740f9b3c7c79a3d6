package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"defib/engine"
)

// Pattern is one entry of a whitelist: a name, a glob, or project/service of
// compose, either of which may be a glob.
type Pattern struct {
	text    string
	project string // "" unless it is project/service
	name    string // or service
	glob    bool
}

// ParsePatterns reads entries as users write them: comma-separated, in one value
// or several. Every mistake is returned, joined.
func ParsePatterns(values []string) ([]Pattern, error) {
	var patterns []Pattern
	var errs []error
	for _, text := range splitEntries(strings.Join(values, ",")) {
		text = strings.TrimPrefix(strings.TrimSpace(text), "/")
		if text == "" || slices.ContainsFunc(patterns, func(p Pattern) bool { return p.text == text }) {
			continue
		}
		p, err := parsePattern(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w%s", text, err, rightForm(text)))
			continue
		}
		patterns = append(patterns, p)
	}
	return patterns, errors.Join(errs...)
}

// splitEntries splits at commas, but not within braces: these are refused as a whole.
func splitEntries(s string) []string {
	var entries []string
	begin := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			i += max(0, strings.IndexByte(s[i:], '}'))
		case ',':
			entries = append(entries, s[begin:i])
			begin = i + 1
		}
	}
	return append(entries, s[begin:])
}

// parsePattern reads one entry. It refuses what can never match.
func parsePattern(text string) (Pattern, error) {
	p := Pattern{text: text, name: text, glob: strings.ContainsAny(text, "*?[")}
	project, service, ok := strings.Cut(text, "/")
	if !ok {
		return p, containerNames.check(text)
	}
	if project == "" || service == "" || strings.Contains(service, "/") {
		return p, errors.New("must be a name, a glob or project/service")
	}
	p.project, p.name = project, service
	return p, cmp.Or(projectNames.check(project), serviceNames.check(service))
}

// String returns the entry as the user wrote it.
func (p Pattern) String() string { return p.text }

// Glob reports whether the entry may mean several containers, or none.
func (p Pattern) Glob() bool { return p.glob }

// Matches reports whether the entry means this container.
func (p Pattern) Matches(c *engine.Container) bool {
	if p.project == "" {
		return p.match(p.name, c.Name)
	}
	return c.Service() != "" && p.match(p.project, c.Project()) && p.match(p.name, c.Service())
}

func (p Pattern) match(pattern, s string) bool {
	if !p.glob {
		return pattern == s
	}
	return globMatches(pattern, s)
}

// foreignForms is what shells, regular expressions and files of settings write, and
// what it is here.
var foreignForms = strings.NewReplacer(".*", "*", "^", "", "$", "", "(", "", ")", "", `\`, "", "+", "", `"`, "", "'", "", "|", ",")

// rightForm says how an entry that was refused is written; "" if that is not clear.
func rightForm(text string) string {
	if name, ok := strings.CutPrefix(text, "!"); ok {
		if form := plainForm(name); form != "" {
			return ": to exclude containers, use --restart.exclude=" + form
		}
		return ": to exclude containers, use --restart.exclude"
	}
	if form := plainForm(text); form != "" {
		return ": an entry matches whole names: use " + form
	}
	return ""
}

// plainForm is an entry without what is foreign; "" if nothing can be made of it.
func plainForm(text string) string {
	var forms []string
	for _, form := range expandBraces(text) {
		forms = append(forms, strings.Fields(foreignForms.Replace(form))...)
	}
	for i, form := range forms {
		if project, service, ok := strings.Cut(form, "/"); ok {
			forms[i] = strings.ToLower(project) + "/" + service
		} else if strings.IndexAny(form, "-._") == 0 {
			forms[i] = "*" + form
		}
	}
	form := strings.Join(forms, ",")
	for entry := range strings.SplitSeq(form, ",") {
		if entry == "" {
			return ""
		}
		if _, err := parsePattern(entry); err != nil {
			return ""
		}
	}
	return form
}

// expandBraces returns what a shell makes of a pair of braces.
func expandBraces(text string) []string {
	before, rest, ok := strings.Cut(text, "{")
	within, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{text}
	}
	var all []string
	for one := range strings.SplitSeq(within, ",") {
		all = append(all, before+one+after)
	}
	return all
}
