package store

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/engine/internal/gap"
)

// The host of the engine, before and after a reboot.
const bootID, otherBootID = "11111111-0000", "22222222-0000"

// lives are those of Defib, one after the other, beside one engine.
type lives struct {
	*harness
	saved    []byte // what the life before left behind
	bootID   string
	bootedAt time.Time
}

func newLives(t testing.TB) *lives {
	return &lives{harness: newHarness(t), bootID: bootID}
}

// save writes down what is to be remembered now. While the snapshot is not whole, that is
// what was saved before.
func (l *lives) save(ended bool) {
	l.t.Helper()
	p := l.Snapshot()
	if p.First.IsZero() || !l.Synced() {
		return
	}
	p.EngineID, p.BootID = l.engineID, l.bootID
	m := p.Memory(l.now)
	m.Ended = m.Ended || ended
	var err error
	if l.saved, err = json.Marshal(m); err != nil {
		l.t.Fatal(err)
	}
}

// again ends this life, and begins one that goes on from what was saved.
func (l *lives) again() {
	l.t.Helper()
	var m engine.Memory
	if err := json.Unmarshal(l.saved, &m); err != nil {
		l.t.Fatal(err)
	}
	l.Store, l.on, l.held = New(), false, false
	l.Resume(m, l.bootID, l.bootedAt)
}

// play lets it live through a script, as harness.play has them. Beside those words,
// "save" has this life write down what it knows, "killed" ends it, and the next goes on
// from there; "end" ends it in order, with a last save. "opened" opens the stream and no more, "unseen" has what was
// held be heard and not inspected. "full" fills what the engine remembers with other
// events, "replaced" restarts it, "reboot" its host, which then has it "found" dead, by
// Docker, or "lost", by Podman. "another boot" is that of another host.
func (l *lives) play(script string) {
	l.t.Helper()
	for word := range strings.SplitSeq(strings.TrimRight(script, ", "), ",") {
		switch word = strings.TrimSpace(word); word {
		case "save":
			l.save(false)
		case "killed":
			l.again()
		case "end":
			l.save(true)
			l.again()
		case "opened":
			l.open()
		case "unseen":
			l.held = false
			l.hear()
		case "full":
			l.full()
		case "another boot", "reboot":
			l.bootID, l.bootedAt = otherBootID, l.engineNow()
			l.earlier.bootID, l.earlier.bootedAt = l.bootID, l.bootedAt
			if word == "reboot" {
				l.replaced()
			}
		case "found":
			l.silently("c", "die", "255")
		case "lost":
			l.truth["c"].State = engine.Exited
		default:
			l.harness.play(word)
		}
		l.Snapshot() // as one is published
	}
}

// full has the engine remember nothing of the containers.
func (l *lives) full() {
	l.log = nil
	for range heldEvents {
		l.pass(time.Millisecond)
		l.log = append(l.log, Event{Kind: KindImage, Action: "tag", ID: "i", At: l.engineNow()})
	}
	l.heard = len(l.log)
}

