package restarter_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
)

// A child that has run for long, but whose network is a dead one, is well as far
// as the engine can tell. That stay is none after the restart that ends it.
func TestLaw4TheStayBeforeARestartDoesNotForgiveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), append(Family("web", "vpn"), Up("c3", "other"))...)
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			time.Sleep(3 * time.Second)
			w.Runs(c.ID)
			return nil
		})
		Pass(time.Hour)
		w.Runs("b2") // somebody restarts the parent
		Pass(time.Second)
		w.Runs("c3") // news while the restart is under way
		Pass(4 * time.Second)
		w.Dies("a1")
		w.WantHeld("web", outcome.BackOff)
		Pass(time.Minute)
		w.WantStarts("1h0m0s web", "1h0m6s web")
	})
}

func TestLaw2ARestartThatIsRefusedIsRepeatedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Family("web", "vpn")...)
		w.OnStart(func(context.Context, *engine.Container) error { return fmt.Errorf("restart: %w", engine.ErrRefused) })
		Pass(time.Hour)
		w.Runs("b2")
		Pass(10 * time.Second)
		w.WantHeld("web", outcome.Refused)
		w.WantStarts("1h0m0s web", "1h0m1s web", "1h0m3s web", "1h0m7s web")
	})
}
