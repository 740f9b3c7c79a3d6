package refusal

import (
	"sync"
	"time"
)

// forgottenAfter is how long after a call was last refused it counts as allowed when it gets
// through for another container: longer than Defib waits before it tries one again.
const forgottenAfter = 10 * time.Minute

// Calls are the calls that are refused. The zero value has none; it may be used from
// anywhere.
type Calls struct {
	mu   sync.Mutex
	last map[string]refused // by call
}

// refused is the newest refusal of a call.
type refused struct {
	id string // of the container that it was about; "": about none
	at time.Time
}

// Begins notes a refusal, and reports whether the call had not been refused before.
func (c *Calls) Begins(now time.Time, call, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, before := c.last[call]
	if c.last == nil {
		c.last = map[string]refused{}
	}
	c.last[call] = refused{id, now}
	return !before
}

// Ends notes that a call gets through, and reports whether that ends its refusal: for the
// container that was refused last, which may be gone by now, or long after that for any.
func (c *Calls) Ends(now time.Time, call, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, refused := c.last[call]
	if !refused || last.id != id && last.id != "" && now.Sub(last.at) < forgottenAfter {
		return false
	}
	delete(c.last, call)
	return true
}
