package harness

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Mutation is one call that is to change something.
type Mutation struct {
	Life         int
	Method, Path string
	Kind, ID     string    // start or restart of this container; "" if it is anything else
	Begun, Ended time.Time // ended just before Defib hears of it; zero: under way
	Heard        bool      // by the engine
	Status       int       // that Defib was answered; 0: none
}

var actionOf = regexp.MustCompile(`^(?:/v1\.\d+)?/containers/([^/]+)/(start|restart)$`)

// callOf names a call as Defib's metrics do.
func callOf(r *http.Request) string {
	if m := actionOf.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodPost {
		return m[2]
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
	if found := actionOf.FindStringSubmatch(r.URL.Path); found != nil && r.Method == http.MethodPost {
		o.ID, o.Kind = found[1], found[2]
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
