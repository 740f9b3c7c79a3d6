// Package heartbeat remembers how each container did in the last 24 hours: for each
// quarter of an hour the worst that was seen, and for how long the container was up. It is
// pure.
package heartbeat

import (
	"strings"

	"defib/engine"
)

// State is how a container does. Of two the greater one is worse.
type State uint8

// The states. Of what is Unknown or Off nothing is counted.
const (
	Unknown   State = iota // nobody looked: Defib did not run, the engine was unavailable, or there was no such container
	Off                    // down as it is meant to be
	Up                     // it ran, and was not unhealthy
	Unhealthy              // it ran, and its health check failed
	Down                   // it was meant to run, and did not
)

// letters are how states are written, by State.
const letters = "?ouhd"

// Letter is how the state is written: ? unknown, o off, u up, h unhealthy, d down.
func (s State) Letter() byte { return letters[s] }

// parseState reads a state as Letter writes it.
func parseState(letter byte) (s State, ok bool) {
	i := strings.IndexByte(letters, letter)
	return State(max(i, 0)), i >= 0
}

// counts reports whether time in this state is of the time that the container was
// meant to run.
func (s State) counts() bool { return s >= Up }

// Exit codes of what a signal killed that also ends what somebody stops.
const (
	sigkilled = 137
	sigtermed = 143
)

// stateOf is how a container does. Kept says that it is started again whatever its exit
// code, by Defib or by the engine.
func stateOf(c *engine.Container, kept bool) State {
	switch {
	case c.Up() && c.Health == engine.Unhealthy:
		return Unhealthy
	case c.Up():
		return Up
	case c.State == engine.Restarting, c.FailedStart():
		return Down
	case c.State == engine.Created, c.State == engine.Paused, wasStopped(c), !kept && succeeded(c):
		return Off
	}
	return Down
}

// wasStopped reports whether somebody stopped the container, as far as anybody knows.
func wasStopped(c *engine.Container) bool {
	switch c.ExitCause {
	case engine.CauseStopped:
		return true
	case engine.CauseUnknown:
		// Its engine would have started it again, or the exit code is that of a stop.
		return c.AlwaysRestarts() && c.Error == "" || c.Exit.Code == sigkilled && !c.Exit.OOMKilled || c.Exit.Code == sigtermed
	}
	return false
}

// succeeded reports whether the last exit was one without an error.
func succeeded(c *engine.Container) bool {
	return c.Exit.Known && c.Exit.Code == 0 && c.Error == "" && c.ExitCause != engine.CauseEngine
}

// between is the worst that happened to a container between two looks, by what its name
// has counted meanwhile: it may have died and come back. What somebody kills or stops does
// not count, nor does a job that ends without an error.
func between(c *engine.Container, before engine.Counts, kept bool) State {
	if before[engine.EventDie] > c.Events[engine.EventDie] {
		before = engine.Counts{} // the name was forgotten in between
	}
	since := func(e engine.Event) uint64 { return c.Events[e] - min(before[e], c.Events[e]) }
	kills := since(engine.EventKill)
	if wasStopped(c) {
		kills = max(kills, 1) // Podman counts none for a stop
	}
	switch {
	case since(engine.EventDie) > kills && (kept || !succeeded(c)):
		return Down
	case since(engine.EventUnhealthy) > 0:
		return Unhealthy
	}
	return Unknown
}
