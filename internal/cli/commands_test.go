package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"defib/restarter/policy"
)

func TestHoldAndReleaseWriteTheHoldFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "holds")
	t.Setenv("DEFIB_RESTART_HOLD_FILE", file) // as docker exec finds it
	t.Setenv("DEFIB_DOCKER_HOST", engineWith(t, "web", "shop-db-1"))
	for _, row := range []struct {
		args []string
		says string   // at first, if it is not that
		want []string // the entries that are on hold afterwards
	}{
		{[]string{"hold", "web", "shop-*", "shop/db", "--for=2h"}, "", []string{"web", "shop-*", "shop/db"}},
		{[]string{"release", "shop-*"}, "", []string{"web", "shop/db"}},
		{[]string{"hold", "--for", "1h", "web"}, "", []string{"shop/db", "web"}},
		{[]string{"release", "shop/db"}, "", []string{"web"}},
		{[]string{"release", "nobody", "web", "we?"}, "No hold is called nobody.\nNo hold is called we?.\nNothing is on hold.\n", nil},
		{[]string{"hold", "--for=1h"}, "", []string{"* (everything)"}},
		{[]string{"release", "web"}, "No hold is called web.\n", []string{"* (everything)"}},
		{[]string{"hold", "web", "--for=1h"}, "", []string{"* (everything)", "web"}},
		{[]string{"hold", "label:com.docker.compose.project=sh*", "--for=1h"}, "", []string{"* (everything)", "web", "label:com.docker.compose.project=sh*"}},
		{[]string{"release", "label:com.docker.compose.project=sh*"}, "", []string{"* (everything)", "web"}},
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
		if !strings.HasPrefix(stdout, row.says) || row.says == "" && strings.Contains(stdout, " no") {
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

// engineWith is an engine whose list has these names; the second is the service db
// of the compose project shop.
func engineWith(t *testing.T, names ...string) (host string) {
	t.Helper()
	return engineOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.52")
		if !strings.HasSuffix(r.URL.Path, "/containers/json") {
			return
		}
		list := []map[string]any{}
		for i, name := range names {
			labels := map[string]string{}
			if i == 1 {
				labels = map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "db"}
			}
			list = append(list, map[string]any{"Id": strings.Repeat(strconv.Itoa(i), 64), "Names": []string{"/" + name}, "State": "running", "Labels": labels})
		}
		_ = json.NewEncoder(w).Encode(list)
	}))
}

func TestHoldSaysWhatMatchesNoContainer(t *testing.T) {
	t.Setenv("DEFIB_RESTART_HOLD_FILE", filepath.Join(t.TempDir(), "holds"))
	host := "--docker.host=" + engineWith(t, "web", "shop-db-1")
	code, stdout, stderr := ended(t, "hold", "wbe", "we*", "shop/cache", "shop/db", "label:team", "label:com.docker.compose.service=d?", "--for=1h", host)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	if got, want := strings.Count(stdout, "matches no container"), 3; got != want ||
		!strings.Contains(stdout, "wbe matches no container on this host: is the name correct?\n") || !strings.Contains(stdout, "shop/cache matches no container") || !strings.Contains(stdout, "label:team matches no container") {
		t.Errorf("it says\n%s", stdout)
	}
	for _, host := range []string{noEngine(t), "--docker.host=nonsense"} {
		code, stdout, stderr := ended(t, "hold", "wbe", "--for=1h", host)
		if code != exitOK || stderr != "" || !strings.Contains(stdout, "wbe is on hold until") || !strings.Contains(stdout, "Could not check whether such containers exist: ") {
			t.Errorf("%s: exit code %d, %s%s", host, code, stdout, stderr)
		}
	}
}

func TestHoldSaysIfNoRunningDefibReadsItsFile(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "holds"), filepath.Join(dir, "other")
	const sentence = "No running Defib on this host reads "
	answer := func(file string) string {
		t.Helper()
		code, stdout, stderr := ended(t, "hold", "--for=1h", "--restart.hold-file="+file)
		if code != exitOK || stderr != "" || !strings.HasPrefix(stdout, "* (everything) is on hold until ") {
			t.Errorf("exit code %d, %s%s", code, stdout, stderr)
		}
		return stdout
	}
	want := sentence + file + ": is it the file of its --restart.hold-file?\n"
	if out := answer(file); !strings.HasSuffix(out, want) {
		t.Errorf("none runs: it says\n%s, want at its end\n%s", out, want)
	}
	p := start(t, noEngine(t), "--dry-run", "--restart.hold-file="+file)
	for deadline := time.Now().Add(limit); strings.Contains(answer(file), sentence); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not find the Defib that runs")
		}
	}
	if out := answer(other); !strings.Contains(out, sentence+other) {
		t.Errorf("one runs with another file: it says\n%s", out)
	}
	t.Chdir(dir)
	if out := answer("other"); !strings.Contains(out, sentence+other) {
		t.Errorf("it does not say which file that is:\n%s", out)
	}
	if code, out, _ := ended(t, "release", "--restart.hold-file="+other); code != exitOK || out != "Nothing is on hold.\n" {
		t.Errorf("release: exit code %d, %s", code, out)
	}
	p.term()
	p.exits(exitOK)
	if out := answer(file); !strings.HasSuffix(out, want) {
		t.Errorf("it has ended: it says\n%s", out)
	}
}

