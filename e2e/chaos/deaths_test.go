package chaos

import (
	"slices"
	"time"

	"defib/e2e/harness"
)

// plain reports whether all that it takes for the container of a role to be up is
// a start by Defib.
func (r *role) plain() bool {
	return r.listed && !r.stray && !r.unborn && r.dir == "" && r.parent == nil && r.spec.Restart == "" &&
		r.spec.Labels["defib.policy"] == "" && r.spec.Labels["com.docker.compose.project"] == ""
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
			if e.Action != "die" {
				continue
			}
			next, late := firstAfterDeath(events[i+1:]), e.At.Add(bound)
			if next.Action == "start" && j.book.clear(e.At, next.At) {
				lasted = append(lasted, next.At.Sub(e.At))
			}
			stillDown := next.Action == "" || next.At.After(late)
			if stillDown && now.After(late) && j.book.clear(e.At, late) && j.book.announced(e.At, late) {
				j.violation(id, "still down %v after it died at %s", bound, e.At.Format("15:04:05.000"))
			}
		}
	}
	slices.Sort(lasted)
	return lasted
}

// firstAfterDeath is what first became of a container after its death.
func firstAfterDeath(events []harness.Event) harness.Event {
	for _, e := range events {
		if slices.Contains([]string{"start", "destroy", "rename"}, e.Action) {
			return e
		}
	}
	return harness.Event{}
}
