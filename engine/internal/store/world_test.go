package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/engine/internal/listing"
)

// world plays an engine at random: things happen, events come late, lists and
// inspects are answered late with what was true at some moment in between.
type world struct {
	*harness
	*rand.Rand
	stretch int // of the stream; what was asked for in another is void
	coming  []delivery
	arrived time.Time // of the newest event on its way: they keep their order
	resync  time.Time
	born    int
	flying  map[string]bool
	kept    map[*engine.Container]engine.Container
	lagging map[string]engine.Container // died this moment: Docker 20.10 lists it as it was

	faults bool // the stream is cut, events are lost, inspects hang, things happen without event
	strict bool // there never was a fault: drift is an error
}

type delivery struct {
	at time.Time
	do func()
}

const resyncEvery = 30 * time.Second

func newWorld(t *testing.T, seed uint64, faults bool) *world {
	w := &world{
		harness: newHarness(t), Rand: rand.New(rand.NewPCG(seed, 0)), faults: faults, strict: !faults,
		flying: map[string]bool{}, kept: map[*engine.Container]engine.Container{}, lagging: map[string]engine.Container{},
	}
	w.held = true
	for range w.IntN(6) {
		w.born++
		w.put(fmt.Sprintf("c%d", w.born))
	}
	w.connect()
	return w
}

// upTo returns a random duration.
func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.Int64N(int64(d))) }

// deliver does something later, unless the stream was cut by then.
func (w *world) deliver(at time.Time, do func()) {
	stretch := w.stretch
	w.coming = append(w.coming, delivery{at, func() {
		if w.stretch == stretch {
			do()
		}
	}})
}

func (w *world) connect() {
	w.stretch++
	clear(w.flying)
	w.on, w.arrived = true, w.now
	since, before := w.since()
	w.Opened(w.now, w.engineNow(), before, StopsAnnounced)
	for _, h := range w.log {
		if !h.At.Before(since) {
			w.send(h)
		}
	}
	w.askList()
}

// send puts an event on its way.
func (w *world) send(h Event) {
	if w.faults && w.IntN(30) == 0 {
		return // lost
	}
	if at := w.now.Add(w.upTo(800 * time.Millisecond)); at.After(w.arrived) {
		w.arrived = at
	}
	w.deliver(w.arrived, func() { w.Event(w.now, h) })
}

// act lets something happen to a container.
func (w *world) act(id, action, detail string) {
	if w.faults && w.IntN(20) == 0 {
		w.silently(id, action, detail)
		return
	}
	was := w.truth[id]
	if was != nil && action == "die" {
		w.lagging[id] = *was
	}
	w.happens(id, action, detail)
	if w.on {
		w.send(w.log[len(w.log)-1])
	}
}

func (w *world) askList() {
	w.resync = w.now.Add(resyncEvery)
	if !w.ListAsked() {
		return
	}
	asked := w.now
	w.deliver(w.now.Add(w.upTo(300*time.Millisecond)), func() {
		list := w.items()
		for i := range list {
			if was, ok := w.lagging[list[i].ID]; ok {
				list[i] = itemOf(&was, w.engineNow())
			}
		}
		w.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		w.deliver(w.now.Add(w.upTo(300*time.Millisecond)), func() { w.answerList(asked, list) })
	})
}

func (w *world) answerList(asked time.Time, list []listing.Item) {
	w.ListAnswered(w.now, asked, list)
}

func (w *world) askInspect(id string) {
	if w.flying[id] {
		w.t.Fatalf("%s is inspected twice at a time", id)
	}
	w.flying[id] = true
	mark := w.InspectAsked(w.now, id)
	if w.faults && w.IntN(20) == 0 {
		w.deliver(w.now.Add(10*time.Second), func() { w.land(id, mark, nil, false) })
		return
	}
	w.deliver(w.now.Add(w.upTo(200*time.Millisecond)), func() {
		c := w.inspect(id)
		w.deliver(w.now.Add(w.upTo(200*time.Millisecond)), func() { w.land(id, mark, c, true) })
	})
}

func (w *world) land(id string, mark int, c *engine.Container, ok bool) {
	w.flying[id] = false
	w.Inspected(w.now, id, mark, c, ok)
}

// turn passes some time and does what is due, as the connection's loop does.
func (w *world) turn(d time.Duration) {
	end := w.now.Add(d)
	for {
		slices.SortStableFunc(w.coming, func(a, b delivery) int { return a.at.Compare(b.at) })
		if len(w.coming) == 0 || w.coming[0].at.After(end) {
			break
		}
		next := w.coming[0]
		w.coming = w.coming[1:]
		if next.at.After(w.now) {
			w.now = next.at
		}
		next.do()
		w.loop()
	}
	if end.After(w.now) {
		w.now = end
	}
	clear(w.lagging)
	w.loop()
}

