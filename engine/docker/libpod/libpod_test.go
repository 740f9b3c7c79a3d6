package libpod

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

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
		got, err := ExitCause(t.Context(), api, c)
		if got != want || err != nil || path != "/v5.8.6/libpod/containers/"+c.ID+"/json" {
			t.Errorf("%s: %q, %v, by %s; want %q", file, got, err, path, want)
		}
		c.Finished = c.Finished.Add(1)
		if got, err := ExitCause(t.Context(), api, c); got != engine.CauseNone || err != nil {
			t.Errorf("%s, of another run: %q, %v", file, got, err)
		}
	}
}
