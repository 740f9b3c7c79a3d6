package recreation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/engine/docker/call"
	"defib/engine/internal/refusal"
)

// What there is at the beginning, and at the end.
const (
	untouched = "old running as web, new gone"
	done      = "old exited as web.defib-NEW (no), new running as web"
)

// all are the steps of a whole re-creation.
var all = []string{"create new", "update new", "rename old", "rename new", "update old", "stop old", "start new"}

func TestRecreationGoesByItsSteps(t *testing.T) {
	f := newFake(t)
	id, err := f.steps().Begin(t.Context(), nil, f.recreation())
	if err != nil || id != newID {
		t.Fatal(id, err)
	}
	if diff := cmp.Diff(all, f.calls); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if f.String() != done {
		t.Error(f)
	}
	made := f.containers[newID]
	if made.HostConfig.NetworkMode != container.NetworkMode("container:"+parentID) || made.HostConfig.RestartPolicy.MaximumRetryCount != 3 {
		t.Errorf("%+v", made.HostConfig)
	}
}

// faults are what may come of a step, and whether it was carried out.
var faults = map[string]struct {
	err   error
	after bool
}{
	"is refused":                     {err: fmt.Errorf("%w: forbidden", errdefs.ErrPermissionDenied)},
	"fails":                          {err: errBroken},
	"fails though it is carried out": {err: errBroken, after: true},
	"is given up by a proxy":         {err: errors.New("504 Gateway Time-out")},
	"is not answered":                {err: context.DeadlineExceeded},
	"is not answered, but done":      {err: context.DeadlineExceeded, after: true},
}

// once spoils a step, once.
func (f *fake) once(step string, after bool, err error) {
	spoil := func(now string) error {
		if now != step {
			return nil
		}
		f.before, f.after = nil, nil
		return err
	}
	if after {
		f.after = spoil
	} else {
		f.before = spoil
	}
}

// Whatever comes of a step: all is as before, or the way is forward and leads to the end.
func TestStepThatFailsIsUndoneOrGoneOnFrom(t *testing.T) {
	for fault, tc := range faults {
		for _, step := range all {
			t.Run(step+" "+fault, func(t *testing.T) {
				f := newFake(t)
				f.once(step, tc.after, tc.err)
				id, err := f.steps().Begin(t.Context(), nil, f.recreation())
				stopped := step == "start new" || step == "stop old" && (tc.after || call.Unanswered(tc.err))
				switch {
				case step == "stop old" && tc.after && !call.Unanswered(tc.err): // an inspect shows that it is down
					if err != nil || f.String() != done {
						t.Errorf("%v: %s", err, f)
					}
				case !errors.Is(err, tc.err):
					t.Errorf("%v, want %v", err, tc.err)
				case !stopped && (f.String() != untouched || id != ""):
					t.Errorf("not undone: %s", f)
				case stopped && id == "":
					t.Errorf("the new one is forgotten: %s", f)
				}
				f.goOn(t)
			})
		}
	}
}

// goOn does what the next attempts do, and checks what there is at the end.
func (f *fake) goOn(t *testing.T) {
	t.Helper()
	if strings.Contains(f.String(), "as web.defib-NEW") {
		r := f.recreation()
		r.New = f.describe(newID)
		for range 2 { // the second time there is nothing to do
			if err := f.steps().Resume(t.Context(), r); err != nil {
				t.Errorf("resume: %v", err)
			}
		}
		if f.String() != done {
			t.Errorf("in the end: %s", f)
		}
	}
	if f.two {
		t.Error("two have run at a time")
	}
	if f.containers[oldID] == nil && f.containers[newID] == nil {
		t.Error("it is lost")
	}
}

// A life that ends at any step leaves what the next one goes on from.
func TestStepAtWhichALifeEndsIsGoneOnFrom(t *testing.T) {
	for _, after := range []bool{false, true} {
		for i, step := range all {
			t.Run(fmt.Sprint(step, ", carried out: ", after), func(t *testing.T) {
				f := newFake(t)
				ended := false
				end := func(now string) error {
					ended = ended || now == step
					if ended {
						return errBroken // whatever follows does not reach the engine
					}
					return nil
				}
				f.before = end
				if after {
					f.before = func(string) error {
						if ended {
							return errBroken
						}
						return nil
					}
					f.after = end
				}
				_, _ = f.steps().Begin(t.Context(), nil, f.recreation())
				f.before, f.after = nil, nil
				wayBack := i < 2 || i == 2 && !after
				if created := f.containers[newID] != nil && strings.HasPrefix(f.String(), "old running as web,"); created {
					if err := f.steps().Remove(t.Context(), newID); err != nil {
						t.Fatal(err)
					}
				}
				if wayBack != (f.String() == untouched) && step != "create new" {
					t.Errorf("way back %v: %s", wayBack, f)
				}
				f.goOn(t)
			})
		}
	}
}

