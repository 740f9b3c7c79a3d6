package web

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/restarter"
)

// documented returns the words in back quotes of the first cells of the table in
// docs/api.md that begins with this head, sorted.
func documented(t *testing.T, head string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| "+head+" |")
	if !found {
		t.Fatalf("docs/api.md has no table of %s", head)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var words []string
	for line := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			words = append(words, m[1])
		}
	}
	slices.Sort(words)
	return words
}

// fields lists the JSON fields of a struct, those of its parts with their path.
func fields(typ reflect.Type, path string) []string {
	var names []string
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" {
			name = f.Name // a mistake that the comparison shows
		}
		inner, below := f.Type, path+name
		if inner.Kind() == reflect.Slice && inner != reflect.TypeFor[Sentence]() {
			inner, below = inner.Elem(), below+"[]"
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() {
			names = append(names, fields(inner, below+".")...)
			continue
		}
		names = append(names, path+name)
	}
	slices.Sort(names)
	return names
}

func TestTheDocumentHasEveryFieldAndNoOther(t *testing.T) {
	if d := cmp.Diff(fields(reflect.TypeFor[Status](), ""), documented(t, "field")); d != "" {
		t.Errorf("program (-), docs/api.md (+):\n%s", d)
	}
	kinds := make([]string, len(Kinds))
	for i, k := range Kinds {
		kinds[i] = string(k)
	}
	slices.Sort(kinds)
	if d := cmp.Diff(kinds, documented(t, "kind")); d != "" {
		t.Errorf("program (-), docs/api.md (+):\n%s", d)
	}
}

func TestTheDataIsThatOfThePage(t *testing.T) {
	h := ill()
	h.report.DryRun = true
	var s struct {
		Summary    string
		Counts     map[Kind]int
		DryRun     bool      `json:"dry_run"`
		Since      time.Time `json:"watching_since"`
		Engine     Engine
		Holds      []Hold
		Whitelist  []Entry
		Containers []struct {
			Name, Kind, Reason, Next string
			ExitCode                 *int `json:"exit_code"`
			OOMKilled                bool `json:"oom_killed"`
			Summary, Commands        []string
			Until                    *time.Time
			Recreated                bool
		}
		Actions []Action
		Alerts  []Alert
	}
	w := h.get(t, "/api/v1/status")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %s", got)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if want := "5 need attention · 1 being healed · 27 fine · 1 stopped by hand · 1 finished"; s.Summary != want {
		t.Errorf("summary %q, want %q", s.Summary, want)
	}
	if d := cmp.Diff(map[Kind]int{NeedsAttention: 5, Healing: 1, Fine: 27, Stopped: 1, Finished: 1}, s.Counts); d != "" {
		t.Error(d)
	}
	if !s.Engine.Up || !s.DryRun || !s.Since.Equal(h.report.Began) || len(s.Holds) != 1 || s.Holds[0].Entry != "worker-*" {
		t.Errorf("%+v", s)
	}
	if d := cmp.Diff([]Entry{{Entry: "*", Matches: 34}, {Entry: "payments", Missing: true}}, s.Whitelist); d != "" {
		t.Error(d)
	}
	if len(s.Containers) != 34 || len(s.Actions) != 4 || s.Actions[0].Container != "explorer" || len(s.Alerts) != 2 || s.Alerts[0].Alert != "ApiErrors" {
		t.Errorf("%d containers; actions %+v; alerts %+v", len(s.Containers), s.Actions, s.Alerts)
	}
	for _, c := range s.Containers {
		switch c.Name {
		case "explorer":
			if c.Kind != "needs_attention" || c.Reason != "back_off" || *c.ExitCode != 137 || !c.OOMKilled || !c.Recreated || c.Until == nil || len(c.Summary) != 4 || len(c.Commands) != 1 || c.Next == "" {
				t.Errorf("%+v", c)
			}
		case "auth":
			if c.Kind != "fine" || c.ExitCode != nil || c.Until != nil || c.Summary != nil || c.Next != "" {
				t.Errorf("%+v", c)
			}
		}
	}
}

// A list is a list, and what is not known is not there.
func TestAnEmptyHostHasListsToo(t *testing.T) {
	for name, h := range map[string]*host{"before the first look": {}, "no containers": newHost(), "away": {report: restarter.Report{}, away: errAway}} {
		body := h.get(t, "/api/v1/status").Body.String()
		if strings.Contains(body, "null") || strings.Contains(body, "0001-01-01") {
			t.Errorf("%s: %s", name, body)
		}
	}
}
