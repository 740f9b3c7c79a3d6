package restarter

import (
	"cmp"
	"slices"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// roll has replicas that alerts ask for as parts of their service restarted one after
// the other: the next only when no other is being acted upon, and the last one has come
// up, healthy if it has a health check. One that has not may be tried again itself. It
// does not matter who has started or restarted one that is on its way up: none is taken
// down beside it.
// Those come first that the alert has not had restarted yet, so that none starves.
func (p *plan) roll(snapshot *engine.Snapshot, past history, b policy.Backoff) {
	waiting := map[string][]*verdict{}
	for i := range p.verdicts {
		v := &p.verdicts[i]
		if _, is := past.replicas[v.container.ID]; is && v.act && v.restarts() && v.trigger == policy.TriggerAlert {
			key := service(v.container)
			waiting[key] = append(waiting[key], v)
		}
	}
	if len(waiting) == 0 {
		return
	}
	acting, unsettled := map[string]int{}, map[string]int{}
	own := map[string]int{} // by container ID: what it adds to the unsettled
	for _, c := range snapshot.Containers {
		if key := service(c); waiting[key] != nil && !oneOff(c) {
			rec := past.at(c.ID)
			proven := rec.provenAt(c, b)
			p.look(proven)
			acting[key] += count(rec.acting)
			own[c.ID] = count(rec.unwell() || c.Health == engine.Starting || proven.After(p.now))
			unsettled[key] += own[c.ID]
		}
	}
	for _, v := range p.verdicts {
		if key := service(v.container); waiting[key] != nil && v.comesUp() {
			unsettled[key]++
		}
	}
	for key, vs := range waiting {
		slices.SortFunc(vs, func(a, b *verdict) int {
			x, y := past.at(a.container.ID), past.at(b.container.ID)
			return cmp.Or(
				count(y.unwell())-count(x.unwell()),
				past.replicas[a.container.ID].Compare(past.replicas[b.container.ID]),
				x.lastEnd.Compare(y.lastEnd),
				cmp.Compare(a.container.Name, b.container.Name),
			)
		})
		for i, v := range vs {
			if i > 0 || acting[key] > 0 || unsettled[key] > own[v.container.ID] && !past.at(v.container.ID).unwell() {
				v.act, v.reason = false, InServiceRestart
			}
		}
	}
}

// unwell reports whether the last attempt has not brought the container up well so far.
func (r *record) unwell() bool { return r.acting || r.failed || r.healing != "" }

// provenAt is when the current run of a container that had to be started again and again
// will have lasted as long as the wait after it would; zero if it had to be but once. In a
// crash loop it is up for a moment each time.
func (r *record) provenAt(c *engine.Container, b policy.Backoff) time.Time {
	if !c.Up() || r.streak < 2 {
		return time.Time{}
	}
	return c.StartSeenAt.Add(b.After(r.streak))
}

// comesUp reports whether the container is down, and is to be started again, by Defib or by
// the engine.
func (v verdict) comesUp() bool {
	return !v.container.Up() && (v.act || v.reason == BackOff || v.reason == EngineRestarting)
}

// service is the compose service of a container, as a whitelist has it.
func service(c *engine.Container) string { return c.Project() + "/" + c.Service() }

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
