package e2e

import (
	"slices"
	"time"
)

// plain reports whether all that it takes for the container of a role to be up is
// a start by Defib.
func (r *role) plain() bool {
	return r.listed && !r.stray && !r.unborn && r.dir == "" && r.parent == nil && r.spec.restart == "" &&
		r.spec.labels["defib.policy"] == "" && r.spec.labels["com.docker.compose.project"] == ""
}

// deathsHealed: what is listed is up again once its back-off is over, in as much
// more time as this machine may need, as far as Defib could see it all the while
// and nothing else was done to it. It returns how long the deaths lasted.
func (j *judge) deathsHealed(now time.Time) (lasted []time.Duration) {
	// Others may be waiting too, for the places of --restart.concurrency.
	bound := max(j.stoppedDelay, j.most) + j.grace() + 10*j.slowest
	for id, events := range j.seen {
		if r := j.book.owner(id); r == nil || !r.plain() {
			continue
		}
		for i, e := range events {
			if e.action != "die" {
				continue
			}
			next, late := fate(events[i+1:]), e.at.Add(bound)
			if next.action == "start" && j.book.clear(e.at, next.at) {
				lasted = append(lasted, next.at.Sub(e.at))
			}
			stillDown := next.action == "" || next.at.After(late)
			if stillDown && now.After(late) && j.book.clear(e.at, late) && j.book.announced(e.at, late) {
				j.violation(id, "still down %v after it died at %s", bound, e.at.Format("15:04:05.000"))
			}
		}
	}
	slices.Sort(lasted)
	return lasted
}

// fate is what first became of a container after its death.
func fate(events []event) event {
	for _, e := range events {
		if slices.Contains([]string{"start", "destroy", "rename"}, e.action) {
			return e
		}
	}
	return event{}
}
