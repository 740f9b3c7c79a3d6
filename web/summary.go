package web

import (
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/web/text"
)

// summary tells what has happened to a container that is not fine, and how often. It
// is nil for one that is fine.
func (p view) summary() []Sentence {
	if p.kind() == Fine {
		return nil
	}
	told := []Sentence{p.what(), p.cause(), say(p.use.Sentence), p.often(), p.recreated()}
	return slices.DeleteFunc(told, func(s Sentence) bool { return len(s) == 0 })
}

// what says what has happened, and when.
func (p view) what() Sentence {
	c := p.Container
	switch {
	case !c.Inspected:
		return say("The engine lists it as ", string(c.State), ", but does not answer an inspect of it.")
	case c.Up():
		return p.whatRuns()
	case c.FailedStart():
		return say("It failed to start ", ago(p.now, p.ended()), ".")
	}
	switch c.State {
	case engine.Created:
		return say("It was created ", p.created(), " and never started.")
	case engine.Paused:
		return say("Somebody has paused it.")
	case engine.Removing:
		return say("It is being removed.")
	case engine.Dead:
		return say("The engine tried to remove it and failed; it can never run again.")
	case engine.Restarting:
		return p.exited("Its own restart policy is restarting it: it exited ")
	}
	switch c.ExitCause {
	case engine.CauseStopped:
		return p.exited("Somebody stopped it ")
	case engine.CauseEngine:
		return p.exited("The engine was shut down, and stopped it ")
	case engine.CauseUnknown:
		return append(p.exited("It exited "), say(" Whether somebody stopped it is not known.")...)
	}
	return p.exited("It exited ")
}

// whatRuns says what is wrong with one that runs.
func (p view) whatRuns() Sentence {
	c := p.Container
	up := ago(p.now, c.StartSeenAt)
	switch {
	case p.leaving():
		return say("It started ", up, ", and somebody is stopping it.")
	case p.Reason == outcome.InProgress:
		return say("It started ", up, " and is being restarted.")
	case p.adrift():
		shared, lacks := p.shared(), "its shared "+p.shared()
		if p.Tie.Namespace == engine.Network {
			lacks = "a network"
		}
		return say("It runs without ", lacks, ": the container whose ", shared, " it shares is down, was removed, or was started after it.")
	case c.Health == engine.Unhealthy && !c.UnhealthySince.IsZero():
		return say("It started ", up, " and became unhealthy ", ago(p.now, c.UnhealthySince), ".")
	case c.Health == engine.Unhealthy:
		return say("It started ", up, " and is unhealthy.")
	case p.Reason != "" && p.Reason != outcome.BadLabel:
		return say("It started ", up, ", and an alert asks for its restart.")
	case p.Reason != "":
		return say("It is running; it started ", up, ".")
	}
	return say("It is running for now; it started ", up, ".")
}

// exited completes a sentence by when it exited, how, and after how long.
func (p view) exited(beginning string) Sentence {
	c := p.Container
	s := say(beginning)
	if p.ended().IsZero() {
		s = append(s, say(p.moment(c.Finished))...)
	} else {
		s = append(s, say(ago(p.now, p.ended()))...)
	}
	ran := ""
	if d := c.Finished.Sub(c.Started); !c.Started.IsZero() && d >= 0 {
		ran = text.Span(d)
	}
	switch {
	case p.unstartable() && ran != "":
		return append(s, say(" after running for "+ran+", and has failed to start since.")...)
	case p.unstartable():
		return append(s, say(" and has failed to start since.")...)
	case c.Exit.Known:
		s = append(s, say(" with "+text.ExitPhrase(c.Exit))...)
	}
	if ran != "" {
		s = append(s, say(", after running for "+ran)...)
	}
	return append(s, say(".")...)
}

// unstartable reports whether the exit code is not that of its last run, but of a
// start that failed since.
func (p view) unstartable() bool {
	c := p.Container
	return c.Error != "" && c.Exit.Known && c.Exit.Code >= 126 && c.Exit.Code <= 128
}

// moment speaks of one of the engine's clock: by ours, if a moment is known by
// both.
func (p view) moment(at time.Time) any {
	c := p.Container
	switch {
	case !c.StartSeenAt.IsZero() && !c.Started.IsZero():
		return ago(p.now, c.StartSeenAt.Add(at.Sub(c.Started)))
	case !c.ExitSeenAt.IsZero() && !c.Finished.IsZero() && c.ExitCause != engine.CauseUnknown:
		return ago(p.now, c.ExitSeenAt.Add(at.Sub(c.Finished)))
	}
	return on(at)
}

// created speaks of when it was created.
func (p view) created() any {
	if made := p.Container.CreatedSeenAt; !made.IsZero() {
		return ago(p.now, made)
	}
	return p.moment(p.Container.Created)
}

// leaving reports whether somebody else than Defib is stopping it.
func (p view) leaving() bool {
	return p.Reason == outcome.InProgress && !p.Container.StopSeenAt.IsZero() && !p.Until.IsZero()
}

// cause hands on what the engine or the health check has said.
func (p view) cause() Sentence {
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
func (p view) often() Sentence {
	if p.Streak == 0 {
		return nil
	}
	s := say("It has been started or restarted "+text.Times(p.Streak), " since it last stayed up and well for ", text.Span(p.reset), ".")
	if p.Streak >= looping {
		s = append(s, say(" Restarts do not help: fix the cause.")...)
	}
	return s
}

// recreated says whether it is another container than the one that had its name.
func (p view) recreated() Sentence {
	c, before := p.Container, p.Predecessor
	if before == nil {
		return nil
	}
	s := say("It was re-created ", p.created(), " from ", quote(c.Image))
	switch {
	case c.Image != before.Image:
		s = append(s, say("; before, it was from ", quote(before.Image))...)
	case c.ImageID != before.ImageID:
		s = append(s, say(", a name that means another image now")...)
	default:
		s = append(s, say(", the same image as before")...)
	}
	return append(s, say(".")...)
}

// since is the moment from which its state has lasted, on our clock as far as it
// is known.
func (p view) since() time.Time {
	if begun := p.Container.StartSeenAt; !begun.IsZero() {
		return begun
	}
	return p.ended()
}
