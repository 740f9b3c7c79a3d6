package engine

import "strings"

// Labels that Swarm sets on the containers of its tasks.
// Source: https://github.com/moby/moby/blob/master/daemon/cluster/executor/container/container.go
const (
	labelTask        = "com.docker.swarm.task.id"
	labelTaskName    = "com.docker.swarm.task.name"
	labelServiceID   = "com.docker.swarm.service.id"
	labelServiceName = "com.docker.swarm.service.name"
)

// Task is the ID of the Swarm task that the container is; "": it is none.
func (c *Container) Task() string { return c.Labels[labelTask] }

// SwarmService is the Swarm service of the container, "" if it has none.
func (c *Container) SwarmService() string { return c.Labels[labelServiceName] }

// SwarmServiceID is the ID of that service.
func (c *Container) SwarmServiceID() string { return c.Labels[labelServiceID] }

// Slot is what a task has in common with the one that replaces it: SERVICE.NUMBER, or
// SERVICE.NODE of a service that has one task on each node. "": it is no task.
func (c *Container) Slot() string {
	name, ok := strings.CutSuffix(c.Labels[labelTaskName], "."+c.Task())
	if !ok || c.Task() == "" {
		return ""
	}
	return name
}
