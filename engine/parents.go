package engine

import (
	"cmp"
	"slices"
	"strings"
)

// Namespace is what a container can share with another one, its parent.
type Namespace string

// The namespaces, by the names that Docker's flags have for them.
const (
	Network Namespace = "network"
	PID     Namespace = "pid"
	IPC     Namespace = "ipc"
)

// Parent says in whose namespace a container lives.
type Parent struct {
	Namespace Namespace
	Container string // what follows "container:": an ID, the beginning of one, or a name
}

// Shares returns what the container says of the parent whose namespace of this
// kind it lives in; "" if there is none.
func (c *Container) Shares(n Namespace) string {
	for _, p := range c.Parents {
		if p.Namespace == n {
			return p.Container
		}
	}
	return ""
}

// Parent returns the container that is meant, as Docker finds it; nil if it is gone.
func (p *Snapshot) Parent(of Parent) *Container {
	if c := p.Find(of.Container); c != nil {
		return c
	}
	i, _ := slices.BinarySearchFunc(p.Containers, of.Container, func(c *Container, id string) int { return cmp.Compare(c.ID, id) })
	begins := func(i int) bool {
		return i < len(p.Containers) && strings.HasPrefix(p.Containers[i].ID, of.Container)
	}
	if begins(i) && !begins(i+1) {
		return p.Containers[i]
	}
	return nil
}

// Orphaned reports whether a container that runs has outlived the namespace that it
// shares: its parent was restarted after it, or is gone. The engine calls it running
// all the same.
func (p *Snapshot) Orphaned(c *Container, of Parent) bool {
	if !c.Up() {
		return false
	}
	parent := p.Parent(of)
	return parent == nil || parent.Started.After(c.Started)
}
