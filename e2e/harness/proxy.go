package harness

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy stands between Defib and the engine's socket: it forwards bytes, keeps a
// record of what passed and when, and can cut.
type Proxy struct {
	backend  string // socket of the engine
	socket   string // where Defib is pointed at
	listener net.Listener
	work     sync.WaitGroup

	mu       sync.Mutex
	live     map[net.Conn]bool
	refusing bool
	requests []Request
	passed   []Event
}

// Request is one call that Defib made, timed on its way to the engine.
type Request struct {
	at           time.Time
	Method, Path string
}

// NewProxy stands before an engine until the end of the test.
func NewProxy(tb testing.TB, e *Engine) *Proxy {
	tb.Helper()
	backend, ok := strings.CutPrefix(e.Host, "unix://")
	if !ok {
		Unavailable(tb, "the proxy forwards unix sockets only, not "+e.Host)
	}
	dir, err := os.MkdirTemp(workdir, "proxy-")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{backend: backend, socket: filepath.Join(dir, "s"), live: map[net.Conn]bool{}}
	config := net.ListenConfig{}
	if p.listener, err = config.Listen(tb.Context(), "unix", p.socket); err != nil {
		tb.Fatal(err)
	}
	ctx := context.WithoutCancel(tb.Context())
	p.work.Go(func() { p.accept(ctx) })
	tb.Cleanup(func() {
		p.Refuse(true)
		p.listener.Close()
		p.work.Wait()
	})
	return p
}

// Host is its address, as DOCKER_HOST has it.
func (p *Proxy) Host() string { return "unix://" + p.socket }

// cut breaks every connection that is open now, in the middle of whatever it
// was saying.
func (p *Proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.live {
		c.Close()
	}
}

// Refuse cuts, and hangs up on whoever comes, until it is told otherwise.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	p.refusing = on
	p.mu.Unlock()
	if on {
		p.cut()
	}
}

func (p *Proxy) accept(ctx context.Context) {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.forward(ctx, c) })
	}
}

func (p *Proxy) forward(ctx context.Context, down net.Conn) {
	defer down.Close()
	dialer := net.Dialer{Timeout: Limit}
	up, err := dialer.DialContext(ctx, "unix", p.backend)
	if err != nil {
		return
	}
	defer up.Close()
	if !p.hold(down, up) {
		return
	}
	defer p.release(down, up)

	var both sync.WaitGroup
	both.Go(func() {
		defer up.Close()
		p.forwardRequests(down, up)
	})
	both.Go(func() {
		defer down.Close()
		p.forwardAnswers(up, down)
	})
	both.Wait()
}

// hold makes connections known to cut, unless new ones are refused.
func (p *Proxy) hold(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing {
		return false
	}
	for _, c := range conns {
		p.live[c] = true
	}
	return true
}

func (p *Proxy) release(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.live, c)
	}
}

// forwardRequests passes on what it reads before it looks at it, so the record
// costs the call nothing.
func (p *Proxy) forwardRequests(down, up net.Conn) {
	r := bufio.NewReader(io.TeeReader(down, up))
	for {
		if _, err := r.Peek(1); err != nil {
			return
		}
		at := time.Now()
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.requests = append(p.requests, Request{at, req.Method, req.URL.Path})
		p.mu.Unlock()
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
	}
}

var deathOf = regexp.MustCompile(`"Action":"die".*"ID":"([0-9a-f]{64})"`)

func (p *Proxy) forwardAnswers(up, down net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := up.Read(buf)
		at := time.Now()
		if _, werr := down.Write(buf[:n]); werr != nil || err != nil {
			return
		}
		for one := range bytes.Lines(buf[:n]) {
			if m := deathOf.FindSubmatch(one); m != nil {
				p.mu.Lock()
				p.passed = append(p.passed, Event{ID: string(m[1]), Action: "die", At: at})
				p.mu.Unlock()
			}
		}
	}
}

// Calls returns the requests seen since a moment.
func (p *Proxy) Calls(since time.Time) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range p.requests {
		if !r.at.Before(since) {
			return append([]Request(nil), p.requests[i:]...)
		}
	}
	return nil
}

// DeathPassed says when the first die event of a container went through.
func (p *Proxy) DeathPassed(id string) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.passed {
		if e.ID == id {
			return e.At, true
		}
	}
	return time.Time{}, false
}

// Starts says when a start of the container was asked for, each time.
func (p *Proxy) Starts(id string) []time.Time {
	var at []time.Time
	for _, r := range p.Calls(time.Time{}) {
		if strings.HasSuffix(r.Path, "/containers/"+id+"/start") {
			at = append(at, r.at)
		}
	}
	return at
}
