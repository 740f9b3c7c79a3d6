package e2e

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"defib/e2e/harness"
)

// TestRecreationOutlivesDefib ends Defib at each step of a re-creation, before the engine
// hears of it or once it has answered. The next life brings each to its end.
func TestRecreationOutlivesDefib(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	for first, death := range []struct {
		name string
		end  func(*testing.T, *ordeal)
	}{{"by SIGKILL", killed}, {"by SIGTERM", terminated}} {
		t.Run(death.name, func(t *testing.T) {
			t.Parallel()
			all := newOrdeals(t, harness.SharedEngine(t), first)
			defer table(t, "Defib died "+death.name, all)
			for _, o := range all {
				o.recreateParent()
			}
			each(t, all, 2*recreationLimit, "held at its step", func(o *ordeal) bool {
				if !o.gate.Held() {
					return false
				}
				o.held = time.Now()
				death.end(t, o)
				o.d = harness.StartDefib(t, o.Engine.Host, o.args...)
				return true
			})
			each(t, all, 2*recreationLimit, "brought to its end", (*ordeal).ended)
			for _, o := range all {
				o.judge()
			}
		})
	}
}

// killed ends Defib with no chance to clean up.
func killed(_ *testing.T, o *ordeal) {
	o.d.Kill()
	o.found = o.describe()
}

// terminated ends Defib as an operator does, who waits for the call that is under way:
// it undoes what it has done before the stop, and goes on after it.
func terminated(t *testing.T, o *ordeal) {
	if err := o.d.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	nobody := harness.Alert{Status: "firing", Labels: map[string]string{"alertname": "Sick", "heal": "restart", "container": o.Prefix + "nobody"}}
	harness.Eventually(t, "Defib to have heard of its end", func() bool {
		r := o.d.Post(nobody)
		return r.Err != nil || r.Outcome() == "shutting_down"
	})
	o.gate.Pass()
	told := time.Now()
	if code := o.d.ExitCode(); code != 0 {
		t.Errorf("%v: exit code %d on SIGTERM", o, code)
	}
	took := time.Since(told)
	if took > harness.Limit/2 { // 8 seconds, and what a busy machine adds
		t.Errorf("%v: Defib took %v to end", o, took)
	}
	o.found = o.describe()
	if took > 5*time.Second { // undoing may take 6, and the next life does the rest
		t.Logf("%v: Defib had no time to do more than this: %s", o, o.found)
		return
	}
	const (
		undone  = "web is the old one, running, policy always"
		forward = "web is the new one, running, policy always"
		kept    = "; web.defib-… is the old one, exited, policy no"
	)
	allowed := []string{undone}
	switch stop := 5; {
	case o.nth == stop && !o.late || o.nth == stop-1: // it may be on its way before Defib hears of the signal
		allowed = []string{undone, forward + kept}
	case o.nth >= stop && o.nth < len(steps)-1:
		allowed = []string{forward + kept}
	case o.nth == len(steps)-1:
		allowed = []string{forward + kept, forward}
	}
	if !slices.Contains(allowed, o.found) {
		t.Errorf("%v: SIGTERM left: %s", o, o.found)
	}
}

// TestRecreationOutlivesTheEngine ends the engine while each of them is at its step. The
// same Defib goes on; when it was the host that lost its power, another one.
func TestRecreationOutlivesTheEngine(t *testing.T) {
	harness.DockerOnly(t, harness.KeepsParents)
	t.Parallel()
	for first, death := range []struct {
		name   string
		signal syscall.Signal
	}{{"by SIGKILL", syscall.SIGKILL}, {"by SIGTERM", syscall.SIGTERM}, {"with its host", 0}} {
		t.Run(death.name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.PrivateEngine(t))
			all := newOrdeals(t, s.Engine, first)
			defer table(t, "the engine died "+death.name, all)
			for _, last := range []bool{true, false} { // removals come 30 seconds after the rest
				for _, o := range all {
					if (o.nth == len(steps)-1) == last {
						o.recreateParent()
					}
				}
				if last {
					harness.Watch(t, 25*time.Second, "so that all are at their steps at about the same time")
				}
			}
			each(t, all, 2*recreationLimit, "held at its step", func(o *ordeal) bool {
				if o.gate.Held() {
					o.held = time.Now()
				}
				return o.gate.Held()
			})
			if death.signal == 0 {
				for _, o := range all {
					o.d.Kill()
				}
				s.EndHost()
			} else {
				s.EndEngine(death.signal)
			}
			ended := time.Now()
			for _, o := range all {
				o.gate.Break()
			}
			s.Boot()
			for _, o := range all {
				o.found = o.describe()
				if death.signal == 0 {
					o.d = harness.StartDefib(t, o.Engine.Host, o.args...)
				}
			}
			each(t, all, 2*recreationLimit, "brought to its end", (*ordeal).ended)
			for _, o := range all {
				o.judge(ended)
			}
		})
	}
}
