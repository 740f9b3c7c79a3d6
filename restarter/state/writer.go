package state

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"defib/internal/transition"
)

const (
	// hangsAfter is how long a write may take before that is said.
	hangsAfter = 10 * time.Second
	// retryAfter is the wait after a write that failed, unless there is something newer.
	retryAfter = 10 * time.Second
)

// ErrHangs says that a file system does not answer.
var ErrHangs = errors.New("its file system does not respond")

// Metrics count what is written. They are shared by all writers.
type Metrics struct {
	saves, failures prometheus.Counter
}

// NewMetrics returns counters at zero.
func NewMetrics() *Metrics {
	return &Metrics{
		saves: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "defib_state_saves_total", Help: "Writes of the state file and of what is kept beside it.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "defib_state_save_failures_total", Help: "Writes of the state file, and of what is kept beside it, that failed; of one that does not end, one every 10s.",
		}),
	}
}

// Describe and Collect make it a collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	m.saves.Describe(ch)
	m.failures.Describe(ch)
}

// Collect sends both counters.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.saves.Collect(ch)
	m.failures.Collect(ch)
}

// Unused counts a failure at the pace of writes that fail, until the context ends: no file
// can be used.
func (m *Metrics) Unused(ctx context.Context) {
	tick := time.NewTicker(retryAfter)
	defer tick.Stop()
	for {
		m.failures.Inc()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Writer writes the newest document to a file, beside whoever hands it over.
type Writer struct {
	file    *File
	metrics *Metrics
	logger  *slog.Logger
	fault   transition.States // what is wrong with the file

	mu      sync.Mutex
	newest  any    // not written yet; nil: nothing
	aside   string // why the file is to be set aside before the next write; "": it is not
	wake    chan struct{}
	closing chan struct{} // once nothing newer comes
	ended   chan struct{} // once all has been written, or given up
}

// NewWriter returns a Writer, which has begun to wait. Close ends it.
func NewWriter(file *File, metrics *Metrics, logger *slog.Logger) *Writer {
	w := &Writer{
		file: file, metrics: metrics, logger: logger,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.run()
	return w
}

// Put has a document written as soon as the one before has been. It takes the place of one
// that waits, never blocks, and may be called from anywhere. The document must not be
// changed any more.
func (w *Writer) Put(v any) {
	w.mu.Lock()
	w.newest = v
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// SetAside has the file set aside before the next document is written, for this reason.
func (w *Writer) SetAside(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aside = why
}

// Close waits until the newest document has been written, for so long at most: a file
// system that hangs keeps its goroutine.
func (w *Writer) Close(ctx context.Context, timeout time.Duration) {
	close(w.closing)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, ErrHangs)
	defer cancel()
	select {
	case <-w.ended:
	case <-ctx.Done():
		w.logger.Warn("state file not written at the end", "file", w.file.path, "err", context.Cause(ctx))
	}
}

func (w *Writer) take() (v any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, w.newest = w.newest, nil
	return v
}

// setAside sets the file aside, if that was asked for.
func (w *Writer) setAside() {
	w.mu.Lock()
	why := w.aside
	w.aside = ""
	w.mu.Unlock()
	if why != "" {
		w.file.SetAside(time.Now(), why, w.logger)
	}
}

// putBack keeps a document that could not be written, unless there is a newer one.
func (w *Writer) putBack(v any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newest == nil {
		w.newest = v
	}
}

func (w *Writer) run() {
	defer close(w.ended)
	for {
		var retry <-chan time.Time
		if v := w.take(); v != nil && !w.write(v) {
			w.putBack(v)
			retry = time.After(retryAfter)
		}
		select {
		case <-w.wake:
		case <-retry:
		case <-w.closing:
			if v := w.take(); v != nil {
				w.write(v)
			}
			return
		}
	}
}

// write writes a document and reports whether that worked.
func (w *Writer) write(v any) bool {
	written := make(chan struct{})
	var noting sync.WaitGroup
	noting.Go(func() { w.noteHang(written) })
	w.setAside()
	err := w.file.Write(v)
	close(written)
	noting.Wait() // what is noted last is how it ended
	w.note(err)
	return err == nil
}

// noteHang notes a failure as long as a write does not end.
func (w *Writer) noteHang(written <-chan struct{}) {
	tick := time.NewTicker(hangsAfter)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.note(ErrHangs)
		case <-written:
			return
		}
	}
}

// note counts what came of a write, and logs when they begin to fail and when that ends.
func (w *Writer) note(err error) {
	text := ""
	if err == nil {
		w.metrics.saves.Inc()
	} else {
		w.metrics.failures.Inc()
		text = err.Error()
	}
	switch changed := w.fault.Changed(w.file.path, text); {
	case !changed:
	case err == nil:
		w.logger.Info("state file is written again", "file", w.file.path)
	default:
		w.logger.Warn("cannot write the state file: what Defib learns is lost if it ends before that is fixed", "file", w.file.path, "err", err)
	}
}
