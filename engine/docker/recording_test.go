package docker

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/events"

	"defib/engine"
	"defib/engine/docker/answer"
	"defib/engine/docker/libpod"
	"defib/engine/internal/gap"
	"defib/engine/internal/store"
)

// step is one command of a recording and the events that it made.
type step struct {
	name    string
	events  []events.Message
	stopped bool // what Podman itself says of how its container ended
}

// recordedSteps reads the events of a recording, without those that Defib does
// not subscribe to.
func recordedSteps(t *testing.T, recording string) (steps []step) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", recording, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var line struct {
			Step          string
			StoppedByUser bool `json:"stopped_by_user"`
			events.Message
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if line.Step != "" {
			steps = append(steps, step{name: line.Step, stopped: line.StoppedByUser})
			continue
		}
		if s := &steps[len(steps)-1]; subscribed(line.Message) {
			s.events = append(s.events, line.Message)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

func recordedEvents(t *testing.T, recording string) (all []events.Message) {
	t.Helper()
	for _, s := range recordedSteps(t, recording) {
		all = append(all, s.events...)
	}
	return all
}

// subscribed filters as the engine does.
func subscribed(m events.Message) bool {
	asked := eventFilters()
	return asked.ExactMatch("type", string(m.Type)) && asked.FuzzyMatch("event", string(m.Action))
}

func jsonFile(t *testing.T, recording, file string) ([]byte, error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", recording, file))
	if err != nil {
		t.Fatal(err)
	}
	return text, nil
}

// The recordings are what live engines said while the named step was carried out.
func TestEndingsInTheRecordings(t *testing.T) {
	for _, recording := range recordedEngines {
		t.Run(recording, func(t *testing.T) {
			untold := recording == "podman-4.3"
			played := newPlayed(libpod.Read(recorded[types.Version](t, recording, "version.json")).StopsTold())
			for _, step := range recordedSteps(t, recording) {
				name := ""
				played.stopped = step.stopped
				for _, m := range step.events {
					played.event(m)
					name = m.Actor.Attributes["name"]
				}
				want, ok := recordedEndings[step.name]
				if !ok {
					continue
				}
				if untold && want != engine.CauseNone {
					want = engine.CauseUnknown
				}
				if len(step.events) == 0 { // health checks, which that Podman has not
					continue
				}
				if got := played.store.Snapshot().Find(name); got == nil || got.ExitCause != want {
					t.Errorf("%s: %s ended %+v, want %q", step.name, name, got, want)
				}
			}
		})
	}
}

// played is a store that hears recorded events, and inspects that fit them.
type played struct {
	store *store.Store
	truth map[string]*engine.Container

	recorded bool // stops are known by inspects
	stopped  bool
}

func newPlayed(told store.Stops) *played {
	p := &played{store: store.New(), truth: map[string]*engine.Container{}, recorded: told == store.StopsRecorded}
	p.store.Opened(time.Unix(1, 0), time.Unix(1, 0).Add(skew), gap.None, told)
	return p
}

// event has the store hear one event, and answers the inspects that it asks for.
func (p *played) event(m events.Message) {
	h := answer.Event(m)
	now := h.At.Add(-skew)
	c := p.truth[h.ID]
	switch h.Action {
	case "create":
		p.truth[h.ID] = &engine.Container{ID: h.ID, Name: m.Actor.Attributes["name"], Inspected: true, State: engine.Created, RestartPolicy: "no", Created: h.At}
	case "start":
		c.State, c.Started, c.Exit = engine.Running, h.At, engine.Exit{}
	case "die":
		code, _ := strconv.Atoi(h.Exit)
		c.State, c.Finished, c.Exit = engine.Exited, h.At, engine.Exit{Known: true, Code: code}
	case "destroy", "remove":
		delete(p.truth, h.ID)
	}
	p.store.Event(now, h)
	for ids := p.store.Step(now, store.Inspectors); len(ids) > 0; ids = p.store.Step(now, store.Inspectors) {
		for _, id := range ids {
			mark := p.store.InspectAsked(now, id)
			var fresh *engine.Container
			if c := p.truth[id]; c != nil {
				fresh = new(*c)
				switch {
				case !p.recorded || c.State != engine.Exited:
				case p.stopped:
					fresh.ExitCause = engine.CauseStopped
				default:
					fresh.ExitCause = engine.CauseSelf
				}
			}
			p.store.Inspected(now, id, mark, fresh, true)
		}
	}
}

var recordedEndings = map[string]engine.ExitCause{
	"run --name crash: exits 3 by itself after 1 s":                           engine.CauseSelf,
	"run --name web; docker stop web":                                         engine.CauseStopped,
	"docker start web; docker kill web":                                       engine.CauseStopped,
	"docker restart web (exited)":                                             engine.CauseNone,
	"docker restart web (running)":                                            engine.CauseNone,
	"docker kill -s HUP web (does not die)":                                   engine.CauseNone,
	"run --name stubborn (ignores SIGTERM); docker stop -t 1":                 engine.CauseStopped,
	"run --restart on-failure:2 --name loop: exits 5 at once":                 engine.CauseSelf,
	"run -m 16m --name oom: allocates until killed":                           engine.CauseSelf,
	"run --name sick with a health check; made unhealthy, then healthy again": engine.CauseStopped,
}

func TestRecordedEndingsAreOfRecordedSteps(t *testing.T) {
	for _, recording := range recordedEngines {
		known := map[string]bool{}
		for _, s := range recordedSteps(t, recording) {
			known[s.name] = true
		}
		for name := range recordedEndings {
			if !known[name] {
				t.Errorf("%s: no step %q", recording, name)
			}
		}
	}
}
