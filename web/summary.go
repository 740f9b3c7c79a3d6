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
func (v view) summary() []Sentence {
	if v.kind() == Fine {
		return nil
	}
	told := []Sentence{v.what(), v.cause(), say(v.use.Sentence), v.often(), v.recreated()}
	return slices.DeleteFunc(told, func(s Sentence) bool { return len(s) == 0 })
}

// what says what has happened, and when.
func (v view) what() Sentence {
	c := v.Container
	switch {
	case !c.Inspected:
		return say("The engine lists it as ", string(c.State), ", but does not answer an inspect of it.")
	case c.Up():
		return v.whatRuns()
	case c.FailedStart():
		return say("It failed to start ", ago(v.now, v.ended()), ".")
	}
	switch c.State {
	case engine.Created:
		return say("It was created ", v.created(), " and never started.")
	case engine.Paused:
		return say("Somebody has paused it.")
	case engine.Removing:
		return say("It is being removed.")
	case engine.Dead:
		return say("The engine tried to remove it and failed; it can never run again.")
	case engine.Restarting:
		return v.exited("Its own restart policy is restarting it: it exited ")
	}
	switch c.ExitCause {
	case engine.CauseStopped:
		return v.exited("Somebody stopped it ")
	case engine.CauseEngine:
		return v.exited("The engine was shut down, and stopped it ")
	case engine.CauseUnknown:
		return append(v.exited("It exited "), say(" Whether somebody stopped it is not known.")...)
	}
	return v.exited("It exited ")
}

// whatRuns says what is wrong with one that runs.
func (v view) whatRuns() Sentence {
	c := v.Container
	up := ago(v.now, c.StartSeenAt)
	switch {
	case v.leaving():
		return say("It started ", up, ", and somebody is stopping it.")
	case v.Reason == outcome.InProgress && !v.Until.IsZero():
		return say("It started ", up, ".")
	case v.Reason == outcome.InProgress:
		return say("It started ", up, " and is being restarted.")
	case v.adrift():
		shared, lacks := v.shared(), "its shared "+v.shared()
		if v.Tie.Namespace == engine.Network {
			lacks = "a network"
		}
		return say("It runs without ", lacks, ": the container whose ", shared, " it shares is down, was removed, or was started after it.")
	case c.Health == engine.Unhealthy && !c.UnhealthySince.IsZero():
		return say("It started ", up, " and became unhealthy ", ago(v.now, c.UnhealthySince), ".")
	case c.Health == engine.Unhealthy:
		return say("It started ", up, " and is unhealthy.")
	case v.Reason != "" && v.Reason != outcome.BadLabel:
		return say("It started ", up, ", and an alert asks for its restart.")
	case v.Reason != "":
		return say("It is running; it started ", up, ".")
	}
	return say("It is running for now; it started ", up, ".")
}

// exited completes a sentence by when it exited, how, and after how long.
func (v view) exited(beginning string) Sentence {
	c := v.Container
	s := say(beginning)
	if v.ended().IsZero() {
		s = append(s, say(v.moment(c.Finished))...)
	} else {
		s = append(s, say(ago(v.now, v.ended()))...)
	}
	ran := ""
	if d := c.Finished.Sub(c.Started); !c.Started.IsZero() && d >= 0 {
		ran = text.Span(d)
	}
	switch {
	case v.unstartable() && ran != "":
		return append(s, say(" after running for "+ran+", and has failed to start since.")...)
	case v.unstartable():
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
func (v view) unstartable() bool {
	c := v.Container
	return c.Error != "" && c.Exit.Known && c.Exit.Code >= 126 && c.Exit.Code <= 128
}

// moment speaks of one of the engine's clock: by ours, if a moment is known by
// both.
func (v view) moment(at time.Time) any {
	c := v.Container
	switch {
	case !c.StartSeenAt.IsZero() && !c.Started.IsZero():
		return ago(v.now, c.StartSeenAt.Add(at.Sub(c.Started)))
	case !c.ExitSeenAt.IsZero() && !c.Finished.IsZero() && c.ExitCause != engine.CauseUnknown:
		return ago(v.now, c.ExitSeenAt.Add(at.Sub(c.Finished)))
	}
	return on(at)
}

// created speaks of when it was created.
func (v view) created() any {
	if made := v.Container.CreatedSeenAt; !made.IsZero() {
		return ago(v.now, made)
	}
	return v.moment(v.Container.Created)
}

// leaving reports whether somebody else than Defib is stopping it.
func (v view) leaving() bool {
	return v.Reason == outcome.InProgress && !v.Container.StopSeenAt.IsZero() && !v.Until.IsZero()
}

// cause hands on what the engine or the health check has said.
func (v view) cause() Sentence {
	c := v.Container
	switch {
	case c.Error != "" && !c.Up():
		return say("The engine says: ", quote(c.Error), ".")
	case c.HealthOutput != "":
		return say("Its health check says: ", quote(c.HealthOutput), ".")
	}
	return nil
}

// often says how often it has been started without coming up to stay.
func (v view) often() Sentence {
	if v.Streak == 0 {
		return nil
	}
	s := say("It has been started or restarted "+text.Times(v.Streak), " since it last stayed up and well for ", text.Span(v.reset), ".")
	if v.Streak >= looping {
		s = append(s, say(" Restarts do not help: fix the cause.")...)
	}
	return s
}

// recreated says whether it is another container than the one that had its name.
func (v view) recreated() Sentence {
	c, before := v.Container, v.Predecessor
	if before == nil {
		return nil
	}
	s := say("It was re-created ", v.created(), " from ", quote(c.Image))
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
func (v view) since() time.Time {
	if begun := v.Container.StartSeenAt; !begun.IsZero() {
		return begun
	}
	return v.ended()
}
