package web

import (
	"strings"

	"defib/engine"
	"defib/restarter/decision"
	"defib/restarter/policy"
)

// nextAction says what will happen now to one that is not fine, or why nothing will; nil
// if that goes without saying.
func (p view) nextAction() Sentence {
	s := p.actionText()
	if p.anew() {
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
	case decision.InProgress:
		if p.leaving() {
			return say("Defib leaves it alone: somebody is stopping it.")
		}
		return say("Defib is at it now.")
	case decision.BackOff, decision.StoppedDelay, decision.Refused, decision.RateLimited, decision.InServiceRestart:
		return p.waits()
	case decision.OnHold:
		return p.held()
	case decision.NotStarted:
		return say("Defib leaves it alone: others of its compose project were started since, so a deploy has left it behind. Start it, or run docker compose up --detach in the directory of its compose file.")
	case decision.TriggerDisabled:
		return p.off(p.Trigger)
	case decision.BadLabel:
		return say("Defib leaves it alone, since it does not understand the label ", quote(strings.Join(p.Rule.BadLabels, "; ")), ". Correct it, and create the container anew.")
	case decision.Stopped:
		if p.Container.ExitCause == engine.CauseUnknown {
			return say("Defib leaves it alone: it counts as stopped, since nobody saw it end", p.whyStopped(), ", and stays down until somebody starts it.")
		}
	case "":
		return p.unasked()
	}
	return p.alone(p.Reason)
}

// waits says for what the action upon it waits; nil if it waits for nothing.
func (p view) waits() Sentence {
	verb := "starts"
	if p.Container.Up() {
		verb = "restarts"
	}
	switch p.Reason {
	case decision.BackOff:
		return say("Defib ", verb, " it again ", in(p.now, p.Until), ".")
	case decision.StoppedDelay:
		return say("Defib ", verb, " it ", in(p.now, p.Until), ", unless somebody does so before: it may be in the middle of a deploy.")
	case decision.Refused:
		return say("Defib tries again ", in(p.now, p.Until), ": the engine, or a proxy before it, refuses to start or restart containers.")
	case decision.RateLimited:
		if p.Until.IsZero() {
			return say("Defib ", verb, " it as soon as it is through with others.")
		}
		return say("Defib ", verb, " it ", in(p.now, p.Until), ": there were many restarts on this host within a minute.")
	case decision.InServiceRestart:
		return say("Defib ", verb, " it as soon as the replica of its service that is being restarted has come up well, if the alert still asks for it then.")
	}
	return nil
}

// alone says why it is left alone, in the words of the reason.
func (p view) alone(why decision.Reason) Sentence {
	s := say("Defib leaves it alone: ", p.sentence(why))
	if !p.Until.IsZero() {
		s = append(s, say(", until it is looked at again ", in(p.now, p.Until))...)
	}
	return append(s, say(".")...)
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
func (p view) sentence(r decision.Reason) string {
	return strings.Replace(decision.Reasons[r], anything, p.shared(), 1)
}

// held says until when it is on hold, and how to end that.
func (p view) held() Sentence {
	if p.holdAll {
		return say("It is on hold, as everything is: the hold file cannot be read. Correct or delete it: see the top of this page.")
	}
	s := say("It is on hold for maintenance")
	if h := p.hold(); h != nil {
		s = append(s, say(" as ", quote(h.String()))...)
	}
	return append(s, say(", which ends ", in(p.now, p.Until), ". To end it sooner: defib release, in the container of Defib if it has one.")...)
}

// off says that a trigger may not have it acted upon.
func (p view) off(t policy.Trigger) Sentence {
	s := say("Defib leaves it alone: ", string(t), " is not among its triggers (--restart.triggers, or its label defib.triggers)")
	if p.Rule.Heals(policy.TriggerAlert) {
		s = append(s, say(", unless an alert asks for it")...)
	}
	return append(s, say(".")...)
}

// whyStopped says why an end that nobody saw counts as a stop.
func (p view) whyStopped() string {
	c := p.Container
	if c.AlwaysRestarts() && c.Error == "" {
		return " and its own restart policy has not brought it back"
	}
	return " and that was long before Defib looked"
}

// unasked says what will happen to one that the last decision did not speak of.
func (p view) unasked() Sentence {
	c := p.Container
	switch {
	case p.Veto == decision.SwarmTask:
		return say("That is left to Swarm.")
	case !p.Rule.Whitelisted:
		return p.unlisted()
	case p.Veto != "":
		return p.alone(p.Veto)
	case p.GaveUp && c.Up():
		return say("Defib has given up: ", decision.Reasons[decision.GaveUp], ".")
	case p.HealthDue.After(p.now):
		return say("Defib restarts it ", in(p.now, p.HealthDue), ", unless it is well again by then.")
	case c.Up() && c.Health == engine.Unhealthy && !p.Rule.Heals(policy.TriggerUnhealthy):
		return p.off(policy.TriggerUnhealthy)
	case !c.Well():
		return say("Defib is looking at it.")
	}
	return nil
}

// unlisted says what will happen to one that is not whitelisted.
func (p view) unlisted() Sentence {
	switch {
	case p.Veto == decision.EngineRestarting || p.engineReturns():
		return say("That is left to the engine.")
	case p.kind() != Need:
		return nil
	case p.beyond() != "":
		return say("Defib can do nothing about it: ", p.sentence(p.beyond()), ".")
	}
	return say("Defib does not touch it: it is not whitelisted.")
}

// beyond names what no whitelist would help against; "" if there is no such thing.
func (p view) beyond() decision.Reason {
	switch c := p.Container; {
	case !c.Inspected:
		return decision.NotInspected
	case c.State == engine.Dead:
		return decision.Dead
	}
	if p.Tie.Reason == decision.ParentGone {
		return p.Tie.Reason
	}
	return ""
}
