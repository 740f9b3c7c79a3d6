package docker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/internal/listing"
)

var recordedEngines = []string{"docker-20.10", "docker-29", "podman-4.3", "podman-5.8"}

// recorded reads a file of a recording of a live engine.
func recorded[T any](t *testing.T, recording, file string) (v T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", recording, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s/%s: %v", recording, file, err)
	}
	return v
}

// sameContainer takes nothing and nil for one.
var sameContainer = cmpopts.EquateEmpty()

func stamped(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestInspectsOfEveryEngineAreRead(t *testing.T) {
	shop := map[string]string{engine.LabelProject: "shop", engine.LabelService: "crash"}
	for _, tc := range []struct {
		recording, file string
		want            engine.Container
	}{
		{"docker-20.10", "crash", engine.Container{
			ID: "78c6eedf99de431192be226f38028f8dd2935f45a79a22afacbe8483f53d946b", Name: "crash", Image: "victim", Labels: shop,
			State: engine.Exited, Exit: engine.Exit{Known: true, Code: 3}, RestartPolicy: "no",
			Created: stamped(t, "2026-11-23T04:54:37.828045761Z"), Started: stamped(t, "2026-11-23T04:54:38.026300222Z"), Finished: stamped(t, "2026-11-23T04:54:39.027681927Z"),
		}},
		{"docker-20.10", "oom", engine.Container{
			Name: "oom", Image: "victim",
			State: engine.Exited, Exit: engine.Exit{Known: true, Code: 137, OOMKilled: true}, RestartPolicy: "no",
			Created: stamped(t, "2026-11-23T04:54:52.31913775Z"), Started: stamped(t, "2026-11-23T04:54:52.49453102Z"), Finished: stamped(t, "2026-11-23T04:54:53.512870625Z"),
		}},
		{"docker-20.10", "created", engine.Container{
			Name: "created", Image: "victim", State: engine.Created, RestartPolicy: "no", Created: stamped(t, "2026-11-23T04:55:07.568512086Z"),
		}},
		{"docker-20.10", "restarting", engine.Container{
			Name: "restarting", Image: "victim",
			State: engine.Restarting, Exit: engine.Exit{Known: true, Code: 1}, RestartCount: 7, RestartPolicy: "always",
			Created: stamped(t, "2026-11-23T04:55:07.597623706Z"), Started: stamped(t, "2026-11-23T04:55:15.215727062Z"), Finished: stamped(t, "2026-11-23T04:55:15.245128458Z"),
		}},
		{"docker-29", "loop", engine.Container{
			Name: "loop", Image: "victim", State: engine.Exited, Exit: engine.Exit{Known: true, Code: 5}, RestartCount: 2, RestartPolicy: "on-failure",
			Created: stamped(t, "2026-11-23T04:55:27.624890769Z"), Started: stamped(t, "2026-11-23T04:55:28.167318712Z"), Finished: stamped(t, "2026-11-23T04:55:28.254650717Z"),
		}},
		{"docker-29", "paused", engine.Container{
			Name: "paused", Image: "victim", State: engine.Paused, PID: 18977, RestartPolicy: "no",
			Created: stamped(t, "2026-11-23T04:55:45.335733629Z"), Started: stamped(t, "2026-11-23T04:55:45.357254511Z"),
		}},
		{"docker-29", "sick", engine.Container{
			Name: "sick", Image: "victim:health", State: engine.Running, HealthCheck: true, Health: engine.Unhealthy, HealthOutput: "sick", PID: 19525, RestartPolicy: "no",
			Created: stamped(t, "2026-11-23T04:55:34.893339108Z"), Started: stamped(t, "2026-11-23T04:55:49.748956392Z"), Finished: stamped(t, "2026-11-23T04:55:41.037631862Z"),
		}},
		{"docker-29", "shop-web", engine.Container{
			Name: "shop-web", Image: "victim", State: engine.Running, PID: 18127, RestartPolicy: "unless-stopped",
			Created: stamped(t, "2026-11-23T04:55:19.534794895Z"), Started: stamped(t, "2026-11-23T04:55:23.014291586Z"), Finished: stamped(t, "2026-11-23T04:55:22.984579402Z"),
		}},
		{"docker-29", "kid", engine.Container{
			Name: "kid", Image: "victim", State: engine.Running, PID: 19130, RestartPolicy: "no",
			Parents: []engine.Parent{{Namespace: engine.Network, Container: "92ca52fc774dc338b3717129aebe781656bcafa9da9d644bd334776c72fa8f5e"}},
			Created: stamped(t, "2026-11-23T04:55:45.627411332Z"), Started: stamped(t, "2026-11-23T04:55:45.653826063Z"),
		}},
		{"podman-4.3", "restarting", engine.Container{ // "stopped" is Podman's word
			Name: "restarting", Image: "docker.io/library/victim:latest", State: engine.Exited, Exit: engine.Exit{Known: true, Code: 1},
			RestartCount: 73, RestartPolicy: "always", StopSignal: 15,
			Created: stamped(t, "2026-11-23T04:56:22.906472328Z"), Started: stamped(t, "2026-11-23T04:56:30.513681835Z"), Finished: stamped(t, "2026-11-23T04:56:30.511545093Z"),
		}},
		{"podman-4.3", "up", engine.Container{ // whose health status is "" without a health check
			Name: "up", Image: "docker.io/library/victim:latest", State: engine.Running, PID: 20565, RestartPolicy: "no", StopSignal: 15,
			Created: stamped(t, "2026-11-23T04:56:22.665037136Z"), Started: stamped(t, "2026-11-23T04:56:22.738106252Z"),
		}},
		{"podman-5.8", "crash", engine.Container{
			Name: "crash", Image: "docker.io/library/victim:latest", Labels: shop, State: engine.Exited, Exit: engine.Exit{Known: true, Code: 3}, RestartPolicy: "no", StopSignal: 15,
			Created: stamped(t, "2026-11-28T21:31:33.959071565Z"), Started: stamped(t, "2026-11-28T21:31:34.410522206Z"), Finished: stamped(t, "2026-11-28T21:31:35.474112116Z"),
		}},
		{"podman-5.8", "sick", engine.Container{
			Name: "sick", Image: "docker.io/library/victim:latest", State: engine.Running, HealthCheck: true, Health: engine.Unhealthy, PID: 8100, RestartPolicy: "no", StopSignal: 15,
			Created: stamped(t, "2026-11-28T21:32:45.311615047Z"), Started: stamped(t, "2026-11-28T21:33:05.168389319Z"), Finished: stamped(t, "2026-11-28T21:32:51.618111259Z"),
		}},
		{"podman-5.8", "kid", engine.Container{
			Name: "kid", Image: "docker.io/library/victim:latest", State: engine.Running, PID: 7918, RestartPolicy: "no", StopSignal: 15,
			Parents: []engine.Parent{{Namespace: engine.Network, Container: "ca8a4927463e97a1648063765d40e5aec6fcb09682b224d07caf7018e99124f3"}},
			Created: stamped(t, "2026-11-28T21:33:04.016463781Z"), Started: stamped(t, "2026-11-28T21:33:04.672676436Z"),
		}},
	} {
		t.Run(tc.recording+"/"+tc.file, func(t *testing.T) {
			in := recorded[container.InspectResponse](t, tc.recording, "inspect-"+tc.file+".json")
			got := answer.Container(in)
			tc.want.Inspected, tc.want.ID, tc.want.ImageID = true, in.ID, in.Image
			if tc.recording != "podman-4.3" { // which says 0
				tc.want.StopTimeout = 10 * time.Second
			}
			tc.want.Command = append([]string{in.Path}, in.Args...)
			tc.want.ImageName = "docker.io/library/victim:latest"
			if strings.HasSuffix(tc.want.Image, ":health") {
				tc.want.ImageName = "docker.io/library/victim:health"
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
		if c := answer.Container(in); !c.Inspected || c.RestartPolicy != "no" {
			t.Errorf("%s: %+v", text, c)
		}
	}
	if c := answer.Container(container.InspectResponse{}); c.ID != "" {
		t.Errorf("%+v", c)
	}
}

func TestHealthCountsOnlyWhileItRuns(t *testing.T) {
	in := recorded[container.InspectResponse](t, "docker-29", "inspect-sick.json")
	in.State.Status, in.State.Running = container.StateExited, false
	if c := answer.Container(in); !c.HealthCheck || c.Health != engine.NoHealth {
		t.Errorf("exited: check %v, health %q; want true and none", c.HealthCheck, c.Health)
	}
}

// The list and the inspects of a recording tell of the same containers.
func TestListsOfEveryEngineAreRead(t *testing.T) {
	for _, recording := range recordedEngines {
		for _, s := range recorded[[]container.Summary](t, recording, "list.json") {
			got := answer.ListItem(s)
			t.Run(recording+"/"+got.Name, func(t *testing.T) {
				want := answer.Container(recorded[container.InspectResponse](t, recording, "inspect-"+got.Name+".json"))
				// A list knows the second only, Podman's list writes the id of
				// the image otherwise, and its "restarting" is what is caught.
				want.Created = want.Created.Truncate(time.Second)
				if recording == "podman-4.3" && got.Name == "restarting" {
					want.State = got.State
				}
				known := listing.Item{
					ID: want.ID, Name: want.Name, Image: want.Image, ImageID: want.ImageID, Labels: want.Labels, State: want.State, Created: want.Created,
					Status: s.Status,
				}
				if diff := cmp.Diff(known, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("-inspect +list:\n%s", diff)
				}
				if recording != "podman-4.3" && got.Differs(answer.Container(recorded[container.InspectResponse](t, recording, "inspect-"+got.Name+".json"))) {
					t.Error("the list is taken to contradict the inspect")
				}
			})
		}
	}
}

func TestParentsAreReadFromTheModes(t *testing.T) {
	for name, row := range map[string]struct {
		host container.HostConfig
		want []engine.Parent
	}{
		"none":       {container.HostConfig{NetworkMode: "bridge", PidMode: "host", IpcMode: "shareable"}, nil},
		"of Podman":  {container.HostConfig{NetworkMode: "slirp4netns", PidMode: "private", IpcMode: "private"}, nil},
		"one":        {container.HostConfig{PidMode: "container:vpn"}, []engine.Parent{{Namespace: engine.PID, Container: "vpn"}}},
		"one of all": {container.HostConfig{IpcMode: "container:db", PidMode: "container:vpn", NetworkMode: "container:4f"}, []engine.Parent{{Namespace: engine.Network, Container: "4f"}, {Namespace: engine.PID, Container: "vpn"}, {Namespace: engine.IPC, Container: "db"}}},
	} {
		got := answer.Container(container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &row.host}}).Parents
		if d := cmp.Diff(row.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestWhoUsesTheNetworkOfTheHostIsKnown(t *testing.T) {
	for mode, want := range map[container.NetworkMode]bool{"host": true, "bridge": false, "none": false, "container:host": false} {
		in := container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{NetworkMode: mode}}}
		if got := answer.Container(in).HostNetwork; got != want {
			t.Errorf("%s: %t", mode, got)
		}
	}
}

func TestLinksAreReadFromTheHostAndFromNetworks(t *testing.T) {
	at := func(links ...string) *network.EndpointSettings { return &network.EndpointSettings{Links: links} }
	in := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{Links: []string{"/db:/web/db"}}},
		NetworkSettings:   &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{"shop_b": at("shop-cache-1:cache"), "shop_a": at(), "shop_0": nil}},
	}
	if diff := cmp.Diff([]string{"/db:/web/db", "shop-cache-1:cache"}, answer.Container(in).Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}
