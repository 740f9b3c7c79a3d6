package harness

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Mutation is one call that is to change something.
type Mutation struct {
	Life         int
	Method, Path string
	Kind, ID     string    // what is done to this container, as Defib's metrics name the call; "" if it is anything else
	Name         string    // of a container that is created; then the ID is known if the engine answered
	Begun, Ended time.Time // ended just before Defib hears of it; zero: under way
	Heard        bool      // by the engine
	Status       int       // that Defib was answered; 0: none
}

// RecreationCalls are those that change something and are needed for re-creations only.
var RecreationCalls = []string{"create", "update", "rename", "stop", "remove"}

// callOf names a call as Defib's metrics do.
func callOf(r *http.Request) string {
	if c, changes := changing(r); changes && slices.Contains(append(RecreationCalls, "start", "restart"), c.Kind) {
		return c.Kind
	}
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/_ping"):
		return "ping"
	case strings.HasSuffix(path, "/events"):
		return "events"
	case strings.HasSuffix(path, "/containers/json"):
		return "list"
	case strings.Contains(path, "/containers/"):
		return "inspect"
	}
	return "other"
}

// note records a call that is to change something; nil for others.
func (p *FaultProxy) note(r *http.Request) *Mutation {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	o := &Mutation{Method: r.Method, Path: r.URL.Path, Begun: time.Now()}
	if c, _ := changing(r); callOf(r) == c.Kind {
		o.ID, o.Kind, o.Name = c.ID, c.Kind, r.URL.Query().Get("name")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o.Life = p.life
	p.mutations = append(p.mutations, o)
	return o
}

func (p *FaultProxy) hear(o *Mutation) {
	if o != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		o.Heard = true
	}
}

// created notes which container came of a call, if one did.
func (p *FaultProxy) created(o *Mutation, answer []byte) {
	var made struct{ ID string }
	if o == nil || o.Kind != "create" || json.Unmarshal(answer, &made) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o.ID = made.ID
}

// end notes the end of a call, the first time.
func (p *FaultProxy) end(o *Mutation, status int) {
	if o == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.Ended.IsZero() {
		o.Ended, o.Status = time.Now(), status
	}
}

// SlowestLately is how slow the engine has been since this was last asked.
func (p *FaultProxy) SlowestLately() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	lap := p.lap
	p.lap = 0
	return lap
}

// Mutations is a copy of all so far, in the order of their begin, and how slow the engine
// has been.
func (p *FaultProxy) Mutations() (all []Mutation, slowest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.mutations {
		all = append(all, *o)
	}
	return all, p.slowest
}
