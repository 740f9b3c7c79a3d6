package engine

import "time"

// Memory is what one life of Defib has to know of an engine for the next one to go on.
type Memory struct {
	EngineID   string                `json:"engine_id,omitzero"`
	Looked     time.Time             `json:"looked"`
	Containers map[string]Remembered `json:"containers,omitempty"`
}

// Remembered is what is to be known of a container.
type Remembered struct {
	StartedAt time.Time `json:"started,omitzero"`
}

// Memory returns what is to be known.
func (p *Snapshot) Memory(now time.Time) Memory {
	m := Memory{EngineID: p.EngineID, Looked: now, Containers: map[string]Remembered{}}
	for _, c := range p.Containers {
		m.Containers[c.ID] = Remembered{StartedAt: c.Started}
	}
	return m
}
