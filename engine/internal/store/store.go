// Package store keeps what is known of an engine's containers: events, lines of lists
// and inspects go in; snapshots, and what to inspect next, come out. It does no I/O and
// is told the time.
package store

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"defib/engine"
	"defib/engine/internal/gap"
	"defib/engine/internal/ownchange"
	"defib/engine/internal/queue"
)

const (
	// Inspectors is how many inspects may be under way at a time.
	Inspectors = queue.Inspectors
	// Counters of a name live so long after its last container.
	departedFor = 5 * time.Minute
	// DriftSlack is how far an event may lie before or after a list to explain what the
	// list found different.
	DriftSlack = 2 * time.Second
	// How far a list may lag behind the engine's own inspects.
	listLag = time.Second
	// SyncTimeout is how long after the list the first snapshot waits for inspects that
	// hang.
	SyncTimeout = 2 * time.Second
	// How far the clocks may drift apart, or an event be late.
	clockSlack = time.Minute

	// A container that was created is looked at again for so long: whoever means to
	// start it does so by then, compose too, which waits for what it depends on.
	firstStartWindow = 10 * time.Minute
)

// Stops is how an engine tells that somebody stopped a container.
type Stops uint8

// The ways in which engines tell.
const (
	StopsUntold    Stops = iota // not at all: Podman before 4.7
	StopsAnnounced              // by events, before the death: Docker
	StopsRecorded               // by the ExitCause of an inspect, afterwards: Podman
)

// entry is what the store knows of one container.
type entry struct {
	c         *engine.Container // nil until the engine described it
	life      lifecycle
	exit      engine.Exit
	version   int           // changes with each event; an answer asked for before is stale
	lastEvent time.Time     // on our clock
	asked     time.Time     // when its newest inspect was asked for
	known     time.Time     // on our clock: nothing has started or ended between what c describes and this moment
	early     engine.Counts // counted before its name was known
	updates   int           // of its limits
	item      queue.Item    // in the queue
	waiters   []chan<- *engine.Container

	remembered *engine.Remembered // of an earlier life, until an inspect has been judged by it
}

// Store is what is known of one engine. One goroutine owns it.
type Store struct {
	entries         map[string]*entry
	order           []*entry          // all that are described, sorted by id; nil: to be sorted again
	named           []*entry          // of these one per name, sorted by it
	queue           queue.Queue       // of inspects
	unsettled       map[string]*entry // by id: those that heard has to look at
	counters        map[string]*nameCounters
	projects        map[string]time.Time
	stops           map[string]time.Time
	own             ownchange.Changes
	tombstones      map[string]time.Time // destroyed lately: a list may still hold them
	notFound        map[string]time.Time // not found lately by an inspect: a list asked before may still hold them
	driftCandidates map[string]*driftCandidate
	images          images
	earlier         *earlier // nil: there was no earlier life

	stopsTold  Stops
	engineThen time.Time // the engine's clock at ourThen
	ourThen    time.Time
	first      time.Time // on the engine's clock
	last       engine.LastEvent
	versions   int       // given to entries: one that was removed and came back has another
	syncing    bool      // since the stream opened, until the snapshot is whole
	syncBy     time.Time // zero until the list has come
	gap        gap.Kind  // before the stream, until the snapshot is whole
	lost       time.Time // when the stream ended; zero while it is open
	shutdown   time.Time // gap.ShutdownBegan, while the stream is down
	listed     time.Time
	listing    bool
	changed    bool
	Drifts     int      // found, until somebody takes note
	replies    []func() // to be called once the next snapshot is out
}

// New returns a Store that knows nothing yet.
func New() *Store {
	return &Store{
		entries:         map[string]*entry{},
		queue:           queue.New(),
		unsettled:       map[string]*entry{},
		counters:        map[string]*nameCounters{},
		projects:        map[string]time.Time{},
		stops:           map[string]time.Time{},
		tombstones:      map[string]time.Time{},
		notFound:        map[string]time.Time{},
		driftCandidates: map[string]*driftCandidate{},
	}
}

// Opened begins an unbroken stretch of stream. Then and engineThen are one
// moment on our clock and on the engine's. Before is the gap since the last stretch.
func (s *Store) Opened(then, engineThen time.Time, before gap.Kind, told Stops) {
	s.engineThen, s.ourThen, s.stopsTold = engineThen, then, told
	s.syncing, s.syncBy, s.gap = true, time.Time{}, max(s.gap, before)
	s.images.asking, s.images.due = false, time.Time{}
	s.queue.Reset() // the list asks for all
	if before != gap.None || told == StopsRecorded {
		for _, e := range s.entries {
			e.life.observeGap()
		}
	}
	if s.last.At.IsZero() || before != gap.None { // the replay, if there is any, is to come
		s.last = engine.LastEvent{At: engineThen.UTC()}
	}
}

