package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
)

// errDown is what a caller of a fake engine gets that is down.
var errDown = errors.New("dial unix: no such file")

// RoundTrip lets a fake engine be called within this process, so that a synctest
// bubble can pass the time.
func (f *fakeEngine) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, hangUp := context.WithCancel(r.Context())
	f.mu.Lock()
	down := f.down
	if !down {
		f.hangUps = append(f.hangUps, hangUp)
	}
	f.mu.Unlock()
	if down {
		hangUp()
		return nil, errDown
	}
	body, out := io.Pipe()
	context.AfterFunc(ctx, func() { out.CloseWithError(io.ErrUnexpectedEOF) })
	w := &wire{header: http.Header{}, out: out, began: make(chan struct{})}
	go func() {
		f.ServeHTTP(w, r.WithContext(ctx))
		w.WriteHeader(http.StatusOK)
		out.Close()
	}()
	select {
	case <-w.began:
		return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: &response{body, hangUp}, Request: r}, nil
	case <-ctx.Done():
		hangUp()
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return nil, io.ErrUnexpectedEOF
	}
}

// response is a body whose closing hangs up.
type response struct {
	*io.PipeReader
	hangUp func()
}

func (a *response) Close() error {
	a.hangUp()
	return a.PipeReader.Close()
}

// wire is the answer on its way from a handler to a caller in the same process.
type wire struct {
	header http.Header
	out    *io.PipeWriter
	status int
	once   sync.Once
	began  chan struct{}
}

func (w *wire) Header() http.Header { return w.header }

func (w *wire) WriteHeader(status int) {
	w.once.Do(func() {
		w.status = status
		close(w.began)
	})
}

func (w *wire) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.out.Write(p)
}

func (w *wire) Flush() { w.WriteHeader(http.StatusOK) }

// drop breaks every connection, and lets nobody in while down.
func (f *fakeEngine) drop(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
	for _, hangUp := range f.hangUps {
		hangUp()
	}
	f.hangUps = nil
}

// inBubble runs a test with a fake engine in a synctest bubble, whose time is
// exact and passes by itself. A goroutine left behind fails it.
func inBubble(t *testing.T, test func(t *testing.T, f *fakeEngine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		t.Cleanup(func() { f.drop(true) })
		test(t, f)
	})
}

// inProcess runs an Engine on a fake engine in the same process. To the advice
// the engine is a socket that is not there.
func inProcess(t *testing.T, f *fakeEngine) *watchedEngine {
	t.Helper()
	return runEngineOver(t, Options{Host: "unix:///nonexistent/s", Timeout: 10 * time.Second, ResyncInterval: 30 * time.Second}, f)
}

// connectedInProcess waits for the first snapshot too.
func connectedInProcess(t *testing.T, f *fakeEngine) *watchedEngine {
	t.Helper()
	w := inProcess(t, f)
	w.until(t, "it is connected", func(p *engine.Snapshot) bool { return p.Connected })
	return w
}
