package e2e

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// faultProxy stands between Defib and the engine's socket, understands what passes
// and spoils it as its faults say. It keeps a record of every call that is to
// change something: what Defib did, as the judge sees it.
type faultProxy struct {
	*faults
	socket string
	engine *http.Transport

	mu      sync.Mutex
	life    int // of Defib, in which it is asked now
	orders  []*order
	slowest time.Duration // of the calls that no fault struck and no stop timeout delays
	lap     time.Duration // of these, since it was last asked for
}

func newMeddler(tb testing.TB, e *engine, seed uint64) *faultProxy {
	tb.Helper()
	backend := strings.TrimPrefix(e.host, "unix://")
	dir, err := os.MkdirTemp(workdir, "meddler-")
	if err != nil {
		tb.Fatal(err)
	}
	m := &faultProxy{faults: newFaults(seed), socket: filepath.Join(dir, "s")}
	dialer := net.Dialer{}
	m.engine = &http.Transport{
		DisableKeepAlives:  true, // the engine comes and goes
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", backend)
		},
	}
	config := net.ListenConfig{}
	listener, err := config.Listen(tb.Context(), "unix", m.socket)
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: m, ReadHeaderTimeout: limit, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed, below
	tb.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
	return m
}

// begins counts what is asked from now on to another life of Defib.
func (m *faultProxy) begins(life int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life = life
}

func (m *faultProxy) host() string { return "unix://" + m.socket }

// ServeHTTP passes one call on, or spoils it.
func (m *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := callOf(r)
	o := m.note(r)
	defer m.end(o, 0)
	f := m.meet(call)
	if f == nil {
		m.forward(w, r, o, call, nil)
		return
	}
	switch f.kind {
	case faultDelay:
		if !pause(r.Context().Done(), rand.N(1500*time.Millisecond)) {
			m.forward(w, r, o, call, f)
		}
	case faultHang:
		select {
		case <-f.over:
		case <-r.Context().Done():
		}
		m.hangUp(o)
	case faultRefuse:
		m.answer(w, o, http.StatusForbidden)
	case faultFail:
		m.answer(w, o, http.StatusInternalServerError)
	case faultDeaf, faultTruncate:
		m.forward(w, r, o, call, f)
	default:
		m.hangUp(o)
	}
}

// hangUp breaks the connection that a call came by.
func (m *faultProxy) hangUp(o *order) {
	m.end(o, 0)
	panic(http.ErrAbortHandler)
}

func (m *faultProxy) answer(w http.ResponseWriter, o *order, status int) {
	m.end(o, status)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"message":"a fault that a test made"}`)
}

// forward passes a call on, and its answer back as far as the fault lets it.
func (m *faultProxy) forward(w http.ResponseWriter, r *http.Request, o *order, call string, f *fault) {
	begun := time.Now()
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", "engine", ""
	if f != nil && f.kind == faultDeaf {
		out = out.WithContext(context.WithoutCancel(r.Context()))
	}
	m.hear(o)
	resp, err := m.engine.RoundTrip(out)
	if err != nil {
		m.hangUp(o)
	}
	defer resp.Body.Close()
	if call == "events" {
		m.end(o, resp.StatusCode)
		m.pass(w, r, resp)
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || f != nil && f.kind == faultDeaf {
		m.hangUp(o)
	}
	m.end(o, resp.StatusCode)
	if f == nil && call != "restart" {
		m.mu.Lock()
		m.lap = max(m.lap, time.Since(begun))
		m.slowest = max(m.slowest, m.lap)
		m.mu.Unlock()
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
func (m *faultProxy) pass(w http.ResponseWriter, r *http.Request, resp *http.Response) {
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	defer m.stream(cut)()
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		text := bufio.NewReader(resp.Body)
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
	copyHeader(w, resp)
	w.WriteHeader(resp.StatusCode)
	send := func(one []byte) {
		_, _ = w.Write(one)
		_ = http.NewResponseController(w).Flush()
	}
	send(nil)
	var held []byte // to come after the next
	for {
		var patience <-chan time.Time
		if held != nil {
			patience = time.After(time.Second / 2)
		}
		select {
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		case <-patience:
			send(held)
			held = nil
		case one, more := <-lines:
			if !more {
				send(held)
				return
			}
			f := m.meetEvent()
			switch {
			case f == nil:
			case f.kind == faultDrop:
				continue
			case f.kind == faultReorder && held == nil:
				held = one
				continue
			case f.kind == faultDelay:
				pause(ctx.Done(), rand.N(500*time.Millisecond))
			case f.kind == faultHang:
				pause(ctx.Done(), 10*time.Millisecond)
				select {
				case <-f.over:
				case <-ctx.Done():
				}
			}
			send(one)
			send(held)
			held = nil
		}
	}
}

func copyHeader(w http.ResponseWriter, resp *http.Response) {
	maps.Copy(w.Header(), resp.Header)
}
