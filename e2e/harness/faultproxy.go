package harness

import (
	"bufio"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// FaultProxy stands between Defib and the engine's socket, understands what passes
// and spoils it as its faults say. It keeps a record of every call that is to
// change something: what Defib did, as the judge sees it.
type FaultProxy struct {
	*Faults
	socket string
	engine *http.Transport

	mu        sync.Mutex
	life      int // of Defib, in which it is asked now
	mutations []*Mutation
	slowest   time.Duration // of the calls that no fault struck and no stop timeout delays
	lap       time.Duration // of these, since it was last asked for
}

// NewFaultProxy stands before an engine until the end of the test. Its faults are drawn
// from the seed.
func NewFaultProxy(tb testing.TB, e *Engine, seed uint64) *FaultProxy {
	tb.Helper()
	backend := strings.TrimPrefix(e.Host, "unix://")
	p := &FaultProxy{Faults: newFaults(seed)}
	dialer := net.Dialer{}
	p.engine = &http.Transport{
		DisableKeepAlives:  true, // the engine comes and goes
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", backend)
		},
	}
	p.socket = serveSocket(tb, p)
	return p
}

// BeginLife counts what is asked from now on to another life of Defib.
func (p *FaultProxy) BeginLife(life int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life = life
}

// Host is its address, as DOCKER_HOST has it.
func (p *FaultProxy) Host() string { return "unix://" + p.socket }

// ServeHTTP passes one call on, or spoils it.
func (p *FaultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := callOf(r)
	o := p.note(r)
	defer p.end(o, 0)
	f := p.meet(call)
	if f == nil {
		p.forward(w, r, o, call, nil)
		return
	}
	switch f.kind {
	case FaultDelay:
		if !Pause(r.Context().Done(), rand.N(1500*time.Millisecond)) {
			p.forward(w, r, o, call, f)
		}
	case faultHang:
		select {
		case <-f.over:
		case <-r.Context().Done():
		}
		p.hangUp(o)
	case faultRefuse:
		p.answer(w, o, http.StatusForbidden)
	case faultFail:
		p.answer(w, o, http.StatusInternalServerError)
	case faultDeaf, faultTruncate:
		p.forward(w, r, o, call, f)
	default:
		p.hangUp(o)
	}
}

// hangUp breaks the connection that a call came by.
func (p *FaultProxy) hangUp(o *Mutation) {
	p.end(o, 0)
	panic(http.ErrAbortHandler)
}

func (p *FaultProxy) answer(w http.ResponseWriter, o *Mutation, status int) {
	p.end(o, status)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"message":"a fault that a test made"}`)
}

// forward passes a call on, and its answer back as far as the fault lets it.
func (p *FaultProxy) forward(w http.ResponseWriter, r *http.Request, o *Mutation, call string, f *fault) {
	begun := time.Now()
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", "engine", ""
	if f != nil && f.kind == faultDeaf {
		out = out.WithContext(context.WithoutCancel(r.Context()))
	}
	p.hear(o)
	resp, err := p.engine.RoundTrip(out)
	if err != nil {
		p.hangUp(o)
	}
	defer resp.Body.Close()
	if call == "events" {
		p.end(o, resp.StatusCode)
		p.pass(w, r, resp)
		return
	}
	body, err := io.ReadAll(resp.Body)
	p.created(o, body)
	if err != nil || f != nil && f.kind == faultDeaf {
		p.hangUp(o)
	}
	p.end(o, resp.StatusCode)
	if f == nil && call != "restart" && call != "stop" {
		p.mu.Lock()
		p.lap = max(p.lap, time.Since(begun))
		p.slowest = max(p.slowest, p.lap)
		p.mu.Unlock()
	}
	copyHeader(w, resp)
	w.WriteHeader(resp.StatusCode)
	if f != nil && f.kind == faultTruncate {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}

// pass passes the events of a stream on, one by one.
func (p *FaultProxy) pass(w http.ResponseWriter, r *http.Request, resp *http.Response) {
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	defer p.stream(cut)()
	lines := readLines(ctx, resp.Body)
	copyHeader(w, resp)
	w.WriteHeader(resp.StatusCode)
	send := func(one []byte) {
		_, _ = w.Write(one)
		_ = http.NewResponseController(w).Flush()
	}
	send(nil)
	var held []byte // to come after the next
	for {
		var timeout <-chan time.Time
		if held != nil {
			timeout = time.After(time.Second / 2)
		}
		select {
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		case <-timeout:
			send(held)
			held = nil
		case one, more := <-lines:
			if !more {
				send(held)
				return
			}
			f := p.meetEvent()
			switch {
			case f != nil && f.kind == FaultDrop:
				continue
			case f != nil && f.kind == faultReorder && held == nil:
				held = one
				continue
			}
			f.pause(ctx)
			send(one)
			send(held)
			held = nil
		}
	}
}

// readLines passes the lines of a body on until the context ends.
func readLines(ctx context.Context, body io.Reader) <-chan []byte {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		text := bufio.NewReader(body)
		for {
			one, err := text.ReadBytes('\n')
			if err != nil {
				return
			}
			select {
			case lines <- one:
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// pause lets time go by before an event is passed on, if that is the fault.
func (f *fault) pause(ctx context.Context) {
	switch {
	case f == nil:
	case f.kind == FaultDelay:
		Pause(ctx.Done(), rand.N(500*time.Millisecond))
	case f.kind == faultHang:
		Pause(ctx.Done(), 10*time.Millisecond)
		select {
		case <-f.over:
		case <-ctx.Done():
		}
	}
}

func copyHeader(w http.ResponseWriter, resp *http.Response) {
	maps.Copy(w.Header(), resp.Header)
}
