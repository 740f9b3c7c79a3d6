package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	"defib/restarter/outcome"
)

func TestDecodeReadsWhatAlertmanagerSends(t *testing.T) {
	want := map[string][]string{
		"single-firing":             {"firing"},
		"group-two-firing":          {"firing", "firing"},
		"group-firing-and-resolved": {"firing", "resolved"},
	}
	for name, statuses := range want {
		files, err := filepath.Glob("testdata/alertmanager/*/" + name + ".json")
		if err != nil || len(files) != 2 {
			t.Fatalf("recordings of %s: %v, %v; want one of 0.25 and one of 0.34", name, files, err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := decode(body)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			var got []string
			for _, a := range p.Alerts {
				got = append(got, a.Status)
				if a.Labels["alertname"] == "" || a.StartsAt.IsZero() || len(a.Fingerprint) != 16 {
					t.Errorf("%s: %+v lacks a name, a beginning or a fingerprint", file, a)
				}
			}
			if diff := cmp.Diff(statuses, got); diff != "" {
				t.Errorf("%s: %s", file, diff)
			}
		}
	}
}

func TestDecodeRefusesWhatIsNoPayload(t *testing.T) {
	for _, body := range []string{``, `{`, `[]`, `"x"`, `{}`, `{"version":"5","alerts":[]}`, `{"version":"4","alerts":{}}`, `{"version":"4","alerts":[{"labels":[]}]}`} {
		if _, err := decode([]byte(body)); err == nil {
			t.Errorf("%s was taken for a payload", body)
		}
	}
	for _, body := range []string{`{"version":"4"}`, `{"version":"1","alerts":[{"status":"firing","labels":null,"new":{}}],"orgId":1,"state":"alerting"}`} {
		if _, err := decode([]byte(body)); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestTheNumberOfAlertsLeftOutMayBeWrittenAnyhow(t *testing.T) {
	for text, want := range map[string]float64{
		`0`: 0, `3`: 3, `3.0`: 3, `"3"`: 3, `" 3 "`: 3, `-1`: 0, `null`: 0, `""`: 0, `"many"`: 0, `[]`: 0, `{}`: 0, `true`: 0,
		`18446744073709551615`: 1 << 64, `1e999`: 0, `"Inf"`: 0, `"NaN"`: 0,
	} {
		p, err := decode([]byte(`{"version":"4","truncatedAlerts":` + text + `,"alerts":[{}]}`))
		if got := p.truncated(); err != nil || got != want || len(p.Alerts) != 1 {
			t.Errorf("%s: %v, %v, %d alerts; want %v", text, got, err, len(p.Alerts), want)
		}
	}
}

var (
	sixtyFour = strings.Repeat("0123456789abcdef", 4)
	another   = strings.Repeat("ab", 32)
)

func TestTarget(t *testing.T) {
	p := SnapshotOf(Up(sixtyFour, "web"), Up(another, "batch-1"), Up("0123456789ab"+strings.Repeat("f", 52), "twin"))
	for _, row := range []struct {
		name   string
		labels map[string]string
		want   string // a container's name or an outcome
	}{
		{"a full id", map[string]string{"id": sixtyFour}, "web"},
		{"a full id as container_id", map[string]string{"container_id": another}, "batch-1"},
		{"container_id comes before id", map[string]string{"container_id": another, "id": sixtyFour}, "batch-1"},
		{"a short id", map[string]string{"id": another[:12]}, "batch-1"},
		{"an id too short to be one", map[string]string{"id": another[:11], "name": "web"}, "web"},
		{"a short id that means two", map[string]string{"id": "0123456789ab", "name": "web"}, "gone"},
		{"cAdvisor's id", map[string]string{"id": "/docker/" + sixtyFour, "name": "web", "image": "nginx"}, "web"},
		{"cAdvisor's id under systemd", map[string]string{"id": "/system.slice/docker-" + sixtyFour + ".scope"}, "web"},
		{"Podman's cgroup", map[string]string{"id": "/machine.slice/libpod-" + another + ".scope"}, "batch-1"},
		{"a cgroup within the container's own", map[string]string{"id": "/docker/" + sixtyFour + "/init", "name": "web"}, "web"},
		{"systemd's scope within the container's own cgroup", map[string]string{"id": "/docker/" + sixtyFour + "/init.scope"}, "web"},
		{"a service within the container's own cgroup", map[string]string{"id": "/system.slice/docker-" + sixtyFour + ".scope/system.slice/cron.service"}, "web"},
		{"a slash at the end", map[string]string{"id": "/docker/" + sixtyFour + "/"}, "web"},
		{"a container of an engine within a container", map[string]string{"id": "/docker/" + sixtyFour + "/docker/" + strings.Repeat("9", 64), "name": "web"}, "gone"},
		{"the same under systemd", map[string]string{"id": "/docker/" + sixtyFour + "/system.slice/docker-" + strings.Repeat("9", 64) + ".scope"}, "gone"},
		{"an id of this engine within another's", map[string]string{"id": "/docker/" + strings.Repeat("9", 64) + "/docker/" + sixtyFour + "/init"}, "web"},
		{"blanks around an id", map[string]string{"id": "  /docker/" + sixtyFour + "\n"}, "web"},
		{"blanks around a name", map[string]string{"name": "\tweb "}, "web"},
		{"blanks before a slash", map[string]string{"name": " /web"}, "web"},
		{"nothing but blanks", map[string]string{"container": "  ", "name": "web"}, "web"},
		{"a name that ends like an id", map[string]string{"id": "web-0123456789ab", "name": "web"}, "web"},
		{"a UUID is no id", map[string]string{"id": "f47ac10b-58cc-4372-a56f-0e02b2c3d479", "container": "web"}, "web"},
		{"cAdvisor's root cgroup", map[string]string{"id": "/"}, "no_target"},
		{"a service's cgroup", map[string]string{"id": "/system.slice/ssh.service"}, "no_target"},
		{"an id of another host never falls back to the name", map[string]string{"id": "/docker/" + strings.Repeat("9", 64), "name": "web"}, "gone"},
		{"docker-exporter's name", map[string]string{"name": "web"}, "web"},
		{"a name with a slash", map[string]string{"name": "/web"}, "web"},
		{"container comes before name", map[string]string{"container": "batch-1", "name": "web"}, "batch-1"},
		{"container_name", map[string]string{"container_name": "batch-1", "name": "web"}, "batch-1"},
		{"a full id as name", map[string]string{"name": sixtyFour}, "web"},
		{"a full id of another host as name", map[string]string{"name": strings.Repeat("9", 64)}, "gone"},
		{"a name that nobody has", map[string]string{"name": "nobody"}, "not_found"},
		{"part of a name", map[string]string{"name": "we"}, "not_found"},
		{"an empty name", map[string]string{"name": ""}, "no_target"},
		{"no labels", nil, "no_target"},
		{"odd text", map[string]string{"name": "w\x00eb\xff\u202e"}, "not_found"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cs, o := Alert{Labels: row.labels}.target().Find(p)
			got := string(o.Outcome)
			for _, c := range cs {
				got += c.Name
			}
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

// Grafana sends these with all labels of the rule when it could not evaluate it.
func TestAnAlertOnARuleThatGrafanaCouldNotEvaluateAsksForNothing(t *testing.T) {
	for _, row := range []struct {
		name, alertname, reason string
		want                    outcome.Outcome
	}{
		{"an error, as Grafana sends it", "DatasourceError", "Error", outcome.NotEvaluated},
		{"no data, as Grafana sends it", "DatasourceNoData", "NoData", outcome.NotEvaluated},
		{"by its name alone", "DatasourceError", "", outcome.NotEvaluated},
		{"by the annotation alone", "Slow", "NoData", outcome.NotEvaluated},
		{"an error, by the annotation alone", "Slow", "Error", outcome.NotEvaluated},
		{"with another reason after it", "Slow", "NoData, KeepLast", outcome.NotEvaluated},
		{"with another reason before it", "Slow", "KeepLast,Error", outcome.NotEvaluated},
		{"with blanks and in other letters", " datasourcenodata ", "", outcome.NotEvaluated},
		{"the annotation with blanks and in other letters", "Slow", " no data ", outcome.NotEvaluated},
		{"the annotation with underscores", "Slow", "NO_DATA", outcome.NotEvaluated},
		{"a rule that was evaluated", "Slow", "", ""},
		{"a rule that was updated", "Slow", "Updated", ""},
		{"a name that only begins so", "DatasourceErrorRate", "", ""},
		{"KeepLast alone", "Slow", "KeepLast", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := Alert{Status: "firing", Labels: map[string]string{"alertname": row.alertname, LabelHeal: "restart", "container": "web"}}
			a.Annotations = map[string]string{"grafana_state_reason": row.reason}
			if _, got := a.action(nil); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			a.Labels[LabelHeal] = ""
			if _, got := a.action(nil); got != outcome.NoAction {
				t.Errorf("without heal: got %q, want %q", got, outcome.NoAction)
			}
		})
	}
}

func TestAnAnswerWithoutATargetSaysWhatWasSought(t *testing.T) {
	p := SnapshotOf(Up(sixtyFour, "web"))
	nine := strings.Repeat("9", 64)
	for _, row := range []struct {
		name   string
		labels map[string]string
		want   []string
	}{
		{"a name", map[string]string{"container_name": "nobody"}, []string{`container_name="nobody"`}},
		{"an id", map[string]string{"id": "/docker/" + nine}, []string{`id="/docker/` + nine + `"`}},
		{"an id as name", map[string]string{"name": nine}, []string{`name="` + nine + `"`}},
		{"an id that is none", map[string]string{"id": "/system.slice/ssh.service"}, []string{`id="/system.slice/ssh.service" contains no container ID`}},
		{"a label that Prometheus renamed", map[string]string{"exported_container": "web"}, []string{`exported_container="web"`, "honor_labels"}},
		{"a name, and one that Prometheus renamed", map[string]string{"name": "exporter", "exported_name": "web"}, []string{`name="exporter"`, `exported_name="web"`, "honor_labels"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cs, none := Alert{Labels: row.labels}.target().Find(p)
			for _, want := range row.want {
				if cs != nil || !strings.Contains(none.Detail, want) {
					t.Errorf("%v, %+v: want %s", cs, none, want)
				}
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/alertmanager/*/*.json")
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	p := SnapshotOf(Up(sixtyFour, "web"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sent, err := decode(body)
		if err != nil {
			return
		}
		for _, a := range sent.Alerts {
			checkTarget(t, p, a)
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add("/docker/"+sixtyFour, "web")
	f.Add(sixtyFour[:12], "")
	f.Add("docker-"+sixtyFour+".scope", "/x")
	f.Add("/system.slice/docker-"+sixtyFour+".scope", "\xff\xfe")
	f.Add(sixtyFour[:11], "w\x00eb")
	f.Add(sixtyFour[:12]+"\xc3", "")
	p := SnapshotOf(Up(sixtyFour, "web"))
	f.Fuzz(func(t *testing.T, id, name string) {
		checkTarget(t, p, Alert{Status: "firing", Labels: map[string]string{"id": id, "name": name, LabelHeal: "restart"}})
	})
}

// checkTarget checks that a container is chosen only if the labels hold its name
// or the beginning of its ID.
func checkTarget(t *testing.T, p *engine.Snapshot, a Alert) {
	cs, o := a.target().Find(p)
	if (len(cs) == 0) == (o.Outcome == "") {
		t.Fatalf("containers %v and outcome %q", cs, o.Outcome)
	}
	if len(cs) == 0 {
		return
	}
	c := cs[0]
	for _, v := range a.Labels {
		if strings.TrimPrefix(strings.TrimSpace(v), "/") == c.Name || strings.Contains(v, c.ID[:12]) {
			return
		}
	}
	t.Fatalf("labels %q chose %s", a.Labels, c.ID)
}

func TestAnAlertWithTenThousandLabelsIsJudgedLikeAnyOther(t *testing.T) {
	labels := map[string]string{"name": "web", LabelHeal: "restart"}
	for i := range 10000 {
		labels[fmt.Sprintf("l%d", i)] = "v"
	}
	body, err := json.Marshal(payload{Version: "4", Alerts: []Alert{{Status: "firing", Labels: labels}}})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := decode(body)
	if err != nil {
		t.Fatal(err)
	}
	if cs, _ := sent.Alerts[0].target().Find(SnapshotOf(Up("a1", "web"))); len(cs) != 1 || cs[0].Name != "web" {
		t.Errorf("got %v", cs)
	}
}

func TestWebhookMatchKeepsOtherHostsOut(t *testing.T) {
	m, err := ParseMatch(" docker_host = alpha=1 ")
	if err != nil || m != (Match{"docker_host", "alpha=1"}) {
		t.Errorf("got %v, %v", m, err)
	}
	for host, want := range map[string]outcome.Outcome{"alpha=1": "", "beta": outcome.OtherHost, "": outcome.OtherHost} {
		if _, got := (Alert{Status: "firing", Labels: map[string]string{LabelHeal: "restart", "docker_host": host}}).action([]Match{m}); got != want {
			t.Errorf("docker_host %q: %q, want %q", host, got, want)
		}
	}
	for _, bad := range []string{"", "x", "=x", "x=", "x= ", " =x"} {
		if _, err := ParseMatch(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestAnyNumberOfAlertsIsReadInLittleMemory(t *testing.T) {
	body := []byte(`{"version":"4","alerts":[` + strings.Repeat("{},", 339_999) + "{}]}")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decode(body)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, errTooMany) {
		t.Errorf("got %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20 {
		t.Errorf("reading it took %d bytes, want 2 MiB at most", used)
	}
}
