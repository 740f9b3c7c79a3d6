package docscheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/internal/keeper"
	"defib/restarter"
	"defib/restarter/heartbeat"
	"defib/restarter/hold"
	"defib/restarter/postmortem"
	"defib/restarter/state"
)

// olderFiles has a folder for each minor version that wrote something new into its files.
// What is in it is read by every later version, and never changes.
const olderFiles = "internal/docscheck/testdata/files"

// written are the versions of which there are files.
func written(t *testing.T) []string {
	t.Helper()
	versions, err := filepath.Glob(at(olderFiles + "/*"))
	if err != nil || len(versions) == 0 {
		t.Fatalf("%s: %v", olderFiles, err)
	}
	return versions
}

// copied is a file in a directory that may be written to.
func copied(t *testing.T, dir, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tree is what JSON has of a value.
func tree(t *testing.T, v any) (all any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readTree is what is in a file of JSON.
func readTree(t *testing.T, file string) (all map[string]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// lost are the paths of what is in a value and is another in what was read of it, or is
// not there. What is there beside is new.
func lost(path string, was, is any) (paths []string) {
	switch was := was.(type) {
	case map[string]any:
		now, _ := is.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(was)) {
			paths = append(paths, lost(path+"."+name, was[name], now[name])...)
		}
	case []any:
		now, _ := is.([]any)
		for i := range was {
			if i >= len(now) {
				return append(paths, fmt.Sprintf("%s[%d]", path, i))
			}
			paths = append(paths, lost(fmt.Sprintf("%s[%d]", path, i), was[i], now[i])...)
		}
	default:
		if was != is {
			return []string{path}
		}
	}
	return paths
}

func TestStateFilesOfOlderVersionsAreRead(t *testing.T) {
	for _, version := range written(t) {
		t.Run(filepath.Base(version), func(t *testing.T) {
			dir := t.TempDir()
			path, deaths := copied(t, dir, version+"/state.json"), copied(t, dir, version+"/state-postmortem.json")
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, nil))
			past := keeper.Open(t.Context(), path, true, logger)
			if past == nil || past.Memory == nil || log.Len() > 0 {
				t.Fatalf("it is not read: %s", &log)
			}
			defer past.Close()
			m := *past.Memory
			m.Heartbeat = heartbeat.New(m.Heartbeat).Saved(m.Saved)
			evidence := postmortem.New(postmortem.Options{})
			kept := keeper.New(past, evidence, state.NewMetrics(), logger)
			defer kept.Close(t.Context())
			all, _ := evidence.All()
			for file, read := range map[string]any{path: m, deaths: map[string]any{"version": state.Version, "deaths": all}} {
				was := readTree(t, file)
				delete(was, "version")
				for _, path := range lost("", was, tree(t, read)) {
					t.Errorf("%s: %s is not read as it was written: every version must read it", filepath.Base(file), path)
				}
			}
		})
	}
}

// What a later version of the same major one may add takes away no more than it is about.
func TestStateFileOfALaterVersionIsRead(t *testing.T) {
	versions := written(t)
	text, err := os.ReadFile(filepath.Join(versions[len(versions)-1], "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"version": 1,`, `"version": 1, "later": {"a": [1]},`},
		{`"engine": {`, `"engine": {"later": "a",`},
		{`"history": {`, `"history": {"later": 1,`},
		{`"s": "`, `"later": true, "s": "`},
		{`"p": "running"`, `"p": "later"`},
		{`"c": "stopped"`, `"c": "later"`},
		{` u50`, ` z50`}, // a state of heartbeats
	} {
		if !bytes.Contains(text, []byte(change[0])) {
			t.Fatalf("there is no %s to be changed", change[0])
		}
		text = bytes.ReplaceAll(text, []byte(change[0]), []byte(change[1]))
	}
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	past := keeper.Open(t.Context(), path, false, slog.New(slog.NewTextHandler(&log, nil)))
	if past == nil || past.Memory == nil || log.Len() > 0 {
		t.Fatalf("it is not read: %s", &log)
	}
	past.Close()
}

// TestEveryFieldOfTheStateFileIsRecorded: what is in no file could be renamed unseen.
func TestEveryFieldOfTheStateFileIsRecorded(t *testing.T) {
	for file, document := range map[string]reflect.Type{
		"state.json": reflect.TypeFor[restarter.Memory](),
		"state-postmortem.json": reflect.TypeFor[struct {
			Deaths []postmortem.Death `json:"deaths"`
		}](),
	} {
		var recorded []any
		for _, version := range written(t) {
			recorded = append(recorded, readTree(t, filepath.Join(version, file)))
		}
		typeFields("", document, func(field string) {
			path, _, _ := strings.Cut(strings.ReplaceAll(field, "?", ""), ", ")
			if !slices.ContainsFunc(recorded, func(all any) bool { return has(all, path) }) {
				t.Errorf("%s has the field %s, which is in no file below %s: add a folder with files of the next version", file, path, olderFiles)
			}
		})
	}
}

// has reports whether there is something at a path, such as a.b[].c or a{}.c.
func has(v any, path string) bool {
	name, rest, _ := strings.Cut(path, ".")
	fields, _ := v.(map[string]any)
	below, ok := fields[strings.TrimRight(name, "[]{}")]
	all := []any{below}
	switch below := below.(type) {
	case []any:
		all = below
	case map[string]any:
		if strings.HasSuffix(name, "{}") {
			all = slices.Collect(maps.Values(below))
		}
	}
	return ok && (rest == "" || slices.ContainsFunc(all, func(one any) bool { return has(one, rest) }))
}

func TestHoldFilesOfOlderVersionsAreRead(t *testing.T) {
	for _, version := range written(t) {
		holds, err := hold.Read(t.Context(), filepath.Join(version, "holds"))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, h := range holds {
			fmt.Fprintf(&got, "%s until %s\n", h, h.Until)
		}
		want, err := os.ReadFile(filepath.Join(version, "holds.read"))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("the hold file of %s, what it means (-) and what is read (+):\n%s", filepath.Base(version), d)
		}
	}
}
