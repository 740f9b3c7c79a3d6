package restarter

import (
	"cmp"
	"slices"

	"defib/engine"

	"defib/restarter/policy"
)

// roll has replicas that alerts ask for as parts of their service restarted one after
// the other: the next only when no other is being acted upon, and the last one has come
// up, healthy if it has a health check. One that has not may be tried again itself.
// Those come first that the alert has not had restarted yet, so that none starves.
func (p *plan) roll(snapshot *engine.Snapshot, past history) {
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
	acting, unwell := map[string]int{}, map[string]int{}
	for _, c := range snapshot.Containers {
		if key := service(c); waiting[key] != nil && !oneOff(c) {
			rec := past.at(c.ID)
			acting[key] += count(rec.acting)
			unwell[key] += count(rec.unwell())
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
			if i > 0 || acting[key] > 0 || unwell[key] > 0 && !past.at(v.container.ID).unwell() {
				v.act, v.reason = false, InServiceRestart
			}
		}
	}
}

// unwell reports whether the last attempt has not brought the container up well so far.
func (r *record) unwell() bool { return r.acting || r.failed || r.healing != "" }

// service is the compose service of a container, as a whitelist has it.
func service(c *engine.Container) string { return c.Project() + "/" + c.Service() }

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
