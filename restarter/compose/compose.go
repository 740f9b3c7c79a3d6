// Package compose says what the labels that compose sets say of containers: which service
// and number one is of, what it depends on, and in which order these are restarted and
// started. It is pure.
// Source: https://github.com/docker/compose/blob/main/pkg/api/labels.go
package compose

import (
	"strings"

	"defib/engine"
)

// Labels of compose that say what a container is for.
const (
	LabelOneOff     = "com.docker.compose.oneoff"
	LabelDependsOn  = "com.docker.compose.depends_on"
	LabelNumber     = "com.docker.compose.container-number"
	LabelWorkingDir = "com.docker.compose.project.working_dir"
)

// OneOff reports whether the container is a command of docker compose run.
func OneOff(c *engine.Container) bool { return strings.EqualFold(c.Labels[LabelOneOff], "true") }

// ServiceName is the service of a container, as a whitelist has it: project/service.
func ServiceName(c *engine.Container) string { return c.Project() + "/" + c.Service() }

// Instance is what compose keeps one container for: a service has as many as its
// scale. While compose recreates one, and after it failed to, there are two
// containers of an instance, which must never run at the same time.
type Instance struct{ Project, Service, Number string }

// InstanceOf returns the instance that a container was created for; ok is false
// for a one-off command, and for one without all the labels: two containers that
// somebody gave a project and a service by hand may both be meant to run.
func InstanceOf(c *engine.Container) (i Instance, ok bool) {
	i = Instance{c.Project(), c.Service(), c.Labels[LabelNumber]}
	return i, i.Project != "" && i.Service != "" && i.Number != "" && !OneOff(c)
}

// SameDirectory reports whether two containers of one compose project may come
// from one compose file. Old releases of compose do not say where theirs is.
func SameDirectory(a, b *engine.Container) bool {
	x, y := a.Labels[LabelWorkingDir], b.Labels[LabelWorkingDir]
	return x == y || x == "" || y == ""
}

// Collision is two containers of one compose project, service and number, but from
// different directories: two projects have the same name. Their containers are not twins.
type Collision struct {
	Project string
	A, B    *engine.Container
}

// Directories returns the working directories of both projects.
func (c Collision) Directories() (a, b string) {
	return c.A.Labels[LabelWorkingDir], c.B.Labels[LabelWorkingDir]
}

// Collisions finds compose projects of one name from different directories.
func Collisions(p *engine.Snapshot) []Collision {
	var found []Collision
	first := map[Instance]*engine.Container{}
	for _, c := range p.Containers {
		i, ok := InstanceOf(c)
		if !ok {
			continue
		}
		t := first[i]
		if t == nil {
			first[i] = c
		} else if !SameDirectory(c, t) {
			found = append(found, Collision{Project: i.Project, A: c, B: t})
		}
	}
	return found
}
