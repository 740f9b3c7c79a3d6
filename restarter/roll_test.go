package restarter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/policy"
)

// replica is a container that runs, of the compose service shop/db, which is
// whitelisted.
func replica(id, name string, edits ...func(*engine.Container)) *engine.Container {
	c := up(id, name)
	in("shop", "db")(c)
	for _, edit := range edits {
		edit(c)
	}
	return c
}

func checked(c *engine.Container) { c.HealthCheck, c.Health = true, engine.Healthy }

// rolling is a clinic of three replicas, whose restarts take so long, and with a health
// check as long again to be healthy after it; negative: they never are.
func rolling(t *testing.T, restart, healthy time.Duration, edits ...func(*engine.Container)) (*world, *Webhook) {
	w, h := webhookHarness(t, usual(), replica("c3", "db-1", edits...), replica("b2", "db-2", edits...), replica("a1", "db-3", edits...), up("d4", "web"))
	w.onStart(func(_ context.Context, c *engine.Container) error {
		time.Sleep(restart)
		w.runs(c.ID)
		if !c.HealthCheck {
			return nil
		}
		w.edit(c.ID, func(c *engine.Container) { c.Health = engine.Starting })
		if healthy >= 0 {
			time.AfterFunc(healthy, func() { w.edit(c.ID, func(c *engine.Container) { c.Health = engine.Healthy }) })
		}
		return nil
	})
	return w, h
}

// says checks that the answer has this sentence.
func (c *call) says(words string) {
	c.t.Helper()
	if <-c.done; !strings.Contains(c.rec.Body.String(), words) {
		c.t.Errorf("the answer does not say %q: %s", words, c.rec.Body)
	}
}

func TestAnAlertNamesAService(t *testing.T) {
	const project, service, swarm = "container_label_com_docker_compose_project", "container_label_com_docker_compose_service", "container_label_com_docker_swarm_service_name"
	p := snapshotOf(replica("a1", "db-2"), replica("b2", "db-1"), replica("c3", "db-run-1", labelled("com.docker.compose.oneoff", "True")),
		up("d4", "web"), ended("", named("e5", "solo"), state(engine.Running), in("shop", "solo")),
		ended("", named("f6", "once"), state(engine.Running), in("shop", "once"), labelled("com.docker.compose.oneoff", "True")),
		ended("", named("g7", "task.1"), state(engine.Running), labelled("com.docker.swarm.service.name", "stack_api")))
	for _, row := range []struct {
		name   string
		labels map[string]string
		want   string // containers, or the outcome and words of the sentence
	}{
		{"as the whitelist does", map[string]string{"container": "shop/db"}, "db-1 db-2"},
		{"with a slash before it, and blanks", map[string]string{"name": " /shop/db "}, "db-1 db-2"},
		{"one container that matches", map[string]string{"container": "shop/solo"}, "solo"},
		{"by cAdvisor's labels", map[string]string{project: "shop", service: " db"}, "db-1 db-2"},
		{"by Swarm's", map[string]string{swarm: "stack_api"}, "task.1"},
		{"a name counts more", map[string]string{"name": "web", project: "shop", service: "db"}, "web"},
		{"an id that is gone counts more", map[string]string{"id": another, project: "shop", service: "db"}, "gone " + another},
		{"no such service", map[string]string{"container": "shop/nobody"}, `not_found container="shop/nobody": there is no such compose service`},
		{"no such project", map[string]string{"container": "other/db"}, "not_found no such compose service"},
		{"no such service by labels", map[string]string{project: "shop", service: "nobody"}, "not_found _compose_service=\"nobody\": there is no such compose service"},
		{"no such Swarm service", map[string]string{swarm: "nobody"}, "not_found no task of such a Swarm service"},
		{"a project alone", map[string]string{project: "shop"}, "no_target"},
		{"a service alone", map[string]string{service: "db"}, "no_target"},
		{"only a one-off command", map[string]string{"container": "shop/once"}, "not_found no such compose service"},
		{"two slashes", map[string]string{"container": "a/shop/db"}, "not_found no such compose service"},
		{"no service", map[string]string{"container": "shop/"}, "not_found"},
		{"no project", map[string]string{"container": "//db"}, "not_found"},
		{"a glob", map[string]string{"container": "shop/*"}, "not_found"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cs, none := Alert{Labels: row.labels}.targets(p)
			var names []string
			for _, c := range cs {
				names = append(names, c.Name)
			}
			outcome, words, _ := strings.Cut(row.want, " ")
			if got := strings.Join(names, " "); got != row.want && (got != "" || string(none.outcome) != outcome || !strings.Contains(none.detail, words)) {
				t.Errorf("got %q, %+v; want %s", got, none, row.want)
			}
		})
	}
}

func TestReplicasAreRestartedOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Second, checked)
		a := firing("container", "shop/db")
		c := post(t, h, a)
		c.want(200, Restarted)
		c.says("db-1, db-2, db-3: restarted")
		w.wantStarts("0s db-1", "3s db-2", "6s db-3")
		if got := w.Report().Alerts[0].Container; got != "shop/db" {
			t.Errorf("the report says that it means %q", got)
		}
		post(t, h, a).want(200, AlreadyRestarted)
	})
}

func TestTheNextReplicaIsRestartedOnceTheLastIsHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, 30*time.Second, checked)
		a := firing("container", "shop/db")
		c := post(t, h, a)
		time.Sleep(5 * time.Second)
		w.wantHeld("db-2", InServiceRestart)
		c.want(200, Outcome(InServiceRestart))
		c.says("another replica of its service")
		c.says("db-1: restarted; db-2, db-3: in_service_restart")
		if got := time.Since(w.began); got != webhookTimeout {
			t.Errorf("answered after %s, want when the caller's time was over", got)
		}
		post(t, h, a).want(200, Outcome(InServiceRestart)) // it is not healthy yet
		w.wantStarts("0s db-1")
		for range 4 { // repeats
			pass(10 * time.Minute)
			<-post(t, h, a).done
		}
		w.wantStarts("0s db-1", "10m18s db-2", "20m27s db-3", "30m36s db-1", "40m45s db-2")
	})
}

// Without startsAt nothing is remembered of an alert: then the last restarts tell.
func TestNoReplicaStarvesForAnAlertThatDoesNotSaySinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, 30*time.Second, checked)
		a := firing("container", "shop/db")
		a.StartsAt = time.Time{}
		for range 4 {
			<-post(t, h, a).done
			pass(10 * time.Minute)
		}
		w.wantStarts("0s db-1", "10m9s db-2", "20m18s db-3", "30m27s db-1")
	})
}

func TestAReplicaThatDoesNotComeUpWellStopsTheRest(t *testing.T) {
	for name, row := range map[string]struct {
		happens func(w *world, c *engine.Container) error
		status  int
		first   Outcome
	}{
		"it stays unhealthy": {func(w *world, c *engine.Container) error {
			w.runs(c.ID)
			w.edit(c.ID, func(c *engine.Container) { c.Health = engine.Unhealthy })
			return nil
		}, 200, Outcome(InServiceRestart)},
		"it cannot be restarted": {func(*world, *engine.Container) error { return errors.New("cannot kill container") }, 503, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := rolling(t, 0, 0, checked)
				w.onStart(func(_ context.Context, c *engine.Container) error { return row.happens(w, c) })
				a := firing("container", "shop/db")
				post(t, h, a).want(row.status, row.first)
				for range 2 {
					pass(10 * time.Minute)
					<-post(t, h, a).done
				}
				got, _ := w.begun()
				for _, s := range got {
					if !strings.HasSuffix(s, "db-1") {
						t.Errorf("%v: another replica was restarted though db-1 is not well", got)
					}
				}
				if len(got) < 3 {
					t.Errorf("%v: db-1 was not tried again", got)
				}
				// Somebody repairs it, and the alert goes on with the others.
				w.onStart(func(_ context.Context, c *engine.Container) error { w.runs(c.ID); return nil })
				w.runs("c3")
				w.edit("c3", checked)
				pass(10 * time.Minute)
				<-post(t, h, a).done
				if got, _ = w.begun(); !strings.Contains(fmt.Sprint(got), "db-2") {
					t.Errorf("%v: the roll did not go on", got)
				}
			})
		})
	}
}

