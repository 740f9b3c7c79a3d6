package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-units"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var recordedEngines = []string{"docker-20.10", "docker-29", "podman-4.3"}

// recorded reads a file of a recording of a live engine.
func recorded[T any](t *testing.T, engine, file string) (v T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", engine, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s/%s: %v", engine, file, err)
	}
	return v
}

// sameContainer compares what is exported, and the signal that stops it.
var sameContainer = cmp.Options{cmp.AllowUnexported(Container{}), cmpopts.EquateEmpty()}

func stamped(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestInspectsOfEveryEngineAreRead(t *testing.T) {
	shop := map[string]string{labelProject: "shop", labelService: "crash"}
	for _, tc := range []struct {
		engine, file string
		want         Container
	}{
		{"docker-20.10", "crash", Container{
			ID: "78c6eedf99de431192be226f38028f8dd2935f45a79a22afacbe8483f53d946b", Name: "crash", Image: "victim", Labels: shop,
			State: Exited, Exit: Exit{Known: true, Code: 3}, RestartPolicy: "no",
			Created: stamped(t, "2026-11-23T04:54:37.828045761Z"), Started: stamped(t, "2026-11-23T04:54:38.026300222Z"), Finished: stamped(t, "2026-11-23T04:54:39.027681927Z"),
		}},
		{"docker-20.10", "oom", Container{
			Name: "oom", Image: "victim",
			State: Exited, Exit: Exit{Known: true, Code: 137, OOMKilled: true}, RestartPolicy: "no",
			Created: stamped(t, "2026-11-23T04:54:52.31913775Z"), Started: stamped(t, "2026-11-23T04:54:52.49453102Z"), Finished: stamped(t, "2026-11-23T04:54:53.512870625Z"),
		}},
		{"docker-20.10", "created", Container{
			Name: "created", Image: "victim", State: Created, RestartPolicy: "no", Created: stamped(t, "2026-11-23T04:55:07.568512086Z"),
		}},
		{"docker-20.10", "restarting", Container{
			Name: "restarting", Image: "victim",
			State: Restarting, Exit: Exit{Known: true, Code: 1}, RestartCount: 7, RestartPolicy: "always",
			Created: stamped(t, "2026-11-23T04:55:07.597623706Z"), Started: stamped(t, "2026-11-23T04:55:15.215727062Z"), Finished: stamped(t, "2026-11-23T04:55:15.245128458Z"),
		}},
		{"docker-29", "loop", Container{
			Name: "loop", Image: "victim", State: Exited, Exit: Exit{Known: true, Code: 5}, RestartCount: 2, RestartPolicy: "on-failure",
			Created: stamped(t, "2026-11-23T04:55:27.624890769Z"), Started: stamped(t, "2026-11-23T04:55:28.167318712Z"), Finished: stamped(t, "2026-11-23T04:55:28.254650717Z"),
		}},
		{"docker-29", "paused", Container{
			Name: "paused", Image: "victim", State: Paused, RestartPolicy: "no",
			Created: stamped(t, "2026-11-23T04:55:45.335733629Z"), Started: stamped(t, "2026-11-23T04:55:45.357254511Z"),
		}},
		{"docker-29", "sick", Container{
			Name: "sick", Image: "victim:health", State: Running, HealthCheck: true, Health: Unhealthy, HealthOutput: "sick", RestartPolicy: "no",
			Created: stamped(t, "2026-11-23T04:55:34.893339108Z"), Started: stamped(t, "2026-11-23T04:55:49.748956392Z"), Finished: stamped(t, "2026-11-23T04:55:41.037631862Z"),
		}},
		{"docker-29", "shop-web", Container{
			Name: "shop-web", Image: "victim", State: Running, RestartPolicy: "unless-stopped",
			Created: stamped(t, "2026-11-23T04:55:19.534794895Z"), Started: stamped(t, "2026-11-23T04:55:23.014291586Z"), Finished: stamped(t, "2026-11-23T04:55:22.984579402Z"),
		}},
		{"docker-29", "kid", Container{
			Name: "kid", Image: "victim", State: Running, RestartPolicy: "no",
			Parents: []Parent{{Network, "92ca52fc774dc338b3717129aebe781656bcafa9da9d644bd334776c72fa8f5e"}},
			Created: stamped(t, "2026-11-23T04:55:45.627411332Z"), Started: stamped(t, "2026-11-23T04:55:45.653826063Z"),
		}},
		{"podman-4.3", "restarting", Container{ // "stopped" is Podman's word
			Name: "restarting", Image: "docker.io/library/victim:latest", State: Exited, Exit: Exit{Known: true, Code: 1},
			RestartCount: 73, RestartPolicy: "always", stopSignal: 15,
			Created: stamped(t, "2026-11-23T04:56:22.906472328Z"), Started: stamped(t, "2026-11-23T04:56:30.513681835Z"), Finished: stamped(t, "2026-11-23T04:56:30.511545093Z"),
		}},
		{"podman-4.3", "up", Container{ // whose health status is "" without a health check
			Name: "up", Image: "docker.io/library/victim:latest", State: Running, RestartPolicy: "no", stopSignal: 15,
			Created: stamped(t, "2026-11-23T04:56:22.665037136Z"), Started: stamped(t, "2026-11-23T04:56:22.738106252Z"),
		}},
	} {
		t.Run(tc.engine+"/"+tc.file, func(t *testing.T) {
			in := recorded[container.InspectResponse](t, tc.engine, "inspect-"+tc.file+".json")
			got := fromInspect(in)
			tc.want.Inspected, tc.want.ID, tc.want.ImageID = true, in.ID, in.Image
			if tc.engine != "podman-4.3" { // which says 0
				tc.want.StopTimeout = 10 * time.Second
			}
			tc.want.command = append([]string{in.Path}, in.Args...)
			tc.want.imageName = "docker.io/library/victim:latest"
			if strings.HasSuffix(tc.want.Image, ":health") {
				tc.want.imageName = "docker.io/library/victim:health"
			}
			if diff := cmp.Diff(&tc.want, got, sameContainer); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// An inspect that lacks its parts, as proxies and other engines make them, is
// read as far as it goes.
func TestPartialInspectsAreRead(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"Id":"a"}`, `{"Id":"a","State":null,"Config":null,"HostConfig":null}`,
		`{"Id":"a","State":{"Status":"running","Health":null},"Config":{},"HostConfig":{}}`,
	} {
		var in container.InspectResponse
		if err := json.Unmarshal([]byte(text), &in); err != nil {
			t.Fatal(err)
		}
		if c := fromInspect(in); !c.Inspected || c.RestartPolicy != "no" {
			t.Errorf("%s: %+v", text, c)
		}
	}
	if c := fromInspect(container.InspectResponse{}); c.ID != "" {
		t.Errorf("%+v", c)
	}
}

func TestTheLastLineOfAHealthCheckIsKept(t *testing.T) {
	run := func(output string) *container.HealthcheckResult { return &container.HealthcheckResult{Output: output} }
	for want, log := range map[string][]*container.HealthcheckResult{
		"":                             nil,
		"503":                          {run("connection refused"), run("503\n")},
		"gave up":                      {run("trying\r\n  gave up  \r\n\n")},
		strings.Repeat("x", maxOutput): {run("y\n" + strings.Repeat("x", 4096))},
		"odd":                          {run("odd\xff")},
	} {
		if got := lastLine(log); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHealthCountsOnlyWhileItRuns(t *testing.T) {
	in := recorded[container.InspectResponse](t, "docker-29", "inspect-sick.json")
	in.State.Status, in.State.Running = container.StateExited, false
	if c := fromInspect(in); !c.HealthCheck || c.Health != NoHealth {
		t.Errorf("exited: check %v, health %q; want true and none", c.HealthCheck, c.Health)
	}
}

// The list and the inspects of a recording tell of the same containers.
func TestListsOfEveryEngineAreRead(t *testing.T) {
	for _, engine := range recordedEngines {
		for _, s := range recorded[[]container.Summary](t, engine, "list.json") {
			got := fromSummary(s)
			t.Run(engine+"/"+got.Name, func(t *testing.T) {
				want := fromInspect(recorded[container.InspectResponse](t, engine, "inspect-"+got.Name+".json"))
				if got.Inspected {
					t.Error("a list is not an inspect")
				}
				// A list knows the second only, Podman's list writes the id of
				// the image otherwise, and its "restarting" is what is caught.
				want.Created = want.Created.Truncate(time.Second)
				if engine == "podman-4.3" && got.Name == "restarting" {
					want.State = got.State
				}
				known := &Container{
					ID: want.ID, Name: want.Name, Image: want.Image, ImageID: want.ImageID, Labels: want.Labels, State: want.State, Created: want.Created,
				}
				if diff := cmp.Diff(known, got, sameContainer); diff != "" {
					t.Errorf("-inspect +list:\n%s", diff)
				}
				if engine != "podman-4.3" && differs(fromInspect(recorded[container.InspectResponse](t, engine, "inspect-"+got.Name+".json")), s) {
					t.Error("the list is taken to contradict the inspect")
				}
			})
		}
	}
}

func TestSummaryName(t *testing.T) {
	for _, tc := range []struct {
		names []string
		want  string
	}{
		{[]string{"/web"}, "web"},
		{[]string{"/shop/db", "/db"}, "db"}, // an alias by a link
		{[]string{"/shop/db"}, ""},
		{nil, ""},
	} {
		if got := summaryName(tc.names); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.names, got, tc.want)
		}
	}
}

func TestDiffers(t *testing.T) {
	up := Container{Name: "web", State: Running, HealthCheck: true, Health: Healthy}
	down := Container{Name: "web", State: Exited, Exit: Exit{Known: true, Code: 137}}
	for _, tc := range []struct {
		name          string
		c             Container
		state, status string
		listed        string
		want          bool
	}{
		{"the same", up, "running", "Up 3 minutes (healthy)", "/web", false},
		{"another state", up, "exited", "Exited (1) 1 second ago", "/web", true},
		{"another name", up, "running", "Up 3 minutes (healthy)", "/shop-web", true},
		{"another health", up, "running", "Up 3 minutes (unhealthy)", "/web", true},
		{"its health starts anew", up, "running", "Up 1 second (health: starting)", "/web", true},
		{"a list without health, as Podman's", up, "running", "Up 3 minutes", "/web", false},
		{"a health that it does not know yet", Container{Name: "web", State: Running}, "running", "Up 1 second (healthy)", "/web", true},
		{"paused", Container{Name: "web", State: Paused}, "paused", "Up 3 minutes (Paused)", "/web", false},
		{"the same exit code", down, "exited", "Exited (137) 2 hours ago", "/web", false},
		{"another exit code", down, "exited", "Exited (0) 1 second ago", "/web", true},
		{"a negative exit code", down, "exited", "Exited (-1) 1 second ago", "/web", true},
		{"an exit code that is not known", Container{Name: "web", State: Exited}, "exited", "Exited (0) 1 second ago", "/web", false},
		{"Podman's word for exited", down, "stopped", "", "/web", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := container.Summary{State: tc.state, Status: tc.status, Names: []string{tc.listed}}
			if got := differs(&tc.c, s); got != tc.want {
				t.Errorf("differs: %v, want %v", got, tc.want)
			}
		})
	}
}

// The texts are made by the engine's own code.
func TestLasting(t *testing.T) {
	step := 333 * time.Millisecond
	for d := time.Duration(0); d < 47*time.Hour; d += step {
		if d > 2*time.Minute {
			step = 7 * time.Second
		}
		text := units.HumanDuration(d)
		exact := time.Second
		switch {
		case d >= time.Hour:
			exact = time.Hour
		case d >= time.Minute:
			exact = time.Minute
		}
		for _, status := range []string{"Up " + text, "Up " + text + " (health: starting)", "Exited (-1) " + text + " ago"} {
			if least, told := lasting(status); !told || least > d || least <= d-exact {
				t.Fatalf("%q of %v: %v, %v", status, d, least, told)
			}
		}
	}
	for _, status := range []string{"", "Created", "Dead", "Removal In Progress", "Restarting (1) 3 seconds ago", "Up 3 days", "Up since noon", "Up for 3 hours"} {
		if least, told := lasting(status); told {
			t.Errorf("%q: %v, want that it tells nothing", status, least)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "15": 15, "TERM": 15, "SIGTERM": 15, "sigterm": 15, "Int": 2, "SIGQUIT": 3, "KILL": 9, "USR1": 10,
		"RTMIN": 34, "SIGRTMIN+3": 37, "rtmin+15": 49, "37": 37, "nonsense": 0,
	} {
		if got := parseSignal(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                               {},
		"0001-01-01T00:00:00Z":           {},
		"nonsense":                       {},
		"2026-11-23T04:54:37.828045761Z": time.Date(2026, 11, 23, 4, 54, 37, 828045761, time.UTC),
		"2026-11-23T06:54:37.5+02:00":    time.Date(2026, 11, 23, 4, 54, 37, 500_000_000, time.UTC),
	} {
		if got := parseTime(text); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestParseState(t *testing.T) {
	for _, s := range States {
		if got := parseState(string(s)); got != s {
			t.Errorf("%s: %s", s, got)
		}
	}
	for text, want := range map[string]State{"stopped": Exited, "configured": Created, "initialized": Created, "stopping": Running} {
		if got := parseState(text); got != want {
			t.Errorf("Podman's %s: %s, want %s", text, got, want)
		}
	}
}
