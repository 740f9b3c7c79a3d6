package restarter

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
)

// A child that has run for long, but whose network is a dead one, is well as far
// as the engine can tell. That stay is none after the restart that ends it.
func TestLaw4TheStayBeforeARestartDoesNotForgiveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), append(family("web", "vpn"), up("c3", "other"))...)
		w.onStart(func(_ context.Context, c *engine.Container) error {
			time.Sleep(3 * time.Second)
			w.runs(c.ID)
			return nil
		})
		pass(time.Hour)
		w.runs("b2") // somebody restarts the parent
		pass(time.Second)
		w.runs("c3") // news while the restart is under way
		pass(4 * time.Second)
		w.dies("a1")
		w.wantHeld("web", BackOff)
		pass(time.Minute)
		w.wantStarts("1h0m0s web", "1h0m6s web")
	})
}

func TestLaw2ARestartThatIsRefusedIsRepeatedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), family("web", "vpn")...)
		w.onStart(func(context.Context, *engine.Container) error { return fmt.Errorf("restart: %w", engine.ErrRefused) })
		pass(time.Hour)
		w.runs("b2")
		pass(10 * time.Second)
		w.wantHeld("web", Refused)
		w.wantStarts("1h0m0s web", "1h0m1s web", "1h0m3s web", "1h0m7s web")
	})
}
