// Package postmortem keeps evidence of the deaths that Defib heals: how each run ended,
// what the container had written and used, and what its health check said.
package postmortem

import (
	"slices"
	"time"

	"defib/engine"
)

// maxLog is how many bytes are kept of the lines of a death.
const maxLog = 16 << 10

// What a death and a line take beside their texts, about.
const (
	deathSize = 512
	lineSize  = 64
)

// Death is the end of a run that Defib healed or is about to heal.
type Death struct {
	Container string    `json:"container"` // name
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`              // when it was seen, on our clock
	Started   time.Time `json:"started"`           // on the engine's clock, as the next
	Finished  time.Time `json:"finished,omitzero"` // zero: unknown
	Trigger   string    `json:"trigger"`           // what asked for the start or the restart
	Restarted bool      `json:"restarted"`         // Defib ended the run itself, by a restart

	ExitCode  *int             `json:"exit_code,omitempty"` // nil: unknown
	OOMKilled bool             `json:"oom_killed,omitempty"`
	Cause     engine.ExitCause `json:"cause,omitempty"`         // "" if it was restarted
	Health    string           `json:"health_output,omitempty"` // the last line of its health check, if it was unhealthy
	Usage     *Usage           `json:"usage,omitempty"`         // nil: unknown

	Log      []Line `json:"log,omitempty"`       // the last lines up to the end, the newest last
	LogCut   bool   `json:"log_cut,omitempty"`   // some were left out since they are long
	LogError string `json:"log_error,omitempty"` // why there is no log, in a sentence without its full stop

	Pending bool `json:"-"` // the log is still to come

	number int // of those that were kept so far
}

// Line is one line of a log.
type Line struct {
	Time   time.Time `json:"time,omitzero"` // on the engine's clock; zero: unknown
	Stderr bool      `json:"stderr,omitempty"`
	Text   string    `json:"text"`
}

// Usage is what a container used when it was read last before its end.
type Usage struct {
	Seconds     float64  `json:"seconds_before_exit"`
	Cores       *float64 `json:"cpu_cores,omitempty"` // processors, on average; nil: unknown
	Memory      uint64   `json:"memory_bytes"`        // its working set
	MemoryLimit uint64   `json:"memory_limit_bytes,omitempty"`
}

// RanFor is how long the run lasted; 0: that is not known.
func (d Death) RanFor() time.Duration {
	if d.Started.IsZero() || d.Finished.Before(d.Started) {
		return 0
	}
	return d.Finished.Sub(d.Started)
}

// size is about how much memory it takes.
func (d *Death) size() int {
	n := deathSize + len(d.Container) + len(d.ID) + len(d.Health) + len(d.LogError)
	for _, l := range d.Log {
		n += lineSize + len(l.Text)
	}
	return n
}

// setLog keeps the last lines that are not late, as many as there is room for.
func (d *Death) setLog(lines []engine.LogLine, late func(time.Time) bool) {
	room := maxLog
	for _, l := range slices.Backward(lines) {
		if late(l.At) {
			continue
		}
		if room -= len(l.Text); room < 0 {
			d.LogCut = true
			break
		}
		d.Log = append(d.Log, Line{Time: l.At, Stderr: l.Stderr, Text: l.Text})
	}
	slices.Reverse(d.Log)
}