// changes are what somebody may do meanwhile, and what there is to be afterwards.
var changes = map[string]struct {
	how  func(f *fake)
	want error
	left string // "": all as before
}{
	"the old one is stopped": {how: func(f *fake) {
		f.containers[oldID].State = &container.State{Status: container.StateExited, StartedAt: "2026-03-01T12:00:00Z"}
	}, left: "old exited as web, new gone"},
	"the old one is restarted": {how: func(f *fake) { f.containers[oldID].State.StartedAt = "2026-03-01T12:30:00Z" }},
	"the old one is renamed":   {how: func(f *fake) { f.containers[oldID].Name = "/other" }, left: "old running as other, new gone"},
	"the old one is removed":   {how: func(f *fake) { delete(f.containers, oldID) }, want: engine.ErrGone, left: "old gone, new gone"},
	"the old one gets another restart policy": {how: func(f *fake) {
		f.containers[oldID].HostConfig.RestartPolicy = container.RestartPolicy{Name: "always"}
	}},
	"the parent is removed":    {how: func(f *fake) { delete(f.containers, parentID) }},
	"the parent is renamed":    {how: func(f *fake) { f.containers[parentID].Name = "/other" }},
	"the parent is restarted":  {how: func(f *fake) { f.containers[parentID].State.StartedAt = "2026-03-01T12:30:00Z" }},
	"the parent dies":          {how: func(f *fake) { f.containers[parentID].State.Status = container.StateExited }},
	"the parent is unhealthy":  {how: func(f *fake) { f.containers[parentID].State.Health = &container.Health{Status: "unhealthy"} }},
	"the new one is removed":   {how: func(f *fake) { delete(f.containers, newID) }},
	"the new one is renamed":   {how: func(f *fake) { f.containers[newID].Name = "/other" }},
	"the name goes to another": {how: func(f *fake) { f.put(strings.Repeat("d", 64), "web", container.StateCreated) }, want: errdefs.ErrConflict},
}

func TestChangeByOthersIsUndoneAndLeftAlone(t *testing.T) {
	for change, tc := range changes {
		for i, step := range all[:len(all)-2] { // after the stop there is no way back
			if change == "the name goes to another" && step != "rename old" {
				continue
			}
			t.Run(change+" after "+step, func(t *testing.T) {
				f := newFake(t)
				if i == 4 && change == "the old one gets another restart policy" {
					t.Skip("that is the same")
				}
				f.after = func(now string) error {
					if now == step {
						f.after = nil
						tc.how(f)
					}
					return nil
				}
				_, err := f.steps().Begin(t.Context(), nil, f.recreation())
				want := tc.want
				if want == nil {
					want = engine.ErrChanged
				}
				if !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				switch {
				case change == "the name goes to another":
					if got := f.String(); got != "old running as web.defib-NEW, new created as web.defib-OLD" {
						t.Error(got) // and nobody is lost: once the name is free, the way is forward
					}
					return
				case tc.left == "" && f.String() != untouched, tc.left != "" && f.String() != tc.left:
					t.Error(f)
				}
			})
		}
	}
}

func TestEndOfDefibBeforeTheStopIsUndoneAndNotAfterIt(t *testing.T) {
	for _, step := range all {
		t.Run(step, func(t *testing.T) {
			f := newFake(t)
			leaving := make(chan struct{})
			f.before = func(now string) error {
				if now == step {
					f.before = nil
					close(leaving)
				}
				return nil
			}
			_, err := f.steps().Begin(t.Context(), leaving, f.recreation())
			if step == "stop old" || step == "start new" {
				if err != nil || f.String() != done {
					t.Errorf("%v: %s", err, f)
				}
				return
			}
			if !errors.Is(err, context.Canceled) || f.String() != untouched {
				t.Errorf("%v: %s", err, f)
			}
		})
	}
}

func TestUndoOutlivesItsContext(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.after = func(step string) error {
		if step == "update old" {
			cancel()
		}
		return nil
	}
	if _, err := f.steps().Begin(ctx, nil, f.recreation()); !errors.Is(err, context.Canceled) || f.String() != untouched {
		t.Errorf("%v: %s", err, f)
	}
}

// What has changed since the decision is not touched.
func TestNothingIsBegunOnAStaleDecision(t *testing.T) {
	f := newFake(t)
	r := f.recreation()
	f.containers[oldID].State.StartedAt = "2026-03-01T12:30:00Z"
	if _, err := f.steps().Begin(t.Context(), nil, r); !errors.Is(err, engine.ErrChanged) || len(f.calls) > 0 {
		t.Errorf("%v: %v", err, f.calls)
	}
}

func TestOneThatIsDownIsNotStopped(t *testing.T) {
	f := newFake(t)
	f.containers[oldID].State = &container.State{Status: container.StateExited, StartedAt: "2026-03-01T12:00:00Z"}
	if _, err := f.steps().Begin(t.Context(), nil, f.recreation()); err != nil || f.String() != done {
		t.Errorf("%v: %s", err, f)
	}
	if diff := cmp.Diff([]string{"create new", "update new", "rename old", "rename new", "update old", "start new"}, f.calls); diff != "" {
		t.Error(diff)
	}
}

