package cli

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"

	"defib/engine/docker/call"

	"defib/stats"
)

// behind puts a socket proxy before an engine, which forbids what matches.
func behind(t *testing.T, s *stub, forbidden, words string) (host string) {
	t.Helper()
	pattern := regexp.MustCompile(forbidden)
	return engineOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pattern.MatchString(r.Method + " " + apiVersion.ReplaceAllString(r.URL.Path, "")) {
			http.Error(w, words, http.StatusForbidden)
			return
		}
		s.handler().ServeHTTP(w, r)
	}))
}

// checked runs defib check and makes its output easy to compare: one blank
// between words.
func checked(t *testing.T, wantCode int, args ...string) (out string) {
	t.Helper()
	code, stdout, stderr := ended(t, append([]string{"check"}, args...)...)
	if code != wantCode || (stderr == "") != (code == exitOK) {
		t.Errorf("%q: exit code %d, want %d: %s", args, code, wantCode, stderr)
	}
	for line := range strings.Lines(stdout) {
		out += strings.Join(strings.Fields(line), " ") + "\n"
	}
	return out
}

func says(t *testing.T, out string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(out, "\n"+line+"\n") && !strings.HasPrefix(out, line+"\n") {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}
}

func TestCheckTellsWhatWouldBeDoneAndDoesNothing(t *testing.T) {
	s := newStub(t)
	out := checked(t, exitOK, "--docker.host="+s.host, "--restart.whitelist=token,web-*,nobody", "--restart.stopped-delay=0s")
	says(t, out,
		"ENGINE "+s.host,
		"ok version 29.0.1, API 1.52, linux/amd64, host box",
		"ok ping GET /_ping", "ok start POST /containers/*/start", "ok restart POST /containers/*/restart",
		"ok token matches 1: token",
		"- web-* matches no container: is the name correct?",
		"- token exited (3) would be started: it is down",
	)
	if len(s.started) > 0 {
		t.Error("it started the container")
	}
}

func TestCheckTellsWhyAContainerWouldBeLeftAlone(t *testing.T) {
	s := newStub(t)
	holds := filepath.Join(t.TempDir(), "holds")
	if err := os.WriteFile(holds, []byte("token 2100-01-01T00:00:00Z\ntokne 2100-01-01T00:00:00Z\nexpired 2000-01-01T00:00:00Z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := "--docker.host=" + s.host
	says(t, checked(t, exitOK, host),
		"- --restart.whitelist is empty: only containers with the label defib.enable=true are healed",
		"- token exited (3) not whitelisted")
	says(t, checked(t, exitOK, host, "--restart.whitelist=token", "--restart.triggers=alert", "--restart.stopped-delay=0s"),
		"- token exited (3) left alone (trigger_disabled): the trigger is off (--restart.triggers, or its label defib.triggers): exited")
	out := checked(t, exitOK, host, "--restart.whitelist=token", "--restart.hold-file="+holds)
	says(t, out, "ok --restart.hold-file: 2 on hold", "ok token matches 1: token", "- tokne matches no container: is the name correct?")
	if !strings.Contains(out, "left alone (on_hold): it is on hold for maintenance (see defib hold and defib release); next check in ") {
		t.Error(out)
	}
}

func TestCheckTellsOfHowManyContainersResourcesCanBeRead(t *testing.T) {
	some := map[string]*stats.Usage{"a": {}, "b": {}}
	const where = "under /host/proc and /host/sys/fs/cgroup"
	for name, row := range map[string]struct {
		reading stats.Reading
		want    string
		faults  int
	}{
		"all":               {stats.Reading{Containers: some}, "ok 2 running containers can be read " + where, 0},
		"nothing to read":   {stats.Reading{}, "- no container runs: nothing to read " + where, 0},
		"not all, and why":  {stats.Reading{Containers: some, Unreadable: 1, Faults: []stats.Fault{"one"}}, "- 2 of 3 running containers can be read " + where + "\n- one", 0},
		"none, for reasons": {stats.Reading{Unreadable: 3, Faults: []stats.Fault{"one\n", "other"}}, "FAIL none of 3 running containers can be read " + where + "\n- one\n- other", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var text strings.Builder
			s := &report{Writer: tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)}
			s.resources(&row.reading, where)
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(text.String()) {
				got = append(got, strings.Join(strings.Fields(line), " "))
			}
			if d := diff(row.want, strings.Join(got, "\n")); d != "" || s.faults != row.faults {
				t.Errorf("%d faults, want %d: %s", s.faults, row.faults, d)
			}
		})
	}
}

func TestCheckReadsResourcesOnlyIfTheyAreWanted(t *testing.T) {
	host := "--docker.host=" + newStub(t).host
	if out := checked(t, exitOK, host); strings.Contains(out, "RESOURCES") {
		t.Error(out)
	}
	cgroups := t.TempDir()
	says(t, checked(t, exitOK, host, "--collector.resources", "--path.procfs=/", "--path.cgroupfs="+cgroups),
		"RESOURCES", "- no container runs: nothing to read under / and "+cgroups+" (cgroup none)")
}

