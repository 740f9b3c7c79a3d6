// Package gap judges how runs ended of which nobody saw the end, since it fell between two
// lives of Defib. It is pure.
package gap

import (
	"cmp"
	"time"

	"defib/engine"
)

const (
	// What ran at the last look, and ended so soon after it, ended with the engine, if that
	// was restarted. Where Defib was not running for longer before the end, the container may as
	// well have been stopped, and the engine have been restarted later.
	endWindow = 2 * time.Minute
	// exitLost is the exit code that Docker gives to what it finds dead when it starts.
	exitLost = 255
)

// Kind is how much of a gap is known by what the engine still holds of its events.
type Kind uint8

// The kinds of a gap, the better known first.
const (
	None      Kind = iota // the engine still knows the last event: nothing was missed
	Missed                // events were missed
	Restarted             // events were missed, since the engine was restarted
)

// Gap is the time between the last look of one life of Defib and the first of the next.
// All times are on the engine's clock.
type Gap struct {
	looked    time.Time
	shutdown  time.Time // ShutdownBegan
	ended     bool      // the watch, with that look
	bootedAt  time.Time // the host of the engine; zero: not known
	restarted bool      // the engine was
	rebooted  bool      // its host was
	survived  bool      // a container ran on when the engine would have ended it
	withHost  bool      // a container that nobody had told to stop ran on until its host ended
	ranOn     bool      // a container still is in the run that it was in at the last look
}

// New returns the gap after m. BootID and bootedAt are of the engine's host now.
func New(m engine.Memory, kind Kind, announcesStops bool, bootID string, bootedAt time.Time) *Gap {
	// An engine that still knows the last event has not been restarted, and its host
	// neither: the boot IDs are those of another host. Podman runs no engine, and keeps its
	// events in files.
	endures := kind == None && announcesStops
	rebooted := m.BootID != "" && bootID != "" && m.BootID != bootID && !endures
	return &Gap{
		looked: m.Looked, shutdown: engine.Later(m.Shutdown, ShutdownBegan(m.Containers, m.Looked)), ended: m.Ended, bootedAt: bootedAt,
		rebooted: rebooted, restarted: rebooted || kind == Restarted && announcesStops,
	}
}

// See takes note of a container that may prove that neither engine nor host ended what ran
// at the last look. All are to be seen before any is judged.
func (g *Gap) See(r engine.Remembered, c *engine.Container) {
	switch {
	case !c.Inspected:
	case c.Alive():
		g.ranOn = g.ranOn || sameRun(r, c)
		g.survived = g.survived || c.Started.Before(g.looked)
	case sameRun(r, c) && g.endedWithHost(c):
		g.withHost = g.withHost || !r.StopAt.After(g.firstStop())
	case sameRun(r, c):
		g.survived = g.survived || c.Finished.After(g.looked.Add(endWindow))
	}
}

// ByEngine reports whether the engine, or its host, ended a run of which this is known so
// far: the cause of its end, and when it was told to stop, if it was.
func (g *Gap) ByEngine(r engine.Remembered, c *engine.Container, cause engine.ExitCause, stopAt time.Time) bool {
	if !g.restarted || g.ranOn || !c.Inspected {
		return false
	}
	switch cause {
	case engine.CauseUnknown:
		return sameRun(r, c) && (g.endedWithHost(c) || !g.withHost && g.inShutdown(c))
	case engine.CauseStopped:
		return g.stopped(r, c, stopAt)
	}
	return false
}

// stopped is ByEngine of a run that was told to stop.
func (g *Gap) stopped(r engine.Remembered, c *engine.Container, stopAt time.Time) bool {
	same := sameRun(r, c)
	switch {
	case same && g.endedWithHost(c): // nothing but a shutdown leaves off in the middle of a stop
		return stopAt.After(g.firstStop())
	case same && stopAt.After(g.looked): // by an engine that came back
		return g.inShutdown(c)
	case same && !stopAt.After(g.firstStop()):
		return false
	}
	told := cmp.Or(r.FirstStopAt, r.FinishedAt, c.Finished)
	return c.Started.Before(g.looked) && g.isShutdown() && g.inShutdown(c) && !told.Before(g.shutdown)
}

// isShutdown reports whether the stops just before the last look were those of a shutdown.
// When a watch ended that was cut off, nobody knows: its last look may have been taken
// because of the stop, long before the shutdown. So it was if others ran until their host
// ended.
func (g *Gap) isShutdown() bool { return g.ended && !g.withHost }

// inShutdown reports whether a run ended when the engine did, if that was shut down with the
// last look. One that ended later has survived that itself.
func (g *Gap) inShutdown(c *engine.Container) bool {
	return !g.survived && c.Finished.After(g.firstStop())
}

func (g *Gap) firstStop() time.Time { return g.looked.Add(-ShutdownWindow) }

// endedWithHost reports whether a run that had begun before a reboot went on until then:
// its end was noted after it, or never, as by Podman.
func (g *Gap) endedWithHost(c *engine.Container) bool {
	noted := !g.bootedAt.IsZero() && !c.Finished.Before(g.bootedAt) || c.Exit.Code == exitLost
	return g.rebooted && (noted || c.Finished.Before(c.Started))
}

// sameRun reports whether a container is, or last was, in the run that it was in at the
// last look.
func sameRun(r engine.Remembered, c *engine.Container) bool {
	return r.Phase == engine.PhaseRunning && r.StartedAt.Equal(c.Started)
}
