package restarter_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	"defib/restarter/compose"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
)

// chain is a database, a service that depends on its health, and one that depends on both;
// all came up just now.
func chain() (db, api, web *engine.Container) {
	db, api, web = Up("d1", "shop-db-1"), Up("a1", "batch-api"), Up("w1", "web")
	In("shop", "db")(db)
	Checked(db)
	In("shop", "api")(api)
	Labelled(compose.LabelDependsOn, "db:service_healthy:true")(api)
	In("shop", "web")(web)
	Labelled(compose.LabelDependsOn, "api:service_started:true,db:service_healthy:true")(web)
	for _, c := range []*engine.Container{db, api, web} {
		c.Started, c.StartSeenAt = time.Now(), time.Now()
	}
	return db, api, web
}

// newShop is a World in which the database is healthy five seconds after each start.
func newShop(t *testing.T, cs ...*engine.Container) *World {
	w := NewWorld(t, Usual(), cs...)
	w.OnStart(func(_ context.Context, c *engine.Container) error { startInShop(w, c.ID); return nil })
	return w
}

func startInShop(w *World, id string) {
	if id != "d1" {
		w.Runs(id)
		return
	}
	w.Edit(id, func(c *engine.Container) { c.Health = engine.Unhealthy })
	w.Runs(id)
	time.AfterFunc(5*time.Second, func() { w.Edit(id, func(c *engine.Container) { c.Health = engine.Healthy }) })
}

func TestAChainIsRestartedInItsOrderAndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, api, web := chain()
		w := newShop(t, db, api, web)
		Pass(time.Hour)
		w.Dies("d1")
		Pass(24 * time.Hour)
		w.WantStarts("1h0m0s shop-db-1", "1h0m15s batch-api", "1h0m25s web")
		if got := w.Count("defib_restarts_total", "web", "depends_on"); got != 1 {
			t.Errorf("defib_restarts_total %v, want 1", got)
		}
		if n, sum := w.Recoveries(t, "depends_on"); n != 2 || sum != 15+10 {
			t.Errorf("%d recoveries in %v s, want one 15 s after the start of the database, one 10 s after the next", n, sum)
		}
	})
}

func TestNothingIsRestartedAgainThatComposeHasRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, api, web := chain()
		w := newShop(t, db, api, web)
		Pass(time.Hour)
		startInShop(w, "d1")
		Pass(5*time.Second + 400*time.Millisecond)
		w.Runs("a1")
		Pass(9 * time.Second)
		w.Runs("w1")
		Pass(24 * time.Hour)
		w.WantStarts()
	})
}

// A database that comes up for three minutes each time. First the one that depends on it is
// given up; later the database has not come out of its crash loop before it dies again.
func TestADatabaseThatFlapsDoesNotHaveOthersRestartedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, api, _ := chain()
		w := newShop(t, db, api)
		Pass(time.Hour)
		for i := range 60 {
			w.Dies("d1")
			Pass(3 * time.Minute)
			if i == 5 {
				w.WantHeld("batch-api", outcome.GaveUp)
			}
		}
		if got := w.Count("defib_restarts_total", "batch-api", "depends_on"); got != 5 {
			t.Errorf("%v restarts, want 5", got)
		}
	})
}

// The engine's clock was ahead when it started the database, and was set back since: by that
// clock whatever is restarted after it was started before it.
func TestWhatWasRestartedAfterAnotherStaysSoOverLivesAndWrongClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, api, _ := chain()
		d := &disk{t: t}
		w := d.life(Usual(), db, api)
		Pass(time.Minute)
		w.Edit("d1", func(c *engine.Container) { c.Started, c.StartSeenAt = time.Now().Add(time.Hour), time.Now() })
		Pass(time.Minute)
		w.WantStarts("1m10s batch-api")
		d.kill(w)
		w = d.life(Usual(), w.Snapshot().Containers...)
		Pass(50 * time.Minute)
		w.WantStarts()
	})
}