func TestEndingsAcrossTwoLives(t *testing.T) {
	const (
		seen     = "(create), (start), +1h, open, +1h, update, "
		shutdown = "kill 15, +25ms, die 0, stop, "
		unheard  = "(kill 15), (die 0), "
	)
	for _, tc := range []struct {
		name   string
		script string
		podman string // its version; Docker if there is none
		want   engine.ExitCause
	}{
		// The engine still knows the last event.
		{name: "it runs on", script: seen + "end, +1h, open", want: engine.CauseNone},
		{name: "it crashes an hour before Defib is back", script: seen + "end, +1h, die 1, +1h, open", want: engine.CauseSelf},
		{name: "it is stopped an hour before Defib is back", script: seen + "end, +1h, " + shutdown + "+1h, open", want: engine.CauseStopped},
		{name: "it is stopped, started and crashes", script: seen + "end, +1h, " + shutdown + "+1h, start, +1h, die 1, +1h, open", want: engine.CauseSelf},
		{name: "it is restarted, and crashes after Defib is back", script: seen + "end, +1h, " + shutdown + "start, +1h, open, +1m, die 1", want: engine.CauseSelf},
		{name: "it runs on, and is stopped after Defib is back", script: seen + "end, +1h, open, +1m, " + shutdown, want: engine.CauseStopped},
		{name: "it had crashed before", script: seen + "die 1, end, +1h, open", want: engine.CauseSelf},
		{name: "it had been stopped before", script: seen + shutdown + "end, +1h, open", want: engine.CauseStopped},
		{name: "it ends without an event", script: seen + "end, +1h, (die 1), +1m, open", want: engine.CauseUnknown},
		{name: "it was told to stop, and dies after the last look", script: seen + "kill 15, end, +1m, die 0, +1h, open", want: engine.CauseStopped},
		{name: "it was told to stop, and dies after Defib is back", script: seen + "kill 15, end, +1m, open, +1m, die 0", want: engine.CauseStopped},
		{name: "it was told to stop long before it crashes", script: seen + "kill 15, end, +1h, die 1, +1m, open", want: engine.CauseSelf},
		{name: "only its start was heard, and it crashes", script: seen + "die 1, hold, start, unseen, end, +1m, die 1, open", want: engine.CauseSelf},
		{name: "its death was heard, and no inspect had shown it", script: seen + "hold, die 1, unseen, end, +1h, open", want: engine.CauseSelf},
		{name: "its stop was heard, and no inspect had shown it", script: seen + "hold, kill 15, die 0, unseen, end, +1h, open", want: engine.CauseStopped},
		{name: "an inspect told of its stop before the event, which the next life hears", script: seen + "kill 15, hold, die 0, look, end, +1h, open", want: engine.CauseStopped},
		{name: "our own restart had stopped it and could not start it, which is told late", script: seen + "ours, kill 15, die 0, (fail), done, look, end, stop, +1h, open", want: engine.CauseSelf},
		{name: "our own restart had stopped it and could not start it, which no event had told", script: seen + "ours, (die 0), (fail), look, done, end, stop, +1h, open", want: engine.CauseSelf},
		{name: "its first start had failed", script: "open, create, (fail), +1s, look, update, end, +48h, open", want: engine.CauseSelf},

		// Events were missed, and nothing says that the engine was restarted.
		{name: "events are missed: it runs on", script: seen + "end, +10s, full, open", want: engine.CauseNone},
		{name: "events are missed: it runs on, and crashes after that", script: seen + "end, +10s, full, open, +1m, die 1", want: engine.CauseSelf},
		{name: "events are missed: it dies at once", script: seen + "end, +10s, die 1, full, open", want: engine.CauseUnknown},
		{name: "events are missed: it dies, and its death is still known", script: seen + "end, full, +10s, die 1, open", want: engine.CauseUnknown},
		{name: "events are missed: it is stopped, and that is still known", script: seen + "end, full, +1h, " + shutdown + "+1h, open", want: engine.CauseStopped},
		{name: "events are missed: it is started and crashes, and that is still known", script: seen + "die 1, end, full, +1h, start, +1m, die 1, +1h, open", want: engine.CauseSelf},
		{name: "events are missed: it had been stopped in the last minute", script: seen + shutdown + "end, full, +1h, open", want: engine.CauseStopped},
		{name: "events are missed: it had crashed", script: seen + "die 1, end, full, +1h, open", want: engine.CauseSelf},
		{name: "events are missed: it had been stopped, and started and died since", script: seen + shutdown + "end, (start), +1m, (die 1), full, open", want: engine.CauseUnknown},
		{name: "events are missed: its death was heard only, and it started and died since", script: seen + "hold, kill 15, die 0, unseen, end, (start), +1m, (die 1), full, open", want: engine.CauseUnknown},

		// The engine was restarted.
		{name: "the engine ends it at the last look", script: seen + "end, " + unheard + "+1h, replaced, open", want: engine.CauseEngine},
		{name: "the engine ends it while Defib looks on", script: seen + shutdown + "+2s, end, +1h, replaced, open", want: engine.CauseEngine},
		{name: "the engine tells it to stop while Defib looks on", script: seen + "kill 15, end, +10s, (die 137), +1h, replaced, open", want: engine.CauseEngine},
		{name: "the engine ends it, and only the death was heard", script: seen + "hold, kill 15, die 0, unseen, end, +1h, replaced, open", want: engine.CauseEngine},
		{name: "the engine ends it within two minutes", script: seen + "end, +119s, " + unheard + "+1h, replaced, open", want: engine.CauseEngine},
		{name: "it ended more than two minutes after the last look", script: seen + "end, +121s, " + unheard + "+1h, replaced, open", want: engine.CauseUnknown},
		{name: "the look was not the last moment of Defib", script: seen + "save, +121s, killed, " + unheard + "+1h, replaced, open", want: engine.CauseUnknown},
		{name: "the engine ends it, and somebody starts it and stops it", script: seen + "end, " + unheard + "+1h, replaced, (start), +1m, " + shutdown + "+1h, open", want: engine.CauseStopped},
		{name: "the engine ends it, and it is started and crashes", script: seen + "end, " + unheard + "+1h, replaced, start, +1m, die 1, +1h, open", want: engine.CauseSelf},
		{name: "the engine ends it, and it is started and ends unheard", script: seen + "end, " + unheard + "+10s, replaced, (start), +1s, (die 1), +1h, open", want: engine.CauseUnknown},
		{name: "the engine ends it and cannot start it", script: seen + "end, " + unheard + "+10s, replaced, (fail), +1h, open", want: engine.CauseEngine},
		{name: "it had been stopped a minute before", script: seen + shutdown + "+61s, end, +1h, replaced, open", want: engine.CauseStopped},
		{name: "it had been told to stop a minute before", script: seen + "kill 15, +61s, end, +10s, (die 0), +1h, replaced, open", want: engine.CauseStopped},
		{name: "it had crashed before the engine was restarted", script: seen + "die 1, end, +1h, replaced, open", want: engine.CauseSelf},
		{name: "the engine was killed, and stops it as it comes back", script: seen + "end, +30s, replaced, " + shutdown + "+1h, open", want: engine.CauseEngine},
		{name: "the stream to the new engine breaks before all is known", script: seen + "end, " + unheard + "+1h, replaced, opened, cut, update, +1m, open", want: engine.CauseEngine},
		{name: "it is known in the third life too", script: seen + "end, " + unheard + "+1h, replaced, open, +1h, end, +1h, open", want: engine.CauseEngine},
		{name: "it stays stopped in the third life too", script: seen + shutdown + "+1h, end, +1h, open, +1h, end, +1h, replaced, open", want: engine.CauseStopped},
		{name: "a life that finds no engine forgets nothing", script: seen + "end, " + unheard + "+1h, end, +1h, replaced, open", want: engine.CauseEngine},
		{name: "a life whose stream breaks at once forgets nothing", script: seen + "end, " + unheard + "+1h, replaced, opened, cut, end, +1h, open", want: engine.CauseEngine},
		{name: "the engine was restarted, without an event, and not again", script: seen + "end, (die 0), (start), replaced, +1h, open, +1h, end, (die 0), +1h, open", want: engine.CauseUnknown},
		{name: "the clock of the engine was set back", script: seen + "end, (die 0), +-30m, replaced, open", want: engine.CauseUnknown},

		{name: "Defib is killed just after a stop, and the engine ends everything a minute later", script: seen + shutdown + "save, +1m, killed, replaced, +1h, open", want: engine.CauseStopped},
		{name: "Defib is killed just after the container is told to stop", script: seen + "kill 15, save, +1m, killed, (die 0), replaced, +1h, open", want: engine.CauseStopped},
		{name: "Defib is killed, the engine too, and stops it as it comes back", script: seen + "save, +30s, killed, replaced, " + shutdown + "+1h, open", want: engine.CauseEngine},
		{name: "Defib sees the stream end, and is killed", script: seen + shutdown + "+2s, cut, save, +1h, killed, replaced, open", want: engine.CauseEngine},

		// The host was rebooted.
		{name: "the host loses its power, days after the last look", script: seen + "end, +48h, reboot, +5s, found, +1m, open", want: engine.CauseEngine},
		{name: "the host is shut down with Defib, for days", script: seen + shutdown + "end, +48h, reboot, open", want: engine.CauseEngine},
		{name: "the host is shut down just after the last look, for days", script: seen + "end, " + unheard + "+48h, reboot, open", want: engine.CauseEngine},
		{name: "the host is shut down, and the engine knows many new events", script: seen + "end, " + unheard + "+48h, reboot, full, open", want: engine.CauseEngine},
		{name: "the host loses its power while its clock is wrong", script: seen + "end, +1h, (die 255), +1s, reboot, +1m, open", want: engine.CauseEngine},
		{name: "it ended long before the reboot", script: seen + "end, +1h, (die 1), +1h, reboot, open", want: engine.CauseUnknown},
		{name: "it had been stopped before the reboot", script: seen + shutdown + "+2m, end, +48h, reboot, open", want: engine.CauseStopped},
		{name: "the host loses its power just after the container is told to stop", script: seen + "kill 15, save, +1s, killed, reboot, found, open", want: engine.CauseEngine},
		{name: "the host is shut down, and does not wait until it has stopped", script: seen + "kill 15, end, +20s, reboot, found, open", want: engine.CauseEngine},
		{name: "the host loses its power after somebody stopped it, and Defib is killed by that", script: seen + shutdown + "save, +4m, killed, reboot, open", want: engine.CauseStopped},
		{name: "it had been told to stop before the reboot", script: seen + "kill 15, +2m, end, +10s, reboot, found, open", want: engine.CauseStopped},
		{name: "it had crashed before the reboot", script: seen + "die 1, end, +48h, reboot, open", want: engine.CauseSelf},
		{name: "it is started after the reboot, and crashes", script: seen + "end, reboot, found, start, +1m, die 1, open", want: engine.CauseSelf},
		{name: "it is started after the reboot, and crashes unheard", script: seen + "end, reboot, found, (start), +1m, (die 1), open", want: engine.CauseUnknown},
		{name: "its first start had failed before the reboot", script: "open, create, (fail), +1s, look, update, end, +48h, reboot, open", want: engine.CauseSelf},
		{name: "the boot ID is that of another host", script: seen + "end, +1h, another boot, die 1, +1m, open", want: engine.CauseSelf},

		{name: "Podman: it ends while Defib is gone", podman: "4.3", script: seen + "end, die 1, +1m, open", want: engine.CauseUnknown},
		{name: "Podman: its service is restarted, and forgets", podman: "4.3", script: seen + "end, (die 1), +1m, replaced, open", want: engine.CauseUnknown},
		{name: "Podman: the host loses its power, and no end is noted", podman: "4.3", script: seen + "end, +1h, reboot, lost, open", want: engine.CauseEngine},
		{name: "Podman: the host is shut down", podman: "4.3", script: seen + "end, (die 0), +1h, reboot, open", want: engine.CauseEngine},
		{name: "Podman: it ended long before the reboot", podman: "4.3", script: seen + "end, +1h, (die 0), +1h, reboot, open", want: engine.CauseUnknown},
		{name: "Podman 5: it is stopped while Defib is gone", podman: "5.8", script: seen + "end, (stop), die 0, +1m, open", want: engine.CauseStopped},
		{name: "Podman 5: it crashes while Defib is gone", podman: "5.8", script: seen + "end, die 1, +1m, open", want: engine.CauseUnknown},
		{name: "Podman 5: it is stopped while Defib is gone, and its host rebooted", podman: "5.8", script: seen + "end, +1h, (stop), die 0, +1h, reboot, (forget), open", want: engine.CauseUnknown},
		{name: "Podman 5: it had been stopped before the reboot", podman: "5.8", script: seen + "(stop), die 0, +1h, update, end, +1h, reboot, (forget), open", want: engine.CauseStopped},
		{name: "Podman 5: it had crashed before the reboot", podman: "5.8", script: seen + "die 1, +1h, update, end, +1h, reboot, (forget), open", want: engine.CauseSelf},
		{name: "Podman 5: the host is shut down, and stops it", podman: "5.8", script: seen + "end, (stop), (die 0), +1h, reboot, open", want: engine.CauseEngine},
		{name: "Podman 5: it crashes an hour after a signal to reload, of which the life before knew", podman: "5.8", script: seen + "kill 1, +1h, end, open, +1h, die 3", want: engine.CauseUnknown},
		{name: "Podman 5: the host loses its power after a signal", podman: "5.8", script: seen + "kill, end, +1h, reboot, lost, open", want: engine.CauseEngine},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLives(t)
			l.told = toldBy[tc.podman]
			l.put("c")
			if tc.script[0] == 'o' {
				delete(l.truth, "c")
			}
			l.play(tc.script)
			if got := l.get("c").ExitCause; got != tc.want {
				t.Errorf("%s: %q, want %q", tc.script, got, tc.want)
			}
		})
	}
}

