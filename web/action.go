package web

import (
	"strings"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// nextAction says what will happen now to one that is not fine, or why nothing will; nil
// if that goes without saying.
func (p view) nextAction() Sentence {
	s := p.actionText()
	if waits := p.Reason == outcome.ParentGone && !p.Until.IsZero(); p.anew() && !waits {
		if len(s) > 0 {
			s = append(s, say(" ")...)
		}
		s = append(s, say("Run docker compose in the directory of its compose file.")...)
	}
	return s
}

// actionText is that, but for how to do what is to be done by hand.
func (p view) actionText() Sentence {
	if p.kind() == Fine {
		return nil
	}
	switch p.Reason {
	case outcome.InProgress:
		return p.underway()
	case outcome.BackOff, outcome.StoppedDelay, outcome.Refused, outcome.RateLimited, outcome.InServiceRestart:
		return p.waits()
	case outcome.DryRun:
		return say("Defib would ", p.verb(), " it without --dry-run.")
	case outcome.OnHold:
		return p.held()
	case outcome.NotStarted:
		return say("Defib leaves it alone: others of its compose project were started since, so a deploy has left it behind. Start it, or run docker compose up --detach in the directory of its compose file.")
	case outcome.TriggerDisabled:
		return p.off(p.Trigger)
	case outcome.BadLabel:
		return say("Defib leaves it alone, since it does not understand the label ", quote(strings.Join(p.Rule.BadLabels, "; ")), ". Correct the label and re-create the container.")
	case outcome.Stopped:
		if p.Container.ExitCause == engine.CauseUnknown {
			return say("Defib leaves it alone: it counts as stopped, since it exited ", p.whyStopped(), ". It stays down until somebody starts it.")
		}
	case "":
		return p.unasked()
	}
	return p.alone(p.Reason)
}

// underway says what is being done to it.
func (p view) underway() Sentence {
	switch {
	case p.leaving():
		return say("Defib leaves it alone: somebody is stopping it.")
	case p.Removes:
		return say("Defib is removing it now: a re-creation has left it behind.")
	case p.Recreates:
		return say("Defib is re-creating it now, in the network of its new parent.")
	case p.ends():
		return say("Defib is ending the task now. Swarm replaces it.")
	case p.Container.Up():
		return say("Defib is restarting it now.")
	}
	return say("Defib is starting it now.")
}

// ends reports whether to act upon it is to end it, which is a task of Swarm.
func (p view) ends() bool { return p.Veto == outcome.SwarmTask && p.Container.Up() }

// verb is what to act upon it is.
func (p view) verb() string {
	switch {
	case p.Removes:
		return "remove"
	case p.Recreates:
		return "re-create"
	case p.ends():
		return "end"
	case p.Container.Up():
		return "restart"
	}
	return "start"
}

// waits says for what the action upon it waits; nil if it waits for nothing.
func (p view) waits() Sentence {
	verb := p.verb() + "s"
	switch p.Reason {
	case outcome.BackOff:
		if p.Removes {
			return say("Defib tries again to remove it ", in(p.now, p.Until), ": a re-creation has left it behind.")
		}
		return say("Defib ", verb, " it again ", in(p.now, p.Until), ".")
	case outcome.StoppedDelay:
		return say("Defib ", verb, " it ", in(p.now, p.Until), ", unless somebody starts it first: a deploy may be under way.")
	case outcome.Refused:
		if p.Removes {
			return say("Defib tries again ", in(p.now, p.Until), ": the engine, or a proxy in front of it, refuses to remove containers.")
		}
		return say("Defib tries again ", in(p.now, p.Until), ": the engine, or a proxy in front of it, refuses to start or restart containers.")
	case outcome.RateLimited:
		if p.Until.IsZero() {
			return say("Defib ", verb, " it as soon as others have been started or restarted.")
		}
		return say("Defib ", verb, " it ", in(p.now, p.Until), ": --restart.max-per-minute is reached.")
	case outcome.InServiceRestart:
		return say("Another replica of its service is being restarted. Once that one runs and is healthy, Defib ", verb, " this one, if the alert still asks for it.")
	}
	return nil
}

// alone says why it is left alone, in the words of the reason.
func (p view) alone(why outcome.Reason) Sentence {
	s := say("Defib leaves it alone: ", p.sentence(why))
	if p.Detail != "" {
		s = append(s, say(". Defib does not re-create it now: ", p.Detail)...)
	}
	s = append(s, say(".")...)
	if !p.Until.IsZero() {
		s = append(s, say(" Defib checks it again ", in(p.now, p.Until), ".")...)
	}
	return s
}

// anything is how a reason speaks of what containers share.
const anything = "network, processes or IPC"

// shared says what it shares with another.
func (p view) shared() string {
	switch p.Tie.Namespace {
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
func (p view) sentence(r outcome.Reason) string {
	return strings.Replace(outcome.Reasons[r], anything, p.shared(), 1)
}

// held says until when it is on hold, and how to end that.
func (p view) held() Sentence {
	if p.holdAll {
		return say("Everything is on hold, since the hold file cannot be read. Correct or delete the file: the top of this page says what is wrong with it.")
	}
	s := say("It is on hold for maintenance")
	if h := p.hold(); h != nil {
		s = append(s, say(" by the entry ", quote(h.String()))...)
	}
	return append(s, say(". The hold ends ", in(p.now, p.Until), ". To end it sooner, run defib release (in Defib's container, if it runs in one).")...)
}

// off says that a trigger may not have it acted upon.
func (p view) off(t policy.Trigger) Sentence {
	s := say("Defib leaves it alone: the trigger ", string(t), " is off (--restart.triggers, or its label defib.triggers).")
	if p.Rule.Heals(policy.TriggerAlert) {
		s = append(s, say(" An alert can still ask for it.")...)
	}
	return s
}

// whyStopped says why an end that nobody saw counts as a stop.
func (p view) whyStopped() string {
	c := p.Container
	if c.AlwaysRestarts() && c.Error == "" {
		return "while Defib was not watching and its own restart policy has not restarted it"
	}
	return "long before Defib began to watch"
}

// unasked says what will happen to one that the last decision did not speak of.
func (p view) unasked() Sentence {
	c := p.Container
	switch {
	case p.Veto == outcome.SwarmTask && !p.GaveUp:
		return say("Swarm takes care of it.")
	case !p.Rule.Whitelisted:
		return p.unlisted()
	case p.Veto != "":
		return p.alone(p.Veto)
	case p.GaveUp && c.Up():
		return say("Defib has given up: ", outcome.Reasons[outcome.GaveUp], ".")
	case p.HealthDue.After(p.now):
		return say("Defib restarts it ", in(p.now, p.HealthDue), ", unless it is healthy by then.")
	case c.Up() && c.Health == engine.Unhealthy && !p.Rule.Heals(policy.TriggerUnhealthy):
		return p.off(policy.TriggerUnhealthy)
	case !c.Well():
		return say("Defib is checking it.")
	}
	return nil
}

// unlisted says what will happen to one that is not whitelisted.
func (p view) unlisted() Sentence {
	switch {
	case p.Veto == outcome.EngineRestarting || p.engineReturns():
		return say("The engine takes care of it.")
	case p.kind() != Need:
		return nil
	case p.beyond() != "":
		return say("Defib cannot fix this: ", p.sentence(p.beyond()), ".")
	}
	return say("Defib leaves it alone: it is not whitelisted.")
}

// beyond names what no whitelist would help against; "" if there is no such thing.
func (p view) beyond() outcome.Reason {
	switch c := p.Container; {
	case !c.Inspected:
		return outcome.NotInspected
	case c.State == engine.Dead:
		return outcome.Dead
	}
	if p.Tie.Reason == outcome.ParentGone {
		return p.Tie.Reason
	}
	return ""
}
