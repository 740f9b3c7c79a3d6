package succession

import (
	"fmt"
	"slices"
	"strings"

	"defib/engine"
	"defib/restarter/compose"
	"defib/restarter/history"
)

// Noted is what compose has noted of the container whose network this one shared, in a
// label: nothing, if it might mean another one. It writes of whose namespace is shared that
// it is to be restarted after that, as soon as that has started.
func Noted(c *engine.Container) history.NetworkParent {
	var services []string
	for _, d := range compose.Dependencies(c) {
		if d.Restart && d.Condition == compose.Started {
			services = append(services, d.Service)
		}
	}
	if c.Project() == "" || len(services) != 1 {
		return history.NetworkParent{}
	}
	return history.NetworkParent{ID: c.Shares(engine.Network), Project: c.Project(), Service: services[0]}
}

// NewParent returns the container that has taken the place of the one whose network this
// container shared; else why says what is missing. One of another compose project never
// does, whatever its name: its network may lead elsewhere, such as around a VPN.
func NewParent(p *engine.Snapshot, c *engine.Container, known history.NetworkParent) (parent *engine.Container, why string) {
	if known.ID == "" {
		return nil, "the name of the container whose network it shared is not known: it was gone before Defib first saw it"
	}
	candidates := heirs(p, c, known)
	switch {
	case len(candidates) == 0:
		return nil, fmt.Sprintf("there is no container %s of the same compose project, or of none, to take its place", called(known))
	case len(candidates) > 1:
		return nil, fmt.Sprintf("%s and %s may both be meant to take its place", candidates[0].Name, candidates[1].Name)
	case !candidates[0].Created.After(c.Created):
		return nil, candidates[0].Name + " is older than the container itself, so it has not taken the place of its parent"
	case !candidates[0].Up():
		return nil, candidates[0].Name + " is down"
	case !candidates[0].Ready():
		return nil, candidates[0].Name + " is not healthy"
	}
	return candidates[0], ""
}

// heirs are those that may have taken the place of the parent of a container: by its name,
// or else as containers of its service.
func heirs(p *engine.Snapshot, c *engine.Container, known history.NetworkParent) []*engine.Container {
	var byName, byService []*engine.Container
	for _, o := range p.Named() {
		_, _, passing := engine.ParsePassingName(o.Name)
		switch {
		case o == c || passing || compose.OneOff(o) || o.Project() != c.Project() || !compose.SameDirectory(o, c):
		case slices.Contains(known.Names, o.Name):
			byName = append(byName, o)
		case known.Service != "" && known.Project == o.Project() && known.Service == o.Service():
			byService = append(byService, o)
		}
	}
	if len(byName) > 0 {
		return byName
	}
	return byService
}

// called names the parent for people.
func called(known history.NetworkParent) string {
	if len(known.Names) == 0 {
		return "of the service " + known.Service
	}
	return strings.Join(known.Names, " or ")
}

// Bound says what binds a container to others that another one in its place would not be
// bound to; "" if nothing.
func Bound(p *engine.Snapshot, c *engine.Container) string {
	if len(c.Links) > 0 {
		return "it has links (docker run --link)"
	}
	for _, of := range c.Parents {
		if of.Namespace != engine.Network {
			return fmt.Sprintf("it shares the %s of a container as well", of.Namespace)
		}
	}
	means := func(text string) bool {
		name, _, _ := strings.Cut(text, ":")
		return p.Parent(engine.Parent{Container: strings.TrimPrefix(name, "/")}) == c
	}
	for _, o := range p.Containers {
		switch {
		case o == c:
		case slices.ContainsFunc(o.Links, means):
			return o.Name + " is linked to it"
		case slices.ContainsFunc(o.VolumesFrom, means):
			return o.Name + " takes its volumes (docker run --volumes-from)"
		}
		for _, of := range o.Parents {
			if of.Namespace != engine.Network && p.Parent(of) == c {
				return fmt.Sprintf("%s shares its %s", o.Name, of.Namespace)
			}
		}
	}
	return ""
}
