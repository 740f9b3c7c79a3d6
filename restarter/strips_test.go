package restarter_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/policy"
)

// cellsOf are the newest cells of the strip of a name, and its percentage; negative: none.
func cellsOf(w *World, name string, newest int) (cells string, percent float64) {
	d := w.Standing(name).Heartbeat.Day(time.Now())
	var b strings.Builder
	for _, s := range d.Cells[len(d.Cells)-newest:] {
		b.WriteByte(s.Letter())
	}
	percent, ok := d.Percent()
	if !ok {
		percent = -1
	}
	return b.String(), percent
}

func wantStrip(t *testing.T, w *World, name, cells string, percent float64) {
	t.Helper()
	if got, is := cellsOf(w, name, len(cells)); got != cells || is != percent {
		t.Errorf("%s is %s, %v %%, want %s, %v %%", name, got, is, cells, percent)
	}
}

func TestADeathIsInTheStripHoweverSoonItIsHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		Pass(20 * time.Minute)
		wantStrip(t, w, "web", "?uu", 100)
		w.Dies("a1") // and Defib starts it at once
		synctest.Wait()
		wantStrip(t, w, "web", "?ud", 99.99)
		Pass(2 * time.Hour) // without news
		wantStrip(t, w, "web", "?uduuuuuuuu", 99.99)
		w.OnStart(func(context.Context, *engine.Container) error { return engine.ErrRefused })
		w.Dies("a1")
		Pass(140 * time.Minute)
		wantStrip(t, w, "web", "uuudddddddddd", 50)
	})
}

func TestWhileTheEngineIsUnavailableStripsAreUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		Pass(10 * time.Minute)
		w.Publish(&engine.Snapshot{Containers: w.Snapshot().Containers, Lost: time.Now()})
		Pass(30 * time.Minute)
		w.Set(Up("a1", "web"))
		Pass(10 * time.Minute)
		wantStrip(t, w, "web", "?u?uu", 100)
	})
}

// A job is done when it ends without an error; what Defib starts again was meant to go on.
func TestAnEndWithoutAnErrorIsDownIfDefibStartsItAgain(t *testing.T) {
	for name, row := range map[string]struct {
		edit    func(*policy.Policy)
		name    string
		cells   string
		percent float64
	}{
		"it is started again":                   {func(*policy.Policy) {}, "web", "?d", 99.99},
		"it is not whitelisted":                 {func(*policy.Policy) {}, "job", "?u", 100},
		"it is started again only after errors": {Mode(policy.OnFailure), "web", "?u", 100},
		"exits are none of Defib's business":    {Triggers(policy.TriggerUnhealthy), "web", "?u", 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWorld(t, Usual(row.edit), Up("a1", row.name))
				Pass(5 * time.Minute)
				w.Edit("a1", func(c *engine.Container) {
					c.State, c.ExitCause, c.Exit, c.ExitSeenAt = engine.Exited, engine.CauseSelf, engine.Exit{Known: true}, time.Now()
					c.Events[engine.EventDie]++
				})
				Pass(5 * time.Minute)
				wantStrip(t, w, row.name, row.cells, row.percent)
			})
		})
	}
}

func TestAContainerThatIsCreatedAnewKeepsTheStripOfItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Up("a1", "web"))
		Pass(10 * time.Minute)
		w.Set()
		Pass(time.Minute)
		w.Set(Up("b2", "web"))
		Pass(10 * time.Minute)
		wantStrip(t, w, "web", "?uu", 100)
		if d := w.Standing("web").Heartbeat.Day(time.Now()); d.Watched != 20*time.Minute {
			t.Errorf("watched for %s, want 20 minutes: a minute without a container is none", d.Watched)
		}
	})
}
