package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

// order is one call that is to change something.
type order struct {
	life         int
	method, path string
	kind, id     string    // start or restart of this container; "" if it is anything else
	begun, ended time.Time // ended just before Defib hears of it; zero: under way
	heard        bool      // by the engine
	status       int       // that Defib was answered; 0: none
}

var orderOf = regexp.MustCompile(`^(?:/v1\.\d+)?/containers/([^/]+)/(start|restart)$`)

// callOf names a call as Defib's metrics do.
func callOf(r *http.Request) string {
	if m := orderOf.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodPost {
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
func (m *faultProxy) note(r *http.Request) *order {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	o := &order{method: r.Method, path: r.URL.Path, begun: time.Now()}
	if found := orderOf.FindStringSubmatch(r.URL.Path); found != nil && r.Method == http.MethodPost {
		o.id, o.kind = found[1], found[2]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o.life = m.life
	m.orders = append(m.orders, o)
	return o
}

func (m *faultProxy) hear(o *order) {
	if o != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		o.heard = true
	}
}

// end notes the end of a call, the first time.
func (m *faultProxy) end(o *order, status int) {
	if o == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.ended.IsZero() {
		o.ended, o.status = time.Now(), status
	}
}

// slowestLately is how slow the engine has been since this was last asked.
func (m *faultProxy) slowestLately() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	lap := m.lap
	m.lap = 0
	return lap
}

// record is a copy of all orders so far, in the order of their begin, and how slow
// the engine has been.
func (m *faultProxy) record() (orders []order, slowest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.orders {
		orders = append(orders, *o)
	}
	return orders, m.slowest
}
