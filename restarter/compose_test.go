package restarter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
)

// A recreation by docker-compose 1.29 whose start failed: the old container was
// stopped and renamed, the new one cannot start.
func TestARecreationThatFailedNeverMakesTwoRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := Ended(engine.CauseStopped, Named("a1", "a1_shop_db_1"), First)
		fresh := Ended(engine.CauseSelf, Named("b2", "shop_db_1"), First, Unstarted)
		for _, c := range []*engine.Container{old, fresh} {
			c.ExitSeenAt = time.Now()
		}
		old.Started, old.Finished = time.Now().Add(-time.Hour), time.Now()
		w := NewWorld(t, Usual())
		works := false
		w.OnStart(func(_ context.Context, c *engine.Container) error {
			time.Sleep(100 * time.Millisecond)
			if c.ID == "b2" && !works {
				return errors.New("no such device")
			}
			w.Runs(c.ID)
			return nil
		})
		w.Set(old, fresh)
		Pass(time.Hour)
		if got, want := w.Standing("a1_shop_db_1").Container.State, engine.Running; got != want {
			t.Errorf("the old one is %s, want %s", got, want)
		}
		w.WantHeld("shop_db_1", outcome.Superseded)

		works = true
		w.Dies("a1") // it may be either now, but not both
		Pass(time.Hour)
		var up []string
		for _, c := range w.Snapshot().Containers {
			if c.Up() {
				up = append(up, c.Name)
			}
		}
		if _, most := w.Begun(); len(up) != 1 || most != 1 {
			t.Errorf("%v run, and %d starts were under way at a time; want 1 each", up, most)
		}
	})
}

func TestAnAlertForASupersededContainerIsAnsweredSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh := Up("b2", "shop_db_1")
		First(fresh)
		w, h := NewWebhook(t, Usual(), Ended(engine.CauseSelf, Named("a1", "a1_shop_db_1"), First), fresh)
		for _, heal := range []string{"start", "restart"} {
			Post(t, h, Firing("container", "a1_shop_db_1", "heal", heal)).Want(200, outcome.Outcome(outcome.Superseded))
		}
		w.WantStarts()
	})
}

func TestOneProjectOfTwoDirectoriesIsWarnedOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := Up("a1", "db"), Up("b2", "shop_db_1")
		more := Up("c3", "shop_app_1")
		for _, c := range []*engine.Container{here, there, more} {
			First(c)
		}
		Labelled("com.docker.compose.project.working_dir", "/home/joe/shop")(there)
		Labelled("com.docker.compose.project.working_dir", "/home/ann/shop")(more)
		w := NewWorld(t, Usual(), here)
		if strings.Contains(w.Log.String(), "compose project") {
			t.Error("warned before there are two")
		}
		w.Set(here, there)
		Pass(time.Minute)
		w.Set(here, there, more)
		Pass(time.Hour)
		if got := strings.Count(w.Log.String(), "compose project name used in two directories"); got != 1 {
			t.Errorf("%d warnings, want 1:\n%s", got, w.Log.String())
		}
		w.Set(Up("d4", "web"))
		Pass(time.Minute)
		w.Set(here, there)
		Pass(time.Minute)
		if got := strings.Count(w.Log.String(), "compose project name used in two directories"); got != 2 {
			t.Errorf("%d warnings, want 2: the project was gone meanwhile\n%s", got, w.Log.String())
		}
	})
}

// Nothing happens in those 10 minutes.
func TestWhatADeployLeftBehindIsFoundWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, cache := Up("a1", "shop-app"), Up("b2", "shop-cache")
		In("shop", "db")(app)
		In("shop", "cache")(cache)
		CreatedAgo(0)(app)
		app.CreatedSeenAt, app.Created = time.Now(), time.Now().Add(-2*time.Hour) // the clocks differ
		w, h := NewWebhook(t, Usual(), app, cache)
		Pass(10*time.Minute - time.Second)
		w.WantHeld("shop-app", outcome.Created)
		Pass(time.Second)
		w.WantHeld("shop-app", outcome.NotStarted)
		Post(t, h, Firing("container", "shop-app", "heal", "start")).Want(200, outcome.Outcome(outcome.NotStarted))
		w.WantStarts()
	})
}
