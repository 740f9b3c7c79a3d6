package compose

import (
	"slices"
	"strings"
	"time"

	"defib/engine"
	"defib/restarter/history"
	"defib/restarter/policy"
)

// Order is the order in which depends_on has the containers of a snapshot restarted and
// started, one after the other.
type Order struct {
	now      time.Time
	snapshot *engine.Snapshot
	history  history.History
	backoff  policy.Backoff
	replaced func(*engine.Container) bool

	services map[service][]*engine.Container // nil: nobody has asked for any yet
	newest   map[directory]time.Time         // when the last of a project was started, on the engine's clock
}

type service struct{ project, name string }

// directory is a project in one directory, which may not be known, or in any.
type directory struct{ project, path string }

const anywhere = "*"

// NewOrder returns the order of a snapshot. Replaced reports whether another container has
// taken the place of one that is down: nobody waits for that one.
func NewOrder(now time.Time, p *engine.Snapshot, past history.History, b policy.Backoff, replaced func(*engine.Container) bool) *Order {
	return &Order{now: now, snapshot: p, history: past, backoff: b, replaced: replaced}
}

// Precede returns those after whose restart the container is to be restarted.
func (o *Order) Precede(c *engine.Container) []*engine.Container {
	var all []*engine.Container
	for _, d := range Dependencies(c) {
		all = append(all, o.restartsAfter(c, d)...)
	}
	return all
}

// Outdated reports whether one after whose restart the container is to be restarted was
// started after it, by whomever, and since when on our clock. Nothing is to be done for
// what was started while that ran, even if nobody waited for its health: somebody has
// seen to it. Nor for a start that this life of Defib has not seen: whoever has gone on
// since then without a restart needs none.
func (o *Order) Outdated(c *engine.Container) (since time.Time, is bool) {
	for _, d := range Dependencies(c) {
		replicas := o.restartsAfter(c, d)
		for _, r := range replicas {
			if o.startedAfter(r, c) && !added(r, replicas, c) {
				since, is = engine.Later(since, engine.Later(r.StartSeenAt, r.ExitSeenAt)), true
			}
		}
	}
	return since, is
}

// startedAfter reports whether this life of Defib has seen one start after the other. The
// engine's clock may have been set back in between.
func (o *Order) startedAfter(r, c *engine.Container) bool {
	seen := engine.Later(r.StartSeenAt, r.ExitSeenAt)
	return r.Started.After(c.Started) && seen.After(o.history.Began) && !c.StartSeenAt.After(seen) && !o.history.At(c.ID).Joins(r)
}

// added reports whether a replica was added to others that run on: nothing was restarted.
func added(r *engine.Container, replicas []*engine.Container, c *engine.Container) bool {
	return r.Created.After(c.Started) && slices.ContainsFunc(replicas, func(o *engine.Container) bool {
		return o.Alive() && !o.Started.After(c.Started)
	})
}

// RestartReady reports whether all after whose restart the container is to be restarted
// satisfy their conditions, and since when on our clock; in the future for one that has
// come out of a crash loop a moment ago.
func (o *Order) RestartReady(c *engine.Container) (since time.Time, is bool) {
	for _, d := range Dependencies(c) {
		at, ok := o.satisfied(o.restartsAfter(c, d), d.Condition)
		if !ok {
			return time.Time{}, false
		}
		since = engine.Later(since, at)
	}
	return since, true
}

// StartReady reports whether a container that was created and never started waits for the
// health or the success of another one, all that it depends on satisfies its condition,
// and since when on our clock. Nobody wants it to run if one of its project was stopped
// since: a deploy was given up. So that is to be known: this life of Defib has seen it
// being created, not too long ago, and the engine tells of stops.
func (o *Order) StartReady(c *engine.Container) (since time.Time, is bool) {
	ds := Dependencies(c)
	waits := func(d Dependency) bool { return d.Condition == Healthy || d.Condition == Completed }
	watched := o.snapshot.Stops != nil && c.CreatedSeenAt.After(o.history.Began) && c.CreatedSeenAt.After(o.now.Add(-engine.ProjectWindow))
	if !watched || !slices.ContainsFunc(ds, waits) || o.stopped(c.Project()).After(c.CreatedSeenAt) {
		return time.Time{}, false
	}
	for _, d := range ds {
		replicas := o.replicas(c, d.Service)
		at, ok := o.satisfied(replicas, d.Condition)
		if !ok || len(replicas) == 0 {
			return time.Time{}, false
		}
		since = engine.Later(since, at)
	}
	return since, true
}

