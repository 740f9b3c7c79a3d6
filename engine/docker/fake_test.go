package docker

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/go-units"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/call"
)

// fakeEngine plays an engine over HTTP: what happens to its containers is listed,
// inspected and announced. Its clock is ahead of ours.
type fakeEngine struct {
	t          testing.TB
	socket     string
	server     *httptest.Server
	apiVersion string
	version    []byte // the answer to /version
	id         string // of the engine

	mu     sync.Mutex
	order  []string // ids
	known  map[string]*container.InspectResponse
	lines  map[string]container.Summary // what the list says otherwise than inspect
	log    []events.Message
	news   chan struct{} // closed at each event
	faults map[string]http.HandlerFunc
	calls  map[string]int

	stopped map[string]bool // by id: what Podman has noted
	images  []image.Summary

	dialled atomic.Int64  // connections to its socket
	takes   time.Duration // each of its answers

	coarse  bool     // it replays whole seconds
	down    bool     // for callers within this process
	hangUps []func() // of their connections
}

func newFake(t testing.TB) *fakeEngine {
	f := &fakeEngine{
		t: t, apiVersion: "1.47", known: map[string]*container.InspectResponse{}, lines: map[string]container.Summary{},
		news: make(chan struct{}), faults: map[string]http.HandlerFunc{}, calls: map[string]int{}, stopped: map[string]bool{},
	}
	f.version, _ = json.Marshal(types.Version{Version: "27.5", APIVersion: f.apiVersion, Os: "linux", Arch: "amd64"})
	return f
}

// serving returns a fake engine that listens on a socket.
func serving(t testing.TB) *fakeEngine {
	f := newFake(t)
	dir, err := os.MkdirTemp("", "defib") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f.socket = filepath.Join(dir, "s")
	f.serve()
	t.Cleanup(f.stop)
	return f
}

func (f *fakeEngine) serve() {
	listener, err := (&net.ListenConfig{}).Listen(f.t.Context(), "unix", f.socket)
	if err != nil {
		f.t.Fatal(err)
	}
	f.server = httptest.NewUnstartedServer(f)
	f.server.Listener.Close()
	f.server.Listener = counted{listener, &f.dialled}
	f.server.Start()
}

// counted counts the connections to a listener.
type counted struct {
	net.Listener
	n *atomic.Int64
}

func (c counted) Accept() (net.Conn, error) {
	c.n.Add(1)
	return c.Listener.Accept()
}

// stop ends the engine: its socket is gone, and what it remembered.
func (f *fakeEngine) stop() {
	f.forget()
	closed := make(chan struct{})
	go func() {
		f.server.Close()
		close(closed)
	}()
	for { // it waits for streams, and one may have been opened anew just now
		f.server.CloseClientConnections()
		select {
		case <-closed:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (f *fakeEngine) cut() { f.server.CloseClientConnections() }

func (f *fakeEngine) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = nil
}

func (f *fakeEngine) host() string { return "unix://" + f.socket }

// skew is how far the engine's clock is ahead of ours: comparing the two by
// mistake shows.
const skew = 3 * time.Hour

func (f *fakeEngine) now() time.Time { return time.Now().Add(skew) }

// put adds a running container, without a word of it. It returns its id.
func (f *fakeEngine) put(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := fmt.Sprintf("%064x", len(f.order)+1)
	f.order = append(f.order, id)
	at := f.now().Format(time.RFC3339Nano)
	f.known[id] = &container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: id, Name: "/" + name, Created: at, HostConfig: &container.HostConfig{},
			State: &container.State{Status: container.StateRunning, Running: true, StartedAt: at},
		},
		Config: &container.Config{Image: "victim"},
	}
	return id
}

// change changes a container, without a word of it.
func (f *fakeEngine) change(id string, how func(*container.InspectResponse)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how(f.known[id])
}

