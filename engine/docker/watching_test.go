package docker

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"defib/engine"
)

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain waited until %s", what)
		}
	}
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// lines returns the lines that contain all the words.
func (j *journal) lines(words ...string) (found []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
next:
	for line := range strings.Lines(j.text.String()) {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// watched is an Engine whose Run is under way.
type watchedEngine struct {
	*Engine
	log  *journal
	stop func() // ends Run and waits for it
}

// runEngine runs an Engine until the test ends.
func runEngine(t testing.TB, o Options) *watchedEngine {
	t.Helper()
	return runEngineOver(t, o, nil)
}

func runEngineOver(t testing.TB, o Options, transport http.RoundTripper) *watchedEngine {
	t.Helper()
	return resumeEngineOver(t, o, engine.Memory{}, transport)
}

// resumeEngineOver has the Engine go on from what an earlier one remembered.
func resumeEngineOver(t testing.TB, o Options, m engine.Memory, transport http.RoundTripper) *watchedEngine {
	t.Helper()
	log := &journal{}
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.ResyncInterval == 0 {
		o.ResyncInterval = time.Hour
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	e.transport = transport
	if !m.Looked.IsZero() {
		e.Resume(m)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	w := &watchedEngine{Engine: e, log: log, stop: func() {
		cancel()
		running.Wait()
	}}
	t.Cleanup(w.stop)
	return w
}

// connected runs an Engine and waits for its first snapshot.
func connected(t testing.TB, o Options) *watchedEngine {
	t.Helper()
	w := runEngine(t, o)
	w.until(t, "it is connected", func(p *engine.Snapshot) bool { return p.Connected })
	return w
}

// until waits for a snapshot, woken by news of it.
func (w *watchedEngine) until(t testing.TB, what string, ok func(*engine.Snapshot) bool) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for !ok(w.Snapshot()) {
		select {
		case <-w.Changed():
		case <-limit:
			t.Fatalf("in vain waited until %s: %+v", what, w.Snapshot())
		}
	}
}

func (w *watchedEngine) untilState(t testing.TB, id string, s engine.State) {
	t.Helper()
	w.until(t, "it is "+string(s), func(p *engine.Snapshot) bool { c := p.Get(id); return c != nil && c.Inspected && c.State == s })
}

// metricFailures returns how many requests of a kind have failed.
func metricFailures(t testing.TB, e *Engine, call string) float64 {
	t.Helper()
	return testutil.ToFloat64(e.metrics.failures.WithLabelValues(call))
}
