package collector_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/collector"
	"defib/engine"
)

func TestSeriesSayWhatIsKnownAndNoMore(t *testing.T) {
	const (
		health   = "docker_container_health"
		code     = "docker_container_exit_code"
		oom      = "docker_container_oom_killed"
		created  = "docker_container_created_timestamp_seconds"
		started  = "docker_container_started_timestamp_seconds"
		finished = "docker_container_finished_timestamp_seconds"
		restarts = "docker_container_restarts_total"
		outdated = "docker_container_image_outdated"
	)
	for name, row := range map[string]struct {
		container *engine.Container
		metrics   []string
		want      string
	}{
		"no health series without a health check": {
			container: alter(func(c *engine.Container) { c.HealthCheck, c.Health = false, engine.NoHealth }),
			metrics:   []string{health},
		},
		"a health check that has not ended yet is starting": {
			container: alter(func(c *engine.Container) { c.Health = engine.Starting }),
			metrics:   []string{health},
			want: `docker_container_health{name="token",status="healthy"} 0
docker_container_health{name="token",status="starting"} 1
docker_container_health{name="token",status="unhealthy"} 0
`,
		},
		"a container that runs may be unhealthy": {
			container: alter(func(c *engine.Container) { c.Health = engine.Unhealthy }),
			metrics:   []string{health, "docker_container_up"},
			want: `docker_container_health{name="token",status="healthy"} 0
docker_container_health{name="token",status="starting"} 0
docker_container_health{name="token",status="unhealthy"} 1
docker_container_up{name="token"} 1
`,
		},
		"one that is down has no health": {
			container: alter(func(c *engine.Container) { c.State, c.Health = engine.Exited, engine.NoHealth }),
			metrics:   []string{health},
			want: `docker_container_health{name="token",status="healthy"} 0
docker_container_health{name="token",status="starting"} 0
docker_container_health{name="token",status="unhealthy"} 0
`,
		},
		"one that never ran has neither start nor exit": {
			container: alter(func(c *engine.Container) {
				c.State, c.Started, c.Finished, c.Exit = engine.Created, time.Time{}, time.Time{}, engine.Exit{}
			}),
			metrics: []string{created, started, finished, code, oom},
			want:    "docker_container_created_timestamp_seconds{name=\"token\"} 1.7e+09\n",
		},
		"one that still has its first run has no exit": {
			container: alter(func(c *engine.Container) { c.Finished, c.Exit = time.Time{}, engine.Exit{} }),
			metrics:   []string{started, finished, code, oom},
			want:      "docker_container_started_timestamp_seconds{name=\"token\"} 1.7000003005e+09\n",
		},
		"an image that its name does not mean any more is outdated": {
			container: alter(func(c *engine.Container) { c.ImageStatus = engine.ImageOutdated }),
			metrics:   []string{outdated},
			want:      "docker_container_image_outdated{name=\"token\"} 1\n",
		},
		"an image that its name still means is not": {
			container: alter(func(c *engine.Container) { c.ImageStatus = engine.ImageCurrent }),
			metrics:   []string{outdated},
			want:      "docker_container_image_outdated{name=\"token\"} 0\n",
		},
		"of an image without a name nothing is known": {
			container: alter(func(c *engine.Container) { c.ImageStatus = engine.ImageUnknown }),
			metrics:   []string{outdated},
		},
		"a failed first start has the exit code that the engine gave it": {
			container: alter(func(c *engine.Container) {
				c.State, c.Error, c.Exit = engine.Created, "no such file", engine.Exit{Known: true, Code: 127}
				c.Started, c.Finished = time.Time{}, time.Time{}
			}),
			metrics: []string{started, finished, code, oom, "docker_container_exited", "docker_container_up"},
			want: `docker_container_exit_code{name="token"} 127
docker_container_exited{name="token"} 0
docker_container_oom_killed{name="token"} 0
docker_container_up{name="token"} 0
`,
		},
		"the last exit is kept while it runs again": {
			container: token(),
			metrics:   []string{code, oom, "docker_container_up"},
			want: `docker_container_exit_code{name="token"} 137
docker_container_oom_killed{name="token"} 1
docker_container_up{name="token"} 1
`,
		},
		"an exit with code 0 is an exit": {
			container: alter(func(c *engine.Container) { c.State, c.Exit = engine.Exited, engine.Exit{Known: true} }),
			metrics:   []string{code, oom},
			want: `docker_container_exit_code{name="token"} 0
docker_container_oom_killed{name="token"} 0
`,
		},
		"no restarts are 0": {
			container: alter(func(c *engine.Container) { c.RestartCount = 0 }),
			metrics:   []string{restarts},
			want:      "docker_container_restarts_total{name=\"token\"} 0\n",
		},
		"events that have not come are 0": {
			container: alter(func(c *engine.Container) { c.Events = engine.Counts{} }),
			metrics:   []string{"docker_container_events_total"},
			want: `docker_container_events_total{event="die",name="token"} 0
docker_container_events_total{event="kill",name="token"} 0
docker_container_events_total{event="oom",name="token"} 0
docker_container_events_total{event="start",name="token"} 0
docker_container_events_total{event="unhealthy",name="token"} 0
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := expose(t, newCollector(t, showing(snapshot(row.container)), nil), row.metrics...)
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLaw8ContainerThatCannotBeInspectedHasWhatAListTells(t *testing.T) {
	wedged := &engine.Container{
		ID: "0e", Name: "wedged", Image: "x", ImageID: "sha256:bb", State: engine.Running, Created: time.Unix(1700000000, 0),
	}
	want := `docker_container_created_timestamp_seconds{name="wedged"} 1.7e+09
docker_container_exited{name="wedged"} 0
docker_container_info{compose_project="",compose_service="",id="0e",image="x",image_id="sha256:bb",name="wedged",restart_policy=""} 1
docker_container_up{name="wedged"} 1
`
	var others []string
	for line := range strings.Lines(expose(t, newCollector(t, showing(snapshot(wedged)), nil))) {
		if strings.HasPrefix(line, "docker_container_") && !strings.Contains(line, "_state{") && !strings.Contains(line, "_events_total{") {
			others = append(others, line)
		}
	}
	if diff := cmp.Diff(want, strings.Join(others, "")); diff != "" {
		t.Error(diff)
	}
}

func TestLaw8OddLabelsFailNoScrape(t *testing.T) {
	odd := alter(func(c *engine.Container) {
		c.Image, c.RestartPolicy = "bad\xff\xfeimage", "\xc3"
		c.Labels = map[string]string{
			"bad": "\xa0\xa1", "é.ü": "🚑 \"quoted\" \\ and\nmore", "long": strings.Repeat("x", 1<<16),
			"com.docker.compose.project": "\x80",
		}
	})
	c := newCollector(t, showing(snapshot(odd)), []string{"bad", "é.ü", "\xff", ""})
	want := `docker_container_info{compose_project="�",compose_service="",id="4f1d",image="bad�image",image_id="sha256:aa",name="token",restart_policy="�"} 1
docker_container_labels{label_="",label__="",label____="🚑 \"quoted\" \\ and\nmore",label_bad="�",name="token"} 1
`
	// é, ü and what is no UTF-8 each become one underscore.
	got := expose(t, c, "docker_container_info", "docker_container_labels")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLabelsThatWouldCollideAreRefused(t *testing.T) {
	const compose = "com.docker.compose-project" // which is no other than a label that resources have by themselves
	for _, row := range []struct {
		labels string
		usage  collector.Stats
		want   string // the error
	}{
		{"team,a.b,a-b", nil, `container labels "a.b" and "a-b" map to the same metric label label_a_b`},
		{compose, newReadings(1), `container labels "com.docker.compose.project" and "` + compose + `" map to the same metric label container_label_com_docker_compose_project`},
		{compose, nil, "<nil>"},
	} {
		if _, err := collector.New(nil, row.usage, strings.Split(row.labels, ",")); fmt.Sprint(err) != row.want {
			t.Errorf("%s: error %v, want %s", row.labels, err, row.want)
		}
	}
}

func TestNoLabelsMetricUnlessLabelsAreSelected(t *testing.T) {
	if got := expose(t, newCollector(t, showing(snapshot(token())), nil), "docker_container_labels"); got != "" {
		t.Error(got)
	}
}

func TestDepartedNameKeepsItsCountersAndNothingElse(t *testing.T) {
	p := snapshot()
	p.Departed = []engine.Departed{{Name: "gone", Events: engine.Counts{engine.EventDie: 7}}}
	want := `docker_container_events_total{event="die",name="gone"} 7
docker_container_events_total{event="kill",name="gone"} 0
docker_container_events_total{event="oom",name="gone"} 0
docker_container_events_total{event="start",name="gone"} 0
docker_container_events_total{event="unhealthy",name="gone"} 0
docker_engine_info{api_version="1.52",arch="amd64",host="box",os="linux",version="29.0.1"} 1
docker_up 1
`
	if diff := cmp.Diff(want, expose(t, newCollector(t, showing(p), nil))); diff != "" {
		t.Error(diff)
	}
}
