package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"defib/engine"
)

// Pattern is one entry of a whitelist: a name, a glob, project/service of compose,
// either of which may be a glob, or a label.
type Pattern struct {
	text    string
	label   string // its key; "" unless it is label:KEY or label:KEY=VALUE
	project string // "" unless it is project/service
	name    string // or service, or the label's value
	glob    bool
}

const labelPrefix = "label:"

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
	if label, ok := strings.CutPrefix(text, labelPrefix); ok {
		return parseLabel(text, label)
	}
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

// parseLabel reads KEY, which means any value, or KEY=VALUE. What a line of a hold file
// cannot hold is refused everywhere.
func parseLabel(text, label string) (Pattern, error) {
	key, value, ok := strings.Cut(label, "=")
	if !ok {
		value = "*"
	}
	p := Pattern{text: text, label: key, name: value, glob: true}
	switch {
	case key == "":
		return p, errors.New("must name a label: label:KEY or label:KEY=VALUE")
	case strings.ContainsAny(key, "*?["):
		return p, errors.New("the name of a label cannot be a glob, only its value")
	case !utf8.ValidString(label):
		return p, errors.New("a label must be valid UTF-8")
	case strings.ContainsFunc(label, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == ',' || r == '#' }):
		return p, errors.New("cannot contain spaces, commas or #: in the value, write ? for one")
	case strings.ContainsAny(label, "\"'|"):
		return p, errors.New("no quotes and no |: the value is all that follows the =; in it, write ? for one")
	case !ok && strings.Contains(key, ":"):
		return p, errors.New("a value follows an =: label:KEY=VALUE")
	}
	return p, checkValue(value)
}

// String returns the entry as the user wrote it.
func (p Pattern) String() string { return p.text }

// Glob reports whether the entry may mean several containers, or none. One of a label
// always may.
func (p Pattern) Glob() bool { return p.glob }

// Matches reports whether the entry means this container.
func (p Pattern) Matches(c *engine.Container) bool {
	if p.label != "" {
		value, ok := c.Labels[p.label]
		return ok && globMatches(p.name, value)
	}
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
		if strings.HasPrefix(form, labelPrefix) { // of which nothing is foreign
			forms = append(forms, form)
			continue
		}
		for name := range strings.FieldsSeq(foreignForms.Replace(form)) {
			if project, service, ok := strings.Cut(name, "/"); ok {
				name = strings.ToLower(project) + "/" + service
			} else if strings.IndexAny(name, "-._") == 0 {
				name = "*" + name
			}
			forms = append(forms, name)
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
