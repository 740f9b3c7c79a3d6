package harness

import (
	"testing"
	"time"
)

// Pause waits, and reports whether stop was closed meanwhile.
func Pause(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return true
	case <-time.After(d):
		return false
	}
}

// Eventually polls until ok holds; what completes the sentence "waited for …".
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	EventuallyWithin(tb, Limit, what, ok)
}

// EventuallyWithin is Eventually for what has waits of its own, beside those of the machine.
func EventuallyWithin(tb testing.TB, limit time.Duration, what string, ok func() bool) {
	tb.Helper()
	for begun := time.Now(); !ok(); {
		waited := time.Since(begun)
		if waited > limit {
			tb.Fatalf("waited %v for %s", limit, what)
		}
		// What takes long is looked at less often: most looks are work for the engine.
		time.Sleep(min(max(waited/20, 50*time.Millisecond), time.Second/2))
	}
}

// Watch lets time pass in which something must not happen; why says how this
// long can be long enough. Whatever else waits polls.
func Watch(tb testing.TB, d time.Duration, why string) {
	tb.Helper()
	tb.Logf("watching for %v: %s", d, why)
	time.Sleep(d)
}