// What of our clock is remembered goes on; what of it lies in the future is read as now.
func TestTimesGoOnInTheNextLife(t *testing.T) {
	const seen = "(create), (start), +1h, open, +1h, update, "
	for _, tc := range []struct {
		name, script string
		ago          time.Duration
	}{
		{"a crash", seen + "die 1, +1h, end, +1h, open", 2 * time.Hour},
		{"a crash, known by its event only", seen + "hold, die 1, unseen, +1h, end, +1h, open", 2 * time.Hour},
		{"a stop", seen + "kill 15, die 0, stop, +1h, end, +1h, replaced, open", 2 * time.Hour},
		{"a first start that failed", "open, create, (fail), +1s, look, +1h, update, end, +1h, open", 2 * time.Hour},
		{"a death between two lives, by its event", seen + "end, +1h, die 1, +1h, open", time.Hour},
		{"a death between two lives, with the engine", seen + "end, (die 1), +1h, replaced, open", time.Hour},
		{"a run", seen + "end, +1h, open, +1h", 4 * time.Hour},
		{"a run of which only the start was heard", seen + "die 1, hold, start, unseen, end, +1h, open", time.Hour},
		{"a run that began between two lives", seen + "end, +1h, die 1, start, +1h, open", time.Hour},
		{"a crash, before our clock was set back", seen + "die 1, end, +-30m, open", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLives(t)
			l.put("c")
			if tc.script[0] == 'o' {
				delete(l.truth, "c")
			}
			l.play(tc.script)
			at := l.get("c").ExitSeenAt
			if at.IsZero() {
				at = l.get("c").StartSeenAt
			}
			if got := l.now.Sub(at).Round(time.Second); got != tc.ago {
				t.Errorf("%s: %v ago, want %v", tc.script, got, tc.ago)
			}
		})
	}
}

