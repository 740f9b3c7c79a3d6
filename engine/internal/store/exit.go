package store

import (
	"cmp"
	"syscall"
	"time"

	"defib/engine"
)

// A signal that does not stop by custom (USR1, say) counts as the cause of
// a death that follows within this time.
const otherSignalWindow = time.Second

// phase is how far the current or last run of a container has come.
type phase uint8

const (
	unknown phase = iota // no run is known
	started              // its start was heard, and no inspect has shown it yet
	running              // an inspect has shown it
	died                 // its death was heard, and no inspect has shown it yet
	down                 // an inspect has shown its end
)

// causeOwn is that of a start or an end that an action of our own brings about. An
// end is shown as CauseSelf: it is to be started again.
const causeOwn engine.ExitCause = "own"

// lifecycle is the state machine of a container's runs: the phase of the newest run,
// the evidence of a stop, and our own action. Events and inspects move it on;
// docs/architecture.md has the diagram.
type lifecycle struct {
	phase    phase
	cause    engine.ExitCause // of the end; of a start that was heard: causeOwn, or none
	since    time.Time        // when that start or end was seen, on our clock
	endedAt  time.Time        // on the engine's clock; once it is down, its FinishedAt
	acting   bool             // an action of our own is under way, and has not started it yet
	evidence evidence
}

// evidence is what was heard of a run that tells how it ends. The API does not tell a
// stop from a death; the daemon emits `kill` before `die`, and `stop` before it
// (Docker 29) or after it (Docker 20.10).
type evidence struct {
	complete      bool      // watched without a gap since the run was seen
	stopAt        time.Time // the newest stopping signal, on the engine's clock
	stopSeenAt    time.Time // the same on our clock; zero: no death followed within StopWindow
	stopOf        time.Time // when the run began that an inspect has shown the newest signal to be of
	otherSignalAt time.Time // the newest signal of another kind, on the engine's clock
	firstStopAt   time.Time // the first of those stopping signals, each less than StopWindow after the last
	oom           bool
}

func (l *lifecycle) over() bool { return l.phase == died || l.phase == down }

// observeStart takes a start event.
func (l *lifecycle) observeStart(now time.Time) {
	next := lifecycle{phase: started, since: now, acting: l.acting, evidence: evidence{complete: true}}
	if l.acting {
		next.cause, next.acting = causeOwn, !l.over() // else it tells late of the run that a restart is to end
	}
	*l = next
}

// observeKill takes a signal sent through the API, and whether that is one to stop by.
func (l *lifecycle) observeKill(at, now time.Time, stopping bool) {
	if l.acting {
		return
	}
	e := &l.evidence
	switch {
	case !stopping:
		e.otherSignalAt = at
		return
	case e.firstStopAt.IsZero() || at.Sub(e.stopAt) > engine.StopWindow:
		e.firstStopAt = at
	}
	e.stopAt, e.stopSeenAt, e.stopOf = at, now, time.Time{}
}

// observeStop takes the event of a finished docker stop, which on Docker 20.10 comes
// after the death that it belongs to.
func (l *lifecycle) observeStop(at, now time.Time) {
	if l.acting && !l.over() {
		return // it is of our own restart
	}
	if l.over() && l.cause != causeOwn {
		l.cause = engine.CauseStopped
	}
	l.evidence.stopAt, l.evidence.stopSeenAt, l.evidence.stopOf = at, now, time.Time{}
}

// observeDie takes a die event. What is told late of an end that is our own doing
// tells nothing. Of an engine that announces its stops, a death without one is known
// to be none.
func (l *lifecycle) observeDie(at, now time.Time, announcesStops bool) {
	switch {
	case l.over() && l.cause == causeOwn:
	case l.evidence.complete && announcesStops:
		l.end(died, at, now, engine.CauseSelf)
	default:
		l.end(died, at, now, engine.CauseUnknown)
	}
}

// end ends the run, by this cause unless more is known.
func (l *lifecycle) end(how phase, at, now time.Time, cause engine.ExitCause) {
	switch {
	case l.acting:
		cause = causeOwn
	case l.evidence.stopExplains(at):
		cause = engine.CauseStopped
	}
	l.phase, l.cause, l.endedAt, l.since = how, cause, at, now
}

// observeRecord takes what the engine itself says of the end of a run, as Podman does
// (StopsRecorded). A reboot makes it forget who was stopped, so nobody was only if the run
// was watched. It does not say by which signal: one that was sent before, such as to
// reload, leaves open whether somebody has stopped it, too.
func (l *lifecycle) observeRecord(c *engine.Container) {
	signalled := l.evidence.otherSignalAt
	switch {
	case l.cause != engine.CauseUnknown, c.Finished.Before(c.Started): // it never saw that end
	case c.ExitCause == engine.CauseSelf && l.evidence.complete:
		l.cause = engine.CauseSelf
	case c.ExitCause == engine.CauseStopped && (signalled.IsZero() || c.Finished.Sub(signalled) <= otherSignalWindow):
		l.cause, l.evidence.stopAt = engine.CauseStopped, c.Finished
	}
}

// observeGap notes that events may have been missed.
func (l *lifecycle) observeGap() { l.evidence.complete = false }