// StartedSince reports whether others of the container's compose project were started since
// it was created.
func (o *Order) StartedSince(c *engine.Container) bool {
	project, path := c.Project(), c.Labels[LabelWorkingDir]
	if project == "" {
		return false
	}
	o.sort()
	newest := engine.Later(o.newest[directory{project, path}], o.newest[directory{project, ""}])
	if path == "" {
		newest = o.newest[directory{project, anywhere}]
	}
	return newest.After(c.Created)
}

// restartsAfter returns the containers of a dependency if the container is to be restarted
// after them. Compose says so by itself of what is linked and of whose namespaces are
// shared: that means nothing, since nobody has asked for it.
func (o *Order) restartsAfter(c *engine.Container, d Dependency) []*engine.Container {
	if !d.Restart {
		return nil
	}
	replicas := o.replicas(c, d.Service)
	if slices.ContainsFunc(replicas, func(r *engine.Container) bool { return o.tied(c, r) }) {
		return nil
	}
	return replicas
}

// tied reports whether a container shares a namespace of another one, or is linked to it.
func (o *Order) tied(c, to *engine.Container) bool {
	for _, of := range c.Parents {
		if o.snapshot.Parent(of) == to {
			return true
		}
	}
	return slices.ContainsFunc(c.Links, func(link string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(link, "/"), ":")
		return name == to.Name
	})
}

// replicas returns the containers of a service of the same project, but for those that
// others have replaced.
func (o *Order) replicas(c *engine.Container, name string) []*engine.Container {
	o.sort()
	var replicas []*engine.Container
	for _, r := range o.services[service{c.Project(), name}] {
		if r != c && SameDirectory(c, r) && (r.Alive() || !o.replaced(r)) {
			replicas = append(replicas, r)
		}
	}
	return replicas
}

// sort finds the containers of each service. One-off commands are run beside a project,
// not deployed with it. Of two of a re-creation the one that has the name counts.
func (o *Order) sort() {
	if o.services != nil {
		return
	}
	o.services, o.newest = map[service][]*engine.Container{}, map[directory]time.Time{}
	for _, c := range o.snapshot.Containers {
		project := c.Project()
		if project == "" || OneOff(c) {
			continue
		}
		for _, d := range []directory{{project, c.Labels[LabelWorkingDir]}, {project, anywhere}} {
			o.newest[d] = engine.Later(o.newest[d], c.Started)
		}
		if _, _, passing := engine.ParsePassingName(c.Name); !passing {
			s := service{project, c.Service()}
			o.services[s] = append(o.services[s], c)
		}
	}
}

// satisfied reports whether all satisfy a condition, and since when on our clock.
func (o *Order) satisfied(replicas []*engine.Container, condition string) (since time.Time, is bool) {
	for _, r := range replicas {
		past := o.history.At(r.ID)
		at := time.Time{}
		switch {
		case !r.Inspected || past.Acting:
		case condition == Completed:
			if r.State == engine.Exited && r.Exit.Known && r.Exit.Code == 0 {
				at = r.ExitSeenAt
			}
		case condition == Healthy && r.Health != engine.Healthy:
		case condition == Healthy:
			at = past.ReadySince
		case r.Up():
			at = r.StartSeenAt
		}
		if at.IsZero() {
			return time.Time{}, false
		}
		since = engine.Later(since, engine.Later(at, past.ProvenAt(r, o.backoff)))
	}
	return since, true
}

// stopped is when one of a compose project was last stopped or told to stop by somebody,
// as far as that is known, on our clock.
func (o *Order) stopped(project string) time.Time {
	last := o.snapshot.Stops[project]
	for _, c := range o.snapshot.Containers {
		if c.Project() != project {
			continue
		}
		last = engine.Later(last, c.StopSeenAt)
		if c.ExitCause == engine.CauseStopped {
			last = engine.Later(last, c.ExitSeenAt)
		}
	}
	return last
}
