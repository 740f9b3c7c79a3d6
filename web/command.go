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

// before is how long before a container ended or became unhealthy the logs begin that are to
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
func (v view) commands() []string {
	c := v.Container
	if v.Veto == outcome.SwarmTask {
		return nil // Swarm would undo it
	}
	switch v.kind() {
	case NeedsAttention, Healing:
	case Paused:
		return []string{"docker unpause " + target(c)}
	case OnHold:
		return append(v.release(), v.start()...)
	case Stopped:
		return v.start()
	default:
		return nil
	}
	var commands []string
	if fine := v.Reason == outcome.BadLabel && c.Well(); !fine && !c.Started.IsZero() {
		commands = append(commands, v.logs())
	}
	if c.Up() && c.Health == engine.Unhealthy {
		commands = append(commands, "docker inspect --format '{{json .State.Health}}' "+target(c))
	}
	return append(commands, v.fix()...)
}

// logs shows what the container wrote before it ended, or was seen to become unhealthy. The
// moment is on the engine's clock.
func (v view) logs() string {
	c := v.Container
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
func (v view) fix() []string {
	c := v.Container
	switch {
	case v.anew():
		return []string{recreate(c)}
	case c.State == engine.Dead:
		return []string{"docker rm --force " + target(c)}
	case v.kind() != NeedsAttention, v.Reason == outcome.BadLabel && c.Well():
		return nil
	case c.Up() && v.Tie.Reason == "" && (v.Streak < looping || v.GaveUp):
		return []string{"docker restart " + target(c)}
	case !v.Rule.Whitelisted || slices.Contains(startedByHand, v.Reason):
		return v.start()
	}
	return nil
}

// start starts what is down. Without what it shares with another it cannot start.
func (v view) start() []string {
	if c := v.Container; v.Tie.Reason == "" && (c.State == engine.Exited || c.State == engine.Created) {
		return []string{"docker start " + target(c)}
	}
	return nil
}

// anew reports whether only a new container helps, and compose can make it.
func (v view) anew() bool {
	c := v.Container
	if k := v.kind(); k != NeedsAttention && k != Healing {
		return false
	}
	hopeless := c.State == engine.Dead || v.Reason == outcome.ParentGone || v.Tie.Reason == outcome.ParentGone || c.Error != "" || v.Reason == outcome.BadLabel
	return hopeless && recreate(c) != ""
}

// release ends the hold of the container, from any directory.
func (v view) release() []string {
	h := v.hold()
	path, err := filepath.Abs(v.holdFile)
	if err != nil || h == nil || !entry.MatchString(h.String()) || !file.MatchString(path) {
		return nil
	}
	command := "defib release --restart.hold-file=" + path + " '" + h.String() + "'"
	if program, err := os.Executable(); v.self != "" {
		if err != nil || !file.MatchString(program) || !word.MatchString(v.self) {
			return nil
		}
		command = "docker exec " + v.self + " " + strings.Replace(command, "defib", program, 1)
	}
	return []string{command}
}

// hold is that of the container which ends last; nil if there is none.
func (v view) hold() *policy.Hold {
	until := v.holds.Until(v.Container)
	for i, h := range v.holds {
		if h.Until.Equal(until) && h.Matches(v.Container) {
			return &v.holds[i]
		}
	}
	return nil
}

// target names a container in a command.
func target(c *engine.Container) string {
	if word.MatchString(c.Name) {
		return c.Name
	}
	return engine.ShortID(c.ID)
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
