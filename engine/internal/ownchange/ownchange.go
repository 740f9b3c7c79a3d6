// Package ownchange knows which containers an action of Defib's own renames, stops, removes
// or creates, so that what is heard of them is not taken for a change by others. It is pure.
package ownchange

import (
	"maps"
	"time"

	"defib/engine"
)

// Tail is how long after an action its events may come.
const Tail = time.Second

// Changes are the actions under way, and those that ended lately. The zero value has none.
type Changes struct {
	until map[string]*time.Time // by the ID of a container; zero: the action is under way
}

// Begin begins an action that renames, stops or removes a container, and may create another
// one in its place, or go on with others that were.
func (c *Changes) Begin(id string, others ...string) {
	if c.until == nil {
		c.until = map[string]*time.Time{}
	}
	until := new(time.Time)
	for _, key := range append(others, id) {
		c.until[key] = until
	}
}

// End ends it.
func (c *Changes) End(now time.Time, id string) {
	if until := c.until[id]; until != nil {
		*until = now.Add(Tail)
	}
}

// Named notes the name of a container, which is ours if it is that of one that takes the
// place of another one in such an action.
func (c *Changes) Named(id, name string) {
	_, otherID, _ := engine.ParsePassingName(name)
	for key, until := range c.until {
		if c.until[id] == nil && until.IsZero() && otherID == engine.ShortID(key) {
			c.until[id] = until
		}
	}
}

// Has reports whether what happens to a container at that moment comes of such an action.
func (c *Changes) Has(id string, at time.Time) bool {
	until := c.until[id]
	return until != nil && (until.IsZero() || at.Before(*until))
}

// Forget forgets the actions whose events have come.
func (c *Changes) Forget(now time.Time) {
	maps.DeleteFunc(c.until, func(_ string, until *time.Time) bool { return !until.IsZero() && now.After(*until) })
}
