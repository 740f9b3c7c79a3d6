// Package target finds the containers that an alert names. It is pure.
package target

import (
	"strings"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/outcome"
)

// Target is what an alert's labels name, the first of its fields that is set: a container
// by its ID or the beginning of it, a container by its name (or, as a whitelist has it, a
// compose service by project/service), a compose service, or a Swarm service. The zero
// value names none.
type Target struct {
	ID               string
	Name             string
	Project, Service string
	SwarmService     string

	Labels string // the labels that name it, for people
	Hint   string // what may be wrong with the alert's labels; "": nothing
}

// Find returns the container that the target names, or the replicas of a service that
// it names, by name; else an answer that says why there is none. An ID that is not on this
// engine never falls back to a name: that container may have been created anew since.
func (t Target) Find(p *engine.Snapshot) ([]*engine.Container, outcome.Answer) {
	switch {
	case t.ID != "":
		if c := p.ByPrefix(t.ID); c != nil {
			return []*engine.Container{c}, outcome.Answer{}
		}
		return nil, outcome.Answer{Outcome: outcome.Gone, Detail: t.Labels}
	case t.Name != "":
		return t.named(p)
	case t.Project != "" && t.Service != "":
		if cs := replicas(p, t.Project, t.Service); cs != nil {
			return cs, outcome.Answer{}
		}
		return nil, t.notFound(": no such compose service on this host")
	case t.SwarmService != "":
		if cs := tasks(p, t.SwarmService); cs != nil {
			return cs, outcome.Answer{}
		}
		return nil, t.notFound(": no task of such a Swarm service on this host")
	}
	return nil, outcome.Answer{Outcome: outcome.NoTarget, Detail: t.Hint}
}

// named finds what the name means: a container, or project/service of compose. No
// container's name holds a slash.
func (t Target) named(p *engine.Snapshot) ([]*engine.Container, outcome.Answer) {
	if c := p.Find(t.Name); c != nil {
		return []*engine.Container{c}, outcome.Answer{}
	}
	if len(t.Name) == 64 && strings.Trim(t.Name, "0123456789abcdef") == "" { // an ID
		return nil, outcome.Answer{Outcome: outcome.Gone, Detail: t.Labels}
	}
	project, service, ok := strings.Cut(t.Name, "/")
	if !ok {
		return nil, t.notFound("")
	}
	if cs := replicas(p, project, service); cs != nil {
		return cs, outcome.Answer{}
	}
	return nil, t.notFound(": no such compose service on this host (project/service)")
}

// notFound says what was sought in vain.
func (t Target) notFound(what string) outcome.Answer {
	detail := t.Labels + what
	if t.Hint != "" {
		detail += "; " + t.Hint
	}
	return outcome.Answer{Outcome: outcome.NotFound, Detail: detail}
}

// ServiceName names the service of a container to people. An image that compose has built
// gives its labels to tasks of Swarm, too.
func ServiceName(c *engine.Container) string {
	if service := c.SwarmService(); service != "" {
		return service
	}
	return compose.ServiceName(c)
}

// replicas are the containers of a compose service, by name; those of docker compose run
// are none, nor those that are being replaced.
func replicas(p *engine.Snapshot, project, service string) []*engine.Container {
	var cs []*engine.Container
	for _, c := range p.Named() {
		if _, _, passing := engine.ParsePassingName(c.Name); passing {
			continue
		}
		if c.Project() == project && c.Service() == service && project != "" && service != "" && !compose.OneOff(c) {
			cs = append(cs, c)
		}
	}
	return cs
}

// tasks are the containers of a Swarm service on this engine, by name. What has ended is
// nothing but the past of one that is there, since no task runs twice.
func tasks(p *engine.Snapshot, service string) []*engine.Container {
	var alive, all []*engine.Container
	for _, c := range p.Named() {
		if c.SwarmService() != service {
			continue
		}
		if all = append(all, c); c.Alive() {
			alive = append(alive, c)
		}
	}
	if alive != nil {
		return alive
	}
	return all
}
