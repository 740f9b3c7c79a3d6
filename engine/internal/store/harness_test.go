package store

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/docker/go-units"

	"defib/engine"
	"defib/engine/internal/gap"
	"defib/engine/internal/listing"
)

// skew is how far the engine's clock is ahead of ours: comparing the two by
// mistake shows.
const skew = 3 * time.Hour

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// harness is a store with an engine at its side that is played by hand: what
// happens to a container changes the truth, and is heard as an event.
type harness struct {
	*Store
	t     testing.TB
	now   time.Time                    // on our clock
	set   time.Duration                // by how much the engine's clock was set meanwhile
	truth map[string]*engine.Container // by id: what an inspect would answer

	stopped map[string]bool // by id: what Podman has noted of its newest run

	told  Stops
	log   []Event // what the engine remembers
	heard int     // how many of those the store was told
	on    bool    // the stream is open
	held  bool    // events are on their way

	engineID string
}

func newHarness(t testing.TB) *harness {
	return &harness{Store: New(), told: StopsAnnounced, t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), truth: map[string]*engine.Container{}, stopped: map[string]bool{}}
}

// toldBy is how engines tell of stops, by the version of Podman.
var toldBy = map[string]Stops{"": StopsAnnounced, "4.3": StopsUntold, "5.8": StopsRecorded}

// watching returns a store whose first snapshot shows these containers running.
func watching(t testing.TB, ids ...string) *harness {
	l := newHarness(t)
	for _, id := range ids {
		l.put(id)
	}
	l.pass(time.Hour)
	l.open()
	l.sync()
	return l
}

func (l *harness) pass(d time.Duration) { l.now = l.now.Add(d) }

func (l *harness) engineNow() time.Time { return l.now.Add(skew + l.set) }

// put adds a running container to the truth, without a word of it.
func (l *harness) put(id string) *engine.Container {
	l.truth[id] = &engine.Container{
		ID: id, Name: id, Inspected: true, State: engine.Running, RestartPolicy: "no", Created: l.engineNow(), Started: l.engineNow(),
	}
	return l.truth[id]
}

// happens lets something happen to a container and has it heard, unless the
// stream is away. Detail is the signal of a kill, the exit code of a die or the
// new name of a rename.
func (l *harness) happens(id, action, detail string) {
	l.t.Helper()
	l.pass(time.Microsecond) // no two events of an engine have one time
	h := Event{Kind: KindContainer, Action: action, ID: id, At: l.engineNow()}
	if c := l.truth[id]; c != nil {
		h.Project = c.Project()
	}
	switch action {
	case "kill":
		h.Signal, _ = strconv.Atoi(detail)
	case "die":
		h.Exit = detail
	}
	l.silently(id, action, detail)
	l.log = append(l.log, h)
	if l.on && !l.held {
		l.hear()
	}
}

// silently changes the truth without an event.
func (l *harness) silently(id, action, detail string) {
	l.t.Helper()
	c := l.truth[id]
	if c == nil && action == "create" {
		c = l.put(id)
		c.State, c.Started = engine.Created, time.Time{}
	}
	if c == nil {
		l.t.Fatalf("there is no container %s to %s", id, action)
	}
	switch action {
	case "start":
		c.State, c.Started, c.Exit, c.Error = engine.Running, l.engineNow(), engine.Exit{}, ""
		delete(l.stopped, id)
	case "kill", "stop":
		l.stopped[id] = true
	case "forget": // as Podman does after a reboot
		delete(l.stopped, id)
	case "die":
		code, _ := strconv.Atoi(detail)
		c.State, c.Finished, c.Exit = engine.Exited, l.engineNow(), engine.Exit{Known: true, Code: code}
	case "fail": // the engine could not start it
		c.Error, c.Exit = "no such bind mount", engine.Exit{Known: true, Code: 128}
	case "pause":
		c.State = engine.Paused
	case "unpause":
		c.State = engine.Running
	case "rename":
		c.Name = detail
	case "destroy":
		delete(l.truth, id)
	}
}