// set changes the state of a container, without a word of it.
func (f *fakeEngine) set(id string, state container.ContainerState) {
	at := f.now().Format(time.RFC3339Nano)
	f.change(id, func(c *container.InspectResponse) {
		c.State.Status = state
		switch state {
		case container.StateRunning:
			c.State.StartedAt, c.State.ExitCode = at, 0
		case container.StateExited:
			c.State.FinishedAt, c.State.ExitCode = at, 1
		}
	})
}

func (f *fakeEngine) die(id string) {
	f.set(id, container.StateExited)
	f.emit(id, "die")
}

func (f *fakeEngine) start(id string) {
	f.set(id, container.StateRunning)
	f.emit(id, "start")
}

func (f *fakeEngine) destroy(id string) {
	f.mu.Lock()
	delete(f.known, id)
	f.order = slices.DeleteFunc(f.order, func(other string) bool { return other == id })
	f.mu.Unlock()
	f.emit(id, "destroy")
}

// emit announces an event.
func (f *fakeEngine) emit(id string, action events.Action) {
	f.mu.Lock()
	name := ""
	if c := f.known[id]; c != nil {
		name = strings.TrimPrefix(c.Name, "/")
	}
	f.mu.Unlock()
	f.announce(events.Message{
		Type: events.ContainerEventType, Action: action, TimeNano: f.now().UnixNano(),
		Actor: events.Actor{ID: id, Attributes: map[string]string{"exitCode": "1", "signal": "15", "name": name}},
	})
}

func (f *fakeEngine) announce(m events.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, m)
	close(f.news)
	f.news = make(chan struct{})
}

// on has a call answered otherwise: nil for as usual again.
func (f *fakeEngine) on(call string, handler http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[call] = handler
}

// asked tells how often a call was made.
func (f *fakeEngine) asked(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call]
}

// answers is a fault: a status and a message as Docker sends them.
func answers(status int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}
}

// hangs is a fault: no answer, until the caller goes.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

