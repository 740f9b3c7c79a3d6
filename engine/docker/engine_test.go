package docker

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"defib/engine"
	"defib/engine/docker/address"
	"defib/engine/docker/answer"
	"defib/engine/docker/call"
	"defib/engine/internal/notation"
	"defib/engine/internal/store"
)

func TestFirstSnapshot(t *testing.T) {
	t.Parallel()
	f := serving(t)
	up, down := f.put("up"), f.put("down")
	f.set(down, container.StateExited)
	w := connected(t, Options{Host: f.host()})
	p := w.Snapshot()
	if p.Host != "testhost" || p.Version != "27.5" || p.APIVersion != "1.47" || p.OS != "linux" || p.Arch != "amd64" {
		t.Errorf("the engine: %+v", p)
	}
	if c := p.Get(up); c == nil || !c.Inspected || c.State != engine.Running || c.Name != "up" || c.ExitCause != engine.CauseNone {
		t.Errorf("up: %+v", c)
	}
	if c := p.Get(down); c == nil || c.State != engine.Exited || c.Exit.Code != 1 || c.ExitCause != engine.CauseUnknown || time.Since(c.ExitSeenAt) > time.Minute {
		t.Errorf("down: %+v", c)
	}
	if ago := f.now().Sub(p.First).Abs(); ago > time.Minute {
		t.Errorf("first snapshot %v from now on the engine's clock", ago)
	}
	if q, err := w.Up(t.Context()); err != nil || q != p {
		t.Errorf("up: %v", err)
	}
	if lines := w.log.lines("level=INFO", "engine connected", "containers=2", "version=27.5"); len(lines) != 1 {
		t.Errorf("said %d times that it is connected", len(lines))
	}
}

func TestInspectsShareConnections(t *testing.T) {
	t.Parallel()
	f := serving(t)
	for i := range 100 {
		f.put(fmt.Sprint("web", i))
	}
	connected(t, Options{Host: f.host()})
	if n := f.dialled.Load(); n > store.Inspectors+4 { // the stream, the past, and those who ask meanwhile
		t.Errorf("%d connections", n)
	}
}

func TestEventsChangeTheSnapshot(t *testing.T) {
	t.Parallel()
	f := serving(t)
	id := f.put("web")
	w := connected(t, Options{Host: f.host()})
	f.die(id)
	w.untilState(t, id, engine.Exited)
	if c := w.Snapshot().Get(id); c.ExitCause != engine.CauseSelf || c.Events != (engine.Counts{engine.EventDie: 1}) {
		t.Errorf("%q, counted %v", c.ExitCause, c.Events)
	}
	f.start(id)
	w.untilState(t, id, engine.Running)
	f.destroy(id)
	w.until(t, "it is gone", func(p *engine.Snapshot) bool { return p.Get(id) == nil && len(p.Departed) == 1 })
	if n := f.asked("list"); n != 1 {
		t.Errorf("listed %d times, want once", n)
	}
	for name, want := range map[string]float64{"defib_engine_events_total": 3, "defib_engine_resyncs_total": 1, "defib_engine_watch_connected": 1} {
		if got := metric(t, w.Engine, name); got != want {
			t.Errorf("%s %v, want %v", name, got, want)
		}
	}
}