func (l *harness) hear() {
	for ; l.heard < len(l.log); l.heard++ {
		l.ClockTold(l.now, l.log[l.heard].At)
		l.Event(l.now, l.log[l.heard])
	}
}

// open opens the stream and has it replay what the engine remembers, as the
// engine's connection does.
func (l *harness) open() {
	l.Meet(l.engineID, l.engineNow())
	since, before := l.since()
	l.Opened(l.now, l.engineNow(), before, l.told)
	l.on = true
	for l.heard = 0; l.heard < len(l.log); l.heard++ {
		if h := l.log[l.heard]; !h.At.Before(since) {
			l.Event(l.now, h)
		}
	}
}

// since tells from when the engine replays, and what gap that leaves.
func (l *harness) since() (at time.Time, before gap.Kind) {
	switch last := l.Last(); {
	case last.At.IsZero():
		return l.engineNow().Add(-10 * time.Minute), l.Gap(nil)
	case last.ID == "" && l.earlier == nil: // as if some event had been known
		return last.At, gap.Restarted
	default:
		past := slices.DeleteFunc(slices.Clone(l.log), func(h Event) bool { return h.At.Before(last.At) })
		return last.At, l.Gap(past)
	}
}

func (l *harness) cut() {
	l.Closed(l.now)
	l.on = false
}

// replaced puts another engine behind the socket, which remembers nothing.
func (l *harness) replaced() { l.log, l.heard = nil, 0 }

// sync lists and inspects until nothing is left to ask.
func (l *harness) sync() {
	l.list()
	l.look()
}

func (l *harness) list() {
	l.ListAsked()
	l.ListAnswered(l.now, l.now, l.items())
}

func (l *harness) items() (list []listing.Item) {
	for _, id := range slices.Sorted(maps.Keys(l.truth)) {
		list = append(list, itemOf(l.truth[id], l.engineNow()))
	}
	return list
}

// itemOf is a container's line of a list, now being on the engine's clock.
func itemOf(c *engine.Container, now time.Time) listing.Item {
	s := listing.Item{ID: c.ID, Name: c.Name, Labels: c.Labels, State: c.State, Created: c.Created.Truncate(time.Second)}
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

// look answers inspects with the truth until none is asked for.
func (l *harness) look() {
	for ids := l.ask(); len(ids) > 0; ids = l.ask() {
		for id, mark := range ids {
			l.answer(id, mark)
		}
	}
}

// ask begins the inspects that are due. It returns their marks by id.
func (l *harness) ask() map[string]int {
	marks := map[string]int{}
	for _, id := range l.Step(l.now, Inspectors) {
		marks[id] = l.InspectAsked(l.now, id)
	}
	return marks
}

// answer gives an inspect the answer that is true now.
func (l *harness) answer(id string, mark int) {
	l.Inspected(l.now, id, mark, l.inspect(id), true)
}

// inspect returns what an inspect would answer now; nil: no such container.
func (l *harness) inspect(id string) *engine.Container {
	if l.truth[id] == nil {
		return nil
	}
	c := *l.truth[id]
	if l.told == StopsRecorded && c.State == engine.Exited {
		c.ExitCause = engine.CauseSelf
		if l.stopped[id] {
			c.ExitCause = engine.CauseStopped
		}
	}
	return &c
}

// get returns the container in the snapshot, which must hold it.
func (l *harness) get(id string) *engine.Container {
	l.t.Helper()
	c := l.Snapshot().Get(id)
	if c == nil {
		l.t.Fatalf("%s is not in the snapshot", id)
	}
	return c
}

func (l *harness) wantStates(want map[string]engine.State) {
	l.t.Helper()
	got := map[string]engine.State{}
	for _, c := range l.Snapshot().Containers {
		got[c.ID] = c.State
	}
	if !maps.Equal(got, want) {
		l.t.Errorf("the snapshot shows %v, want %v", got, want)
	}
}
