package history

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// Memory is what one life of Defib leaves of its history to the next. Times are on our
// clock unless said otherwise.
type Memory struct {
	Since    time.Time             `json:"since"`              // how far back it goes
	Records  map[string]Remembered `json:"records,omitempty"`  // by container ID; one that is missing is blank
	Restarts []time.Time           `json:"restarts,omitempty"` // of running containers, in the last minute, oldest first
	Firings  []RememberedFiring    `json:"firings,omitempty"`  // sorted by when they were last heard of
}

// Remembered is what is kept of a Record.
type Remembered struct {
	Attempts     int                  `json:"attempts,omitzero"`
	Restarts     int                  `json:"restarts,omitzero"`
	Streak       int                  `json:"streak,omitzero"`
	LastEnd      time.Time            `json:"last_end,omitzero"`
	Declined     outcome.Reason       `json:"declined,omitzero"`
	Failed       bool                 `json:"failed,omitzero"`
	Late         bool                 `json:"late,omitzero"`
	Acting       bool                 `json:"acting,omitzero"`
	HealthySince time.Time            `json:"healthy_since,omitzero"`
	Joined       map[string]time.Time `json:"joined,omitempty"` // on the engine's clock
	Parent       NetworkParent        `json:"parent,omitzero"`
	Healing      policy.Trigger       `json:"healing,omitzero"`
	Cause        time.Time            `json:"cause,omitzero"`
	From         time.Time            `json:"from,omitzero"` // on the engine's clock

	Started      time.Time `json:"started,omitzero"` // StartedAt at the last look, on the engine's clock
	RestartCount int       `json:"restart_count,omitzero"`

	Slot string `json:"slot,omitzero"` // of a task of Swarm that may be ended
}

// RememberedFiring is a Firing and its key.
type RememberedFiring struct {
	Alert     AlertID   `json:"alert"`
	Since     int64     `json:"since"` // Unix time in nanoseconds, on the sender's clock
	Container string    `json:"container"`
	Heard     time.Time `json:"heard"`
	Last      time.Time `json:"last"`
	Acted     time.Time `json:"acted,omitzero"`
}

// MarshalText writes an ID in hexadecimal.
func (id AlertID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *AlertID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("%.80q is no ID of an alert", text)
	}
	if _, err := hex.Decode(id[:], text); err != nil {
		return fmt.Errorf("%.80q is no ID of an alert", text)
	}
	return nil
}

// Memory returns what is to be kept. It shares nothing with the history.
func (h *History) Memory() Memory {
	m := Memory{Since: h.Since, Records: map[string]Remembered{}, Restarts: slices.Clone(h.RecentRestarts)}
	for id, r := range h.Records {
		if !r.blank() {
			m.Records[id] = r.remembered()
		}
	}
	m.Firings = make([]RememberedFiring, 0, len(h.Firings))
	for key, f := range h.Firings {
		m.Firings = append(m.Firings, RememberedFiring{key.alert, key.since, key.container, f.Heard, f.Last, f.Acted})
	}
	slices.SortFunc(m.Firings, func(a, b RememberedFiring) int {
		return cmp.Or(a.Last.Compare(b.Last), bytes.Compare(a.Alert[:], b.Alert[:]), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Container, b.Container))
	})
	return m
}

// blank reports whether nothing is to be kept of the record.
func (r *Record) blank() bool {
	return r.Attempts == 0 && r.Streak == 0 && r.LastEnd.IsZero() && r.Healing == "" && len(r.Joined) == 0 && r.Parent.ID == "" && (r.last == nil || r.last.RestartCount == 0)
}

// mark is what of a record changes without an action of ours, and is to outlive Defib.
type mark struct {
	attempts, restarts, streak int
	failed                     bool
	healing                    policy.Trigger
	healthySince               time.Time
}

func (r *Record) mark() mark {
	if r.blank() {
		return mark{}
	}
	return mark{r.Attempts, r.Restarts, r.Streak, r.Failed, r.Healing, r.HealthySince}
}

func (r *Record) remembered() Remembered {
	m := Remembered{
		Attempts: r.Attempts, Restarts: r.Restarts, Streak: r.Streak, LastEnd: r.LastEnd, Declined: r.Declined, Failed: r.Failed, Late: r.Late, Acting: r.Acting,
		HealthySince: r.HealthySince, Joined: maps.Clone(r.Joined), Parent: r.Parent, Healing: r.Healing, Cause: r.cause, From: r.from, Slot: r.slot,
	}
	if r.last != nil {
		m.Started, m.RestartCount = r.last.Started, r.last.RestartCount
	}
	return m
}

// Recall goes on from what an earlier life remembered, beside what this one has heard by
// now. It is for the first snapshot. Until is when the memory ends: what happened between
// that and this life is not in it. A time in the future, of a clock that was set back
// since, counts as now; an alert whose times are so is forgotten.
func (h *History) Recall(now, until time.Time, m Memory) {
	past := func(t time.Time) time.Time { return notAfter(now, t) }
	h.Since, h.gap, h.recalled = past(m.Since), past(until), m.Records
	for _, at := range m.Restarts {
		h.RecentRestarts = append(h.RecentRestarts, past(at))
	}
	for _, f := range m.Firings {
		if f.Heard.After(now) || f.Last.After(now) || f.Acted.After(now) {
			continue
		}
		key := FiringKey{f.Alert, f.Since, f.Container}
		if fresh := h.Firings[key]; fresh != nil { // it was heard of again already, and requests point to it
			fresh.Heard, fresh.Acted = f.Heard, f.Acted
			continue
		}
		h.Firings[key] = &Firing{Heard: f.Heard, Last: f.Last, Acted: f.Acted}
	}
}

// recall returns the record of a container that is seen for the first time in this life.
// What started it in a gap may have been an action of the life before.
func (h *History) recall(now time.Time, c *engine.Container) *Record {
	m, ok := h.recalled[c.ID]
	if !ok {
		return &Record{}
	}
	return h.restore(now, m, c.Started)
}

// restore makes a record of what an earlier life remembered of a container that was last
// started then, on the engine's clock.
func (h *History) restore(now time.Time, m Remembered, started time.Time) *Record {
	if m.Acting { // the engine carries on with it, or has just ended it
		m.Late, m.LastEnd = true, now
	}
	m.Late = m.Late || !h.gap.IsZero() && !started.Equal(m.Started)
	return &Record{
		Attempts: m.Attempts, Restarts: m.Restarts, Streak: m.Streak, LastEnd: notAfter(now, m.LastEnd), Declined: m.Declined, Failed: m.Failed, Late: m.Late,
		HealthySince: notAfter(now, m.HealthySince), Joined: m.Joined, Parent: m.Parent, Healing: m.Healing, cause: notAfter(now, m.Cause), from: m.From,
		last: &engine.Container{Started: m.Started, RestartCount: m.RestartCount}, slot: m.Slot,
	}
}

// notAfter is t, or now if that is earlier.
func notAfter(now, t time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// Forgotten reports whether what was done and asked at that moment, on our clock, may not
// be remembered: before any memory began, or between the end of one and this life.
func (h History) Forgotten(at time.Time) bool {
	return at.Before(h.Since) || !h.gap.IsZero() && at.After(h.gap) && at.Before(h.Began)
}
