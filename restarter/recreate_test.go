package restarter_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	"defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

const parentID, childID, newParentID = "d0", "a1", "b2"

// adopted runs a Restarter over a child that may be re-created, and its parent, which is
// then replaced by another one of its name.
func adopted(t *testing.T, recreate func(w *world.World, r engine.Recreation) (*engine.Container, error)) *world.World {
	t.Helper()
	return adoptedUntil(t, func(w *world.World, _ <-chan struct{}, r engine.Recreation) (*engine.Container, error) {
		return recreate(w, r)
	})
}

// adoptedUntil is adopted with re-creations that hear of Defib's end.
func adoptedUntil(t *testing.T, recreate func(*world.World, <-chan struct{}, engine.Recreation) (*engine.Container, error)) *world.World {
	t.Helper()
	return adoptedAfter(t, time.Minute, nil, recreate)
}

// adoptedAfter is adoptedUntil after so long, with a child that has these labels too.
func adoptedAfter(t *testing.T, after time.Duration, labels []string, recreate func(*world.World, <-chan struct{}, engine.Recreation) (*engine.Container, error)) *world.World {
	t.Helper()
	child, parent := Up(childID, "web"), Up(parentID, "vpn")
	ChildOf(parentID)(child)
	Labelled(append(labels, policy.LabelRecreate, "true")...)(child)
	for _, c := range []*engine.Container{child, parent} {
		c.Created, c.Started, c.StartSeenAt = time.Now(), time.Now(), time.Now()
	}
	w := world.NewWorld(t, Usual(), child, parent)
	w.OnRecreate(func(leaving <-chan struct{}, r engine.Recreation) (*engine.Container, error) {
		return recreate(w, leaving, r)
	})
	world.Pass(after)
	replaced := Up(newParentID, "vpn")
	replaced.Created, replaced.Started, replaced.StartSeenAt = time.Now(), time.Now(), time.Now()
	w.Set(append(without(w, parentID), replaced)...)
	synctest.Wait()
	return w
}

func without(w *world.World, id string) (cs []*engine.Container) {
	for _, c := range w.Snapshot().Containers {
		if c.ID != id {
			cs = append(cs, c)
		}
	}
	return cs
}

// halfRecreated does what an engine does that cannot start the new one.
func halfRecreated(w *world.World, r engine.Recreation, why string) *engine.Container {
	fresh := *recreated(w, r)
	w.Edit(fresh.ID, func(c *engine.Container) {
		c.State, c.Error, c.Started, c.StartSeenAt, c.ExitCause, c.ExitSeenAt = engine.Created, why, time.Time{}, time.Time{}, engine.CauseSelf, time.Now()
		fresh = *c
	})
	return &fresh
}

// recreated does what an engine does.
func recreated(w *world.World, r engine.Recreation) *engine.Container {
	fresh, old := *r.Old, *r.Old
	fresh.ID, fresh.Created, fresh.Started, fresh.StartSeenAt = "c3c3c3c3c3c3", time.Now(), time.Now(), time.Now()
	fresh.Parents = []engine.Parent{{Namespace: engine.Network, Container: r.Parent.ID}}
	old.Name, old.State, old.ExitCause, old.ExitSeenAt = engine.PassingName(r.Name, fresh.ID), engine.Exited, engine.CauseSelf, time.Now()
	w.Set(append(without(w, r.Old.ID), &fresh, &old)...)
	return &fresh
}

func TestChildOfAParentThatWasCreatedAnewIsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := adopted(t, func(w *world.World, r engine.Recreation) (*engine.Container, error) { return recreated(w, r), nil })
		w.WantHeld("web", outcome.ParentGone)
		world.Pass(29 * time.Second)
		w.WantHeld("web", outcome.ParentGone)
		if len(w.Recreations()) != 0 {
			t.Fatal("it was re-created before its parent had run for half a minute")
		}
		world.Pass(2 * time.Second)
		if asked := w.Recreations(); len(asked) != 1 || asked[0].Name != "web" || asked[0].Old.ID != childID || asked[0].Parent.ID != newParentID || asked[0].New != nil {
			t.Fatalf("asked for %+v", asked)
		}
		w.WantHeld("web", "")
		if n := w.Snapshot().Find("web.defib-c3c3c3c3c3c3"); n == nil {
			t.Error("the old one was removed before the new one had proven itself")
		}
		world.Pass(31 * time.Second)
		if len(w.Snapshot().Containers) != 2 || w.Snapshot().Find("web").ID != "c3c3c3c3c3c3" {
			t.Errorf("the old one was not removed: %v", w.Snapshot().Containers)
		}
		if r := w.Report(); len(r.Actions) != 1 || r.Actions[0].Outcome != outcome.Recreated || r.Actions[0].Container != "web" {
			t.Errorf("the report has %+v", r.Actions)
		}
		if n := world.Gather(t, w.Counts(), "defib_recreations_total").GetMetric()[0].GetCounter().GetValue(); n != 1 {
			t.Errorf("counted %g re-creations", n)
		}
		if n := w.Count("defib_restarts_total", "web", policy.TriggerDependency); n != 0 {
			t.Errorf("counted %g restarts", n)
		}
		if n, _ := w.Recoveries(t, policy.TriggerDependency); n != 1 {
			t.Errorf("%d recoveries", n)
		}
		for _, line := range []string{"container re-created", "container removed: another one has its place"} {
			if !strings.Contains(w.Log.String(), line) {
				t.Errorf("the log does not say %q:\n%s", line, w.Log.String())
			}
		}
	})
}

