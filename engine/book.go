package engine

import (
	"maps"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
)

const (
	// Counters of a name live so long after its last container.
	departedFor = 5 * time.Minute
	// An event that lies so far before or after a list explains what the list
	// found different.
	driftSlack = 2 * time.Second
	// How long after the list the first picture waits for inspects that hang.
	syncPatience = 5 * time.Second

	followFirst = 500 * time.Millisecond
	followMost  = 30 * time.Second
)

// happening is a container event as the engine sent it.
type happening struct {
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
	events    int       // how many were seen; an answer asked for before the last is stale
	lastEvent time.Time // on our clock
	began     time.Time // when a start event came whose cause is not known yet
	early     Counts    // counted before its name was known
	ours      int       // own actions under way

	queued, asking bool
	again          time.Time     // when to look again at what passes or failed; zero: on news only
	pause          time.Duration // before that
	waiters        []chan<- *Container
}

// tally counts the events of a name across the containers that bore it.
type tally struct {
	counts  Counts
	bearers int
	gone    time.Time // when the last of them left it; zero: there are some
}

// suspect is a difference between picture and list that no event explains.
type suspect struct {
	listed    time.Time
	before    *Container // nil: it was missing
	confirmed bool
}

// book is the ledger of one engine: events, lists and inspects go in, pictures
// come out. It does no I/O and is told the time; one goroutine owns it.
type book struct {
	entries  map[string]*entry
	order    []string // sorted ids; nil: to be sorted again
	queue    []string // ids to inspect, oldest news first
	tallies  map[string]*tally
	projects map[string]time.Time
	tombs    map[string]time.Time // destroyed lately: a list may still hold them
	suspects map[string]*suspect

	announcesStops bool      // false for Podman
	engineThen     time.Time // the engine's clock at ourThen
	ourThen        time.Time
	first          time.Time // on the engine's clock
	last           happening // the newest event
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
		tallies:  map[string]*tally{},
		projects: map[string]time.Time{},
		tombs:    map[string]time.Time{},
		suspects: map[string]*suspect{},
	}
}

// opened begins an unbroken stretch of stream. Gone says that the replay no
// longer holds our last event: what happened in between is not known.
func (b *book) opened(now, engineNow time.Time, gone, announcesStops bool) {
	b.engineThen, b.ourThen = engineNow, now
	b.announcesStops = announcesStops
	b.syncing, b.syncBy, b.gone, b.listing = true, time.Time{}, b.gone || gone, false
	b.queue = nil
	for _, e := range b.entries {
		e.queued, e.asking = false, false
		if gone {
			e.run.whole = false
		}
	}
	if b.last.at.IsZero() {
		b.last.at = engineNow
	}
}

// closed ends the stretch.
func (b *book) closed(now time.Time) {
	if b.lost.IsZero() {
		b.lost, b.changed = now, true
	}
	clear(b.suspects)
}

// ours turns a moment on the engine's clock into one on ours, never later than now.
func (b *book) ours(at, now time.Time) time.Time {
	if t := b.ourThen.Add(at.Sub(b.engineThen)); t.Before(now) {
		return t
	}
	return now
}

// seen is the moment on our clock from which something counts that we learn of
// now: in the first picture when it happened, afterwards now.
func (b *book) seen(at, now time.Time) time.Time {
	if b.first.IsZero() && !at.IsZero() {
		return b.ours(at, now)
	}
	return now
}

