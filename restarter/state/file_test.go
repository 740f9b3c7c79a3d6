package state

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type document struct {
	Version int
	Text    string
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// names are those of the files in a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	f := open(t, path)
	var got document
	if found, err := f.Read(&got); found || err != nil {
		t.Fatalf("a file that does not exist: %v, %v", found, err)
	}
	want := document{Version, "text"}
	if err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	if found, err := f.Read(&got); !found || err != nil || got != want {
		t.Errorf("%+v, %v, %v", got, found, err)
	}
	beside := f.Beside("postmortem")
	if want := filepath.Join(filepath.Dir(path), "state-postmortem.json"); beside.String() != want {
		t.Errorf("beside it is %s, want %s", beside, want)
	}
	for _, f := range []*File{f, beside} {
		if err := f.Write(want); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(f.String()); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
}

func TestFileThatIsNotUnderstoodIsAnErrorThatSaysWhy(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "not a whole JSON document",
		`{"version":1,"text":"a"`:         "not a whole JSON document",
		"\x00\x00\x00":                    "not a whole JSON document",
		"null":                            "it has no version",
		"{}":                              "it has no version",
		`{"version":-1}`:                  "it has no version",
		`{"version":"1"}`:                 "not a whole JSON document",
		`{"version":2,"text":"a"}`:        "of version 2: a newer Defib has written it, this one knows version 1",
		`{"version":1,"text":["a","b"]}`:  "not understood",
		`{"version":1,"text":"a"}{"a":1}`: "not a whole JSON document",
		strings.Repeat(" ", maxSize+1):    "larger than 64 MiB",
	} {
		path := filepath.Join(t.TempDir(), "state.json")
		write(t, path, text)
		var got document
		if _, err := open(t, path).Read(&got); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// What is something else must not be set aside.
func TestWhatCannotBeReadIsNotBroken(t *testing.T) {
	dir := t.TempDir()
	if _, err := open(t, dir).Read(&document{}); err == nil || errors.Is(err, ErrBroken) {
		t.Errorf("a directory: %v", err)
	}
}

func TestFileIsLockedForLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	f := open(t, path)
	if _, err := Open(path); !errors.Is(err, ErrInUse) {
		t.Errorf("the second gets %v", err)
	}
	if err := f.Write(document{Version, "a"}); err != nil { // the lock stays though the file is another one
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrInUse) {
		t.Errorf("after a write, the second gets %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestDirectoryThatIsMissingIsSaid(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "missing", "state.json"))
	if err == nil || !strings.Contains(err.Error(), "its directory must exist") {
		t.Error(err)
	}
}

func TestWhatAKilledProcessLeftIsRemovedAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".state.json123", ".state-postmortem.json9", ".state.json", ".state.json12x", "state.json1", ".other.json1", "state.json.20260101T000000Z"} {
		write(t, filepath.Join(dir, name), "")
	}
	open(t, filepath.Join(dir, "state.json")).Beside("postmortem")
	got := strings.Join(names(t, dir), " ")
	if want := ".other.json1 .state.json .state.json12x state.json.20260101T000000Z state.json.lock state.json1"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

func TestWhatIsSetAsideIsKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	write(t, path, "broken")
	f := open(t, path)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.SetAside(now, "not a whole JSON document", logger)
	if got, want := strings.Join(names(t, dir), " "), "state.json.20260102T030405Z state.json.lock"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	if got := log.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "not a whole JSON document") || !strings.Contains(got, "state.json.20260102T030405Z") {
		t.Errorf("it says %s", got)
	}
	log.Reset()
	f.SetAside(now, "of another engine", logger) // it is gone
	if got := log.String(); got != "" {
		t.Errorf("of a file that does not exist it says %s", got)
	}
}