var routes = []struct {
	path *regexp.Regexp
	call string
}{
	{regexp.MustCompile(`^/_ping$`), "ping"},
	{regexp.MustCompile(`^(/v[\d.]+)?/version$`), "version"},
	{regexp.MustCompile(`^(/v[\d.]+)?/info$`), "info"},
	{regexp.MustCompile(`^(/v[\d.]+)?/events$`), "events"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/json$`), "list"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/(\w+)/json$`), "inspect"},
	{regexp.MustCompile(`^/v[\d.]+/libpod/containers/(\w+)/json$`), call.InspectLibpod},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/(\w+)/start$`), "start"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/(\w+)/restart$`), "restart"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/(\w+)/logs$`), "logs"},
	{regexp.MustCompile(`^(/v[\d.]+)?/images/json$`), "images"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/create$`), "create"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/(\w+)/rename$`), "rename"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/(\w+)/update$`), "update"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/(\w+)/stop$`), "stop"},
	{regexp.MustCompile(`^(/v[\d.]+)?/containers/(\w+)$`), "remove"},
	{regexp.MustCompile(`^(/v[\d.]+)?/services/(\w+)$`), "services"},
	{regexp.MustCompile(`^(/v[\d.]+)?/tasks$`), "tasks"},
}

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, route := range routes {
		if m := route.path.FindStringSubmatch(r.URL.Path); m != nil {
			f.mu.Lock()
			f.calls[route.call]++
			fault := f.faults[route.call]
			f.mu.Unlock()
			if f.takes > 0 { // a timer of none, in a bubble, at times crashes the race detector (Go 1.26.8)
				select {
				case <-time.After(f.takes):
				case <-r.Context().Done():
				}
			}
			if fault != nil {
				fault(w, r)
				return
			}
			f.answer(w, r, route.call, m[len(m)-1])
			return
		}
	}
	answers(http.StatusNotFound, "page not found")(w, r)
}

func (f *fakeEngine) answer(w http.ResponseWriter, r *http.Request, name, id string) {
	switch name {
	case "ping":
		w.Header().Set("Api-Version", f.apiVersion)
	case "version":
		_, _ = w.Write(f.version)
	case "info":
		f.write(w, system.Info{ID: f.id, Name: "testhost", SystemTime: f.now().Format(time.RFC3339Nano)})
	case "events":
		f.stream(w, r)
	case "list":
		f.write(w, f.list())
	case "images":
		f.mu.Lock()
		images := slices.Clone(f.images)
		f.mu.Unlock()
		f.write(w, images)
	case "logs":
		f.mu.Lock()
		c := f.known[id]
		f.mu.Unlock()
		if c == nil {
			answers(http.StatusNotFound, "No such container: "+id)(w, r)
		}
	case "inspect":
		f.mu.Lock()
		c := f.known[id]
		text, _ := json.Marshal(c)
		f.mu.Unlock()
		if c == nil {
			answers(http.StatusNotFound, "No such container: "+id)(w, r)
			return
		}
		_, _ = w.Write(text)
	case call.InspectLibpod:
		f.mu.Lock()
		c, stopped := f.known[id], f.stopped[id]
		f.mu.Unlock()
		if c == nil {
			answers(http.StatusNotFound, "no such container")(w, r)
			return
		}
		f.write(w, map[string]any{"State": map[string]any{
			"Status": c.State.Status, "FinishedAt": c.State.FinishedAt, "StoppedByUser": stopped,
		}})
	case "start":
		f.mu.Lock()
		c := f.known[id]
		running := c != nil && c.State.Status == container.StateRunning
		f.mu.Unlock()
		switch {
		case c == nil:
			answers(http.StatusNotFound, "No such container: "+id)(w, r)
		case running:
			w.WriteHeader(http.StatusNotModified)
		default:
			f.start(id)
			w.WriteHeader(http.StatusNoContent)
		}
	case "services", "tasks":
		answers(http.StatusServiceUnavailable, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.")(w, r)
	case "create", "rename", "update", "stop", "remove":
		f.alter(w, r, name, id)
	default:
		answers(http.StatusNotFound, "page not found")(w, r)
	}
}

func (f *fakeEngine) write(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fakeEngine) list() []container.Summary {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []container.Summary{}
	for _, id := range f.order {
		if line, ok := f.lines[id]; ok {
			list = append(list, line)
			continue
		}
		c := answer.Container(*f.known[id])
		list = append(list, summaryOf(c, time.Now()))
	}
	return list
}

// stream sends the events that are asked for, and goes on unless an end is given.
func (f *fakeEngine) stream(w http.ResponseWriter, r *http.Request) {
	since, until := nanos(r.URL.Query().Get("since")), nanos(r.URL.Query().Get("until"))
	all := r.URL.Query().Get("filters") == ""
	if f.coarse {
		since -= since % int64(time.Second)
	}
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	sent := 0
	for {
		f.mu.Lock()
		log, news := f.log, f.news
		f.mu.Unlock()
		for ; sent < len(log); sent++ {
			if at := log[sent].TimeNano; at < since || until > 0 && at > until || !all && !subscribed(log[sent]) {
				continue
			}
			if json.NewEncoder(w).Encode(log[sent]) != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
		if until > 0 {
			return
		}
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}

func nanos(stamp string) int64 {
	n, _ := strconv.ParseInt(strings.Replace(stamp, ".", "", 1), 10, 64)
	return n
}

// summaryOf is a container's line of a list, now being on the engine's clock.
func summaryOf(c *engine.Container, now time.Time) container.Summary {
	s := container.Summary{ID: c.ID, Names: []string{"/" + c.Name}, Labels: c.Labels, State: string(c.State), Created: c.Created.Unix()}
	switch c.State {
	case engine.Exited:
		s.Status = fmt.Sprintf("Exited (%d) %s ago", c.Exit.Code, units.HumanDuration(now.Sub(c.Finished)))
	case engine.Running, engine.Paused:
		s.Status = "Up " + units.HumanDuration(now.Sub(c.Started))
		switch {
		case c.State == engine.Paused:
			s.Status += " (Paused)"
		case c.Health != engine.NoHealth:
			s.Status += " (" + string(c.Health) + ")"
		}
	}
	return s
}
