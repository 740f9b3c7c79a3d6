package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

func TestPatterns(t *testing.T) {
	for _, row := range []struct {
		entry   string
		c       *engine.Container
		matches bool
	}{
		{"token", ended("", named("a1", "token")), true},
		{"token", ended("", named("a1", "token2")), false},
		{"/token", ended("", named("a1", "token")), true},
		{"web-*", ended("", named("a1", "web-1")), true},
		{"web-*", ended("", named("a1", "web")), false},
		{"*", ended("", named("a1", "anything")), true},
		{"web-[ab]", ended("", named("a1", "web-b")), true},
		{"web?", ended("", named("a1", "web1")), true},
		{"shop/db", ended("", named("a1", "shop-db-1"), in("shop", "db")), true},
		{"shop/*", ended("", named("a1", "shop-db-1"), in("shop", "db")), true},
		{"*/db", ended("", named("a1", "x"), in("shop", "db")), true},
		{"shop/db", ended("", named("a1", "shop-db-1")), false},
		{"*/*", ended("", named("a1", "no-project")), false},
		{"shop-db-1", ended("", named("a1", "shop-db-1"), in("shop", "db")), true},
		{"WEB", ended("", named("a1", "web")), false},
		{"label:team", ended("", labelled("team", "core")), true},
		{"label:team", ended("", labelled("team", "")), true},
		{"label:team", ended("", labelled("Team", "core")), false},
		{"label:team", ended("", named("a1", "team")), false},
		{"label:team", ended(""), false},
		{"label:team=core", ended("", labelled("team", "core")), true},
		{"label:team=core", ended("", labelled("team", "core2")), false},
		{"label:team=core", ended("", labelled("team", "Core")), false},
		{"label:team=", ended("", labelled("team", "")), true},
		{"label:team=", ended("", labelled("team", "core")), false},
		{"label:team=", ended(""), false},
		{"label:team=c*", ended("", labelled("team", "core")), true},
		{"label:team=[!a-c]*", ended("", labelled("team", "core")), false},
		{"label:rule=Host(?a.b?)", ended("", labelled("rule", "Host(`a.b`)")), true},
		{"label:a.b/c=d=e", ended("", labelled("a.b/c", "d=e")), true},
	} {
		if got := patterns(row.entry)[0].Matches(row.c); got != row.matches {
			t.Errorf("%s on %s: %t, want %t", row.entry, row.c.Name, got, row.matches)
		}
	}
}

func TestParsePatternsTakesCommasBlanksAndRepeats(t *testing.T) {
	got, err := ParsePatterns([]string{"token, explorer ,,token", "/web-*"})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.String())
	}
	if diff := cmp.Diff([]string{"token", "explorer", "web-*"}, texts); diff != "" {
		t.Error(diff)
	}
}

func TestParsePatternsNamesEveryMistake(t *testing.T) {
	_, err := ParsePatterns([]string{"ok,[a,a/b/c,shop/,a\xff"})
	for _, want := range []string{`"[a"`, `"a/b/c"`, `"shop/"`, `"a\xff"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestCheckNamesEveryMistake(t *testing.T) {
	err := Policy{Mode: "sometimes", Settings: Settings{StoppedDelay: -1}, Backoff: Backoff{Max: -1}}.Check()
	for _, want := range []string{"policy", "stopped-delay", "backoff-initial", "backoff-max", "backoff-reset", "concurrency"} {
		if err == nil || !strings.Contains(err.Error(), "--restart."+want) {
			t.Errorf("error %v does not name --restart.%s", err, want)
		}
	}
	if err := usual().Check(); err != nil {
		t.Errorf("the usual policy: %v", err)
	}
}

func TestBackoffDoublesUpToItsMost(t *testing.T) {
	b := Backoff{Initial: time.Second, Max: 5 * time.Second}
	var got []time.Duration
	for attempts := range 6 {
		got = append(got, b.After(attempts))
	}
	want := []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := (Backoff{Initial: time.Second, Max: time.Hour}).After(1 << 40); got != time.Hour {
		t.Errorf("after very many attempts: %s", got)
	}
}

func TestAnEntryOfALabelNamesNobody(t *testing.T) {
	p := usual(func(p *Policy) { p.Whitelist = patterns("label:team=core,token") })
	for _, row := range []struct {
		c                     *engine.Container
		whitelisted, globOnly bool
	}{
		{ended("", named("a1", "web"), labelled("team", "core")), true, true},
		{ended("", named("a1", "token"), labelled("team", "core")), true, false},
		{ended("", named("a1", "web"), labelled("team", "core", LabelEnable, "false")), false, false},
		{ended("", named("a1", "web"), labelled("team", "other")), false, false},
	} {
		if got := p.For(row.c); got.Whitelisted != row.whitelisted || got.Whitelisted && got.GlobOnly != row.globOnly {
			t.Errorf("%s %v: whitelisted %t, globs only %t", row.c.Name, row.c.Labels, got.Whitelisted, got.GlobOnly)
		}
	}
	p.Exclude = patterns("label:team")
	if p.For(ended("", named("a1", "token"), labelled("team", "core"))).Whitelisted {
		t.Error("what is excluded by a label is whitelisted")
	}
}
