package harness

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
)

// Replay is an engine that is all talk: it lists, inspects and announces
// containers made from one template, as many as no engine of a test could run.
type Replay struct {
	socket string
	IDs    []string

	mu        sync.Mutex
	runs      map[string]life // by container id
	pids      map[string]int  // by container id
	log       []events.Message
	news      chan struct{}  // closed at each event
	inspected map[string]int // by container id
	lists     int
}

// life is what changes about a container of a replay.
type life struct {
	down              bool
	started, finished time.Time
}

// NewReplay serves so many containers, all running, until the end of the test.
func NewReplay(tb testing.TB, containers int) *Replay {
	tb.Helper()
	dir, err := os.MkdirTemp(workdir, "replay-")
	if err != nil {
		tb.Fatal(err)
	}
	r := &Replay{
		socket: filepath.Join(dir, "s"), runs: map[string]life{}, pids: map[string]int{}, inspected: map[string]int{}, news: make(chan struct{}),
	}
	for i := range containers {
		id := fmt.Sprintf("%064x", i+1)
		r.IDs = append(r.IDs, id)
		r.runs[id] = life{started: time.Now().Add(-time.Hour), finished: time.Now().Add(-2 * time.Hour)}
	}
	config := net.ListenConfig{}
	listener, err := config.Listen(tb.Context(), "unix", r.socket)
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: r.routes(), ReadHeaderTimeout: Limit}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	tb.Cleanup(func() {
		server.Close()
		<-served
	})
	return r
}

// Host is its address, as DOCKER_HOST has it.
func (r *Replay) Host() string { return "unix://" + r.socket }

// SetPID says that a container's process is this one, before Defib asks for it.
func (r *Replay) SetPID(id string, pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pids[id] = pid
}

// routes answers the calls that Defib makes, and a list that is asked for without
// a version.
func (r *Replay) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.47") })
	mux.HandleFunc("/{v}/version", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, types.Version{Version: "27.5", APIVersion: "1.47", Os: "linux", Arch: "amd64"})
	})
	mux.HandleFunc("/{v}/images/json", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, []image.Summary{{ID: "sha256:" + r.IDs[0], RepoTags: []string{"shop/worker:1.2"}}})
	})
	mux.HandleFunc("/{v}/events", r.stream)
	mux.HandleFunc("/{v}/containers/json", r.list)
	mux.HandleFunc("/containers/json", r.list)
	mux.HandleFunc("/{v}/containers/{id}/json", r.inspect)
	return mux
}

func tell(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

// Name is that of a container: some services of some compose projects.
func (r *Replay) Name(id string) string {
	var i int
	_, _ = fmt.Sscanf(id, "%x", &i)
	return fmt.Sprintf("shop-%02d-worker-%d", i/20, i%20)
}

func (r *Replay) labels(id string) map[string]string {
	return map[string]string{
		"com.docker.compose.project": r.Name(id)[:len("shop-00")], "com.docker.compose.service": "worker",
		"com.docker.compose.config-hash": id, "com.docker.compose.container-number": "1",
		"org.opencontainers.image.title": "worker", "org.opencontainers.image.revision": id[:40],
	}
}

func (r *Replay) list(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	r.lists++
	lines := make([]container.Summary, 0, len(r.IDs))
	for _, id := range r.IDs {
		line := container.Summary{
			ID: id, Names: []string{"/" + r.Name(id)}, Image: "shop/worker:1.2", ImageID: "sha256:" + id,
			Command: "/worker", Created: 1767225600, Labels: r.labels(id), State: "running", Status: "Up About an hour",
		}
		if r.runs[id].down {
			line.State, line.Status = "exited", "Exited (1) 2 seconds ago"
		}
		lines = append(lines, line)
	}
	r.mu.Unlock()
	tell(w, lines)
}

func (r *Replay) inspect(w http.ResponseWriter, req *http.Request) {
	id := req.PathValue("id")
	r.mu.Lock()
	now, known := r.runs[id]
	pid := r.pids[id]
	r.inspected[id]++
	r.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	state := container.State{
		Status: "running", Running: true, Pid: pid,
		StartedAt: now.started.Format(time.RFC3339Nano), FinishedAt: now.finished.Format(time.RFC3339Nano),
	}
	if now.down {
		state.Status, state.Running, state.Pid, state.ExitCode = "exited", false, 0, 1
	}
	tell(w, container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: id, Name: "/" + r.Name(id), Created: "2026-01-01T00:00:00Z", Path: "/worker", Image: "sha256:" + id, State: &state,
			HostConfig: &container.HostConfig{NetworkMode: "bridge", RestartPolicy: container.RestartPolicy{Name: "no"}},
		},
		Config: &container.Config{Image: "shop/worker:1.2", Labels: r.labels(id), Env: []string{"PATH=/bin", "MODE=production"}},
	})
}

// stream sends the events of the containers, and goes on unless an end is asked
// for: what was before is not told.
func (r *Replay) stream(w http.ResponseWriter, req *http.Request) {
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	if req.URL.Query().Get("until") != "" {
		return
	}
	encoder := json.NewEncoder(w)
	for sent := 0; ; {
		r.mu.Lock()
		log, news := r.log[sent:], r.news
		r.mu.Unlock()
		for _, m := range log {
			if encoder.Encode(m) != nil {
				return
			}
		}
		sent += len(log)
		_ = flush.Flush()
		select {
		case <-news:
		case <-req.Context().Done():
			return
		}
	}
}

// happen has a container die or start, and announces it.
func (r *Replay) happen(id string, action events.Action) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.runs[id]
	if action == events.ActionDie {
		r.runs[id] = life{down: true, started: was.started, finished: now}
	} else {
		r.runs[id] = life{started: now, finished: was.finished}
	}
	r.log = append(r.log, events.Message{
		Type: events.ContainerEventType, Action: action, TimeNano: now.UnixNano(),
		Actor: events.Actor{ID: id, Attributes: map[string]string{"exitCode": "1", "name": r.Name(id)}},
	})
	close(r.news)
	r.news = make(chan struct{})
}

// Inspections tells how often a container was inspected.
func (r *Replay) Inspections(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inspected[id]
}

// What Storm does.
const (
	StormCrowd  = 200  // containers
	StormEvents = 1000 // of all of them, in a second
)

// Storm has the containers die and start in turn, all of them, as fast as an
// engine could announce it. It ends with every one down.
func (r *Replay) Storm() {
	tick := time.NewTicker(time.Second / StormEvents)
	defer tick.Stop()
	for i := range StormEvents {
		action := events.ActionDie
		if i/StormCrowd%2 == 1 {
			action = events.ActionStart
		}
		r.happen(r.IDs[i%StormCrowd], action)
		<-tick.C
	}
}