// One attempt for each new parent, then back-off: what fails is not tried in a hot loop,
// and what was tried of the old one counts for the new one.
func TestLaw2ReCreationThatFailsIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		w := adopted(t, func(w *world.World, r engine.Recreation) (*engine.Container, error) {
			at = append(at, time.Since(began).Round(time.Second))
			return nil, errors.New("no space left on device")
		})
		world.Pass(48 * time.Second)
		if len(at) != 5 { // 30 s, and 1, 2, 4, 8 s later
			t.Errorf("tried at %s", at)
		}
		if n := w.Count("defib_recreation_failures_total", "web", "recreate"); n != 5 {
			t.Errorf("counted %g failures", n)
		}
		if n := w.Count("defib_restart_failures_total", "web", policy.TriggerDependency); n != 0 {
			t.Errorf("counted %g failed restarts, of none", n)
		}
	})
}

func TestLaw4CrashLoopIsNotForgivenByAReCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		w := adopted(t, func(w *world.World, r engine.Recreation) (*engine.Container, error) {
			if attempts++; attempts < 4 {
				return nil, errors.New("no space left on device")
			}
			return recreated(w, r), nil
		})
		world.Pass(40 * time.Second)
		if attempts != 4 {
			t.Fatalf("%d attempts", attempts)
		}
		w.Dies("c3c3c3c3c3c3")
		w.WantHeld("web", outcome.BackOff)
	})
}

// TestLaw9ReCreationHearsOfTheEnd: it is told when Defib is stopped, and waited for.
func TestLaw9ReCreationHearsOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		undone := false
		w := adoptedUntil(t, func(_ *world.World, leaving <-chan struct{}, _ engine.Recreation) (*engine.Container, error) {
			<-leaving
			time.Sleep(3 * time.Second)
			undone = true
			return nil, engine.ErrChanged
		})
		world.Pass(time.Minute)
		w.End()
		if !undone {
			t.Error("Defib ended before the re-creation was undone")
		}
	})
}

// TestParentIsKnownInTheNextLife: by the state file, if the parent went while Defib was not
// running.
func TestParentIsKnownInTheNextLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{t: t}
		child, parent := Up(childID, "web"), Up(parentID, "vpn")
		ChildOf(parentID)(child)
		Labelled(policy.LabelRecreate, "true")(child)
		for _, c := range []*engine.Container{child, parent} {
			c.Created, c.Started, c.StartSeenAt = time.Now(), time.Now(), time.Now()
		}
		first := d.life(Usual(), child, parent)
		world.Pass(time.Minute)
		first.End()
		replaced := Up(newParentID, "vpn")
		replaced.Created, replaced.Started, replaced.StartSeenAt = time.Now(), time.Now(), time.Now()
		second := d.life(Usual(), child, replaced)
		second.OnRecreate(func(_ <-chan struct{}, r engine.Recreation) (*engine.Container, error) {
			return recreated(second, r), nil
		})
		world.Pass(time.Minute)
		if asked := second.Recreations(); len(asked) != 1 || asked[0].Parent.ID != newParentID {
			t.Errorf("asked for %+v", asked)
		}
		second.End()
	})
}

// In a dead namespace a container without a health check seems well, and would be forgiven
// each attempt at once.
func TestLaw2ReCreationOfOneThatHasRunForLongIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		adoptedAfter(t, time.Hour, nil, func(_ *world.World, _ <-chan struct{}, _ engine.Recreation) (*engine.Container, error) {
			attempts++
			time.Sleep(time.Millisecond)
			return nil, engine.ErrUnsupported
		})
		world.Pass(48 * time.Second)
		if attempts != 5 {
			t.Errorf("%d attempts", attempts)
		}
	})
}

// From the stop on the only way is forward, whatever the trigger was.
func TestStartOfOneThatWasReCreatedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := adoptedAfter(t, time.Minute, []string{policy.LabelTriggers, "dependency"}, func(w *world.World, _ <-chan struct{}, r engine.Recreation) (*engine.Container, error) {
			return halfRecreated(w, r, "device busy"), errors.New("device busy")
		})
		world.Pass(time.Minute)
		if c := w.Snapshot().Find("web"); c.ID != "c3c3c3c3c3c3" || !c.Up() {
			t.Errorf("it is %s", c.State)
		}
	})
}