func TestHoldSaysWhyItCannotTellWhetherAnyDefibReadsItsFile(t *testing.T) {
	f := flags{policy: policy.Policy{HoldFile: "/nonexistent/holds"}} // it was there a moment ago
	var out strings.Builder
	f.tellUnread(t.Context(), &out)
	const want = "Could not check whether a running Defib reads /nonexistent/holds: open /nonexistent: no such file or directory.\n"
	if out.String() != want {
		t.Errorf("it says\n%s, want\n%s", out.String(), want)
	}
}

func TestLaw11HoldWorksBesideABrokenLineAndReleaseDoesNot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "holds")
	if err := os.WriteFile(file, []byte("# by hand\ndb 2999-01-01T00:00:00Z\nweb tomorrow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--restart.hold-file=" + file, noEngine(t)}
	code, stdout, stderr := ended(t, append([]string{"hold", "cache", "--for=1h"}, flags...)...)
	if code != exitFailure || !strings.Contains(stdout, "cache is on hold until ") || !strings.Contains(stdout, "No running Defib ") ||
		!strings.Contains(stderr, "the hold is set, but "+file+`: line 3: "web tomorrow": the time must be in the form`) || !strings.Contains(stderr, "Fix or delete that line") {
		t.Errorf("hold: exit code %d, %s%s", code, stdout, stderr)
	}
	before, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(before), "# by hand\ndb 2999-01-01T00:00:00Z\nweb tomorrow\ncache ") {
		t.Errorf("the file is %q, %v", before, err)
	}
	for _, args := range [][]string{{"release", "db"}, {"release"}} {
		code, stdout, stderr := ended(t, append(args, flags...)...)
		if code != exitFailure || stdout != "" || !strings.Contains(stderr, `nothing was released: `+file+`: line 3: "web tomorrow"`) {
			t.Errorf("%q: exit code %d, %s%s", args, code, stdout, stderr)
		}
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the file was %q and is %q, %v", before, after, err)
	}
}

func TestLaw12HoldAndReleaseEndThoughTheFileSystemHangs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "holds")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if f, err := os.OpenFile(file, os.O_RDWR, 0); err == nil { // which lets the readers in
			_ = f.Close()
		}
		// What goes on takes the place of the pipe, and must not outlive the directory.
		for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() {
				break
			}
		}
	})
	began := time.Now()
	code, stdout, stderr := ended(t, "hold", "web", "--for=1h", "--restart.hold-file="+file)
	if took := time.Since(began); code != exitFailure || stdout != "" || !strings.Contains(stderr, "does not respond") || took > 2*holdTimeout {
		t.Errorf("after %s: exit code %d, %s%s", took, code, stdout, stderr)
	}
}

func TestHoldRefusesWhatCannotWork(t *testing.T) {
	file := filepath.Join(t.TempDir(), "holds")
	refused(t, []string{"hold", "web"}, "required flag(s) '--for' not provided")
	refused(t, []string{"hold", "[a", "--for=0s"}, "--restart.hold-file: required: the file", "--for: 0s: must be greater than 0", `NAME: "[a"`)
	refused(t, []string{"hold", "--for=abc", "--restart.hold-file=" + file}, `--for: "abc": time: invalid duration "abc"`)
	refused(t, []string{"release"}, "--restart.hold-file: required: the file")
	refused(t, []string{"hold", "", "--for=1h", "--restart.hold-file=" + file}, "NAME: must not be empty")
	refused(t, []string{"hold", "web shop", "--for=1h", "--restart.hold-file=" + file}, `NAME: "web shop": a name cannot contain spaces: an entry matches whole names: use web,shop`)
	refused(t, []string{"hold", "label:", "label:a=b c", "--for=1h", "--restart.hold-file=" + file}, `NAME: "label:": must name a label`, `NAME: "label:a=b c": cannot contain spaces`)
	if code, _, stderr := ended(t, "hold", "web", "--for=1h", "--restart.hold-file="+file, "--webhook.token-file=/nonexistent/token", "--docker.timeout=abc"); code != exitOK {
		t.Errorf("flags that are not its business: exit code %d, %s", code, stderr)
	}
	code, _, stderr := ended(t, "hold", "web", "--for=1h", "--restart.hold-file=/nonexistent/holds")
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
