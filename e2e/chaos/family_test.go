package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// addFamilies adds parents that others re-create, and children in their networks that
// Defib is to re-create then. The first are of a compose project.
func (f *fleet) addFamilies() {
	for n := range 3 {
		labels := func(string) map[string]string { return nil }
		if n == 0 {
			labels = func(service string) map[string]string {
				return map[string]string{
					"com.docker.compose.project": f.Prefix + "family", "com.docker.compose.service": service, "com.docker.compose.container-number": "1",
				}
			}
		}
		f.add(1, fmt.Sprint("vpn-", n), role{spec: harness.Spec{Labels: labels("vpn"), Restart: container.RestartPolicyAlways}})
		parent := f.roles[len(f.roles)-1]
		for _, service := range []string{"web", "db"} {
			mine := labels(service)
			if mine == nil {
				mine = map[string]string{}
			}
			mine["defib.recreate"] = "true"
			f.add(1, fmt.Sprintf("app-kid-%d-%s", n, service), role{listed: true, follows: true, parent: parent, spec: harness.Spec{
				Args: []string{"-code=1"}, Labels: mine, Volumes: []string{"/data"}, Restart: container.RestartPolicyUnlessStopped,
			}})
		}
	}
}

// kin reports whether a role is one of a family of which a member follows another.
func (f *fleet) kin(x *role) bool {
	return x.follows || slices.ContainsFunc(f.roles, func(r *role) bool { return r.follows && r.parent == x })
}

// recreateParents has others re-create the parents of the families, each in a way of its
// own, and the last once more when Defib is at its children.
func (f *fleet) recreateParents(r *rand.Rand, stop <-chan struct{}) {
	var parents []*role
	for _, x := range f.roles {
		if x.follows && !slices.Contains(parents, x.parent) {
			parents = append(parents, x.parent)
		}
	}
	by := []string{"updater", "person", "compose"}
	r.Shuffle(len(by), func(i, k int) { by[i], by[k] = by[k], by[i] })
	recreations := 0
	recreate := func(x *role) {
		how := by[recreations%len(by)]
		recreations++
		// What goes wrong is noted with the action, and put right in the quiet.
		_ = f.do(x, "re-creation by "+how, func(ctx context.Context) error {
			name := f.name(x)
			id, err := harness.Recreators[how](ctx, f.Engine, x.id, name, func(ctx context.Context, name string) (string, error) {
				return f.createAs(ctx, x, name)
			})
			if id != "" {
				x.id = id
			}
			return err
		})
	}
	for _, x := range parents {
		if harness.Pause(stop, time.Duration(r.IntN(3000))*time.Millisecond) {
			return
		}
		recreate(x)
	}
	if !harness.Pause(stop, 27*time.Second+time.Duration(r.IntN(10000))*time.Millisecond) {
		recreate(parents[len(parents)-1])
	}
}

// meet takes note of the container that bears a role's name now: Defib may have made it.
func (f *fleet) meet(ctx context.Context, x *role) {
	now, err := f.Engine.ContainerInspect(ctx, f.name(x))
	if err != nil || now.ID == x.id {
		return
	}
	x.id = now.ID
	x.parentID = strings.TrimPrefix(string(now.HostConfig.NetworkMode), "container:")
	f.book.owns(x.id, x)
	f.book.did(action{id: x.id, what: "re-creation by Defib", begun: time.Now(), end: time.Now()})
}

// leftovers are the containers that bear the name of no role, but one in passing. Those
// that a re-creation by the test has left behind are removed.
func (f *fleet) leftovers() (wrong []string) {
	ctx, cancel := context.WithTimeout(f.Context(), harness.Limit)
	defer cancel()
	all, err := f.List(ctx)
	if err != nil {
		return []string{err.Error()}
	}
	for _, one := range all {
		name := strings.TrimPrefix(one.Names[0], "/")
		if slices.ContainsFunc(f.roles, func(r *role) bool { return f.name(r) == name }) {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s is left over, %s", name, one.State))
		if harness.BaseName(name) == name {
			_ = f.Engine.ContainerRemove(ctx, one.ID, container.RemoveOptions{Force: true}) // else again
		}
	}
	return wrong
}

// passing reports whether there is a container that is to get a role's name, or had it.
func (f *fleet) passing(ctx context.Context, x *role) bool {
	all, err := f.List(ctx)
	return err != nil || slices.ContainsFunc(all, func(one container.Summary) bool {
		name := strings.TrimPrefix(one.Names[0], "/")
		return name != f.name(x) && harness.BaseName(name) == f.name(x)
	})
}

// recreates reports whether only a re-creation needs such a call.
func recreates(o harness.Mutation) bool { return slices.Contains(harness.RecreationCalls, o.Kind) }

// recreatesFollowers is law 1 for re-creations: of nobody but who follows its parent.
func (j *judge) recreatesFollowers() {
	for _, o := range j.orders {
		if !recreates(o) {
			continue
		}
		r := j.book.owner(o.ID)
		if o.Kind == "create" {
			r = j.book.named(harness.BaseName(o.Name))
		}
		if r == nil || !r.follows {
			j.violation(o.ID, "law 1: %s %s of what is not to be created anew", o.Kind, o.Name)
		}
	}
}

// noneDoubled: never do two containers of one name run at a time.
func (j *judge) noneDoubled() {
	j.book.mu.Lock()
	var ends []time.Time
	for _, s := range j.book.away {
		ends = append(ends, s.from)
	}
	var names []string
	for name, r := range j.book.names {
		if r.follows {
			names = append(names, name)
		}
	}
	j.book.mu.Unlock()
	for _, name := range names {
		for _, double := range harness.Doubles(j.events, name, ends...) {
			j.book.violation("violation: doubled: %s", double)
		}
	}
}

// adopt finds the owners of what Defib has created, by the names that the engine announced
// and the answers to its calls.
func (j *judge) adopt() {
	for _, e := range j.events {
		if r := j.book.named(harness.BaseName(e.Name)); e.Action == "create" && r != nil && r.follows && j.book.owner(e.ID) == nil {
			j.book.owns(e.ID, r)
		}
	}
	for _, o := range j.orders {
		if r := j.book.named(harness.BaseName(o.Name)); o.Kind == "create" && o.ID != "" && r != nil && j.book.owner(o.ID) == nil {
			j.book.owns(o.ID, r)
		}
	}
}
