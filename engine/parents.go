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

// ParentOf returns the container whose namespace of this kind a container shares; nil if
// that is gone. Shares is false if it shares none.
func (s *Snapshot) ParentOf(c *Container, n Namespace) (parent *Container, shares bool) {
	of := c.Shares(n)
	if of == "" {
		return nil, false
	}
	return s.Parent(Parent{Namespace: n, Container: of}), true
}

// Parent returns the container that is meant, as Docker finds it; nil if it is gone.
func (s *Snapshot) Parent(of Parent) *Container {
	if c := s.Find(of.Container); c != nil {
		return c
	}
	return s.ByPrefix(of.Container)
}

// ByPrefix returns the container whose ID begins so; nil if there is none, or more than one:
// no guessing.
func (s *Snapshot) ByPrefix(id string) *Container {
	i, _ := slices.BinarySearchFunc(s.Containers, id, func(c *Container, id string) int { return cmp.Compare(c.ID, id) })
	begins := func(i int) bool {
		return i < len(s.Containers) && strings.HasPrefix(s.Containers[i].ID, id)
	}
	if begins(i) && !begins(i+1) {
		return s.Containers[i]
	}
	return nil
}

// Orphaned reports whether a container that runs has outlived the namespace that it
// shares with this parent: that was restarted after it, or is nil, since it is gone. The
// engine calls it running all the same.
func (c *Container) Orphaned(parent *Container) bool {
	return c.Up() && (parent == nil || parent.Started.After(c.Started))
}

// killed is the exit code of what the kernel ended.
const killed = 137

// MayBeKilledWithParent reports whether the container's last exit was such as the end of
// the one whose process namespace it shares causes: the kernel kills all who share it when
// its first process ends.
func (c *Container) MayBeKilledWithParent() bool {
	return c.Shares(PID) != "" && c.Exit.Code == killed && !c.Exit.OOMKilled
}