func (w *world) loop() {
	if !w.on {
		return
	}
	for _, id := range w.Step(w.now, Inspectors-len(w.inFlight())) {
		w.askInspect(id)
	}
	if w.Drifts > 0 {
		if w.strict {
			w.t.Fatal("drift without a fault")
		}
		w.Drifts = 0
		w.disconnect()
		w.connect()
	}
	if !w.now.Before(w.resync) {
		w.askList()
	}
	if w.changed {
		w.check(w.Snapshot())
	}
}

func (w *world) inFlight() []string {
	var ids []string
	for id, flying := range w.flying {
		if flying {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *world) disconnect() {
	w.cut()
	w.stretch++
}

// nextLife has another store go on from what this one knows.
func (w *world) nextLife() {
	if m := w.Snapshot().Memory(w.now); w.Synced() {
		w.Store = New()
		w.Resume(m, "", time.Time{})
	}
}

// check notes what a snapshot holds, to find later that nothing has changed it.
func (w *world) check(p *engine.Snapshot) {
	if !slices.IsSortedFunc(p.Containers, func(a, b *engine.Container) int { return strings.Compare(a.ID, b.ID) }) {
		w.t.Fatal("a snapshot is not sorted")
	}
	if fresh := (&engine.Snapshot{Containers: p.Containers}); !slices.Equal(p.Named(), fresh.Named()) {
		w.t.Fatal("the store's order by name is not that of the snapshot")
	}
	for _, c := range p.Containers {
		if _, ok := w.kept[c]; !ok {
			w.kept[c] = *c
		}
	}
}

// something lets anything happen.
func (w *world) something() {
	ids := slices.Sorted(maps.Keys(w.truth))
	if len(ids) == 0 || w.IntN(8) == 0 && len(ids) < 12 {
		w.born++
		w.act(fmt.Sprintf("c%d", w.born), "create", "")
		return
	}
	id := ids[w.IntN(len(ids))]
	switch c := w.truth[id]; {
	case w.IntN(12) == 0:
		w.act(id, "destroy", "")
	case w.IntN(12) == 0:
		w.act(id, "rename", fmt.Sprintf("n%d", w.IntN(1000)))
	case c.State == engine.Created || c.State == engine.Exited:
		w.act(id, "start", "")
	case c.State == engine.Paused:
		w.act(id, "unpause", "")
	case w.IntN(4) == 0:
		w.act(id, "pause", "")
	case w.IntN(3) == 0:
		w.act(id, "kill", []string{"1", "9", "15"}[w.IntN(3)])
	case w.faults && w.IntN(3) == 0: // restarted between two lists, and not a word of it
		w.silently(id, "die", "0")
		w.turn(w.upTo(100 * time.Millisecond))
		w.silently(id, "start", "")
	default:
		w.act(id, "die", fmt.Sprint(w.IntN(3)))
		if w.truth[id] != nil && w.IntN(3) == 0 { // its policy restarts it
			c.State = engine.Restarting
			w.turn(w.upTo(time.Second))
			if !w.strict && w.IntN(3) == 0 {
				c.State = engine.Exited // in vain, which no event tells
				return
			}
			w.act(id, "start", "")
		}
	}
}

func (w *world) fault() {
	switch {
	case !w.on && w.IntN(2) == 0:
		w.connect()
	case w.on && w.IntN(15) == 0:
		w.disconnect()
		if w.IntN(2) == 0 {
			w.replaced()
		}
		if w.IntN(2) == 0 {
			w.nextLife()
		}
	}
}

// compare compares the snapshot with the truth.
func (w *world) compare(what string) {
	w.t.Helper()
	type face struct {
		Name              string
		State             engine.State
		Started, Finished time.Time
	}
	got, want := map[string]face{}, map[string]face{}
	for _, c := range w.Snapshot().Containers {
		got[c.ID] = face{c.Name, c.State, c.Started, c.Finished}
		if !c.Inspected {
			w.t.Errorf("%s: %s is not inspected", what, c.ID)
		}
	}
	for id, c := range w.truth {
		want[id] = face{c.Name, c.State, c.Started, c.Finished}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("%s, -truth +snapshot:\n%s", what, diff)
	}
	for c, was := range w.kept {
		if !reflect.DeepEqual(&was, c) {
			w.t.Errorf("a published container changed: %+v, was %+v", c, was)
		}
	}
	clear(w.kept)
}
