package engine

import (
	"maps"
	"time"
)

// Memory is what one life of Defib has to know of an engine for the next one to go on
// from there. All times are in UTC, on the clock of the engine unless noted.
type Memory struct {
	EngineID   string                `json:"engine,omitempty"`  // "": it has none that lasts
	BootID     string                `json:"boot,omitempty"`    // of the engine's host; "": not known
	Looked     time.Time             `json:"looked,omitzero"`   // when the snapshot was last known to be current
	Ended      bool                  `json:"ended,omitempty"`   // the watch ended then; else it went on, for how long is not known
	Shutdown   time.Time             `json:"shutdown,omitzero"` // as of the snapshot
	Last       LastEvent             `json:"last,omitzero"`
	Containers map[string]Remembered `json:"containers,omitempty"` // by ID
}

// LastEvent is the newest event that was heard of an engine. By it the engine is known
// again: one that still has it has forgotten nothing since. Without an ID it is the
// moment of a connection before which the engine knew of no event.
type LastEvent struct {
	At     time.Time `json:"at,omitzero"`
	Kind   string    `json:"kind,omitempty"`
	Action string    `json:"action,omitempty"`
	ID     string    `json:"id,omitempty"`
}

// Phase is how far the newest run of a container had come.
type Phase string

// The phases of a run; "": no run of the container is known.
const (
	PhaseStarted Phase = "started" // its start was heard, and no inspect had shown it yet
	PhaseRunning Phase = "running"
	PhaseDied    Phase = "died" // its death was heard, and no inspect had shown it yet
	PhaseDown    Phase = "down"
)

// Remembered is what was known of the newest run of a container.
type Remembered struct {
	Phase      Phase     `json:"p,omitempty"`
	StartedAt  time.Time `json:"s,omitzero"`  // zero: never, or not known; in PhaseStarted that of the run before
	FinishedAt time.Time `json:"f,omitzero"`  // once it is down
	Unsure     bool      `json:"u,omitempty"` // events may have been missed since it was seen running
	Cause      ExitCause `json:"c,omitempty"` // of its end
	Own        bool      `json:"o,omitempty"` // an action of Defib's own brought about the end
	ExitSeenAt time.Time `json:"e,omitzero"`  // on our clock
	StopAt     time.Time `json:"t,omitzero"`  // when it was told to stop
	StopSeenAt time.Time `json:"q,omitzero"`  // the same on our clock
	SignalAt   time.Time `json:"k,omitzero"`  // when it was sent another signal

	FirstStopAt time.Time `json:"g,omitzero"` // when it was first told to stop; StopAt is the last time
}

// Memory is what is to be remembered of the engine at this moment. It asks nobody.
func (s *Snapshot) Memory(now time.Time) Memory {
	switch {
	case s.Earlier != nil:
		return *s.Earlier
	case s.First.IsZero():
		return Memory{}
	case !s.Lost.IsZero():
		now = s.Lost
	}
	m := Memory{
		EngineID: s.EngineID, BootID: s.BootID, Last: s.LastEvent,
		Looked: onWall(now).Add(s.ClockAhead), Ended: !s.Lost.IsZero(), Shutdown: s.Shutdown.Round(0).UTC(),
		Containers: make(map[string]Remembered, len(s.Containers)),
	}
	for _, c := range s.Containers {
		m.Containers[c.ID] = remember(c)
	}
	maps.Copy(m.Containers, s.Heard)
	return m
}

// remember is what the description of a container tells of its newest run.
func remember(c *Container) Remembered {
	r := Remembered{StartedAt: c.Started.UTC(), Unsure: !c.Inspected}
	switch {
	case c.ExitCause != CauseNone:
		r.Phase, r.FinishedAt, r.Cause, r.ExitSeenAt = PhaseDown, c.Finished.UTC(), c.ExitCause, onWall(c.ExitSeenAt)
	case !c.StartSeenAt.IsZero():
		r.Phase = PhaseRunning
	}
	return r
}
