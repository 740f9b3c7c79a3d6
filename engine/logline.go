package engine

import "time"

// LogLine is one line of a container's log, short, valid UTF-8 and without control
// characters.
type LogLine struct {
	At     time.Time // on the engine's clock; zero: the engine did not say
	Stderr bool      // on a terminal all is standard output
	Text   string
}
