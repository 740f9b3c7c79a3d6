// Package garbage says how much memory Defib fills before Go collects garbage. Where the user
// has set GOGC, that says it.
package garbage

import (
	"os"
	"runtime/debug"
	"sync"
)

const (
	// Usual is what Go does by itself: as much may be filled as is in use.
	Usual = 100
	// Sparing suits resources: each reading makes all values of a scrape anew. With 1,000
	// containers it takes a fifth of the memory away, and adds next to nothing to the
	// processor time of a scrape.
	Sparing = 50

	// The first snapshot of 200 containers comes 6 % sooner so, without any collection: the
	// engine is busy with its answers meanwhile, and needs the processors.
	beginning = 400
)

// Beginning has garbage collected rarely until the returned function is first called, and from
// then on as percent says, which is that of debug.SetGCPercent.
func Beginning(percent int) (over func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(beginning)
	return sync.OnceFunc(func() { debug.SetGCPercent(percent) })
}
