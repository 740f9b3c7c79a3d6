package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stateOf is a directory with a state file of this text; "" is none.
func stateOf(t *testing.T, text string) (dir, flag string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "state.json")
	if text != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, "--state.file=" + path
}

// files are the names in a directory.
func files(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestStateFileThatIsNotUnderstoodIsSetAsideAndDefibStarts(t *testing.T) {
	for text, why := range map[string]string{
		`{"version":1,`:                     "not a whole JSON document",
		`{"version":7,"saved":"yesterday"}`: "a newer Defib has written it",
		`{"version":1,"saved":"yesterday"}`: "not understood",
	} {
		dir, flag := stateOf(t, text)
		p := start(t, noEngine(t), flag)
		p.logs(`level=WARN .*state file not used: set aside, and a new one begun.*` + why)
		if status, _ := p.get("/-/healthy"); status != 200 {
			t.Errorf("%s: it answers %d", text, status)
		}
		p.term()
		p.exits(exitOK)
		kept, rest, _ := strings.Cut(files(t, dir), " ")
		if got, err := os.ReadFile(filepath.Join(dir, kept)); err != nil || string(got) != text || rest != "state.json.lock" {
			t.Errorf("%s: left are %s %s: %s, %v", text, kept, rest, got, err)
		}
	}
}

func TestDefibGoesOnWithoutAStateFileThatItCannotHave(t *testing.T) {
	taken, inUse := stateOf(t, "")
	start(t, noEngine(t), inUse)
	fifo, pipe := stateOf(t, "")
	if err := syscall.Mkfifo(filepath.Join(fifo, "state.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for flag, why := range map[string]string{
		inUse: "another Defib uses it",
		"--state.file=" + filepath.Join(taken, "missing", "state.json"): "its directory must exist, and it and the lock be writable",
		pipe:                     "not a regular file",
		"--state.file=" + folder: "not a regular file", // which is not set aside either
	} {
		p := start(t, noEngine(t), flag)
		p.logs(`level=WARN .*state file not used: what Defib learns ends with this process.*` + why)
		if status, _ := p.get("/-/healthy"); status != 200 {
			t.Errorf("%s: it answers %d", why, status)
		}
		if _, body := p.get("/metrics"); !strings.Contains(body, "\ndefib_state_save_failures_total 1") {
			t.Errorf("%s: no failure is counted", why)
		}
		p.term()
		p.exits(exitOK)
	}
	if _, err := os.Stat(folder); err != nil {
		t.Error(err)
	}
	refused(t, []string{"--restart.hold-file=/srv/holds", "--state.file=/srv/holds"}, "--state.file: \"/srv/holds\": must not be the file of --restart.hold-file")
}

func TestCheckTellsOfTheStateFile(t *testing.T) {
	s := newStub(t)
	host := "--docker.host=" + s.host
	const saved = `{"version":1,"saved":"2026-01-02T15:04:05Z","engine":{"containers":{"a":{},"b":{}}}}`
	for text, want := range map[string]string{
		"":             "ok --state.file: not there yet",
		saved:          "ok --state.file: saved 2026-01-02T15:04:05Z, with 2 containers",
		`{"version":7`: "FAIL --state.file: not understood: not a whole JSON document: unexpected end of JSON input",
	} {
		dir, flag := stateOf(t, text)
		before, code := files(t, dir), exitOK
		if strings.HasPrefix(want, "FAIL") {
			code = exitFailure
		}
		says(t, checked(t, code, host, flag), want)
		if after := files(t, dir); after != before {
			t.Errorf("it changed the directory from %q to %q", before, after)
		}
	}
	says(t, checked(t, exitFailure, host, "--state.file=/nonexistent/state.json"), "FAIL --state.file: its directory must exist, and be writable: no such file or directory")
}

// The files of one life are set aside each by itself.
func TestFileOfDeathsThatIsNotUnderstoodIsSetAside(t *testing.T) {
	for text, why := range map[string]string{
		"{": "not a whole JSON document",
		`{"version":1,"deaths":[{"container":"web","time":"` + time.Now().Format(time.RFC3339) + `","exit_code":"137"}]}`: "cannot unmarshal string",
	} {
		dir, flag := stateOf(t, "")
		if err := os.WriteFile(filepath.Join(dir, "state-postmortem.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, noEngine(t), flag, "--postmortem.log-lines=5")
		p.logs(`level=WARN .*state file not used: set aside, and a new one begun.*state-postmortem.json.*` + why)
		if _, body := p.get("/api/v1/status"); strings.Contains(body, `"web"`) {
			t.Errorf("%s: used all the same: %s", text, body)
		}
		p.term()
		p.exits(exitOK)
		if got := files(t, dir); !strings.HasPrefix(got, "state-postmortem.json.2") {
			t.Errorf("%s: left are %s", text, got)
		}
	}
}

func TestWhatIsOfAnotherEngineIsSetAsideAndNotShown(t *testing.T) {
	s := newStub(t)
	dir, flag := stateOf(t, `{"version":1,"saved":"2026-01-02T15:04:05Z","engine":{"containers":{"a":{},"b":{},"c":{}}}}`)
	deaths := `{"version":1,"deaths":[{"container":"token","id":"a","time":"2026-01-02T15:04:05Z","log":[{"text":"a secret"}]}]}`
	if err := os.WriteFile(filepath.Join(dir, "state-postmortem.json"), []byte(deaths), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--docker.host="+s.host, flag, "--postmortem.log-lines=5")
	p.logs(`level=WARN .*state file not used: set aside, and a new one begun.* file=\S+state.json .*this engine has none of the containers in it`)
	p.logs(`level=WARN .*state file not used: set aside, and a new one begun.* file=\S+state-postmortem.json .*this engine has none of the containers in it`)
	if _, body := p.get("/api/v1/status"); strings.Contains(body, "a secret") {
		t.Errorf("it shows what was on another engine: %s", body)
	}
	p.term()
	p.exits(exitOK)
	for _, name := range []string{"state.json", "state-postmortem.json"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || strings.Contains(string(text), "a secret") {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	if got := files(t, dir); strings.Count(got, " ") != 4 {
		t.Errorf("there are %s", got)
	}
}
