package decision

import (
	"strings"

	"defib/engine"
	"defib/restarter/compose"
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
func (t Target) Find(p *engine.Snapshot) ([]*engine.Container, Answer) {
	switch {
	case t.ID != "":
		if c := byID(p, t.ID); c != nil {
			return []*engine.Container{c}, Answer{}
		}
		return nil, Answer{Outcome: Gone, Detail: t.Labels}
	case t.Name != "":
		return t.named(p)
	case t.Project != "" && t.Service != "":
		if cs := replicas(p, t.Project, t.Service); cs != nil {
			return cs, Answer{}
		}
		return nil, t.notFound(": no such compose service on this host")
	case t.SwarmService != "":
		if cs := tasks(p, t.SwarmService); cs != nil {
			return cs, Answer{}
		}
		return nil, t.notFound(": no task of such a Swarm service on this host")
	}
	return nil, Answer{Outcome: NoTarget, Detail: t.Hint}
}

// named finds what the name means: a container, or project/service of compose. No
// container's name holds a slash.
func (t Target) named(p *engine.Snapshot) ([]*engine.Container, Answer) {
	if c := p.Find(t.Name); c != nil {
		return []*engine.Container{c}, Answer{}
	}
	if len(t.Name) == 64 && strings.Trim(t.Name, "0123456789abcdef") == "" { // an ID
		return nil, Answer{Outcome: Gone, Detail: t.Labels}
	}
	project, service, ok := strings.Cut(t.Name, "/")
	if !ok {
		return nil, t.notFound("")
	}
	if cs := replicas(p, project, service); cs != nil {
		return cs, Answer{}
	}
	return nil, t.notFound(": no such compose service on this host (project/service)")
}

// notFound says what was sought in vain.
func (t Target) notFound(what string) Answer {
	detail := t.Labels + what
	if t.Hint != "" {
		detail += "; " + t.Hint
	}
	return Answer{Outcome: NotFound, Detail: detail}
}

// serviceName names the service of a container to people.
func serviceName(c *engine.Container) string {
	if c.Service() == "" {
		return c.Labels[labelSwarmService]
	}
	return service(c)
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

// tasks are the containers of a Swarm service on this engine, by name.
func tasks(p *engine.Snapshot, service string) []*engine.Container {
	var cs []*engine.Container
	for _, c := range p.Named() {
		if c.Labels[labelSwarmService] == service {
			cs = append(cs, c)
		}
	}
	return cs
}

// byID finds a container by its ID or the beginning of it; nil if none is meant, or
// two are: no guessing.
func byID(p *engine.Snapshot, id string) *engine.Container {
	var found *engine.Container
	for _, c := range p.Containers {
		if strings.HasPrefix(c.ID, id) {
			if found != nil {
				return nil
			}
			found = c
		}
	}
	return found
}
