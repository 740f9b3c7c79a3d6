package web

import (
	"slices"
	"strings"
	"time"

	"defib/engine"
	"defib/restarter"
)

// Kind says what a container means to the person who reads the page.
type Kind string

// The kinds.
const (
	Need     Kind = "need"     // a person must do something
	Healing  Kind = "healing"  // Defib or the engine is at it
	Fine     Kind = "fine"     // it runs, and is not unhealthy
	OnHold   Kind = "on_hold"  // it is down or sick, and on hold for maintenance
	Stopped  Kind = "stopped"  // somebody stopped it
	Paused   Kind = "paused"   // somebody paused it
	Finished Kind = "finished" // it ended as it was meant to
	Created  Kind = "created"  // it was never started
	Old      Kind = "old"      // it exited so long ago that nobody misses it
	Swarm    Kind = "swarm"    // Swarm takes care of it
)

// Kinds lists every kind, in the order in which they are counted.
var Kinds = []Kind{Need, Healing, Fine, OnHold, Stopped, Paused, Finished, Created, Old, Swarm}

var counted = map[Kind]string{
	Need: "need you", Healing: "being healed", Fine: "fine", OnHold: "on hold", Stopped: "stopped by hand",
	Paused: "paused", Finished: "finished", Created: "never started", Old: "exited long ago", Swarm: "left to Swarm",
}

// phrase counts containers of the kind: "2 need you".
func (k Kind) phrase(n int) string {
	if k == Need && n == 1 {
		return "1 needs you"
	}
	return number(n) + " " + counted[k]
}

// summary counts all kinds in one line.
func summary(counts map[Kind]int) string {
	var phrases []string
	for _, k := range Kinds {
		if n := counts[k]; n > 0 {
			phrases = append(phrases, k.phrase(n))
		}
	}
	if len(phrases) == 0 {
		return "no containers"
	}
	return strings.Join(phrases, " · ")
}

const (
	// looping is from which streak on a container is taken for one in a crash loop,
	// as by the bundled alert rule.
	looping = 5
	// What exited longer ago than this, and is not whitelisted, nobody misses.
	missedFor = 24 * time.Hour
)

// kindOfReason says what a container that is left alone, or acted upon, for this
// reason means to the reader. What is not in it needs a person.
var kindOfReason = map[restarter.Reason]Kind{
	restarter.StoppedDelay: Healing, restarter.BackOff: Healing, restarter.RateLimited: Healing, restarter.TooYoung: Healing,
	restarter.EngineRestarting: Healing, restarter.InProgress: Healing, restarter.ParentDown: Healing,
	restarter.OnHold: OnHold, restarter.Stopped: Stopped, restarter.Paused: Paused, restarter.Created: Created,
	restarter.Finished: Finished, restarter.Removing: Finished, restarter.AutoRemove: Finished, restarter.OneOff: Finished,
	restarter.Old: Old, restarter.SwarmTask: Swarm,
}

func kind(r restarter.Reason) Kind {
	if k, ok := kindOfReason[r]; ok {
		return k
	}
	return Need
}

// patient is one container with all that is known of it.
type patient struct {
	restarter.Standing
	now       time.Time
	reset     time.Duration // --restart.backoff-reset
	unhealthy time.Duration // --restart.unhealthy-for
	orphaned  bool
}

// dueForHealth is when it will be restarted because it is unhealthy; zero: it will
// not be, or not for that alone.
func (p patient) dueForHealth() time.Time {
	sick := p.Container.Sick
	if due := sick.Add(p.unhealthy); !sick.IsZero() && p.Rule.Whitelisted && p.Rule.Heals(restarter.TriggerUnhealthy) && due.After(p.now) {
		return due
	}
	return time.Time{}
}

// kind says what the container means to the reader. A crash loop needs a person,
// however soon the next attempt comes.
func (p patient) kind() Kind {
	c := p.Container
	k := p.stateKind()
	if k == Healing && p.Streak >= looping && p.Reason != restarter.TooYoung {
		return Need
	}
	if k == Fine && (p.Streak >= looping || p.Rule.Whitelisted && p.GaveUp || c.Health == engine.Unhealthy || p.orphaned) {
		return Need
	}
	return k
}

func (p patient) stateKind() Kind {
	c := p.Container
	switch {
	case !c.Inspected:
		return Need
	case c.Well() && !p.orphaned && p.Reason == restarter.OnHold:
		return Fine
	case p.Reason != "":
		return kind(p.Reason)
	case !p.dueForHealth().IsZero():
		return Healing
	case c.Up():
		return Fine
	case p.Rule.Whitelisted:
		return Healing // it has only just gone down
	case p.Veto != "":
		return kind(p.Veto)
	}
	return p.unlistedKind()
}

// unlistedKind judges one that is down and not whitelisted: nobody will start it,
// so that the question is whether anybody misses it.
func (p patient) unlistedKind() Kind {
	c := p.Container
	engineKnows := slices.Contains([]string{"always", "unless-stopped"}, c.RestartPolicy) && c.Error == ""
	switch {
	case c.Ending == engine.EndedStopped:
		return Stopped
	case c.State == engine.Exited && c.Exit.Known && c.Exit.Code == 0 && c.Error == "":
		return Finished
	case p.now.Sub(p.ended()) > missedFor:
		return Old
	case c.Ending == engine.EndedUnknown && (engineKnows || c.Exit.Code == 137 && !c.Exit.OOMKilled || c.Exit.Code == 143):
		return Stopped // as far as anybody can tell
	}
	return Need
}

// ended is when it went down, on our clock as far as it is known; zero: it is up.
func (p patient) ended() time.Time {
	c := p.Container
	switch {
	case c.Up() || c.State == engine.Paused:
		return time.Time{}
	case !c.Ended.IsZero():
		return c.Ended
	case !c.Finished.IsZero():
		return c.Finished
	}
	return c.Created
}
