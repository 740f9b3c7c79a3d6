package policy

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/quick"

	"defib/engine"
)

func TestGlobs(t *testing.T) {
	for _, row := range []struct {
		glob       string
		means, not []string
	}{
		{"c-db[!0-9]", []string{"c-dbx", "c-db-", "c-db_"}, []string{"c-db1", "c-db", "c-db9", "c-dbxx"}},
		{"c-db[^0-9]", []string{"c-dbx"}, []string{"c-db1"}},
		{"c-db[0-9]", []string{"c-db1"}, []string{"c-dbx", "c-db!"}},
		{"[!!]eb", []string{"web"}, []string{"!eb"}},
		{"[a-c-]x", []string{"ax", "bx"}, []string{"dx"}},
		{"x[-a]", []string{"x-", "xa"}, []string{"xb"}},
		{"x[]a]", []string{"xa"}, []string{"xb"}},
		{"x[!]a]", []string{"xb"}, []string{"xa"}},
		{"*", []string{"a", "web"}, nil},
		{"**b", []string{"b", "web"}, []string{"bob1"}},
		{"*a*a*b", []string{"aab", "xaxaxb"}, []string{"ab", "aaba"}},
		{"w?b", []string{"web", "w.b"}, []string{"wb", "weeb"}},
		{"web-*", []string{"web-", "web-1"}, []string{"web", "1web-1"}},
		{"caf?", []string{"café"}, []string{"caféé"}},
		{"*[é-ü]", []string{"é", "café", "menü"}, []string{"cafe"}},
		{"*é?", []string{"éé", "caféx"}, []string{"é"}},
		{"*-[0-9][0-9]", []string{"a-12", "a-1-34"}, []string{"a-1", "a-123"}},
	} {
		if err := checkValue(row.glob); err != nil {
			t.Errorf("%s is refused: %v", row.glob, err)
		}
		for _, name := range row.means {
			if !globMatches(row.glob, name) {
				t.Errorf("%s does not mean %s", row.glob, name)
			}
		}
		for _, name := range row.not {
			if globMatches(row.glob, name) {
				t.Errorf("%s means %s", row.glob, name)
			}
		}
	}
}

func TestAnExclusionByANegatedClassLeavesTheOthers(t *testing.T) {
	p := usual(func(p *Policy) { p.Whitelist, p.Exclude = patterns("*"), patterns("c-db[!0-9]") })
	for name, want := range map[string]bool{"c-db1": true, "c-dbx": false} {
		if got := p.For(ended(engine.CauseSelf, named("a1", name))).Whitelisted; got != want {
			t.Errorf("%s is whitelisted: %t, want %t", name, got, want)
		}
	}
}

