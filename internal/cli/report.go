package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"defib/engine"
	"defib/engine/docker"
	"defib/restarter"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/stats"
)

// The marks that begin a line of defib check.
const (
	works = "ok"
	fails = "FAIL" // and it is needed
	other = "-"
)

// report is what defib check prints, in columns, and whether all is well.
type report struct {
	*tabwriter.Writer
	faults int
}

func (s *report) line(mark string, cells ...string) {
	if mark == fails {
		s.faults++
	}
	for i, cell := range cells {
		cells[i] = plain(cell)
	}
	fmt.Fprintf(s, "  %s\t%s\n", mark, strings.Join(cells, "\t"))
}

// plain makes one line of a text, and nothing that a terminal obeys.
func plain(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

// notRecreated says what does not work without one of the calls of a re-creation.
const notRecreated = "containers that lost the one whose network they share are not re-created"

// notEnded says what does not work without one of the calls for a task of Swarm.
const notEnded = "tasks of Swarm are not ended for alerts"

// without says what does not work if a call does not; need is for what.
var without = map[string]struct {
	need  int
	lacks string
}{
	"ping":           {toSee, "Defib cannot see any container"},
	"version":        {toSee, "Defib cannot see any container"},
	"list":           {toSee, "Defib cannot see any container"},
	"events":         {toSee, "Defib cannot see any container"},
	"inspect":        {toSee, "exit codes and health are unknown, and nothing is healed"},
	"info":           {forMore, "docker_engine_info has no host, and the engine's clock is assumed to be that of this host"},
	"images":         {forMore, "docker_container_image_outdated is not exposed"},
	"inspect_libpod": {forMore, "whether Podman's containers crashed or were stopped is not known"},
	"logs":           {forMore, "what containers wrote before they died is not shown"},
	"start":          {toAct, "containers that are down are not started"},
	"restart":        {toAct, "unhealthy containers are not restarted, nor those that an alert asks for"},
	"create":         {toAct, notRecreated},
	"rename":         {toAct, notRecreated},
	"update":         {toAct, notRecreated},
	"stop":           {toAct, notRecreated + ", " + notEnded},
	"remove":         {toAct, "containers that were re-created leave the old ones behind"},

	"services": {toAct, notEnded},
	"tasks":    {toAct, notEnded},
}

// What a call is needed for.
const (
	toSee = iota
	toAct
	forMore
)

// sees reports whether there can be a snapshot.
func sees(calls []docker.CallResult) bool {
	return !slices.ContainsFunc(calls, func(f docker.CallResult) bool {
		return f.Err != nil && without[f.Call].need == toSee && f.Call != "inspect"
	})
}

// call tells of one call, and what it means if it does not work.
func (s *report) call(f docker.CallResult, acts bool) {
	if f.Err == nil {
		s.line(works, f.Call, f.Request)
		return
	}
	mark, what := other, without[f.Call]
	if what.need == toSee || what.need == toAct && acts {
		mark = fails
	}
	because := f.Err.Error()
	if f.Refused {
		because = "refused by " + refuser(f.Err) + ": " + because
	}
	s.line(mark, f.Call, f.Request, because)
	s.line(" ", "", "", "Without it "+what.lacks+".")
}

// refuser tells who forbids a call: the engine itself only by a plugin.
// Source: https://github.com/moby/moby/blob/master/pkg/authorization/response.go
func refuser(err error) string {
	if strings.Contains(err.Error(), "authorization denied by plugin") {
		return "an authorization plugin of the engine"
	}
	return "a socket proxy in front of the engine"
}

// resources tells of how many containers can be read what they use, and what keeps others
// from it.
func (s *report) resources(r *stats.Reading, where string) {
	switch n := len(r.Containers); {
	case n+r.Unreadable == 0:
		s.line(other, "no container runs: nothing to read "+where)
	case n == 0:
		s.line(fails, fmt.Sprintf("none of %d running containers can be read %s", r.Unreadable, where))
	case r.Unreadable > 0:
		s.line(other, fmt.Sprintf("%d of %d running containers can be read %s", n, n+r.Unreadable, where))
	default:
		s.line(works, fmt.Sprintf("%d running containers can be read %s", n, where))
	}
	for _, fault := range r.Faults {
		s.line(other, string(fault))
	}
}

// entry tells what an entry of a list matches.
func (s *report) entry(entry policy.Pattern, snapshot *engine.Snapshot) {
	var names []string
	for _, c := range snapshot.Named() {
		if entry.Matches(c) {
			names = append(names, c.Name)
		}
	}
	switch n := len(names); {
	case n == 0:
		s.line(other, entry.String(), "matches no container: is the name correct?")
	case n > 5:
		s.line(works, entry.String(), fmt.Sprintf("matches %d: %s, …", n, strings.Join(names[:5], ", ")))
	default:
		s.line(works, entry.String(), fmt.Sprintf("matches %d: %s", n, strings.Join(names, ", ")))
	}
}

// wants says what asks for an action.
var wants = map[policy.Trigger]string{
	policy.TriggerExited:     "it is down",
	policy.TriggerUnhealthy:  "its health check fails",
	policy.TriggerDependency: "it has lost the network, processes or IPC of another container",
	policy.TriggerDependsOn:  "another container that it depends on was restarted, or is ready at last",
}

// planOf says what would become of a container, after a mark.
func planOf(now time.Time, p restarter.Planned) (mark, then string) {
	switch {
	case !p.Whitelisted:
		return other, "not whitelisted"
	case p.Removes:
		return other, "would be removed: it was re-created, and another one has its place"
	case p.Acts && p.Recreates:
		return other, "would be re-created: the container whose network it shares was"
	case p.Acts && p.Container.Up():
		return other, "would be restarted: " + wants[p.Trigger]
	case p.Acts:
		return other, "would be started: " + wants[p.Trigger]
	case p.Reason == "" && !p.HealthDue.IsZero():
		return other, fmt.Sprintf("would be restarted in %s, if it is still unhealthy then", p.HealthDue.Sub(now).Round(time.Second))
	case p.Reason == "":
		return works, "nothing to do"
	}
	then = fmt.Sprintf("left alone (%s): %s", p.Reason, outcome.Reasons[p.Reason])
	if p.Reason == outcome.TriggerDisabled {
		then += ": " + string(p.Trigger)
	}
	if p.Detail != "" {
		then += "; not re-created: " + p.Detail
	}
	return other, then
}

// container tells what would become of one.
func (s *report) container(now time.Time, p restarter.Planned) {
	c := p.Container
	state := string(c.State)
	switch {
	case c.State == engine.Exited && c.Exit.Known:
		state += fmt.Sprintf(" (%d)", c.Exit.Code)
	case c.Health != engine.NoHealth:
		state += ", " + string(c.Health)
	}
	mark, then := planOf(now, p)
	if p.Until.After(now) {
		then += fmt.Sprintf("; next check in %s", p.Until.Sub(now).Round(time.Second))
	}
	s.line(mark, c.Name, state, then)
	for _, problem := range p.Mislabelled {
		s.line(" ", "", "", "label: "+problem)
	}
}