// observeInspect takes an inspect that is not older than the last event, and the one before.
// Now is when a start or an end that nobody heard counts from; engineNow is the engine's clock.
func (l *lifecycle) observeInspect(c, before *engine.Container, now, engineNow time.Time) {
	l.acting = l.acting && before != nil && before.Started.Equal(c.Started)
	switch {
	case c.Alive():
		l.observeUp(c, before, now, engineNow)
	case c.State == engine.Exited || c.State == engine.Dead:
		l.observeDown(c, before, now, engineNow)
		l.observeRecord(c)
	case c.FailedStart() && !l.over():
		*l = lifecycle{phase: down, cause: engine.CauseSelf, since: now, acting: l.acting}
	}
}

func (l *lifecycle) observeUp(c, before *engine.Container, now, engineNow time.Time) {
	// A run whose start was heard counts from then, unless another may have been missed.
	if l.over() || l.phase == started && !l.evidence.complete || l.evidence.stopPrecedes(c.Started, engineNow) || l.isOtherRun(c, before) {
		l.renew(c.Started)
	}
	l.phase, l.cause, l.since = running, engine.CauseNone, cmp.Or(l.since, now)
	l.evidence.complete = true
}

func (l *lifecycle) observeDown(c, before *engine.Container, now, engineNow time.Time) {
	if l.isOtherRun(c, before) {
		l.renew(c.Started)
	} else if l.cause == engine.CauseStopped && l.evidence.stopPrecedes(c.Started, engineNow) {
		l.evidence.stopAt, l.evidence.firstStopAt, l.cause = time.Time{}, time.Time{}, engine.CauseUnknown
	}
	if !l.over() { // its die event may be on its way: the evidence stays for it
		l.end(down, c.Finished, now, engine.CauseUnknown)
	}
	l.phase, l.endedAt = down, c.Finished
}

// isOtherRun reports whether an inspect shows a run whose start was not heard.
func (l *lifecycle) isOtherRun(c, before *engine.Container) bool {
	switch {
	case l.phase == down:
		return !c.Finished.Equal(l.endedAt)
	case before == nil, before.Started.IsZero(), l.evidence.complete && (l.phase == started || l.phase == died):
		return false // it is the first, or its start or end was heard
	}
	return !c.Started.Equal(before.Started)
}

// renew begins a run whose start was not heard: of what was heard, only what came
// after that start, on the engine's clock, is told of it.
func (l *lifecycle) renew(startedAt time.Time) {
	was := l.evidence
	*l = lifecycle{acting: l.acting}
	if was.stopAt.After(startedAt) {
		l.evidence.stopAt, l.evidence.stopSeenAt = was.stopAt, was.stopSeenAt
	}
	if was.otherSignalAt.After(startedAt) {
		l.evidence.otherSignalAt = was.otherSignalAt
	}
	if was.firstStopAt.After(startedAt) {
		l.evidence.firstStopAt = was.firstStopAt
	}
}

// startedByOthers reports whether a start was heard that no inspect has shown yet, and
// that is not our own.
func (l *lifecycle) startedByOthers() bool { return l.phase == started && l.cause != causeOwn }

// describe sets in c how its newest run goes, or how it ended.
func (l *lifecycle) describe(c *engine.Container) {
	c.StartSeenAt, c.ExitSeenAt, c.ExitCause, c.StopSeenAt = time.Time{}, time.Time{}, engine.CauseNone, time.Time{}
	if l.over() {
		c.ExitSeenAt, c.ExitCause = l.since, l.cause
		if l.cause == causeOwn {
			c.ExitCause = engine.CauseSelf
		}
		return
	}
	c.StopSeenAt = l.evidence.stopSeenAt
	if l.phase == running {
		c.StartSeenAt = l.since
	}
}

// stopExplains reports whether a signal explains a death.
func (e *evidence) stopExplains(at time.Time) bool {
	return !e.stopAt.IsZero() && at.Sub(e.stopAt) <= engine.StopWindow ||
		!e.otherSignalAt.IsZero() && at.Sub(e.otherSignalAt).Abs() <= otherSignalWindow
}

// stopPrecedes reports, once for each run, whether a stop was told before that began. A run
// that begins in the future began before the clock was set back, which nobody can tell later.
func (e *evidence) stopPrecedes(startedAt, engineNow time.Time) bool {
	first := !e.stopOf.Equal(startedAt)
	e.stopOf = startedAt
	return first && !e.stopAt.IsZero() && e.stopAt.Before(startedAt) && startedAt.Sub(engineNow) <= clockSlack
}

// expire has a stop no longer shown that no death followed.
func (e *evidence) expire(now, engineNow time.Time) {
	if now.Sub(e.stopSeenAt) >= engine.StopWindow || engineNow.Sub(e.stopAt) >= engine.StopWindow {
		e.stopSeenAt = time.Time{}
	}
}

// stops reports whether a signal is sent to end a container; 0 is one not named.
func stops(signal, stopSignal int) bool {
	switch signal {
	case 0, int(syscall.SIGTERM), int(syscall.SIGKILL), int(syscall.SIGINT), int(syscall.SIGQUIT), stopSignal:
		return true
	}
	return false
}
