package restarter_test

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
	"defib/restarter"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/restarter/postmortem"
)

// witness writes down what it is told.
type witness struct {
	began time.Time
	told  []string
}

func (w *witness) tell(now time.Time, what string, c *engine.Container, t policy.Trigger) {
	w.told = append(w.told, fmt.Sprint(now.Sub(w.began), " ", what, " ", c.Name, " ", t))
}

func (w *witness) Died(now time.Time, c *engine.Container, t policy.Trigger) {
	w.tell(now, "died", c, t)
}

func (w *witness) Begin(now time.Time, c *engine.Container, t policy.Trigger) {
	w.tell(now, "begin "+string(c.State), c, t)
}

func (w *witness) End(now time.Time, c, after *engine.Container, t policy.Trigger) {
	if after == nil {
		w.tell(now, "end gone", c, t)
		return
	}
	w.tell(now, "end "+string(after.State), c, t)
}

func (w *witness) All() ([]postmortem.Death, uint64) {
	return []postmortem.Death{{Container: "web"}}, 7
}

// What a re-creation has stopped did not die, nor did what runs on since its re-creation failed.
func TestNoEvidenceIsKeptOfWhatAReCreationEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &witness{began: time.Now()}
		left := leftBehind()
		child := Up("d4", "batch-1")
		ChildOf(parentID)(child)
		Labelled(policy.LabelRecreate, "true")(child)
		parent := Up(parentID, "vpn")
		for _, c := range []*engine.Container{child, parent} {
			c.Created, c.Started, c.StartSeenAt = time.Now(), time.Now(), time.Now()
		}
		w := NewWorldOf(t, Usual(), func(r *restarter.Restarter) { r.KeepEvidence(seen) }, append(left, child, parent)...)
		w.FailRemovals(errors.New("device busy"))
		w.OnRecreate(func(<-chan struct{}, engine.Recreation) (*engine.Container, error) {
			return nil, errors.New("no space left on device")
		})
		Pass(time.Second)
		replaced := Up(newParentID, "vpn")
		replaced.Created, replaced.Started, replaced.StartSeenAt = time.Now(), time.Now(), time.Now()
		w.Set(append(without(w, parentID), replaced)...)
		Pass(time.Minute)
		w.WantHeld("batch-1", outcome.BackOff)
		w.WantHeld(left[1].Name, outcome.BackOff)
		w.End()
		for _, what := range seen.told {
			if strings.Contains(what, "died") {
				t.Error(what)
			}
		}
	})
}

func TestEvidenceIsKeptOfWhatIsHealed(t *testing.T) {
	for _, tc := range []struct {
		name   string
		policy func(*policy.Policy)
		happen func(w *World)
		want   []string
	}{
		{name: "of a death, and of the next one while it waits for its start", policy: func(*policy.Policy) {}, happen: func(w *World) {
			w.Dies("a1")
			w.Dies("a1")
			Pass(time.Second)
		}, want: []string{"0s begin exited web exited", "0s end running web exited", "0s died web exited", "1s begin exited web exited", "1s end running web exited"}},
		{name: "once, however often it is looked at", policy: func(*policy.Policy) {}, happen: func(w *World) {
			w.Dies("a1")
			w.Dies("a1")
			Pass(300 * time.Millisecond)
			w.Runs("b2")
			Pass(300 * time.Millisecond)
		}, want: []string{"0s begin exited web exited", "0s end running web exited", "0s died web exited"}},
		{name: "of a restart", policy: func(p *policy.Policy) { p.Triggers = policy.AllTriggers }, happen: func(w *World) {
			w.TurnsUnhealthy("a1")
		}, want: []string{"0s begin running web unhealthy", "0s end running web unhealthy"}},
		{name: "of a start that fails", policy: func(*policy.Policy) {}, happen: func(w *World) {
			w.OnStart(func(context.Context, *engine.Container) error { return errors.New("port is taken") })
			w.Dies("a1")
		}, want: []string{"0s begin exited web exited", "0s end exited web exited", "0s died web exited"}},
		{name: "of one that is removed meanwhile", policy: func(*policy.Policy) {}, happen: func(w *World) {
			w.OnStart(func(context.Context, *engine.Container) error {
				w.Set()
				return engine.ErrGone
			})
			w.Dies("a1")
		}, want: []string{"0s begin exited web exited", "0s end gone web exited"}},
		{name: "not in a dry run", policy: func(p *policy.Policy) { p.DryRun = true }, happen: func(w *World) { w.Dies("a1") }},
		{name: "not of what is not whitelisted", policy: func(*policy.Policy) {}, happen: func(w *World) { w.Dies("b2") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := &witness{began: time.Now()}
				w := NewWorldOf(t, Usual(tc.policy), func(r *restarter.Restarter) { r.KeepEvidence(seen) }, Up("a1", "web"), Up("b2", "other"))
				tc.happen(w)
				synctest.Wait()
				report := w.Report()
				w.End()
				if diff := cmp.Diff(tc.want, seen.told); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if len(report.Deaths) != 1 || report.DeathsVersion != 7 {
					t.Error("they are not in the report")
				}
			})
		})
	}
}
