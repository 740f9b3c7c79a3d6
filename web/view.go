package web

import (
	"strings"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/web/resources"
	"defib/web/text"
)

// Kind says what a container means to the person who reads the page.
type Kind string

// The kinds.
const (
	NeedsAttention Kind = "needs_attention" // a person must do something
	Healing        Kind = "healing"         // Defib or the engine is at it
	Fine           Kind = "fine"            // it runs, and is not unhealthy
	OnHold         Kind = "on_hold"         // it is down or unhealthy, and on hold for maintenance
	Stopped        Kind = "stopped"         // somebody stopped it
	Paused         Kind = "paused"          // somebody paused it
	Finished       Kind = "finished"        // it ended as it was meant to
	Created        Kind = "created"         // it was never started
	Old            Kind = "old"             // it exited so long ago that nobody misses it
	Swarm          Kind = "swarm"           // Swarm takes care of it

	NotManaged Kind = "not_managed" // it is down or unhealthy, and neither Defib nor anybody else is meant to fix it
)

// Kinds lists every kind, in the order in which they are counted.
var Kinds = []Kind{NeedsAttention, Healing, Fine, OnHold, Stopped, Paused, Finished, Created, Old, Swarm, NotManaged}

var counted = map[Kind]string{
	NeedsAttention: "need attention", Healing: "being healed", Fine: "fine", OnHold: "on hold", Stopped: "stopped by hand",
	Paused: "paused", Finished: "finished", Created: "never started", Old: "exited long ago", Swarm: "left to Swarm", NotManaged: "not managed",
}

// phrase counts containers of the kind: "2 need attention".
func (k Kind) phrase(n int) string {
	switch {
	case k == NeedsAttention && n == 1:
		return "1 needs attention"
	}
	return text.Number(n) + " " + counted[k]
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
	// An engine that was shut down has by then brought back what it will.
	backWithin = 10 * time.Minute
)

// kindOfReason says what a container that is left alone, or acted upon, for this
// reason means to the reader. What is not in it needs a person.
var kindOfReason = map[outcome.Reason]Kind{
	outcome.StoppedDelay: Healing, outcome.BackOff: Healing, outcome.RateLimited: Healing, outcome.InServiceRestart: Healing, outcome.TooYoung: Healing,
	outcome.EngineRestarting: Healing, outcome.InProgress: Healing, outcome.ParentDown: Healing,
	outcome.OnHold: OnHold, outcome.Stopped: Stopped, outcome.Paused: Paused, outcome.Created: Created,
	outcome.Finished: Finished, outcome.Removing: NotManaged, outcome.AutoRemove: NotManaged, outcome.OneOff: NotManaged,
	outcome.Superseded: NotManaged, outcome.Old: Old, outcome.SwarmTask: Swarm, outcome.ServiceUpdating: Swarm,
}

func kind(r outcome.Reason) Kind {
	if k, ok := kindOfReason[r]; ok {
		return k
	}
	return NeedsAttention
}

// view is one container with all that is known of it.
type view struct {
	restarter.ContainerStatus
	now      time.Time
	reset    time.Duration // --restart.backoff-reset
	holdFile string
	holds    policy.Holds
	holdAll  bool   // since the hold file cannot be read
	self     string // the name of Defib's own container; "": it runs in none, or in one that is not known
	use      resources.Use
}

// orphaned reports whether it lives in a namespace of a container that was restarted
// after it, or is gone.
func (v view) orphaned() bool { return v.Tie.Lost && v.Tie.Reason != outcome.ParentDown }

// adrift reports whether it runs without what it shares with another.
func (v view) adrift() bool {
	return v.orphaned() || v.Trigger == policy.TriggerDependency && v.Container.Up()
}

// kind says what the container means to the reader. A crash loop needs a person,
// however soon the next attempt comes.
func (v view) kind() Kind {
	c := v.Container
	k := v.stateKind()
	if v.Veto == outcome.SwarmTask && !v.GaveUp {
		return k // what to do about it is Swarm's to know
	}
	if left := v.Veto == outcome.OneOff || v.Veto == outcome.AutoRemove; k == Fine && left && c.Health == engine.Unhealthy {
		return NotManaged
	}
	if k == Healing && v.Streak >= looping && v.Reason != outcome.TooYoung {
		return NeedsAttention
	}
	if k == Fine && (v.Streak >= looping || v.GaveUp || c.Health == engine.Unhealthy || v.orphaned()) {
		return NeedsAttention
	}
	return k
}

func (v view) stateKind() Kind {
	c := v.Container
	switch {
	case v.Veto == outcome.SwarmTask && (!c.Well() || v.adrift()):
		return Swarm
	case !c.Inspected:
		return NeedsAttention
	case c.Well() && !v.adrift() && v.Reason == outcome.OnHold:
		return Fine
	case v.Reason != "":
		return v.kindOf(v.Reason)
	case v.HealthDue.After(v.now):
		return Healing
	case c.Up():
		return Fine
	case v.Rule.Whitelisted:
		return Healing // it has only just gone down
	case v.Veto != "":
		return v.kindOf(v.Veto)
	}
	return v.unlistedKind()
}

// kindOf is what a reason means for this container: what is left to itself may
// have finished, unless another took its place.
func (v view) kindOf(r outcome.Reason) Kind {
	if r == outcome.OnHold && v.holdAll {
		return NeedsAttention
	}
	if k := kind(r); k != NotManaged || r == outcome.Superseded || v.Container.Up() || !v.succeeded() {
		return k
	}
	return Finished
}

// succeeded reports whether its last run ended with exit code 0.
func (v view) succeeded() bool {
	c := v.Container
	return c.Exit.Known && c.Exit.Code == 0 && c.Error == ""
}

// unlistedKind judges one that is down and not whitelisted: nobody will start it,
// so that the question is whether anybody misses it.
func (v view) unlistedKind() Kind {
	c := v.Container
	engineKnows := c.AlwaysRestarts() && c.Error == ""
	switch {
	case c.ExitCause == engine.CauseStopped:
		return Stopped
	case v.engineReturns():
		return Healing
	case c.State == engine.Exited && v.succeeded() && c.ExitCause != engine.CauseEngine:
		return Finished
	case !v.ended().IsZero() && v.now.Sub(v.ended()) > missedFor:
		return Old
	case c.ExitCause == engine.CauseUnknown && (engineKnows || c.Exit.Code == 137 && !c.Exit.OOMKilled || c.Exit.Code == 143):
		return Stopped // as far as anybody can tell
	}
	return NeedsAttention
}

// engineReturns reports whether the engine, which was shut down and is back, will
// start it by its own restart policy.
func (v view) engineReturns() bool {
	c := v.Container
	if c.ExitCause != engine.CauseEngine || c.Error != "" || v.now.Sub(c.ExitSeenAt) > backWithin {
		return false
	}
	return c.AlwaysRestarts() || c.RestartPolicy == string(policy.OnFailure) && !v.succeeded()
}

// ended is when it went down, on our clock; zero: it is up, or that is not known.
func (v view) ended() time.Time {
	if c := v.Container; !c.Up() && c.State != engine.Paused {
		return c.ExitSeenAt
	}
	return time.Time{}
}
