package collector_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"defib/collector"
	"defib/engine"
	"defib/internal/exposition"
)

// token is a container of which everything is known.
func token() *engine.Container {
	return &engine.Container{
		ID: "4f1d", Name: "token", Image: "shop/token:2", ImageID: "sha256:aa", Inspected: true,
		Labels: map[string]string{
			"com.docker.compose.project": "shop", "com.docker.compose.service": "auth", "team": "core", "a.b/c": "é\"\n\\",
		},
		State: engine.Running, HealthCheck: true, Health: engine.Healthy, RestartCount: 3, RestartPolicy: "on-failure",
		Created: time.Unix(1700000000, 0), Started: time.Unix(1700000300, 5e8), Finished: time.Unix(1700000200, 0),
		Exit:   engine.Exit{Known: true, Code: 137, OOMKilled: true},
		Events: engine.Counts{engine.EventDie: 2, engine.EventOOM: 1, engine.EventStart: 4, engine.EventKill: 5, engine.EventUnhealthy: 6},
	}
}

// alter returns token changed by f.
func alter(f func(c *engine.Container)) *engine.Container {
	c := token()
	f(c)
	return c
}

func snapshot(cs ...*engine.Container) *engine.Snapshot {
	slices.SortFunc(cs, func(a, b *engine.Container) int { return strings.Compare(a.ID, b.ID) })
	return &engine.Snapshot{
		Connected: true, Host: "box", Version: "29.0.1", APIVersion: "1.52", OS: "linux", Arch: "amd64", Containers: cs,
	}
}

func showing(p *engine.Snapshot) func() (*engine.Snapshot, error) {
	return func() (*engine.Snapshot, error) { return p, nil }
}

func newCollector(t testing.TB, up func() (*engine.Snapshot, error), labels []string, parts ...exposition.Source) *collector.Collector {
	t.Helper()
	c, err := collector.New(up, nil, labels, parts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// expose returns the series of these metrics, all if none is named, as text
// without comments.
func expose(t *testing.T, c prometheus.Collector, names ...string) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text, series strings.Builder
	for _, f := range families {
		if len(names) > 0 && !slices.Contains(names, f.GetName()) {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "#") {
			series.WriteString(line)
		}
	}
	return series.String()
}

const golden = `
# HELP docker_container_created_timestamp_seconds When the container was created, in Unix time.
# TYPE docker_container_created_timestamp_seconds gauge
docker_container_created_timestamp_seconds{name="token"} 1.7e+09
# HELP docker_container_events_total Events of the container since Defib started.
# TYPE docker_container_events_total counter
docker_container_events_total{event="die",name="token"} 2
docker_container_events_total{event="kill",name="token"} 5
docker_container_events_total{event="oom",name="token"} 1
docker_container_events_total{event="start",name="token"} 4
docker_container_events_total{event="unhealthy",name="token"} 6
# HELP docker_container_exit_code Exit code of the last known exit, kept while the container runs again.
# TYPE docker_container_exit_code gauge
docker_container_exit_code{name="token"} 137
# HELP docker_container_exited 1 while the state of the container is exited.
# TYPE docker_container_exited gauge
docker_container_exited{name="token"} 0
# HELP docker_container_finished_timestamp_seconds When the container last exited, in Unix time.
# TYPE docker_container_finished_timestamp_seconds gauge
docker_container_finished_timestamp_seconds{name="token"} 1.7000002e+09
# HELP docker_container_health 1 for the current result of the health check; all 0 unless the container runs.
# TYPE docker_container_health gauge
docker_container_health{name="token",status="healthy"} 1
docker_container_health{name="token",status="starting"} 0
docker_container_health{name="token",status="unhealthy"} 0
# HELP docker_container_info Information about the container.
# TYPE docker_container_info gauge
docker_container_info{compose_project="shop",compose_service="auth",id="4f1d",image="shop/token:2",image_id="sha256:aa",name="token",restart_policy="on-failure"} 1
# HELP docker_container_labels Labels of the container that --collector.container-labels selects.
# TYPE docker_container_labels gauge
docker_container_labels{label_a_b_c="é\"\n\\",label_absent="",label_team="core",name="token"} 1
# HELP docker_container_oom_killed 1 if the last known exit was an out-of-memory kill.
# TYPE docker_container_oom_killed gauge
docker_container_oom_killed{name="token"} 1
# HELP docker_container_restarts_total Restarts by the engine's own restart policy; reset when the container is started by anybody else.
# TYPE docker_container_restarts_total counter
docker_container_restarts_total{name="token"} 3
# HELP docker_container_started_timestamp_seconds When the container was last started, in Unix time.
# TYPE docker_container_started_timestamp_seconds gauge
docker_container_started_timestamp_seconds{name="token"} 1.7000003005e+09
# HELP docker_container_state 1 for the state that the container is in.
# TYPE docker_container_state gauge
docker_container_state{name="token",state="created"} 0
docker_container_state{name="token",state="dead"} 0
docker_container_state{name="token",state="exited"} 0
docker_container_state{name="token",state="paused"} 0
docker_container_state{name="token",state="removing"} 0
docker_container_state{name="token",state="restarting"} 0
docker_container_state{name="token",state="running"} 1
# HELP docker_container_up 1 while the container runs (not paused, not restarting).
# TYPE docker_container_up gauge
docker_container_up{name="token"} 1
# HELP docker_engine_info Information about the engine.
# TYPE docker_engine_info gauge
docker_engine_info{api_version="1.52",arch="amd64",host="box",os="linux",version="29.0.1"} 1
# HELP docker_up 1 if the engine responds and the snapshot of its containers is current.
# TYPE docker_up gauge
docker_up 1
`

func TestContainerOfWhichAllIsKnownHasEverySeries(t *testing.T) {
	c := newCollector(t, showing(snapshot(token())), []string{"team", "a.b/c", "absent"})
	if err := testutil.CollectAndCompare(c, strings.NewReader(golden)); err != nil {
		t.Errorf("- is what the collector has, + what golden says:\n%s", err)
	}
}

func TestEngineWithoutContainersIsUp(t *testing.T) {
	want := `docker_engine_info{api_version="1.52",arch="amd64",host="box",os="linux",version="29.0.1"} 1
docker_up 1
`
	if diff := cmp.Diff(want, expose(t, newCollector(t, showing(snapshot()), nil))); diff != "" {
		t.Error(diff)
	}
}

func TestUpExitedAndStateFollowEveryState(t *testing.T) {
	for _, state := range engine.States {
		t.Run(string(state), func(t *testing.T) {
			c := newCollector(t, showing(snapshot(alter(func(c *engine.Container) { c.State = state }))), nil)
			bit := func(s engine.State) string {
				if s == state {
					return " 1\n"
				}
				return " 0\n"
			}
			want := `docker_container_exited{name="token"}` + bit(engine.Exited)
			for _, s := range slices.Sorted(slices.Values(engine.States)) {
				want += `docker_container_state{name="token",state="` + string(s) + `"}` + bit(s)
			}
			want += `docker_container_up{name="token"}` + bit(engine.Running)
			got := expose(t, c, "docker_container_up", "docker_container_exited", "docker_container_state")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNamesAreAsPromlintWantsThem(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(t, showing(snapshot(token())), []string{"team"}))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