// Closed ends the stretch.
func (s *Store) Closed(now time.Time) {
	if s.lost.IsZero() {
		s.lost, s.changed = now, true
		s.shutdown = gap.ShutdownBegan(s.runs(), s.engineTime(now))
	}
	s.listing = false // its answer is void
	clear(s.driftCandidates)
}

// Known reports whether there has been a snapshot.
func (s *Store) Known() bool { return !s.first.IsZero() }

// Synced reports whether the snapshot is whole since the stream opened.
func (s *Store) Synced() bool { return !s.syncing }

// Changed reports whether the snapshot differs from the one that was last taken.
func (s *Store) Changed() bool { return s.changed }

// Inspecting is how many inspects are asked for and not answered.
func (s *Store) Inspecting() int { return s.queue.InFlight() }

// Len is how many containers there are.
func (s *Store) Len() int { return len(s.entries) }

// TakeReplies returns what is to be called once the newest snapshot is out.
func (s *Store) TakeReplies() []func() {
	replies := s.replies
	s.replies = nil
	return replies
}

// ourTime turns a moment on the engine's clock into one on ours, never later than now.
func (s *Store) ourTime(at, now time.Time) time.Time {
	return engine.Earlier(s.ourThen.Add(at.Sub(s.engineThen)), now)
}

// ClockTold takes the moment of an event that the stream tells just now: the engine's clock may
// have been set since the stream was opened, as on a host that learns the time after its start.
func (s *Store) ClockTold(now, at time.Time) {
	if at.Unix() > 0 && at.Sub(s.engineTime(now)).Abs() > clockSlack {
		s.engineThen, s.ourThen = at, now
	}
}

// seen is the moment on our clock from which something counts that we learn of
// now: in the first snapshot when it happened, afterwards now.
func (s *Store) seen(at, now time.Time) time.Time {
	if s.first.IsZero() && !at.IsZero() {
		return s.ourTime(at, now)
	}
	return now
}

// Snapshot is a snapshot of the store.
func (s *Store) Snapshot() *engine.Snapshot {
	s.changed = false
	s.arrange()
	p := engine.NewSnapshot(containers(s.order), containers(s.named))
	p.Connected = !s.syncing && s.lost.IsZero()
	p.Lost, p.Listed, p.First, p.Shutdown = s.lost, s.listed, s.first, s.shutdown
	p.LastEvent, p.ClockAhead, p.Heard = s.Last(), s.engineThen.Sub(s.ourThen.Round(0)), s.heard()
	p.Projects = maps.Clone(s.projects)
	if s.stopsTold != StopsUntold {
		p.Stops = maps.Clone(s.stops)
	}
	for name, t := range s.counters {
		if !t.removedAt.IsZero() && name != "" {
			p.Departed = append(p.Departed, engine.Departed{Name: name, Events: t.counts})
		}
	}
	slices.SortFunc(p.Departed, func(a, b engine.Departed) int { return cmp.Compare(a.Name, b.Name) })
	return p
}

// arrange sorts the containers by id and by name, if one came, left or changed
// its name since: most snapshots differ from the last one in neither.
func (s *Store) arrange() {
	if s.order != nil {
		return
	}
	for _, e := range s.entries {
		if e.c != nil {
			s.order = append(s.order, e)
		}
	}
	slices.SortFunc(s.order, func(x, y *entry) int { return cmp.Compare(x.c.ID, y.c.ID) })
	s.named = engine.OnePerName(s.order, func(e *entry) *engine.Container { return e.c })
}

func containers(es []*entry) []*engine.Container {
	cs := make([]*engine.Container, len(es))
	for i, e := range es {
		cs[i] = e.c
	}
	return cs
}

func (s *Store) add(id string, now time.Time) *entry {
	e := &entry{item: queue.NewItem(id)}
	s.entries[id] = e
	s.recall(e, id, now)
	return e
}

// invalidate makes every answer that was asked for until now too old.
func (s *Store) invalidate(e *entry) {
	s.versions++
	e.version = s.versions
}

func (s *Store) remove(id string, now time.Time) {
	e := s.entries[id]
	delete(s.entries, id)
	s.queue.Remove(&e.item)
	s.order, s.changed = nil, true
	if e.c != nil {
		s.releaseName(e.c.Name, now)
	}
	s.reply(e, nil)
}

// handleDestroy removes what was destroyed.
func (s *Store) handleDestroy(id, project string, at, now time.Time) {
	s.remove(id, now)
	s.tombstones[id] = now // a list asked for before still holds it
	s.projectChanged(id, project, at)
}

// handleNotFound removes what an inspect does not find: it may be gone, or about to come,
// since Docker 20.10 lists a container a moment before it can be inspected. So
// its events and later lists count.
func (s *Store) handleNotFound(now time.Time, id string, e *entry) {
	s.projectChanged(id, e.project(), now)
	s.remove(id, now)
	s.notFound[id] = now
}
