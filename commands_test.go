package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHoldAndReleaseWriteTheHoldFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "holds")
	t.Setenv("DEFIB_RESTART_HOLD_FILE", file) // as docker exec finds it
	for _, row := range []struct {
		args []string
		says string   // at first, if it is not that
		want []string // the entries that are on hold afterwards
	}{
		{[]string{"hold", "web", "shop/db", "--for=2h"}, "", []string{"web", "shop/db"}},
		{[]string{"hold", "--for", "1h", "web"}, "", []string{"shop/db", "web"}},
		{[]string{"release", "shop/db"}, "", []string{"web"}},
		{[]string{"release", "nobody", "web", "we?"}, "nobody was not on hold by that name.\nwe? was not on hold by that name.\nNothing is on hold.\n", nil},
		{[]string{"hold", "--for=1h"}, "", []string{"* (everything)"}},
		{[]string{"release", "web"}, "web was not on hold by that name.\n", []string{"* (everything)"}},
		{[]string{"hold", "web", "--for=1h"}, "", []string{"* (everything)", "web"}},
		{[]string{"release"}, "Nothing is on hold.\n", nil},
	} {
		code, stdout, stderr := ended(t, row.args...)
		if code != exitOK || stderr != "" {
			t.Fatalf("%q: exit code %d, %s", row.args, code, stderr)
		}
		var held []string
		for line := range strings.Lines(stdout) {
			if name, _, ok := strings.Cut(line, " is on hold until "); ok {
				held = append(held, name)
			}
		}
		if !strings.HasPrefix(stdout, row.says) || row.says == "" && strings.Contains(stdout, "not") {
			t.Errorf("%q: says %s", row.args, stdout)
		}
		if d := diff(row.want, held); d != "" {
			t.Errorf("%q: %s", row.args, d)
		}
		if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), "\n") != len(row.want) {
			t.Errorf("%q: the file holds %q, %v", row.args, text, err)
		}
	}
}

func TestHoldRefusesWhatCannotWork(t *testing.T) {
	file := filepath.Join(t.TempDir(), "holds")
	refused(t, []string{"hold", "web"}, "required flag(s) '--for' not provided")
	refused(t, []string{"hold", "[a", "--for=0s"}, "--restart.hold-file: name the file", "--for: 0s: want more than 0", `NAME: "[a"`)
	refused(t, []string{"hold", "--for=abc", "--restart.hold-file=" + file}, `--for: "abc": time: invalid duration "abc"`)
	refused(t, []string{"release"}, "--restart.hold-file: name the file")
	refused(t, []string{"hold", "", "--for=1h", "--restart.hold-file=" + file}, "NAME: it is empty")
	refused(t, []string{"hold", "web shop", "--for=1h", "--restart.hold-file=" + file}, `NAME: "web shop": no name has blanks`)
	if code, _, stderr := ended(t, "hold", "web", "--for=1h", "--restart.hold-file="+file, "--webhook.token-file=/nonexistent/token", "--docker.timeout=abc"); code != exitOK {
		t.Errorf("flags that are not its business: exit code %d, %s", code, stderr)
	}
	if err := os.WriteFile(file, []byte("web tomorrow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := ended(t, "hold", "web", "--for=1h", "--restart.hold-file="+file)
	if code != exitFailure || !strings.Contains(stderr, "want a time such as") {
		t.Errorf("a broken file: exit code %d, %s", code, stderr)
	}
	code, _, stderr = ended(t, "hold", "web", "--for=1h", "--restart.hold-file=/nonexistent/holds")
	if code != exitFailure || !strings.Contains(stderr, "no such file or directory") {
		t.Errorf("a folder that is not there: exit code %d, %s", code, stderr)
	}
}

func TestRulesPrintsOneRulesFile(t *testing.T) {
	code, stdout, stderr := ended(t, "rules")
	if code != exitOK || stderr != "" || strings.Count(stdout, "\ngroups:") != 1 || !strings.Contains(stdout, "alert: DefibDown") || !strings.Contains(stdout, "heal: restart") {
		t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
	}
}
