package web

import (
	"strings"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// nextAction says what will happen now to one that is not fine, or why nothing will; nil
// if that goes without saying.
func (v view) nextAction() Sentence {
	s := v.actionText()
	if waits := v.Reason == outcome.ParentGone && !v.Until.IsZero(); v.anew() && !waits {
		if len(s) > 0 {
			s = append(s, say(" ")...)
		}
		s = append(s, say("Run docker compose in the directory of its compose file.")...)
	}
	return s
}

// actionText is that, but for how to do what is to be done by hand.
func (v view) actionText() Sentence {
	if v.kind() == Fine {
		return nil
	}
	switch v.Reason {
	case outcome.InProgress:
		return v.underway()
	case outcome.BackOff, outcome.StoppedDelay, outcome.Refused, outcome.RateLimited, outcome.InServiceRestart:
		return v.waits()
	case outcome.DryRun:
		return say("Defib would ", v.verb(), " it without --dry-run.")
	case outcome.OnHold:
		return v.held()
	case outcome.NotStarted:
		return say("Defib leaves it alone: others of its compose project were started since, so a deploy has left it behind. Start it, or run docker compose up --detach in the directory of its compose file.")
	case outcome.TriggerDisabled:
		return v.off(v.Trigger)
	case outcome.BadLabel:
		return say("Defib leaves it alone, since it does not understand the label ", quote(strings.Join(v.Rule.BadLabels, "; ")), ". Correct the label and re-create the container.")
	case outcome.Stopped:
		if v.Container.ExitCause == engine.CauseUnknown {
			return say("Defib leaves it alone: it counts as stopped, since it exited ", v.whyStopped(), ". It stays down until somebody starts it.")
		}
	case "":
		return v.unasked()
	}
	return v.alone(v.Reason)
}

// underway says what is being done to it.
func (v view) underway() Sentence {
	switch {
	case v.leaving():
		return say("Defib leaves it alone: somebody is stopping it.")
	case !v.Until.IsZero():
		return say("Defib leaves it alone: the engine may still carry out a request that it has not answered.")
	case v.Removes:
		return say("Defib is removing it now: a re-creation has left it behind.")
	case v.Recreates:
		return say("Defib is re-creating it now, in the network of its new parent.")
	case v.ends():
		return say("Defib is ending the task now. Swarm replaces it.")
	case v.Container.Up():
		return say("Defib is restarting it now.")
	}
	return say("Defib is starting it now.")
}

// ends reports whether to act upon it is to end it, which is a task of Swarm.
func (v view) ends() bool { return v.Veto == outcome.SwarmTask && v.Container.Up() }

// verb is what to act upon it is.
func (v view) verb() string {
	switch {
	case v.Removes:
		return "remove"
	case v.Recreates:
		return "re-create"
	case v.ends():
		return "end"
	case v.Container.Up():
		return "restart"
	}
	return "start"
}

// waits says for what the action upon it waits; nil if it waits for nothing.
func (v view) waits() Sentence {
	if v.Removes {
		return v.removalWaits()
	}
	verb := v.verb() + "s"
	switch v.Reason {
	case outcome.BackOff:
		return say("Defib ", verb, " it again ", in(v.now, v.Until), ".")
	case outcome.StoppedDelay:
		return say("Defib ", verb, " it ", in(v.now, v.Until), ", unless somebody starts it first: a deploy may be under way.")
	case outcome.Refused:
		return say("Defib tries again ", in(v.now, v.Until), ": the engine, or a proxy in front of it, refuses to start or restart containers.")
	case outcome.RateLimited:
		if v.Until.IsZero() {
			return say("Defib ", verb, " it as soon as others have been started or restarted.")
		}
		return say("Defib ", verb, " it ", in(v.now, v.Until), ": --restart.max-per-minute is reached.")
	case outcome.InServiceRestart:
		return say("Another replica of its service is being restarted. Once that one runs and is healthy, Defib ", verb, " this one, if the alert still asks for it.")
	}
	return nil
}

// removalWaits is that of what a re-creation has left.
func (v view) removalWaits() Sentence {
	switch v.Reason {
	case outcome.BackOff:
		return say("Defib tries again to remove it ", in(v.now, v.Until), ": a re-creation has left it behind.")
	case outcome.Refused:
		return say("Defib tries again ", in(v.now, v.Until), ": the engine, or a proxy in front of it, refuses to remove containers.")
	case outcome.RateLimited:
		return say("Defib removes it as soon as other actions have ended: a re-creation has left it behind.")
	}
	return nil
}

// alone says why it is left alone, in the words of the reason.
func (v view) alone(why outcome.Reason) Sentence {
	s := say("Defib leaves it alone: ", v.sentence(why))
	if v.Detail != "" {
		s = append(s, say(". Defib does not re-create it now: ", v.Detail)...)
	}
	s = append(s, say(".")...)
	if !v.Until.IsZero() {
		s = append(s, say(" Defib checks it again ", in(v.now, v.Until), ".")...)
	}
	return s
}

// anything is how a reason speaks of what containers share.
const anything = "network, processes or IPC"

// shared says what it shares with another.
func (v view) shared() string {
	switch v.Tie.Namespace {
	case engine.Network:
		return "network"
	case engine.PID:
		return "processes"
	case engine.IPC:
		return "IPC"
	}
	return anything
}

// sentence is that of a reason, for this container.
func (v view) sentence(r outcome.Reason) string {
	return strings.Replace(outcome.Reasons[r], anything, v.shared(), 1)
}

// held says until when it is on hold, and how to end that.
func (v view) held() Sentence {
	if v.holdAll {
		return say("Everything is on hold, since the hold file cannot be read. Correct or delete the file: the top of this page says what is wrong with it.")
	}
	s := say("It is on hold for maintenance")
	if h := v.hold(); h != nil {
		s = append(s, say(" by the entry ", quote(h.String()))...)
	}
	return append(s, say(". The hold ends ", in(v.now, v.Until), ". To end it sooner, run defib release (in Defib's container, if it runs in one).")...)
}

// off says that a trigger may not have it acted upon.
func (v view) off(t policy.Trigger) Sentence {
	s := say("Defib leaves it alone: the trigger ", string(t), " is off (--restart.triggers, or its label defib.triggers).")
	if v.Rule.Heals(policy.TriggerAlert) {
		s = append(s, say(" An alert can still ask for it.")...)
	}
	return s
}

// whyStopped says why an end that nobody saw counts as a stop.
func (v view) whyStopped() string {
	c := v.Container
	if c.AlwaysRestarts() && c.Error == "" {
		return "while Defib was not watching and its own restart policy has not restarted it"
	}
	return "long before Defib began to watch"
}

// unasked says what will happen to one that the last decision did not speak of.
func (v view) unasked() Sentence {
	c := v.Container
	switch {
	case v.Veto == outcome.SwarmTask && !v.GaveUp:
		return say("Swarm takes care of it.")
	case !v.Rule.Whitelisted:
		return v.unlisted()
	case v.Veto != "":
		return v.alone(v.Veto)
	case v.GaveUp && c.Up():
		return say("Defib has given up: ", outcome.Reasons[outcome.GaveUp], ".")
	case v.HealthDue.After(v.now):
		return say("Defib restarts it ", in(v.now, v.HealthDue), ", unless it is healthy by then.")
	case c.Up() && c.Health == engine.Unhealthy && !v.Rule.Heals(policy.TriggerUnhealthy):
		return v.off(policy.TriggerUnhealthy)
	case !c.Well():
		return say("Defib is checking it.")
	}
	return nil
}

// unlisted says what will happen to one that is not whitelisted.
func (v view) unlisted() Sentence {
	switch {
	case v.Veto == outcome.EngineRestarting || v.engineReturns():
		return say("The engine takes care of it.")
	case v.kind() != NeedsAttention:
		return nil
	case v.beyond() != "":
		return say("Defib cannot fix this: ", v.sentence(v.beyond()), ".")
	}
	return say("Defib leaves it alone: it is not whitelisted.")
}

// beyond names what no whitelist would help against; "" if there is no such thing.
func (v view) beyond() outcome.Reason {
	switch c := v.Container; {
	case !c.Inspected:
		return outcome.NotInspected
	case c.State == engine.Dead:
		return outcome.Dead
	}
	if v.Tie.Reason == outcome.ParentGone {
		return v.Tie.Reason
	}
	return ""
}