func TestImageIsTheSame(t *testing.T) {
	for name, tc := range map[string]struct {
		status engine.ImageStatus
		means  string // the image's name
		want   string // created from
		times  int
	}{
		"by its name":                    {engine.ImageCurrent, "sha256:app", "app", 1},
		"by its ID":                      {engine.ImageOutdated, "sha256:newer", "sha256:app", 1},
		"the name is not known":          {engine.ImageUnknown, "sha256:app", "sha256:app", 1},
		"the name has just been renewed": {engine.ImageCurrent, "sha256:newer", "sha256:app", 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.images["app"] = tc.means
			r := f.recreation()
			r.Old.ImageStatus = tc.status
			s, log := f.steps(), &strings.Builder{}
			s.Logger = slog.New(slog.NewTextHandler(log, nil))
			f.before = func(string) error {
				if log.Len() > 0 {
					t.Errorf("before it is done, it is logged: %s", log)
				}
				return nil
			}
			id, err := s.Begin(t.Context(), nil, r)
			if err != nil {
				t.Fatal(err)
			}
			if said := strings.Contains(log.String(), "re-created from the image ID"); said != (tc.want != "app") {
				t.Errorf("it is logged: %q", log)
			}
			if c := f.containers[id]; c.Image != "sha256:app" || c.Config.Image != tc.want || f.created != tc.times || len(f.containers) != 3 {
				t.Errorf("%s from %s, %d created, %d there", c.Image, c.Config.Image, f.created, len(f.containers))
			}
		})
	}
}

func TestOtherMountsAreUndone(t *testing.T) {
	f := newFake(t)
	f.after = func(step string) error {
		if step == "create new" {
			f.containers[newID].Mounts[0].Name = "other"
		}
		return nil
	}
	if _, err := f.steps().Begin(t.Context(), nil, f.recreation()); err == nil || !strings.Contains(err.Error(), "other mounts") || f.String() != untouched {
		t.Errorf("%v: %s", err, f)
	}
}

func TestMissingImageIsNoRefusal(t *testing.T) {
	f := newFake(t)
	delete(f.images, "app")
	if _, err := f.steps().Begin(t.Context(), nil, f.recreation()); err == nil || refusal.Refused(err) || f.String() != untouched {
		t.Errorf("%v: %s", err, f)
	}
}

func TestMissingNetworkIsNoRefusal(t *testing.T) {
	for _, step := range []string{"create new", "start new"} {
		f := newFake(t)
		f.once(step, false, fmt.Errorf("%w: network shop_default not found", errdefs.ErrNotFound))
		if _, err := f.steps().Begin(t.Context(), nil, f.recreation()); err == nil || refusal.Refused(err) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// Resume never takes for a re-creation what is none.
func TestResumeLeavesAloneWhatHasItsOwnName(t *testing.T) {
	f := newFake(t)
	f.put(newID, engine.PassingName("web", oldID), container.StateCreated)
	r := f.recreation()
	r.New = f.describe(newID)
	if err := f.steps().Resume(t.Context(), r); !errors.Is(err, engine.ErrChanged) || len(f.calls) > 0 {
		t.Errorf("%v: %v", err, f.calls)
	}
}

// One that is left under a passing name, since somebody removed the new one, is created
// anew like any other.
func TestOneUnderAPassingNameIsCreatedAnew(t *testing.T) {
	f := newFake(t)
	f.containers[oldID].Name = "/" + engine.PassingName("web", strings.Repeat("e", 64))
	if _, err := f.steps().Begin(t.Context(), nil, f.recreation()); err != nil || f.String() != done {
		t.Errorf("%v: %s", err, f)
	}
}

// An old one that runs, and that cannot be stopped, keeps the new one from being started.
func TestNeverTwoRun(t *testing.T) {
	f := newFake(t)
	f.containers[oldID].Name = "/" + engine.PassingName("web", newID)
	f.put(newID, "web", container.StateCreated)
	r := f.recreation()
	r.New = f.describe(newID)
	f.before = func(step string) error {
		if step == "stop old" {
			return errBroken
		}
		return nil
	}
	if err := f.steps().Resume(t.Context(), r); !errors.Is(err, errBroken) || f.containers[newID].State.Running {
		t.Errorf("%v: %s", err, f)
	}
}

// TestUndoThatIsCutShortLosesNoRestartPolicy: whatever has its own name again has its own
// policy, too.
func TestUndoThatIsCutShortLosesNoRestartPolicy(t *testing.T) {
	for _, cut := range []string{"update old", "rename new", "rename old"} {
		t.Run(cut, func(t *testing.T) {
			f := newFake(t)
			undoing, dead := false, false
			f.before = func(step string) error {
				if dead || undoing && step == cut {
					dead = true
					return errBroken
				}
				return nil
			}
			f.after = func(step string) error {
				if step == "update old" && !undoing {
					undoing = true
					f.containers[parentID].State.StartedAt = "2026-03-01T12:30:00Z" // somebody restarted it
				}
				return nil
			}
			if _, err := f.steps().Begin(t.Context(), nil, f.recreation()); err == nil || !dead {
				t.Fatalf("undone all the same: %v", err)
			}
			if old := f.containers[oldID]; name(*old) == f.recreation().Name && restartless(*old) {
				t.Errorf("the old one has its name and no restart policy: %s", f)
			}
		})
	}
}
