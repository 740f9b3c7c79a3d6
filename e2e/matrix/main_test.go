package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// record has go test -json's lines of tests that ended so.
func record(t *testing.T, events ...string) *run {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sid-docker.json")
	if err := os.WriteFile(path, []byte(strings.Join(events, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	usesEngine = `{"Action":"output","Test":"TestA","Output":"    suite.go:60: uses dockerd 28.5.2\n"}`
	usesServer = `{"Action":"output","Test":"TestA/b","Output":"        suite.go:60: uses prometheus 3.5.3\n"}`
	passes     = `{"Action":"pass","Test":"TestA","Elapsed":1}`
	ends       = `{"Action":"pass","Elapsed":12.3}`
)

func TestTablesSayWhatRanAndWhatWasLeftOut(t *testing.T) {
	t.Parallel()
	r := record(t, usesEngine, usesServer,
		`{"Action":"pass","Test":"TestA/b","Elapsed":1}`,
		`{"Action":"output","Test":"TestA/c","Output":"        x_test.go:4: not on Podman: no Swarm\n"}`,
		`{"Action":"skip","Test":"TestA/c"}`,
		passes,
		`{"Action":"output","Test":"TestB","Output":"    suite.go:60: uses dockerd 28.5.2\n"}`,
		`{"Action":"fail","Test":"TestB"}`,
		`{"Action":"output","Test":"TestC","Output":"    x_test.go:4: not on Podman: no Swarm\n"}`,
		`{"Action":"skip","Test":"TestC"}`,
		`{"Action":"output","Test":"TestD","Output":"    suite.go:60: uses dockerd 28.5.2\n"}`,
		`{"Action":"output","Test":"TestD","Output":"    x_test.go:4: no such kind of engine\n"}`,
		`{"Action":"skip","Test":"TestD"}`,
		`{"Action":"fail","Elapsed":12.3}`)
	var got strings.Builder
	table(&got, []*run{r})
	leftOut(&got, []*run{r})
	const want = `
RUN         PROGRAM     RELEASE  TESTS RUN  PASSED  FAILED
sid-docker  dockerd     28.5.2   2          1       1
sid-docker  prometheus  3.5.3    1          1       0

RUN         LEFT OUT  WHY
sid-docker  2         not on Podman: no Swarm
sid-docker  1         no such kind of engine
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRunFailsUnlessAllItsTestsPassed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		events []string
		want   string
	}{
		"all passed":           {[]string{usesEngine, passes, ends}, "ok   sid-docker: 1 tests, 0 failed, 12 s\n"},
		"nothing ran":          {[]string{`{"Action":"skip","Test":"TestA"}`, ends}, "FAIL sid-docker: 0 tests, 0 failed, 12 s\n"},
		"cut short":            {[]string{passes}, "FAIL sid-docker: 1 tests, 0 failed, 0 s\n"},
		"cut short in a test":  {[]string{usesEngine}, "== sid-docker, TestA:\n    suite.go:60: uses dockerd 28.5.2\n\nFAIL sid-docker: 1 tests, 1 failed, 0 s\n"},
		"failed after all":     {[]string{passes, `{"Action":"output","Output":"cleaning up: no\n"}`, `{"Action":"fail","Elapsed":3}`}, "cleaning up: no\nFAIL sid-docker: 1 tests, 0 failed, 3 s\n"},
		"a test failed":        {[]string{usesEngine, `{"Action":"fail","Test":"TestA"}`, `{"Action":"fail","Elapsed":3}`}, "== sid-docker, TestA:\n    suite.go:60: uses dockerd 28.5.2\n\nFAIL sid-docker: 1 tests, 1 failed, 3 s\n"},
		"words of no test":     {[]string{passes, "test2json: no space", `{"Action":"fail","Elapsed":3}`}, "test2json: no space\nFAIL sid-docker: 1 tests, 0 failed, 3 s\n"},
		"nobody started a run": {nil, "FAIL sid-docker: 0 tests, 0 failed, 0 s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := row.events
			if events == nil {
				events = []string{`{"Action":"start"}`}
			}
			var got strings.Builder
			_, ok := record(t, events...).report(&got, false)
			if diff := cmp.Diff(row.want, got.String()); diff != "" {
				t.Error(diff)
			}
			if ok != strings.HasPrefix(row.want, "ok") {
				t.Errorf("it counts as passed: %v", ok)
			}
		})
	}
}

func TestRunMayBeEmptyUnlessAllAre(t *testing.T) {
	t.Parallel()
	empty, full := record(t, `{"Action":"skip","Test":"TestA"}`, ends), record(t, usesEngine, passes, ends)
	for name, row := range map[string]struct {
		runs []*run
		some bool
		want bool
	}{
		"one has what was asked for":  {[]*run{empty, full}, true, true},
		"one has not what is asked":   {[]*run{empty, full}, false, false},
		"none has what was asked for": {[]*run{empty, empty}, true, false},
		"there was no run":            {nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got strings.Builder
			if ok := report(&got, row.runs, row.some); ok != row.want {
				t.Errorf("it counts as passed: %v\n%s", ok, &got)
			}
		})
	}
}
