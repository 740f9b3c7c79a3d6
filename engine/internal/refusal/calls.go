package refusal

import "sync"

// Calls are the calls that are refused. The zero value has none; it may be used from
// anywhere.
type Calls struct {
	mu   sync.Mutex
	last map[string]string // by call: the newest container that it was refused of, "" if it is about none
}

// Begins notes a refusal, and reports whether the call had not been refused before.
func (c *Calls) Begins(call, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, before := c.last[call]
	if c.last == nil {
		c.last = map[string]string{}
	}
	c.last[call] = id
	return !before
}

// Ends notes that a call gets through, and reports whether that ends its refusal.
func (c *Calls) Ends(call, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, refused := c.last[call]
	if !refused || last != id && last != "" {
		return false
	}
	delete(c.last, call)
	return true
}
