package engine

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// Counters of a name live so long after its last container.
	departedFor = 5 * time.Minute
	// An event that lies so far before or after a list explains what the list
	// found different.
	driftSlack = 2 * time.Second
	// How far a list may lag behind the engine's own inspects.
	listLag = time.Second
	// How long after the list the first picture waits for inspects that hang.
	syncPatience = 2 * time.Second

	// A container that was created is looked at again for so long: whoever means to
	// start it does so by then, compose too, which waits for what it depends on.
	firstStartReach = 10 * time.Minute

	followFirst = 500 * time.Millisecond
	followMost  = 30 * time.Second
)

// happening is a container event as the engine sent it.
type happening struct {
	kind    string // container or image; of others only their being is known
	action  string // create, start, die, …; health_status with its suffix
	id      string
	project string    // compose project, "" if none
	signal  string    // of a kill
	exit    string    // exit code of a die
	at      time.Time // on the engine's clock
}

// entry is what the book knows of one container.
type entry struct {
	c         *Container // nil until the engine described it
	run       run
	exit      Exit
	version   int       // changes with each event; an answer asked for before is stale
	lastEvent time.Time // on our clock
	began     time.Time // when a start event came whose cause is not known yet
	asked     time.Time // when its newest inspect was asked for
	known     time.Time // on our clock: nothing has started or ended between what c describes and this moment
	early     Counts    // counted before its name was known
	ours      bool      // an action of our own is under way, and has not started it yet

	queued  bool
	hung    bool          // its last inspect was not answered
	pause   time.Duration // before what passes or failed is looked at again
	waiters []chan<- *Container
}

// book is the ledger of one engine: events, lists and inspects go in, pictures
// come out. It does no I/O and is told the time; one goroutine owns it.
type book struct {
	entries  map[string]*entry
	order    []*entry             // all that are described, sorted by id; nil: to be sorted again
	named    []*entry             // of these one per name, sorted by it
	queue    []string             // ids to inspect, oldest news first
	later    map[string]time.Time // ids to inspect again without news
	soonest  time.Time            // none in later is due before; zero: there is none
	asking   map[string]bool      // ids whose inspect is asked for and not answered: whether the last one hung
	tallies  map[string]*tally
	projects map[string]time.Time
	tombs    map[string]time.Time // destroyed lately: a list may still hold them
	missed   map[string]time.Time // not found lately by an inspect: a list asked before may still hold them
	suspects map[string]*suspect
	images   images

	announcesStops bool      // false for Podman
	engineThen     time.Time // the engine's clock at ourThen
	ourThen        time.Time
	first          time.Time // on the engine's clock
	last           happening // the newest event, of any kind
	versions       int       // given to entries: one that was removed and came back has another
	syncing        bool      // since the stream opened, until the picture is whole
	syncBy         time.Time // zero until the list has come
	gone           bool      // the engine behind the new stream is not the old one
	lost           time.Time // when the stream ended; zero while it is open
	listed         time.Time
	listing        bool
	changed        bool
	drifts         int      // found since last taken
	replies        []func() // to be called once the next picture is out
}

func newBook() *book {
	return &book{
		entries:  map[string]*entry{},
		later:    map[string]time.Time{},
		asking:   map[string]bool{},
		tallies:  map[string]*tally{},
		projects: map[string]time.Time{},
		tombs:    map[string]time.Time{},
		missed:   map[string]time.Time{},
		suspects: map[string]*suspect{},
	}
}

// opened begins an unbroken stretch of stream. Then and engineThen are one
// moment on our clock and on the engine's. Gone says that the replay no longer
// holds our last event: what happened in between is not known.
func (b *book) opened(then, engineThen time.Time, gone, announcesStops bool) {
	b.engineThen, b.ourThen = engineThen, then
	b.announcesStops = announcesStops
	b.syncing, b.syncBy, b.gone, b.listing = true, time.Time{}, b.gone || gone, false
	b.images.asking, b.images.due = false, time.Time{}
	b.queue = nil
	clear(b.asking)
	clear(b.later) // the list asks for all
	b.soonest = time.Time{}
	for _, e := range b.entries {
		e.queued = false
		if gone {
			e.run.whole = false
		}
	}
	if b.last.at.IsZero() {
		b.last.at = engineThen
	}
}

// closed ends the stretch.
func (b *book) closed(now time.Time) {
	if b.lost.IsZero() {
		b.lost, b.changed = now, true
	}
	clear(b.suspects)
}

// ourTime turns a moment on the engine's clock into one on ours, never later than now.
func (b *book) ourTime(at, now time.Time) time.Time {
	if t := b.ourThen.Add(at.Sub(b.engineThen)); t.Before(now) {
		return t
	}
	return now
}

// seen is the moment on our clock from which something counts that we learn of
// now: in the first picture when it happened, afterwards now.
func (b *book) seen(at, now time.Time) time.Time {
	if b.first.IsZero() && !at.IsZero() {
		return b.ourTime(at, now)
	}
	return now
}

