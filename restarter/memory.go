package restarter

import (
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/heartbeat"
	"defib/restarter/history"
	"defib/restarter/state"
)

const (
	// saveSoonest is how long after a save the next one may come.
	saveSoonest = time.Second
	// saveLatest is how long after a save the next one comes though nothing has happened:
	// an idle host must not wear out its SD card.
	saveLatest = 5 * time.Minute
)

// Memory is what one life of Defib leaves to the next. Times are on our clock.
type Memory struct {
	Version   int             `json:"version"`
	Saved     time.Time       `json:"saved"`
	Ended     bool            `json:"ended,omitzero"` // its life ended with it, and not in the middle of something
	Engine    engine.Memory   `json:"engine"`
	History   history.Memory  `json:"history"`
	Actions   []ActionRecord  `json:"actions,omitempty"` // the newest is the last
	Alerts    []AlertRecord   `json:"alerts,omitempty"`  // the same
	Heartbeat heartbeat.Saved `json:"heartbeat"`
}

// Keeper keeps what is to outlive the process. It never blocks.
type Keeper interface {
	// Put keeps a Memory in place of the last one.
	Put(memory any)
	// SetAside has the last life's kept apart, which is of no use to this one.
	SetAside(why string)
}

// memory is when and what of the Restarter is kept.
type memory struct {
	keeper   Keeper  // nil: nothing is kept
	recalled *Memory // of an earlier life, until the first snapshot; nil: there is none

	// As they were when it was last saved.
	at       time.Time
	snapshot *engine.Snapshot
	changes  int // of the history
	alerts   int // that were answered
}

// Keep has the Restarter go on from what an earlier life has left, nil if there is
// nothing, and leave to the keeper what it learns. It is for before Run.
func (r *Restarter) Keep(recalled *Memory, k Keeper) {
	r.memory = memory{keeper: k, recalled: recalled}
}

// recall goes on from what an earlier life has left, at the first snapshot: it tells
// whether that is of the same engine.
func (r *Restarter) recall(now time.Time, p *engine.Snapshot) {
	m := r.memory.recalled
	if m == nil {
		return
	}
	r.memory.recalled = nil
	if why := ofAnother(m.Engine, p); why != "" {
		r.memory.keeper.SetAside(why)
		return
	}
	until := m.Saved
	if m.Ended {
		until = time.Time{}
	}
	if m.History.Records == nil {
		m.History.Records = map[string]history.Remembered{}
	}
	for id, run := range m.Engine.Containers {
		if _, ok := m.History.Records[id]; !ok { // then there was nothing to say of it
			m.History.Records[id] = history.Remembered{Started: run.StartedAt}
		}
	}
	r.history.Recall(now, until, m.History)
	r.actions.Recall(m.Actions)
	r.alerts.Recall(m.Alerts)
	r.strips = heartbeat.New(m.Heartbeat)
	r.logger.Info("state recalled", "saved", m.Saved, "containers", len(m.Engine.Containers))
}

// keep saves what has been learnt, if that is due, and returns when to look again without
// news; zero: never.
func (r *Restarter) keep(now time.Time, p *engine.Snapshot) time.Time {
	m := &r.memory
	if m.keeper == nil || m.recalled != nil || m.snapshot == nil && !p.Connected {
		return time.Time{}
	}
	since := now.Sub(m.at)
	changed := m.snapshot == nil || r.history.Changes != m.changes || r.alerts.Count() != m.alerts || runsDiffer(m.snapshot, p)
	switch {
	case since < 0 || since >= saveLatest, changed && since >= saveSoonest:
		r.save(now, p, false)
		return now.Add(saveSoonest) // what was answered meanwhile is recorded a little later
	case since < saveSoonest:
		return m.at.Add(saveSoonest)
	}
	return m.at.Add(saveLatest)
}

// save hands over what has been learnt. Ended says that nothing follows.
func (r *Restarter) save(now time.Time, p *engine.Snapshot, ended bool) {
	m := &r.memory
	m.at, m.snapshot, m.changes, m.alerts = now, p, r.history.Changes, r.alerts.Count()
	known := p.Memory(now)
	known.Ended = known.Ended || ended
	m.keeper.Put(&Memory{
		Version: state.Version, Saved: now.UTC(), Ended: ended,
		Engine: known, History: r.history.Memory(), Actions: r.actions.All(), Alerts: r.alerts.All(), Heartbeat: r.strips.Saved(now),
	})
}

// leave saves what has been learnt for the last time.
func (r *Restarter) leave(now time.Time) {
	if m := &r.memory; m.keeper != nil && m.snapshot != nil {
		r.save(now, r.engine.Snapshot(), true)
	}
}

// runsDiffer reports whether a container came, went, was started or ended between two
// snapshots, or whether the engine did.
func runsDiffer(a, b *engine.Snapshot) bool {
	return a.Connected != b.Connected || !slices.EqualFunc(a.Containers, b.Containers, func(x, y *engine.Container) bool {
		return x == y || x.ID == y.ID && x.Up() == y.Up() && x.ExitCause == y.ExitCause && x.Started.Equal(y.Started) && x.Finished.Equal(y.Finished)
	})
}

// manyContainers is how many must all be gone for an engine to count as another one.
const manyContainers = 3

// ofAnother tells by what the engine of a snapshot is known to be another one than that of
// the memory; "" if nothing tells.
func ofAnother(m engine.Memory, p *engine.Snapshot) string {
	if m.EngineID != "" && p.EngineID != "" && m.EngineID != p.EngineID {
		return "it is of an engine with another ID"
	}
	for id := range m.Containers {
		if p.Get(id) != nil {
			return ""
		}
	}
	if len(m.Containers) < manyContainers {
		return ""
	}
	return "this engine has none of the containers in it"
}