// A parent may be re-created again while its child is.
func TestParentThatIsReCreatedTwiceIsFollowedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var parents []string
		w := adopted(t, func(w *world.World, r engine.Recreation) (*engine.Container, error) {
			parents = append(parents, r.Parent.ID)
			if len(parents) > 1 {
				fresh := *r.Old
				fresh.ID, fresh.State, fresh.Error, fresh.Started, fresh.StartSeenAt = "d4d4d4d4d4d4", engine.Running, "", time.Now(), time.Now()
				fresh.Parents = []engine.Parent{{Namespace: engine.Network, Container: r.Parent.ID}}
				w.Set(append(without(w, r.Old.ID), &fresh)...)
				return &fresh, nil
			}
			fresh := halfRecreated(w, r, "")
			time.Sleep(5 * time.Second) // while the old one stops
			third := Up("e5", "vpn")
			third.Created, third.Started, third.StartSeenAt = time.Now(), time.Now(), time.Now()
			w.Set(append(without(w, newParentID), third)...)
			w.Edit(fresh.ID, func(c *engine.Container) { c.Error = "No such container: " + newParentID; fresh = c })
			return fresh, errors.New(fresh.Error)
		})
		world.Pass(5 * time.Minute)
		if len(parents) != 2 || parents[1] != "e5" {
			t.Errorf("re-created in the networks of %v; %+v", parents, w.Standing("web").Detail)
		}
	})
}

// leftBehind is a whitelisted container, and the one that it was created in place of, which is
// to be removed.
func leftBehind() []*engine.Container {
	fresh, old := Up("c3c3c3c3c3c3", "web"), Up("a1a1a1a1a1a1", engine.PassingName("web", "c3c3c3c3c3c3"))
	fresh.Created, fresh.Started, fresh.StartSeenAt = time.Now(), time.Now(), time.Now()
	old.Created = time.Now().Add(-time.Hour)
	old.State, old.ExitCause, old.ExitSeenAt = engine.Exited, engine.CauseSelf, time.Now()
	for _, c := range []*engine.Container{fresh, old} {
		Labelled(policy.LabelRecreate, "true")(c)
	}
	return []*engine.Container{fresh, old}
}

func TestDryRunSaysThatAContainerWouldBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.NewWorld(t, Usual(func(p *policy.Policy) { p.DryRun = true }), leftBehind()...)
		world.Pass(time.Minute)
		if log := w.Log.String(); !strings.Contains(log, `msg="would remove container: another one has its place" container=web.defib-c3c3c3c3c3c3`) || strings.Contains(log, "would start") {
			t.Errorf("the log says\n%s", log)
		}
		if s := w.Standing("web.defib-c3c3c3c3c3c3"); s.Reason != outcome.DryRun || !s.Removes {
			t.Errorf("held for %q, to be removed: %v", s.Reason, s.Removes)
		}
		if n := w.Count("defib_dry_run_actions_total", "web.defib-c3c3c3c3c3c3", policy.TriggerExited) + w.Count("defib_dry_run_actions_total", "web", policy.TriggerExited); n != 0 {
			t.Errorf("counted %g starts", n)
		}
	})
}

func TestRemovalThatFailsIsCountedAndLoggedWhenThatBeginsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.NewWorld(t, Usual(), leftBehind()...)
		w.FailRemovals(errors.New("device busy"))
		world.Pass(40 * time.Second)
		if n := w.Count("defib_recreation_failures_total", "web", "remove"); n != 4 { // after 30 s, and 1, 2, 4 s later
			t.Errorf("counted %g failures", n)
		}
		world.Pass(time.Hour)
		w.FailRemovals(errors.New("read-only file system"))
		world.Pass(time.Hour)
		w.FailRemovals(nil)
		world.Pass(time.Hour)
		for line, want := range map[string]int{`level=WARN msg="removal failed"`: 1, `err="device busy"`: 1, `level=INFO msg="container removed`: 1} {
			if got := strings.Count(w.Log.String(), line); got != want {
				t.Errorf("%d lines with %s, want %d:\n%s", got, line, want, w.Log.String())
			}
		}
	})
}

func TestWhatSomebodyElseHasChangedIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := adopted(t, func(*world.World, engine.Recreation) (*engine.Container, error) { return nil, engine.ErrChanged })
		world.Pass(40 * time.Second)
		if len(w.Recreations()) == 0 {
			t.Fatal("nothing was tried")
		}
		for metric, label := range map[string]policy.Trigger{"defib_recreation_failures_total": "recreate", "defib_restart_failures_total": policy.TriggerDependency} {
			if n := w.Count(metric, "web", label); n != 0 {
				t.Errorf("%s is %g", metric, n)
			}
		}
	})
}