// metric returns the value of an Engine's metric without labels.
func metric(t *testing.T, e *Engine, name string) float64 {
	t.Helper()
	for _, c := range e.metrics.all() {
		if testutil.CollectAndCount(c, name) == 1 {
			return testutil.ToFloat64(c)
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestMetricsPassTheLint(t *testing.T) {
	t.Parallel()
	e, err := New(Options{Host: address.Default})
	if err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.CollectAndLint(e)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// Law 5: an engine's events, as recorded, end in its own list.
func TestLaw5RecordingsEndInTheirList(t *testing.T) {
	for _, recording := range recordedEngines {
		t.Run(recording, func(t *testing.T) {
			t.Parallel()
			f := serving(t)
			f.version, _ = jsonFile(t, recording, "version.json")
			f.apiVersion = recorded[struct{ APIVersion string }](t, recording, "version.json").APIVersion
			lines := recorded[[]container.Summary](t, recording, "list.json")
			w := connected(t, Options{Host: f.host()})
			f.mu.Lock()
			for _, line := range lines {
				f.order, f.lines[line.ID] = append(f.order, line.ID), line
				in := recorded[container.InspectResponse](t, recording, "inspect-"+notation.Name(line.Names)+".json")
				f.known[line.ID] = &in
			}
			f.mu.Unlock()
			for _, m := range recordedEvents(t, recording) {
				m.TimeNano = f.now().UnixNano()
				f.announce(m)
			}
			marker := strings.Repeat("f", 64) // shows that all events before were taken
			f.mu.Lock()
			f.known[marker], f.lines[marker] = &container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{ID: marker}}, container.Summary{}
			f.mu.Unlock()
			f.emit(marker, "create")
			w.until(t, "the marker is there", func(p *engine.Snapshot) bool { return p.Get(marker) != nil })
			type face struct {
				Name  string
				State engine.State
			}
			want := map[string]face{}
			for _, line := range lines {
				c := answer.ListItem(line)
				if recording == "podman-4.3" && c.Name == "restarting" {
					c.State = engine.Exited // so its inspect
				}
				want[c.ID] = face{c.Name, c.State}
			}
			w.until(t, "it shows the list", func(p *engine.Snapshot) bool {
				got := map[string]face{}
				for _, c := range p.Containers {
					if c.Inspected && c.ID != marker {
						got[c.ID] = face{c.Name, c.State}
					}
				}
				return cmp.Equal(got, want)
			})
			if c := w.Snapshot().Find("loop"); c.RestartCount != 2 || c.Exit.Code != 5 {
				t.Errorf("loop: %+v", c)
			}
		})
	}
}

func TestWhatPodmanDoesNotTellIsSaidOnce(t *testing.T) {
	t.Parallel()
	for recording, want := range map[string]int{"docker-20.10": 0, "docker-29": 0, "podman-4.3": 1, "podman-5.8": 0} {
		t.Run(recording, func(t *testing.T) {
			t.Parallel()
			f := serving(t)
			var err error
			if f.version, err = jsonFile(t, recording, "version.json"); err != nil {
				t.Fatal(err)
			}
			w := connected(t, Options{Host: f.host()})
			f.cut()
			eventually(t, "it is connected again", func() bool { return len(w.log.lines("engine connected")) == 2 })
			w.until(t, "it shows so", func(p *engine.Snapshot) bool { return p.Connected })
			if got := len(w.log.lines("level=WARN", "podman before 4.7 does not report whether a container was stopped or crashed")); got != want {
				t.Errorf("said %d times, want %d", got, want)
			}
		})
	}
}

func TestStreamThatIsCutIsOpenedAgain(t *testing.T) {
	t.Parallel()
	f := serving(t)
	id, other := f.put("web"), f.put("other")
	w := connected(t, Options{Host: f.host()})
	f.die(other)
	w.untilState(t, other, engine.Exited)
	first, unchanged := w.Snapshot().First, w.Snapshot().Get(other).ExitCause
	f.on("events", hangs)
	f.cut()
	w.until(t, "it is disconnected", func(p *engine.Snapshot) bool { return !p.Connected && !p.Lost.IsZero() })
	if w.Snapshot().Get(id) == nil {
		t.Error("the last snapshot known is lost")
	}
	f.die(id)
	f.on("events", nil)
	f.cut()
	w.until(t, "it is connected again", func(p *engine.Snapshot) bool { return p.Connected })
	p := w.Snapshot()
	if c := p.Get(id); c.State != engine.Exited || c.ExitCause != engine.CauseSelf || c.Events != (engine.Counts{engine.EventDie: 1}) {
		t.Errorf("what happened meanwhile: %+v", c)
	}
	if c := p.Get(other); c.ExitCause != unchanged || c.Events != (engine.Counts{engine.EventDie: 1}) {
		t.Errorf("what happened before: %+v", c)
	}
	if !p.First.Equal(first) || !p.Lost.IsZero() {
		t.Errorf("first %v, want %v; lost %v", p.First, first, p.Lost)
	}
	if len(w.log.lines("event stream ended")) != 1 || len(w.log.lines("engine connected")) != 2 {
		t.Error("want one word that it ended, and one that it is back")
	}
}

// Podman replays the whole second in which the replay is to begin.
func TestEventsOfACoarseReplayAreCountedOnce(t *testing.T) {
	t.Parallel()
	f := serving(t)
	f.coarse = true
	var err error
	if f.version, err = jsonFile(t, "podman-4.3", "version.json"); err != nil {
		t.Fatal(err)
	}
	id := f.put("web")
	w := connected(t, Options{Host: f.host()})
	for range 3 {
		f.die(id)
		f.start(id)
	}
	f.emit(id, "update")
	want := engine.Counts{engine.EventDie: 3, engine.EventStart: 3}
	w.until(t, "it has counted", func(p *engine.Snapshot) bool { return p.Get(id).Events == want })
	for n := range 3 {
		f.cut()
		eventually(t, "it is connected again", func() bool { return len(w.log.lines("engine connected")) == n+2 })
	}
	w.until(t, "it shows so", func(p *engine.Snapshot) bool { return p.Connected })
	if got := w.Snapshot().Get(id).Events; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// Docker kills at once what has no time to stop. Podman says so of every container.
func TestStopTimeoutOfNothing(t *testing.T) {
	for kind, want := range map[string]time.Duration{"docker-29": 0, "podman-4.3": 10 * time.Second} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := serving(t)
			var err error
			if f.version, err = jsonFile(t, kind, "version.json"); err != nil {
				t.Fatal(err)
			}
			id := f.put("web")
			f.change(id, func(c *container.InspectResponse) { c.Config.StopTimeout = new(0) })
			w := connected(t, Options{Host: f.host()})
			w.untilState(t, id, engine.Running)
			if got := w.Snapshot().Get(id).StopTimeout; got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

func TestEngineRestart(t *testing.T) {
	t.Parallel()
	f := serving(t)
	stopped, crashed := f.put("stopped"), f.put("crashed")
	w := connected(t, Options{Host: f.host()})
	f.emit(stopped, "kill") // its shutdown stops everything
	f.die(stopped)
	f.emit(stopped, "stop")
	w.until(t, "it is stopped", func(p *engine.Snapshot) bool { return p.Get(stopped).ExitCause == engine.CauseStopped })
	f.stop()
	f.set(crashed, container.StateExited) // which nobody hears of
	w.until(t, "it is disconnected", func(p *engine.Snapshot) bool { return !p.Connected })
	f.serve()
	w.until(t, "it is connected again", func(p *engine.Snapshot) bool { return p.Connected })
	if got := w.Snapshot().Get(stopped).ExitCause; got != engine.CauseEngine {
		t.Errorf("stopped by the engine: %q", got)
	}
	if got := w.Snapshot().Get(crashed).ExitCause; got != engine.CauseUnknown {
		t.Errorf("found exited: %q", got)
	}
}

// What the reader of a stream had posted when its connection was given up, the
// replay of the next one tells again.
func TestEventsAreTakenOnceWhenTheStreamIsGivenUp(t *testing.T) {
	t.Parallel()
	f := serving(t)
	id := f.put("web")
	w := connected(t, Options{Host: f.host()})
	f.die(id)
	w.untilState(t, id, engine.Exited)
	w.inbox.Post(func(time.Time) { // while the loop is busy, events come and drift is found
		f.start(id)
		f.emit(id, "update")
		eventually(t, "the reader posted them", func() bool { return w.inbox.Len() > 1 })
		w.store.Drifts++
	})
	w.untilState(t, id, engine.Running)
	w.until(t, "it is connected again", func(p *engine.Snapshot) bool { return p.Connected })
	f.die(id)
	w.untilState(t, id, engine.Exited)
	want := engine.Counts{engine.EventDie: 2, engine.EventStart: 1}
	if got := w.Snapshot().Get(id).Events; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
	if got := metric(t, w.Engine, "defib_engine_drift_total"); got != 1 {
		t.Errorf("drift %v, want 1", got)
	}
}

func TestMethodsMayBeCalledAtOnce(t *testing.T) {
	t.Parallel()
	f := serving(t)
	ids := []string{f.put("a"), f.put("b"), f.put("c")}
	w := connected(t, Options{Host: f.host()})
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			for range 20 {
				f.die(id)
				_ = w.Start(t.Context(), w.Snapshot().Get(id)) // which fails if its connection is cut
				_, _ = w.Up(t.Context())
				w.Snapshot().Named()
			}
		})
	}
	wg.Go(func() {
		for range 3 {
			f.cut()
			w.until(t, "it is connected", func(p *engine.Snapshot) bool { return p.Connected })
		}
	})
	wg.Wait()
}

func TestHealthEventsAreSubscribedTo(t *testing.T) {
	t.Parallel()
	for action, want := range map[events.Action]bool{
		"health_status: unhealthy": true, "health_status": true, "die": true, "remove": true, "exec_die": false, "exec_start: /bin/true": false, "init": false,
	} {
		if got := subscribed(events.Message{Type: events.ContainerEventType, Action: action}); got != want {
			t.Errorf("%s: %v, want %v", action, got, want)
		}
	}
	for _, action := range []events.Action{"tag", "untag", "pull", "delete", "import", "load"} {
		if !subscribed(events.Message{Type: events.ImageEventType, Action: action}) {
			t.Errorf("an image's %s: not asked for", action)
		}
	}
	for kind, action := range map[events.Type]events.Action{events.ImageEventType: "save", events.VolumeEventType: "destroy", events.NetworkEventType: "create"} {
		if subscribed(events.Message{Type: kind, Action: action}) {
			t.Errorf("%s %s: asked for", kind, action)
		}
	}
}

// Podman 4.3 filters by its own words, before it translates them into Docker's.
func TestPodmansWordsAreAskedFor(t *testing.T) {
	t.Parallel()
	asked := eventFilters()
	for docker, podman := range map[string]string{"die": "died", "destroy": "remove"} {
		if !asked.ExactMatch("event", docker) || !asked.ExactMatch("event", podman) {
			t.Errorf("want both %s and %s in %v", docker, podman, asked)
		}
	}
}

// Podman cannot tell of itself as long as one of its containers is being removed.
func TestEngineThatCannotTellOfItselfIsAskedAgain(t *testing.T) {
	t.Parallel()
	f := serving(t)
	f.put("web")
	f.on(call.Info, func(w http.ResponseWriter, r *http.Request) {
		if f.asked(call.Info) == infoTries-1 {
			f.on(call.Info, nil)
		}
		answers(http.StatusInternalServerError, "container does not exist in database")(w, r)
	})
	if p := connected(t, Options{Host: f.host()}).Snapshot(); p.Host != "testhost" {
		t.Errorf("its host is %q", p.Host)
	}
}
