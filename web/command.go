package web

import (
	"regexp"
	"strings"
	"time"

	"defib/engine"
	"defib/restarter"
)

// before is how long before the end of a container the logs begin that are to be
// looked at.
const before = 2 * time.Minute

var (
	// word is what may stand in a command that somebody will copy into a shell. It
	// means nothing to the shell, and is no option.
	word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	path = regexp.MustCompile(`^/[A-Za-z0-9_./-]*$`)
)

// Labels that compose sets on its containers.
// Source: https://github.com/docker/compose/blob/main/pkg/api/labels.go
const labelFiles = "com.docker.compose.project.config_files"

// commands are what to copy into a shell on the host of the container: what shows
// the cause first, then what may mend it. Nothing that a container's labels say
// can make them do anything else.
func (p patient) commands() []string {
	c := p.Container
	switch p.kind() {
	case Need, Healing:
	case Paused:
		return []string{"docker unpause " + target(c)}
	case Stopped, OnHold:
		return []string{"docker start " + target(c)}
	default:
		return nil
	}
	var commands []string
	if !c.Started.IsZero() {
		commands = append(commands, p.logs())
	}
	if c.Up() && c.Health == engine.Unhealthy {
		commands = append(commands, "docker inspect --format '{{json .State.Health}}' "+target(c))
	}
	return append(commands, p.mend()...)
}

// logs shows what the container wrote before it fell ill. The moment is the
// engine's own.
func (p patient) logs() string {
	c, since := p.Container, "10m"
	if !c.Up() && !c.Finished.IsZero() {
		since = c.Finished.Add(-before).UTC().Format("2006-01-02T15:04:05Z")
	}
	return "docker logs --since " + since + " " + target(c)
}

// mend does what Defib does not do.
func (p patient) mend() []string {
	c := p.Container
	anew := c.State == engine.Dead || p.Reason == restarter.ParentGone || p.orphaned || c.Error != ""
	switch {
	case anew && recreate(c) != "":
		return []string{recreate(c)}
	case c.State == engine.Dead:
		return []string{"docker rm --force " + target(c)}
	case p.kind() != Need:
		return nil
	case c.Up():
		return []string{"docker restart " + target(c)}
	case !p.Rule.Whitelisted || p.Reason == restarter.TriggerDisabled || p.Reason == restarter.DryRun:
		return []string{"docker start " + target(c)}
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
// labels are not such that a command can be made of them.
func recreate(c *engine.Container) string {
	if !word.MatchString(c.Project()) || !word.MatchString(c.Service()) {
		return ""
	}
	words := []string{"docker compose --project-name", c.Project()}
	for file := range strings.SplitSeq(c.Labels[labelFiles], ",") {
		switch {
		case path.MatchString(file):
			words = append(words, "--file", file)
		case file != "": // without one of its files it would be made otherwise than before
			return ""
		}
	}
	return strings.Join(append(words, "up --detach --force-recreate", c.Service()), " ")
}
