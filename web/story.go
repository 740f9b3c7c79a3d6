package web

import (
	"slices"
	"time"

	"defib/engine"
	"defib/restarter"
)

// story tells what has happened to a container that is not fine, and how often. It
// is nil for one that is fine.
func (p patient) story() []Sentence {
	if p.kind() == Fine {
		return nil
	}
	told := []Sentence{p.what(), p.cause(), p.often(), p.recreated()}
	return slices.DeleteFunc(told, func(s Sentence) bool { return len(s) == 0 })
}

// what says what has happened, and when.
func (p patient) what() Sentence {
	c := p.Container
	switch {
	case !c.Inspected:
		return say("The engine lists it as ", string(c.State), " and does not answer when asked about it.")
	case c.Up():
		return p.whatRuns()
	case c.FailedStart():
		return say("It could not be started ", ago(p.now, p.ended()), ".")
	}
	switch c.State {
	case engine.Created:
		return say("It was created ", ago(p.now, c.Created), " and never started.")
	case engine.Paused:
		return say("Somebody has paused it.")
	case engine.Removing:
		return say("It is being removed.")
	case engine.Dead:
		return say("The engine tried to remove it and failed; it can never run again.")
	case engine.Restarting:
		return p.exited("Its own restart policy is bringing it back: it exited ")
	}
	switch c.Ending {
	case engine.EndedStopped:
		return p.exited("Somebody stopped it ")
	case engine.EndedEngine:
		return p.exited("The engine was shut down, and stopped it ")
	case engine.EndedUnknown:
		return p.exited("It exited while nobody watched, ")
	}
	return p.exited("It exited ")
}

// whatRuns says what is wrong with one that runs.
func (p patient) whatRuns() Sentence {
	c := p.Container
	up := ago(p.now, c.Begun)
	switch {
	case p.Reason == restarter.InProgress && !c.Stopping.IsZero():
		return say("It came up ", up, ", and somebody has told it to stop.")
	case p.Reason == restarter.InProgress:
		return say("It came up ", up, " and is being restarted.")
	case p.orphaned || p.Trigger == restarter.TriggerDependency:
		return say("It runs without a network: the container whose network it shares is down or gone, or was started after it.")
	case c.Health == engine.Unhealthy && !c.Sick.IsZero():
		return say("It runs, came up ", up, ", and turned unhealthy ", ago(p.now, c.Sick), ".")
	case c.Health == engine.Unhealthy:
		return say("It runs, came up ", up, ", and is unhealthy.")
	case p.Reason != "":
		return say("It runs, came up ", up, ", and an alert asks for it.")
	}
	return say("It runs for now: it came up ", up, ".")
}

// exited completes a sentence by when it exited, how, and after how long.
func (p patient) exited(beginning string) Sentence {
	c := p.Container
	s := say(beginning, ago(p.now, p.ended()))
	if c.Exit.Known {
		s = append(s, say(", "+exitPhrase(c.Exit))...)
	}
	if ran := c.Finished.Sub(c.Started); !c.Started.IsZero() && ran >= 0 {
		s = append(s, say("; it had run for "+span(ran))...)
	}
	return append(s, say(".")...)
}

// cause hands on what the engine or the health check has said.
func (p patient) cause() Sentence {
	c := p.Container
	switch {
	case c.Error != "" && !c.Up():
		return say("The engine says: ", quote(c.Error), ".")
	case c.HealthOutput != "":
		return say("Its health check says: ", quote(c.HealthOutput), ".")
	}
	return nil
}

// often says how often it has been started without coming up to stay.
func (p patient) often() Sentence {
	if p.Streak == 0 {
		return nil
	}
	s := say("It has been started "+times(p.Streak), " since it last stayed up and well for ", span(p.reset), ".")
	if p.Streak >= looping {
		s = append(s, say(" Starting it does not help: mend why it dies.")...)
	}
	return s
}

// recreated says whether it is another container than the one that had its name.
func (p patient) recreated() Sentence {
	c, before := p.Container, p.Former
	if before == nil {
		return nil
	}
	s := say("It was created anew ", ago(p.now, c.Created), " from ", quote(c.Image))
	switch {
	case c.Image != before.Image:
		s = append(s, say("; the one before was made from ", quote(before.Image))...)
	case c.ImageID != before.ImageID:
		s = append(s, say(", which is another image now than the one before")...)
	default:
		s = append(s, say(", the same image as before")...)
	}
	return append(s, say(".")...)
}

// next says what will happen now to one that is not fine, or why nothing will; nil
// if that goes without saying.
func (p patient) next() Sentence {
	if p.kind() == Fine {
		return nil
	}
	c, verb := p.Container, "starts"
	if c.Up() {
		verb = "restarts"
	}
	switch p.Reason {
	case restarter.InProgress:
		if !c.Stopping.IsZero() {
			return nil
		}
		return say("Defib is at it now.")
	case restarter.BackOff:
		return say("Defib ", verb, " it again ", in(p.now, p.Until), ".")
	case restarter.StoppedDelay:
		return say("Defib ", verb, " it ", in(p.now, p.Until), ", unless somebody does so before: it may be in the middle of a deploy.")
	case restarter.Refused:
		return say("Defib tries again ", in(p.now, p.Until), ": the engine, or a proxy before it, refuses to start or restart containers.")
	case restarter.OnHold:
		return say("It is on hold for maintenance, which ends ", in(p.now, p.Until), ". To end it now: defib release.")
	case restarter.RateLimited:
		if p.Until.IsZero() {
			return say("Defib ", verb, " it as soon as it is through with others.")
		}
		return say("Defib ", verb, " it ", in(p.now, p.Until), ": there were many restarts on this host within a minute.")
	case restarter.TriggerDisabled:
		return say("Defib leaves it alone: ", string(p.Trigger), " is not among its triggers (--restart.triggers, or its label defib.triggers).")
	case "":
		return p.unasked()
	}
	s := say("Defib leaves it alone: ", restarter.Reasons[p.Reason])
	if !p.Until.IsZero() {
		s = append(s, say(", until it is looked at again ", in(p.now, p.Until))...)
	}
	return append(s, say(".")...)
}

// unasked says what will happen to one that the last decision did not speak of.
func (p patient) unasked() Sentence {
	c := p.Container
	switch {
	case !p.Rule.Whitelisted && (p.Veto == restarter.EngineRestarting || p.Veto == restarter.SwarmTask):
		return say("That is left to ", map[restarter.Reason]string{restarter.EngineRestarting: "the engine", restarter.SwarmTask: "Swarm"}[p.Veto], ".")
	case !p.Rule.Whitelisted && p.kind() != Need:
		return nil
	case !p.Rule.Whitelisted:
		return say("Defib does not touch it: it is not whitelisted.")
	case p.GaveUp && c.Up():
		return say("Defib has given up: ", restarter.Reasons[restarter.GaveUp], ".")
	case !p.dueForHealth().IsZero():
		return say("Defib restarts it ", in(p.now, p.dueForHealth()), ", unless it is well again by then.")
	case !c.Well():
		return say("Defib is looking at it.")
	}
	return nil
}

// since is the moment from which its state has lasted, on our clock as far as it
// is known.
func (p patient) since() time.Time {
	if begun := p.Container.Begun; !begun.IsZero() {
		return begun
	}
	return p.ended()
}