func TestAReplicaThatDiesAgainStopsTheRest(t *testing.T) {
	for name, edits := range map[string][]func(*engine.Container){"with a health check": {checked}, "without one": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, h := rolling(t, 0, 0, edits...)
				w.onStart(func(_ context.Context, c *engine.Container) error {
					time.Sleep(2 * time.Second)
					w.runs(c.ID) // and is healthy at once
					if c.Name == "db-1" {
						time.AfterFunc(500*time.Millisecond, func() { w.dies(c.ID) })
					}
					return nil
				})
				a := firing("container", "shop/db")
				<-post(t, h, a).done // db-2 is on its way when db-1 dies
				pass(10 * time.Minute)
				<-post(t, h, a).done
				if got, _ := w.begun(); strings.Contains(fmt.Sprint(got), "db-3") {
					t.Errorf("%v: db-3 was restarted though db-1 is not well", got)
				}
			})
		})
	}
}

// A Defib that was restarted does not know whose doing that is.
func TestAReplicaThatIsStartingHoldsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Second, checked)
		w.edit("c3", func(c *engine.Container) { c.Health, c.StartSeenAt = engine.Starting, time.Now().Add(-time.Second) })
		synctest.Wait()
		c := post(t, h, firing("container", "shop/db"))
		time.Sleep(4 * time.Second)
		w.wantHeld("db-2", InServiceRestart)
		w.edit("c3", func(c *engine.Container) { c.Health = engine.Healthy })
		<-c.done
		w.wantStarts("4s db-2", "7s db-3")
	})
}

func TestAnAlertThatNamesOneReplicaIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Hour, checked)
		roll := post(t, h, firing("container", "shop/db"))
		time.Sleep(time.Second)
		post(t, h, firing("name", "db-3")).want(200, Restarted)
		roll.want(200, Outcome(InServiceRestart))
		roll.says("db-1, db-3: restarted; db-2: in_service_restart")
		w.wantStarts("0s db-1", "1s db-3")
	})
}

func TestTwoAlertsForAServiceRollItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := rolling(t, 2*time.Second, time.Second, checked)
		a := firing("container", "shop/db")
		first, second := post(t, h, a), post(t, h, a, firing("container", "shop/db", "n", "2"))
		first.want(200, Restarted)
		second.want(200, Restarted, Restarted)
		w.wantStarts("0s db-1", "3s db-2", "6s db-3")
		if _, most := w.begun(); most != 1 {
			t.Errorf("%d at a time, want 1", most)
		}
	})
}

func TestReplicasThatMayNotBeRestartedDoNotHoldTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := webhookHarness(t, usual(), replica("a1", "db-1", labelled("defib.enable", "false")), replica("b2", "db-2"), replica("c3", "db-3"), replica("d4", "db-4"))
		w.edit("c3", func(c *engine.Container) { c.State = engine.Paused })
		synctest.Wait()
		c := post(t, h, firing("container", "shop/db"))
		c.want(200, Restarted)
		c.says("db-2, db-4: restarted; db-3: paused")
		w.wantStarts("0s db-2", "3s db-4")
	})
	synctest.Test(t, func(t *testing.T) {
		_, h := webhookHarness(t, usual(func(p *policy.Policy) { p.Whitelist = patterns("web") }), replica("a1", "db-1"), replica("b2", "db-2"))
		c := post(t, h, firing("container", "shop/db"))
		c.want(200, NotWhitelisted)
	})
}

func TestHealStartOfAServiceStartsAllThatAreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(c *engine.Container) {
			*c = *ended(engine.CauseSelf, named(c.ID, c.Name), in("shop", "db"), labelled(policy.LabelTriggers, "alert"))
		}
		w, h := webhookHarness(t, usual(), replica("a1", "db-1", down), replica("b2", "db-2", down), replica("c3", "db-3"))
		c := post(t, h, firing("container", "shop/db", "heal", "start"))
		c.want(200, Started)
		c.says("db-1, db-2: started; db-3: already_running")
		if starts, most := w.begun(); len(starts) != 2 || most != 2 {
			t.Errorf("%v, %d at a time; want both at once", starts, most)
		}
	})
}

func TestTasksOfSwarmAreLeftToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := labelled("com.docker.swarm.task.id", "x", "com.docker.swarm.service.name", "stack_api", "defib.enable", "true")
		w, h := webhookHarness(t, usual(), ended("", named("a1", "api.1"), state(engine.Running), task), ended("", named("b2", "api.2"), state(engine.Running), task))
		c := post(t, h, firing("container_label_com_docker_swarm_service_name", "stack_api"))
		c.want(200, Outcome(SwarmTask))
		c.says("api.1, api.2: swarm_task")
		w.wantStarts()
	})
}

func TestTheOutcomeOfAServiceIsTheOneThatMattersMost(t *testing.T) {
	for _, row := range [][]Outcome{ // the first wins
		{Outcome(InProgress), Outcome(InServiceRestart)},
		{Failed, Restarted},
		{Outcome(InServiceRestart), Restarted, Outcome(GaveUp)},
		{Restarted, Outcome(Paused), AlreadyRestarted, NotWhitelisted},
		{Started, AlreadyRunning},
		{Outcome(Paused), AlreadyRestarted},
		{AlreadyRestarted, NotWhitelisted},
		{NotWhitelisted, NotWhitelisted},
	} {
		for first := range row {
			var qs []*request
			var answers []answer
			for i := range row {
				qs = append(qs, &request{name: fmt.Sprint(i)})
				answers = append(answers, answer{outcome: row[(first+i)%len(row)]})
			}
			if got := merge(qs, answers); cmp.Diff(row[0], got.outcome) != "" {
				t.Errorf("%v: got %s", row, got.outcome)
			}
		}
	}
}

// What one decision does about three replicas that an alert asks for, by what is known of
// each.
func TestOneReplicaAtATime(t *testing.T) {
	long := ago(time.Hour)
	for name, row := range map[string]struct {
		records [3]record
		acted   [3]time.Time
		want    string
	}{
		"nothing was done yet: by name":            {want: "db-1"},
		"one is being acted upon":                  {records: [3]record{{}, {acting: true, healing: policy.TriggerAlert}}, want: ""},
		"one is not well yet: it may be again":     {records: [3]record{{}, {healing: policy.TriggerAlert}}, want: "db-2"},
		"one could not be restarted":               {records: [3]record{{}, {}, {failed: true}}, want: "db-3"},
		"two are not well: no deadlock":            {records: [3]record{{}, {failed: true}, {healing: policy.TriggerExited}}, want: "db-2"},
		"one is not well, and is given up":         {records: [3]record{{}, {failed: true, restarts: 5}}, want: ""},
		"some were restarted for it":               {acted: [3]time.Time{long, {}, long}, want: "db-2"},
		"all were restarted for it":                {acted: [3]time.Time{long, long.Add(time.Second), long.Add(-time.Second)}, want: "db-3"},
		"one that was restarted for something":     {records: [3]record{{lastEnd: long}}, want: "db-2"},
		"the next is given up: the one after that": {records: [3]record{{restarts: 5}}, want: "db-2"},
	} {
		t.Run(name, func(t *testing.T) {
			past := history{records: map[string]*record{}, replicas: map[string]time.Time{}}
			asked := map[string]time.Time{}
			var cs []*engine.Container
			for i := range 3 {
				c := running(named(fmt.Sprint(9-i), fmt.Sprintf("db-%d", i+1)), in("shop", "db"))
				cs = append(cs, c)
				past.records[c.ID], past.replicas[c.ID], asked[c.ID] = &row.records[i], row.acted[i], ago(time.Second)
			}
			cs = append(cs, running(named("z", "other-db"), in("other", "db"))) // of another project
			past.records["z"] = &record{acting: true}
			var acts, held []string
			for _, v := range decide(noon, usual(), snapshotOf(cs...), past, asked).verdicts {
				switch {
				case v.act:
					acts = append(acts, v.container.Name)
				case v.reason == InServiceRestart:
					held = append(held, v.container.Name)
				}
			}
			if got := strings.Join(acts, " "); got != row.want {
				t.Errorf("acts on %q, want %q; held %v", got, row.want, held)
			}
		})
	}
}