func TestCheckTellsWhatIsRefusedAndWhatThatMeans(t *testing.T) {
	s := newStub(t)
	host := "--docker.host=" + behind(t, s, `^POST|/images/json|/info`, "<h1>403 Forbidden</h1>\nby\x1b[31m rules")
	refused := "refused by a socket proxy in front of the engine: Error response from daemon: <h1>403 Forbidden</h1> by [31m rules"

	out := checked(t, exitFailure, host, "--restart.whitelist=token")
	says(t, out,
		"ok version 29.0.1, API 1.52, linux/amd64, host unknown",
		"- images GET /images/json "+refused, "Without it docker_container_image_outdated is not exposed.",
		"FAIL start POST /containers/*/start "+refused, "Without it containers that are down are not started.",
		"FAIL restart POST /containers/*/restart "+refused)

	for _, args := range [][]string{{host}, {host, "--restart.whitelist=token", "--dry-run"}} {
		says(t, checked(t, exitOK, args...), "- start POST /containers/*/start "+refused, "- restart POST /containers/*/restart "+refused)
	}

	host = "--docker.host=" + behind(t, s, `^POST`, "authorization denied by plugin gate: no")
	says(t, checked(t, exitFailure, host, "--restart.whitelist=token"),
		"FAIL start POST /containers/*/start refused by an authorization plugin of the engine: Error response from daemon: authorization denied by plugin gate: no")
}

func TestCheckKnowsWhatEachCallIsFor(t *testing.T) {
	for name := range call.Requests {
		if without[name].lacks == "" {
			t.Errorf("it is not known what does not work without %s", name)
		}
	}
}

func TestCheckAsksForLogsOnlyIfTheyAreWanted(t *testing.T) {
	s := newStub(t)
	host := "--docker.host=" + behind(t, s, "/logs$", "no")
	if out := checked(t, exitOK, host); strings.Contains(out, "logs") {
		t.Error(out)
	}
	says(t, checked(t, exitOK, host, "--postmortem.log-lines=5"),
		"- logs GET /containers/*/logs refused by a socket proxy in front of the engine: Error response from daemon: no",
		"Without it what containers wrote before they died is not shown.")
}

func TestCheckTriesARecreationOnlyIfALabelAsksForOne(t *testing.T) {
	s := newStub(t)
	forbids := regexp.MustCompile("/create$")
	labelled := engineOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			w.Header().Set("Api-Version", "1.52")
			fmt.Fprintf(w, `[{"Id": %q, "Names": ["/token"], "State": "exited", "Labels": {"defib.recreate": "true"}}]`, strings.Repeat("4f", 32))
		case forbids.MatchString(r.URL.Path):
			http.Error(w, "no", http.StatusForbidden)
		default:
			s.handler().ServeHTTP(w, r)
		}
	}))
	if out := checked(t, exitOK, "--docker.host="+s.host, "--restart.whitelist=token"); strings.Contains(out, "create") {
		t.Error(out)
	}
	says(t, checked(t, exitFailure, "--docker.host="+labelled, "--restart.whitelist=token"),
		"FAIL create POST /containers/create refused by a socket proxy in front of the engine: Error response from daemon: no",
		"Without it containers that lost the one whose network they share are not re-created.",
		"ok rename POST /containers/*/rename", "ok update POST /containers/*/update", "ok stop POST /containers/*/stop", "ok remove DELETE /containers/*")
	if out := checked(t, exitOK, "--docker.host="+labelled); strings.Contains(out, "create") {
		t.Error(out) // it is not whitelisted
	}
}

func TestCheckFailsWhereDefibWouldSeeNothing(t *testing.T) {
	s := newStub(t)
	for _, call := range []string{"version", "containers/json", "events"} {
		out := checked(t, exitFailure, "--docker.host="+behind(t, s, call+"$", "no"))
		says(t, out, "Without it Defib cannot see any container.")
		if strings.Contains(out, "CONTAINERS") {
			t.Errorf("%s: it speaks of containers:\n%s", call, out)
		}
	}
	out := checked(t, exitFailure, "--docker.host="+behind(t, s, "containers/[0-9a-f]+/json$", "no"), "--restart.whitelist=token")
	says(t, out, "- token exited left alone (not_inspected): the engine does not answer when it is inspected")

	var lists atomic.Int32
	fails := engineOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/containers/json") && lists.Add(1) > 1 {
			http.Error(w, "no more", http.StatusInternalServerError)
			return
		}
		s.handler().ServeHTTP(w, r)
	}))
	out = checked(t, exitFailure, "--docker.host="+fails, "--docker.timeout=1s")
	if says(t, out, "ok list GET /containers/json"); !strings.Contains(out, "FAIL the engine is unavailable: no snapshot") {
		t.Error(out)
	}

	out = checked(t, exitFailure, noEngine(t))
	if !strings.Contains(out, "FAIL ping GET /_ping ") || !strings.Contains(out, "no such socket: is Docker running on this host?") || strings.Contains(out, "GET /version") {
		t.Error(out)
	}
}

func TestCheckTellsEveryMistakeOfTheSettings(t *testing.T) {
	s := newStub(t)
	holds := filepath.Join(t.TempDir(), "holds")
	if err := os.WriteFile(holds, []byte("token tomorrow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := "--docker.host=" + s.host
	says(t, checked(t, exitFailure, host, "--webhook.token-file=/nonexistent/token", "--restart.policy=sometimes"),
		"FAIL --webhook.token-file: open /nonexistent/token: no such file or directory",
		`FAIL --restart.policy: unknown policy "sometimes": must be always, unless-stopped or on-failure`,
		"ok list GET /containers/json")
	says(t, checked(t, exitFailure, host, "--restart.hold-file="+holds),
		fmt.Sprintf(`FAIL --restart.hold-file: %s: line 1: "token tomorrow": the time must be in the form 2026-01-02T15:04:05Z`, holds),
		"If Defib started now, it would hold everything until this is fixed.")
	out := checked(t, exitFailure, "--docker.host=ssh://box", "--docker.timeout=0s")
	if !strings.Contains(out, `FAIL --docker.host: engine address "ssh://box": ssh:// is not supported`) || strings.Contains(out, "ENGINE") {
		t.Error(out)
	}
}
