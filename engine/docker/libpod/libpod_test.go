package libpod

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/internal/store"
)

func read[T any](t *testing.T, file string) (v T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVersionsThatTellOfStops(t *testing.T) {
	for recording, want := range map[string]store.Stops{
		"docker-20.10": store.StopsAnnounced, "docker-29": store.StopsAnnounced, "podman-4.3": store.StopsUntold, "podman-5.8": store.StopsRecorded,
	} {
		if got := Read(read[types.Version](t, recording+"/version.json")).StopsTold(); got != want {
			t.Errorf("%s: %d, want %d", recording, got, want)
		}
	}
	for version, want := range map[string]store.Stops{
		"4.6.2": store.StopsUntold, "4.7.0": store.StopsRecorded, "4.9.4-rhel": store.StopsRecorded, "5.4.2": store.StopsRecorded, "10.0.0-dev": store.StopsRecorded,
		"": store.StopsUntold, "nonsense": store.StopsUntold,
	} {
		if got := (Podman{Is: true, Version: version}).StopsTold(); got != want {
			t.Errorf("%q: %d, want %d", version, got, want)
		}
	}
}

func TestStartThatFoundItRunningHasNotFailed(t *testing.T) {
	for text, want := range map[string]string{
		"container 452375c4bbea83591bfc1f51b8461375e00497ab31f36e803f0d272f21b62f6b: container is running":     "",
		"/usr/sbin/runc: runc create failed: unable to start container process: exec: \"/nope\": no such file": "/usr/sbin/runc: runc create failed: unable to start container process: exec: \"/nope\": no such file",
	} {
		c := engine.Container{Error: text}
		if Amend(&c); c.Error != want {
			t.Errorf("%q: %q", text, c.Error)
		}
	}
}

// Podman calls exited what it is about to start by its restart policy.
func TestWhatPodmanIsAboutToRestartIsRestarting(t *testing.T) {
	finished := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name    string
		c       engine.Container
		retries int
		stopped bool
		ago     time.Duration
		want    engine.State
	}{
		{"always", engine.Container{RestartPolicy: "always"}, 0, false, time.Second, engine.Restarting},
		{"unless-stopped", engine.Container{RestartPolicy: "unless-stopped"}, 0, false, time.Second, engine.Restarting},
		{"on-failure", engine.Container{RestartPolicy: "on-failure", Exit: engine.Exit{Known: true, Code: 1}}, 0, false, time.Second, engine.Restarting},
		{"on-failure, which was none", engine.Container{RestartPolicy: "on-failure", Exit: engine.Exit{Known: true}}, 0, false, time.Second, engine.Exited},
		{"on-failure, once more", engine.Container{RestartPolicy: "on-failure", Exit: engine.Exit{Known: true, Code: 1}, RestartCount: 2}, 3, false, time.Second, engine.Restarting},
		{"on-failure, and no more", engine.Container{RestartPolicy: "on-failure", Exit: engine.Exit{Known: true, Code: 1}, RestartCount: 3}, 3, false, time.Second, engine.Exited},
		{"no", engine.Container{RestartPolicy: "no"}, 0, false, time.Second, engine.Exited},
		{"stopped", engine.Container{RestartPolicy: "always"}, 0, true, time.Second, engine.Exited},
		{"Podman failed to", engine.Container{RestartPolicy: "always"}, 0, false, time.Minute, engine.Exited},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"State":{"Status":"exited","FinishedAt":%q,"StoppedByUser":%t},"HostConfig":{"RestartPolicy":{"MaximumRetryCount":%d}}}`,
				finished.Format(time.RFC3339Nano), tc.stopped, tc.retries)
		}))
		defer server.Close()
		api, err := (Podman{Is: true, apiVersion: "5.8.6"}).Client([]client.Opt{client.WithHost("tcp://" + server.Listener.Addr().String())})
		if err != nil {
			t.Fatal(err)
		}
		defer api.Close()
		c := tc.c
		c.ID, c.State, c.Finished = "a", engine.Exited, finished
		if err := Ended(t.Context(), api, &c, finished.Add(tc.ago)); err != nil || c.State != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.name, c.State, err, tc.want)
		}
	}
}

// What a real one answered is read, though it is not of Docker's form.
func TestExitCauses(t *testing.T) {
	podman := Read(read[types.Version](t, "podman-5.8/version.json"))
	for file, want := range map[string]engine.ExitCause{"libpod-crash.json": engine.CauseSelf, "libpod-stopped.json": engine.CauseStopped} {
		path := ""
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path = r.URL.Path
			http.ServeFile(w, r, "../testdata/podman-5.8/"+file)
		}))
		defer server.Close()
		api, err := podman.Client([]client.Opt{client.WithHost("tcp://" + server.Listener.Addr().String()), client.WithAPIVersionNegotiation()})
		if err != nil {
			t.Fatal(err)
		}
		defer api.Close()
		c := answer.Container(read[container.InspectResponse](t, "podman-5.8/"+file))
		err = Ended(t.Context(), api, c, c.Finished)
		if got := c.ExitCause; got != want || err != nil || path != "/v5.8.6/libpod/containers/"+c.ID+"/json" {
			t.Errorf("%s: %q, %v, by %s; want %q", file, got, err, path, want)
		}
		c.ExitCause, c.Finished = engine.CauseNone, c.Finished.Add(1)
		if err := Ended(t.Context(), api, c, c.Finished); c.ExitCause != engine.CauseNone || err != nil {
			t.Errorf("%s, of another run: %q, %v", file, c.ExitCause, err)
		}
	}
}