// event takes one event. It reports whether it was news of a container.
func (b *book) event(now time.Time, h happening) bool {
	if h == b.last {
		return false // the replay begins with the last one we had
	}
	b.last = h
	if h.kind == imageType {
		b.imagesSoon(now)
		return false
	}
	delete(b.suspects, h.id)
	if _, dead := b.tombs[h.id]; dead {
		return false
	}
	delete(b.missed, h.id)
	at := b.seen(h.at, now)
	e := b.entries[h.id]
	if e == nil {
		e = b.add(h.id)
	}
	b.outdate(e)
	e.lastEvent = now
	project := cmp.Or(e.project(), h.project)

	switch h.action {
	case "destroy", "remove": // Docker's and Podman's word
		b.bury(h.id, project, at, now)
		return true
	case "create", "rename":
		b.touch(project, at)
	case "start":
		b.count(e, EventStart)
		if !e.ours {
			e.began = at
		}
		if e.run.over() { // else it tells late of the run that a restart is to end
			e.ours = false
		}
		e.run.start()
	case "kill":
		b.count(e, EventKill)
		if !e.ours && b.announcesStops { // else it is no evidence, and names no signal
			stopSignal, trusted := 0, true
			if e.c != nil {
				stopSignal = e.c.stopSignal
				_, masked := e.c.Labels["signal"]
				trusted = !masked
			}
			e.run.kill(h.at, at, parseSignal(h.signal), stopSignal, trusted)
			b.touch(project, at)
		}
	case "stop":
		if !e.ours || e.run.over() { // else it is of our own restart
			e.run.stop(h.at, at)
		}
	case "die":
		b.count(e, EventDie)
		e.run.die(h.at, at, e.ours, b.announcesStops)
		e.exit = e.exitOf(h.exit)
		if !e.ours {
			b.touch(project, at)
		}
	case "oom":
		b.count(e, EventOOM)
		e.run.oom = true
	case "health_status: unhealthy":
		b.count(e, EventUnhealthy)
	}
	b.enqueue(h.id, e)
	return true
}

// project is its compose project, as far as it is known.
func (e *entry) project() string {
	if e.c == nil {
		return ""
	}
	return e.c.Project()
}

// exitOf reads the exit code of a die event, for a container that is up again
// before it can be inspected. A label of that name hides the real one.
func (e *entry) exitOf(code string) Exit {
	if e.c == nil {
		return e.exit
	}
	if _, masked := e.c.Labels["exitCode"]; masked {
		return Exit{}
	}
	n, ok := parseCode(code)
	return Exit{Known: ok, Code: n, OOMKilled: e.run.oom}
}

// picture is a snapshot of the book.
func (b *book) picture() *Picture {
	b.changed = false
	b.arrange()
	p := &Picture{
		Connected:  !b.syncing && b.lost.IsZero(),
		Lost:       b.lost,
		Listed:     b.listed,
		First:      b.first,
		Containers: faces(b.order),
		Projects:   maps.Clone(b.projects),
		named:      faces(b.named),
	}
	for name, t := range b.tallies {
		if !t.gone.IsZero() && name != "" {
			p.Departed = append(p.Departed, Departed{Name: name, Events: t.counts})
		}
	}
	slices.SortFunc(p.Departed, func(a, b Departed) int { return cmp.Compare(a.Name, b.Name) })
	return p
}

// arrange sorts the containers by id and by name, if one came, left or changed
// its name since: most pictures differ from the last one in neither.
func (b *book) arrange() {
	if b.order != nil {
		return
	}
	for _, e := range b.entries {
		if e.c != nil {
			b.order = append(b.order, e)
		}
	}
	slices.SortFunc(b.order, func(x, y *entry) int { return cmp.Compare(x.c.ID, y.c.ID) })
	b.named = slices.Clone(b.order)
	slices.SortStableFunc(b.named, func(x, y *entry) int { return byName(x.c, y.c) })
	b.named = slices.CompactFunc(b.named, func(x, y *entry) bool { return x.c.Name == y.c.Name })
	b.named = slices.DeleteFunc(b.named, func(e *entry) bool { return e.c.Name == "" })
}

func faces(es []*entry) []*Container {
	cs := make([]*Container, len(es))
	for i, e := range es {
		cs[i] = e.c
	}
	return cs
}

func (b *book) add(id string) *entry {
	e := &entry{}
	b.entries[id] = e
	return e
}

// outdate makes every answer that was asked for until now too old.
func (b *book) outdate(e *entry) {
	b.versions++
	e.version = b.versions
}

func (b *book) remove(id string, now time.Time) {
	e := b.entries[id]
	delete(b.entries, id)
	b.unfollow(id)
	b.order, b.changed = nil, true
	if e.c != nil {
		b.desert(e.c.Name, now)
	}
	b.reply(e, nil)
}

// bury removes what was destroyed.
func (b *book) bury(id, project string, at, now time.Time) {
	b.remove(id, now)
	b.tombs[id] = now // a list asked for before still holds it
	b.touch(project, at)
}

// miss removes what an inspect does not find: it may be gone, or about to come,
// since Docker 20.10 lists a container a moment before it can be inspected. So
// its events and later lists count.
func (b *book) miss(now time.Time, id string, e *entry) {
	b.touch(e.project(), now)
	b.remove(id, now)
	b.missed[id] = now
}

func (b *book) enqueue(id string, e *entry) {
	if !e.queued {
		e.queued = true
		b.queue = append(b.queue, id)
	}
}