// What a life leaves behind may be of a moment when not all was known.
func TestUnsureMemoryClaimsNothing(t *testing.T) {
	began := newHarness(t).engineNow()
	for _, tc := range []struct {
		name   string
		r      engine.Remembered
		script string
		want   engine.ExitCause
	}{
		{"it was seen running, and nothing was missed", engine.Remembered{Phase: engine.PhaseRunning, StartedAt: began}, "die 1, open", engine.CauseSelf},
		{"it was seen running, and events were missed", engine.Remembered{Phase: engine.PhaseRunning, StartedAt: began, Unsure: true}, "die 1, open", engine.CauseUnknown},
		{"only its start was heard", engine.Remembered{Phase: engine.PhaseStarted}, "die 1, open", engine.CauseSelf},
		{"only its start was heard, and since then events were missed", engine.Remembered{Phase: engine.PhaseStarted}, "full, open, (start), look, die 1", engine.CauseSelf},
		{"only its stop was heard", engine.Remembered{Phase: engine.PhaseDied, Cause: engine.CauseStopped}, "(die 0), open", engine.CauseStopped},
		{"only its stop was heard, and since then it may have run again", engine.Remembered{Phase: engine.PhaseDied, Cause: engine.CauseStopped}, "(die 0), full, open", engine.CauseUnknown},
		{"nothing", engine.Remembered{}, "(die 0), full, open", engine.CauseUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLives(t)
			l.put("c")
			l.happens("c", "update", "")
			l.Resume(engine.Memory{Looked: l.engineNow(), Last: l.log[0].key(), Containers: map[string]engine.Remembered{"c": tc.r}}, "", time.Time{})
			l.play("+1m, " + tc.script)
			if got := l.get("c").ExitCause; got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// An inspect may come before the list, after an event.
func TestRunIsComparedWithTheRememberedOneBeforeTheList(t *testing.T) {
	l := newLives(t)
	l.put("c")
	l.play("+1h, open, update, +1h, end, full, (die 0), +1h, (start), +1h")
	l.happens("c", "update", "")
	l.open()
	l.look()
	l.list()
	l.look()
	if got := l.now.Sub(l.get("c").StartSeenAt).Round(time.Second); got != time.Hour {
		t.Errorf("it runs for %v, want an hour", got)
	}
}

func TestGapIsKnownByTheReplay(t *testing.T) {
	last := Event{Kind: KindContainer, Action: "die", ID: "a", At: noon}
	other := Event{Kind: KindImage, Action: "tag", ID: "i", At: noon.Add(time.Second)}
	full := slices.Repeat([]Event{other}, heldEvents)
	known := func(b *Store) { b.first = noon }
	for _, tc := range []struct {
		name    string
		last    engine.LastEvent
		resumed bool
		set     func(b *Store)
		past    []Event
		want    gap.Kind
	}{
		{"the first life, at first", engine.LastEvent{}, false, nil, full, gap.None},
		{"the first life: it holds the last event", last.key(), false, known, []Event{last, other}, gap.None},
		{"the first life: it does not", last.key(), false, known, []Event{other}, gap.Restarted},
		{"the first life: it does not, and is full", last.key(), false, known, full, gap.Restarted},
		{"the next: it holds the last event", last.key(), true, nil, []Event{last, other}, gap.None},
		{"the next: it holds the last event of as many as it can", last.key(), true, nil, append([]Event{last}, full[1:]...), gap.None},
		{"the next: it does not", last.key(), true, nil, full[1:], gap.Restarted},
		{"the next: it does not, and is full", last.key(), true, nil, full, gap.Missed},
		{"the next: no event was known", engine.LastEvent{At: noon}, true, nil, []Event{other}, gap.Missed},
		{"the next, later: it does not, and is full", last.key(), true, known, full, gap.Restarted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := New()
			b.last = tc.last
			if tc.resumed {
				b.Resume(engine.Memory{Looked: noon, Last: tc.last}, "", time.Time{})
			}
			if tc.set != nil {
				tc.set(b)
			}
			if got := b.Gap(tc.past); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestResumingFromNothingIsAFirstLife(t *testing.T) {
	b := New()
	if b.Resume(engine.Memory{}, bootID, noon); b.earlier != nil || b.Gap(nil) != gap.None {
		t.Errorf("it goes on from %+v", b.earlier)
	}
}

// Later in a life, what the engine holds is asked for from the last event on, whatever its
// clock says.
func TestLastEventIsKeptWhileTheEngineIsKnown(t *testing.T) {
	l := newLives(t)
	l.put("c")
	l.play("+1h, open, update, +1h, end, open")
	last := l.Last()
	if l.Meet("", last.At.Add(-time.Hour)); l.Last() != last {
		t.Errorf("the last event is %+v, want %+v", l.Last(), last)
	}
}
