package web

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"defib/engine"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// before is how long before a container ended or fell ill the logs begin that are to
// be looked at.
const before = 2 * time.Minute

var (
	// word is what may stand in a command that somebody will copy into a shell. It
	// means nothing to the shell, and is no option.
	word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	// entry is one of the hold file that may stand there between quotes.
	entry = regexp.MustCompile(`^[A-Za-z0-9*?\[][A-Za-z0-9*?\[\]!^_./:=-]*$`)
	// file is a path that may.
	file = regexp.MustCompile(`^/[A-Za-z0-9_./-]+$`)
)

// commands are what to copy into a shell on the host of the container: what shows
// the cause first, then what may fix it. Nothing that a container's labels say
// can make them do anything else.
func (p view) commands() []string {
	c := p.Container
	if p.Veto == outcome.SwarmTask {
		return nil // Swarm would undo it
	}
	switch p.kind() {
	case Need, Healing:
	case Paused:
		return []string{"docker unpause " + target(c)}
	case OnHold:
		return append(p.release(), p.start()...)
	case Stopped:
		return p.start()
	default:
		return nil
	}
	var commands []string
	if fine := p.Reason == outcome.BadLabel && c.Well(); !fine && !c.Started.IsZero() {
		commands = append(commands, p.logs())
	}
	if c.Up() && c.Health == engine.Unhealthy {
		commands = append(commands, "docker inspect --format '{{json .State.Health}}' "+target(c))
	}
	return append(commands, p.fix()...)
}

// logs shows what the container wrote before it ended, or was seen to fall ill. The
// moment is on the engine's clock.
func (p view) logs() string {
	c := p.Container
	var fell time.Time
	switch {
	case c.Up() && !c.UnhealthySince.IsZero():
		fell = c.Started.Add(c.UnhealthySince.Sub(c.StartSeenAt))
	case !c.Up():
		fell = c.Finished
	}
	since := "10m"
	if !fell.IsZero() {
		since = fell.Add(-before).UTC().Format("2006-01-02T15:04:05Z")
	}
	return "docker logs --since " + since + " " + target(c)
}

// startedByHand are reasons for which Defib leaves a container alone that may be started.
var startedByHand = []outcome.Reason{
	outcome.TriggerDisabled, outcome.DryRun, outcome.OnHold, outcome.BadLabel, outcome.NotStarted,
}

// fix does what Defib does not do.
func (p view) fix() []string {
	c := p.Container
	switch {
	case p.anew():
		return []string{recreate(c)}
	case c.State == engine.Dead:
		return []string{"docker rm --force " + target(c)}
	case p.kind() != Need, p.Reason == outcome.BadLabel && c.Well():
		return nil
	case c.Up() && p.Tie.Reason == "" && (p.Streak < looping || p.GaveUp):
		return []string{"docker restart " + target(c)}
	case !p.Rule.Whitelisted || slices.Contains(startedByHand, p.Reason):
		return p.start()
	}
	return nil
}

// start starts what is down. Without what it shares with another it cannot start.
func (p view) start() []string {
	if c := p.Container; p.Tie.Reason == "" && (c.State == engine.Exited || c.State == engine.Created) {
		return []string{"docker start " + target(c)}
	}
	return nil
}

// anew reports whether only a new container helps, and compose can make it.
func (p view) anew() bool {
	c := p.Container
	if k := p.kind(); k != Need && k != Healing {
		return false
	}
	hopeless := c.State == engine.Dead || p.Reason == outcome.ParentGone || p.Tie.Reason == outcome.ParentGone || c.Error != "" || p.Reason == outcome.BadLabel
	return hopeless && recreate(c) != ""
}

// release ends the hold of the container, from any directory.
func (p view) release() []string {
	h := p.hold()
	path, err := filepath.Abs(p.holdFile)
	if err != nil || h == nil || !entry.MatchString(h.String()) || !file.MatchString(path) {
		return nil
	}
	command := "defib release --restart.hold-file=" + path + " '" + h.String() + "'"
	if program, err := os.Executable(); p.self != "" {
		if err != nil || !file.MatchString(program) || !word.MatchString(p.self) {
			return nil
		}
		command = "docker exec " + p.self + " " + strings.Replace(command, "defib", program, 1)
	}
	return []string{command}
}

// hold is that of the container which ends last; nil if there is none.
func (p view) hold() *policy.Hold {
	until := p.holds.Until(p.Container)
	for i, h := range p.holds {
		if h.Until.Equal(until) && h.Matches(p.Container) {
			return &p.holds[i]
		}
	}
	return nil
}

// target names a container in a command.
func target(c *engine.Container) string {
	if word.MatchString(c.Name) {
		return c.Name
	}
	return short(c.ID)
}

// recreate creates a compose service's container anew; "" if it is none, or its
// labels are not such that a command can be made of them. It names no compose
// file: whoever makes a container chooses its labels, and could name one of his own.
func recreate(c *engine.Container) string {
	if !word.MatchString(c.Project()) || !word.MatchString(c.Service()) {
		return ""
	}
	return "docker compose --project-name " + c.Project() + " up --detach --force-recreate " + c.Service()
}