// event takes one event. It reports whether it was news.
func (b *book) event(now time.Time, h happening) bool {
	if h == b.last {
		return false // the replay begins with the last one we had
	}
	b.last = h
	if _, dead := b.tombs[h.id]; dead {
		return false
	}
	at := b.seen(h.at, now)
	e := b.entries[h.id]
	if e == nil {
		e = b.add(h.id)
	}
	e.events++
	e.lastEvent = now
	delete(b.suspects, h.id)
	project := h.project
	if e.c != nil {
		project = e.c.Project()
	}

	switch h.action {
	case "destroy", "remove": // Docker's and Podman's word
		b.remove(h.id, now)
		b.tombs[h.id] = now
		b.touch(project, at)
		return true
	case "create", "rename":
		b.touch(project, at)
	case "start":
		b.count(e, EventStart)
		e.run.start()
		if e.ours == 0 {
			e.began = at
		}
	case "kill":
		b.count(e, EventKill)
		if e.ours == 0 {
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
		if e.ours == 0 {
			e.run.stop(h.at, at)
		}
	case "die":
		b.count(e, EventDie)
		e.run.die(h.at, at, e.ours > 0, b.announcesStops)
		e.exit = e.exitOf(h.exit)
		if e.ours == 0 {
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

// asked begins an inspect. The mark it returns goes into inspected.
func (b *book) asked(id string) (mark int) {
	e := b.entries[id]
	e.queued, e.asking = false, true
	return e.events
}

// inspected takes the answer of an inspect: c, or nil when the engine says that
// there is no such container, or not ok when there was no answer.
func (b *book) inspected(now time.Time, id string, mark int, c *Container, ok bool) {
	if s := b.suspects[id]; s != nil && ok && !sameFace(s.before, c) {
		s.confirmed = true
	} else if ok {
		delete(b.suspects, id)
	}
	e := b.entries[id]
	if e == nil {
		return
	}
	e.asking = false
	switch {
	case e.events != mark:
		b.enqueue(id, e) // something happened meanwhile
	case !ok:
		b.unanswered(now, e)
	case c == nil:
		b.remove(id, now)
	default:
		b.describe(now, e, c)
	}
}

// unanswered keeps what is known, marked as not inspected, and asks again later.
func (b *book) unanswered(now time.Time, e *entry) {
	e.follow(now)
	if e.c == nil || !e.c.Inspected {
		return
	}
	c := *e.c
	c.Inspected = false
	b.publish(e, &c)
}

// describe puts a fresh answer into the picture.
func (b *book) describe(now time.Time, e *entry, c *Container) {
	seen := now
	if b.first.IsZero() {
		seen = b.seen(c.Finished, now)
		if c.FailedStart() {
			seen = b.seen(c.Created, now)
		}
	}
	e.run.inspected(c, e.c, seen)
	if c.Exit.Known {
		e.exit = c.Exit
	}
	if !e.began.IsZero() {
		if c.RestartCount == 0 {
			b.touch(c.Project(), e.began) // started through the API, not by a restart policy
		}
		e.began = time.Time{}
	}
	if now.Sub(e.run.stopping) >= toldReach {
		e.run.stopping = time.Time{} // it was told in vain
	}
	b.publish(e, c)
	if !c.Stopping.IsZero() || c.State == Restarting || c.State == Removing || c.State == Created {
		e.follow(now)
	} else {
		e.again, e.pause = time.Time{}, 0
	}
	b.reply(e, c)
}

// reply has those who wait for a fresh look at the entry told, once the picture
// that shows it is out.
func (b *book) reply(e *entry, c *Container) {
	for _, w := range e.waiters {
		b.replies = append(b.replies, func() { w <- c })
	}
	e.waiters = nil
}

// publish makes c, completed with what only events tell, the entry's face.
func (b *book) publish(e *entry, c *Container) {
	c.Exit = e.exit
	c.Ending, c.Ended, c.Stopping = e.run.ending, e.run.ended, e.run.stopping
	t := b.tally(c.Name)
	for i, n := range e.early {
		t.counts[i] += n
	}
	e.early = Counts{}
	c.Events = t.counts
	if e.c == nil || e.c.Name != c.Name {
		t.bearers, t.gone = t.bearers+1, time.Time{}
		if e.c != nil {
			b.desert(e.c.Name, e.lastEvent)
		}
	}
	e.c, b.changed = c, true
}

// follow has what passes without an event, or gave no answer, looked at again
// after 0.5, 1, 2, … 30 s.
func (e *entry) follow(now time.Time) {
	e.pause = min(max(2*e.pause, followFirst), followMost)
	e.again = now.Add(e.pause)
}

// listAsked begins a list.
func (b *book) listAsked() { b.listing = true }

// listFailed ends one that gave no answer.
func (b *book) listFailed() { b.listing = false }

// listAnswered takes a list that was asked for at the given moment. A list
// decides which containers exist; any other difference is left to an inspect.
func (b *book) listAnswered(now, asked time.Time, list []container.Summary) {
	b.listing, b.listed, b.changed = false, asked, true
	present := make(map[string]bool, len(list))
	for _, s := range list {
		present[s.ID] = true
		if _, dead := b.tombs[s.ID]; dead {
			continue
		}
		e := b.entries[s.ID]
		switch {
		case e == nil:
			e = b.add(s.ID)
			b.suspect(s.ID, e, asked)
		case e.c != nil && e.c.Inspected && differs(e.c, s):
			if e.c.State != parseState(s.State) || e.c.Name != summaryName(s.Names) {
				b.suspect(s.ID, e, asked)
			}
		case e.c != nil && e.c.Inspected && !b.syncing:
			continue
		}
		if e.c == nil || !e.c.Inspected {
			b.publish(e, fromSummary(s))
		}
		b.enqueue(s.ID, e)
	}
	for id, e := range b.entries {
		if !present[id] && e.lastEvent.Before(asked) {
			b.suspect(id, e, asked)
			b.remove(id, now)
			if s := b.suspects[id]; s != nil {
				s.confirmed = true
			}
		}
	}
	if b.syncing && b.syncBy.IsZero() {
		b.syncBy = now.Add(syncPatience)
	}
	b.tidy(now)
}

// suspect notes a difference that no event explains. The engine passes through
// some states without an event: those explain themselves.
func (b *book) suspect(id string, e *entry, asked time.Time) {
	passing := e.c != nil && (e.c.State == Restarting || e.c.State == Removing || !e.c.Stopping.IsZero())
	if b.syncing || passing || asked.Sub(e.lastEvent) < driftSlack {
		return
	}
	b.suspects[id] = &suspect{listed: asked, before: e.c}
}

// sameFace reports whether two descriptions agree in what drift is judged by.
func sameFace(a, c *Container) bool {
	if a == nil || c == nil {
		return a == c
	}
	return a.State == c.State && a.Name == c.Name
}

// refresh has the container inspected anew and passes what comes of it to w,
// which must not block: nil if it is gone.
func (b *book) refresh(id string, w chan<- *Container) {
	e := b.entries[id]
	if e == nil {
		b.replies = append(b.replies, func() { w <- nil })
		return
	}
	e.events++ // an answer already asked for is too old
	e.waiters = append(e.waiters, w)
	b.enqueue(id, e)
}

// acting counts own actions under way: the events they cause are no evidence
// of a stop.
func (b *book) acting(id string, delta int) {
	if e := b.entries[id]; e != nil {
		e.ours = max(0, e.ours+delta)
	}
}

// step does what is due and reports the ids to inspect, at most free of them.
func (b *book) step(now time.Time, free int) (ids []string) {
	for id, e := range b.entries {
		if !e.again.IsZero() && !now.Before(e.again) {
			e.again = time.Time{}
			b.enqueue(id, e)
		}
	}
	for id, s := range b.suspects {
		if now.Sub(s.listed) >= driftSlack {
			if s.confirmed {
				b.drifts++
			}
			delete(b.suspects, id)
		}
	}
	rest := b.queue[:0]
	for _, id := range b.queue {
		switch e := b.entries[id]; {
		case e == nil: // gone
		case e.asking || len(ids) == free:
			rest = append(rest, id)
		default:
			ids = append(ids, id)
		}
	}
	b.queue = rest
	if b.syncing && !b.syncBy.IsZero() && (b.answered() || !now.Before(b.syncBy)) {
		b.synced(now)
	}
	return ids
}

// answered reports whether every container has been described, or its inspect
// has failed.
func (b *book) answered() bool {
	if len(b.queue) > 0 {
		return false
	}
	for _, e := range b.entries {
		if e.asking || e.queued {
			return false
		}
	}
	return true
}

// synced makes the picture current again. If the engine had gone, what it
// stopped just before its stream ended was an engine shutdown, which means
// nothing by it: unless another container came through unharmed, since a
// shutdown stops them all.
func (b *book) synced(now time.Time) {
	engineGone := b.gone
	b.syncing, b.gone = false, false
	if engineGone && !b.lost.IsZero() && !b.survived() {
		for _, e := range b.entries {
			if e.run.ending == EndedStopped && b.lost.Sub(e.run.ended) < shutdownReach && e.run.ended.Before(b.lost) {
				e.run.ending = EndedEngine
				if e.c != nil {
					c := *e.c
					b.publish(e, &c)
				}
			}
		}
	}
	if b.first.IsZero() {
		b.first = b.engineThen.Add(now.Sub(b.ourThen))
	}
	b.lost, b.changed = time.Time{}, true
}

// survived reports whether a container still is in a run that began before the
// stream was lost.
func (b *book) survived() bool {
	lost := b.engineThen.Add(b.lost.Sub(b.ourThen))
	for _, e := range b.entries {
		if e.c != nil && e.c.Up() && e.c.Started.Before(lost) {
			return true
		}
	}
	return false
}

// next is when step has something to do without news; zero: never.
func (b *book) next() time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, e := range b.entries {
		sooner(e.again)
	}
	for _, s := range b.suspects {
		sooner(s.listed.Add(driftSlack))
	}
	if b.syncing {
		sooner(b.syncBy)
	}
	return next
}

// picture is a snapshot of the book.
func (b *book) picture() *Picture {
	b.changed = false
	if b.order == nil {
		b.order = slices.Sorted(maps.Keys(b.entries))
	}
	p := &Picture{
		Connected:  !b.syncing && b.lost.IsZero(),
		Lost:       b.lost,
		Listed:     b.listed,
		First:      b.first,
		Containers: make([]*Container, 0, len(b.order)),
		Projects:   maps.Clone(b.projects),
	}
	for _, id := range b.order {
		if c := b.entries[id].c; c != nil {
			p.Containers = append(p.Containers, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.tallies)) {
		if t := b.tallies[name]; !t.gone.IsZero() {
			p.Departed = append(p.Departed, Departed{Name: name, Events: t.counts})
		}
	}
	return p
}

func (b *book) add(id string) *entry {
	e := &entry{}
	b.entries[id] = e
	b.order = nil
	return e
}

func (b *book) remove(id string, now time.Time) {
	e := b.entries[id]
	delete(b.entries, id)
	b.order, b.changed = nil, true
	if e.c != nil {
		b.desert(e.c.Name, now)
	}
	b.reply(e, nil)
}

func (b *book) enqueue(id string, e *entry) {
	if !e.queued {
		e.queued = true
		b.queue = append(b.queue, id)
	}
}

// touch notes that something happened in a compose project.
func (b *book) touch(project string, at time.Time) {
	if project != "" && at.After(b.projects[project]) {
		b.projects[project], b.changed = at, true
	}
}

// count counts one event. What the first replay tells of the time before Defib
// started is evidence, but counted it would look like news.
func (b *book) count(e *entry, k Event) {
	switch {
	case b.first.IsZero() && b.last.at.Before(b.engineThen):
	case e.c == nil:
		e.early[k]++
	default:
		b.tally(e.c.Name).counts[k]++
	}
}

func (b *book) tally(name string) *tally {
	t := b.tallies[name]
	if t == nil {
		t = &tally{}
		b.tallies[name] = t
	}
	return t
}

// desert notes that a container left its name.
func (b *book) desert(name string, now time.Time) {
	t := b.tally(name)
	if t.bearers--; t.bearers == 0 {
		t.gone = now
	}
}

// tidy forgets what nobody asks for any more.
func (b *book) tidy(now time.Time) {
	for name, t := range b.tallies {
		if !t.gone.IsZero() && now.Sub(t.gone) > departedFor {
			delete(b.tallies, name)
		}
	}
	maps.DeleteFunc(b.tombs, func(_ string, at time.Time) bool { return now.Sub(at) > departedFor })
	maps.DeleteFunc(b.projects, func(_ string, at time.Time) bool { return now.Sub(at) > 2*toldReach })
}