func TestEntriesThatMatchNoNameAreRefusedWithTheRightForm(t *testing.T) {
	for text, want := range map[string]string{
		"^web$":              `"^web$": a container name cannot contain '^': an entry matches whole names: use web`,
		"!web":               `"!web": a container name cannot contain '!': to exclude containers, use --restart.exclude=web`,
		"!^web$":             "to exclude containers, use --restart.exclude=web",
		"! web":              "to exclude containers, use --restart.exclude=web",
		"!(web|db)":          "to exclude containers, use --restart.exclude=web,db",
		"!web-{a,b}":         "to exclude containers, use --restart.exclude=web-a,web-b",
		"!":                  "to exclude containers, use --restart.exclude",
		"web-{a,b}":          `"web-{a,b}": a container name cannot contain '{': an entry matches whole names: use web-a,web-b`,
		"{web,db}":           "use web,db",
		"web{":               "'{'",
		"a b":                `"a b": a name cannot contain spaces: an entry matches whole names: use a,b`,
		"web|db":             "use web,db",
		"(web)":              "use web",
		"(web|db)-[0-9]":     "'('",
		"web+":               `a container name cannot contain '+': an entry matches whole names: use web`,
		"^web-.*$":           "use web-*",
		".*":                 `a container name cannot begin with '.': an entry matches whole names: use *`,
		"-web":               `a container name cannot begin with '-': an entry matches whole names: use *-web`,
		"_web":               "begin with '_'",
		`web\d`:              `a container name cannot contain '\\'`,
		`web[\d]`:            `a container name cannot contain '\\'`,
		`"web"`:              "use web",
		"web[$@]":            "[$@] matches no character of a container name",
		"web[!a-zA-Z0-9_.-]": "matches no character of a container name",
		"[!a-zA-Z0-9]*":      "matches no character of a container name",
		"web[z-a]":           "matches no character of a container name",
		"web[[:digit:]]":     "a container name cannot contain ']'",
		"web[":               "each [ needs its ]",
		"web[]":              "each [ needs its ]",
		"web[!]":             "each [ needs its ]",
		"w[e,b]":             "each [ needs its ]",
		"wéb":                `a container name cannot contain 'é'`,
		"web\xff":            "a name must be valid UTF-8",
		"web[!\xff]":         "a name must be valid UTF-8",
		"Shop/db":            `a project name cannot contain 'S': an entry matches whole names: use shop/db`,
		"shop/d+b":           "a service name cannot contain '+'",
		"shop.a/db":          "a project name cannot contain '.'",
		"a/b/c":              "must be a name, a glob or project/service",
		"shop/":              "must be a name, a glob or project/service",
		"//db":               "must be a name, a glob or project/service",
		"web:1":              `a container name cannot contain ':'`,
		"Label:a":            `a container name cannot contain ':'`,
		"label:":             `"label:": must name a label: label:KEY or label:KEY=VALUE`,
		"label:=a":           "must name a label",
		"label:a*=b":         "the name of a label cannot be a glob, only its value",
		"label:a=b c":        "cannot contain spaces, commas or #: in the value, write ? for one",
		"label:a b":          "cannot contain spaces",
		"label:a=#1":         "cannot contain spaces",
		"label:a=b\x00":      "cannot contain spaces",
		"label:a={b,c}":      "cannot contain spaces, commas or #: in the value, write ? for one: an entry matches whole names: use label:a=b,label:a=c",
		"label:a=[b":         "each [ needs its ]",
		"label:a=[z-a]":      "[z-a] matches no character",
		"label:a=\xff":       "a label must be valid UTF-8",
		"!label:a=b":         "to exclude containers, use --restart.exclude=label:a=b",
	} {
		_, err := ParsePatterns([]string{"ok," + text + ",fine-*"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{"web", "a", "0", "web.1", "web_1-", "web.*", "[a-z]*", "[!-]x", "*", "?", "shop/*", "*/db", "shop/Db.1", "shop/_db", "_site/web", "-site/*", "[_-]*/db", "s_h-o/[!a]", "/web", "*-x", "?-x", "label:a", "label:a=", "label:a/b=c/d", "label:a=^b$", "label:a=b=c", "label:a=[!a]", "label:a={b}", "label:é=[é]"} {
		if _, err := ParsePatterns([]string{text}); err != nil {
			t.Errorf("%q is refused: %v", text, err)
		}
	}
}

// asRegexp says the same as a glob.
func asRegexp(glob string) *regexp.Regexp {
	var expr strings.Builder
	expr.WriteString("^")
	for glob != "" {
		n := 1
		switch glob[0] {
		case '*':
			expr.WriteString(".*")
		case '?':
			expr.WriteString(".")
		case '[':
			n = strings.Index(glob, "]") + 1
			expr.WriteString(strings.Replace(glob[:n], "[!", "[^", 1))
		default:
			expr.WriteString(regexp.QuoteMeta(glob[:1]))
		}
		glob = glob[n:]
	}
	return regexp.MustCompile(expr.String() + "$")
}

func checkGlob(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	var glob, name strings.Builder
	for range r.IntN(7) {
		glob.WriteString(pick("a", "b", "-", "1", "*", "*", "?", "[ab]", "[!ab]", "[^b]", "[a-c1]", "[!0-9]", "[_.-]", "[b-]"))
	}
	for range r.IntN(9) {
		name.WriteString(pick("a", "b", "c", "-", "1", "_", "."))
	}
	if got, want := globMatches(glob.String(), name.String()), asRegexp(glob.String()).MatchString(name.String()); got != want {
		t.Errorf("seed %d: %q means %q: %t, want %t", seed, glob.String(), name.String(), got, want)
	}
}

func TestGlobsMeanWhatARegularExpressionDoes(t *testing.T) {
	for seed := range uint64(20000) {
		checkGlob(t, seed)
	}
}

func FuzzGlobs(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkGlob)
}

// Also what is no glob at all must neither panic nor hang.
func TestWhateverIsWrittenIsReadOrRefused(t *testing.T) {
	try := func(text, name string) bool {
		ps, _ := ParsePatterns([]string{text})
		for _, p := range ps {
			p.Matches(ended("", named("a1", name)))
			if rightForm(p.text) == p.text {
				return false
			}
		}
		return true
	}
	if err := quick.Check(try, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
	globMatches(strings.Repeat("*a", 100)+"b", strings.Repeat("a", 5000))
}
