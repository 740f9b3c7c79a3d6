package chaos

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"defib/e2e/harness"
)

// callers post alerts about a fleet at random, and keep the answers.
type callers struct {
	mu    sync.Mutex
	n     int
	calls []call
}

// call is one alert, posted by itself, and its answer.
type call struct {
	alert    harness.Alert
	id, name string // of the container that it means
	life     int
	asked    time.Time
	answered time.Time
	reply    harness.Reply
}

// again are the outcomes that Alertmanager is to ask for again: answered by 503.
var again = []string{"in_progress", "failed", "engine_unavailable", "shutting_down", "busy"}

// post posts one alert after the other until stop is closed.
func (c *callers) post(f *fleet, seed uint64, stop <-chan struct{}, current func() (*harness.Defib, int)) {
	r := rand.New(rand.NewPCG(seed, 3))
	var posting sync.WaitGroup
	defer posting.Wait()
	for !harness.Pause(stop, time.Duration(200+r.IntN(1000))*time.Millisecond) {
		next, ok := c.next(f, r)
		if !ok {
			continue
		}
		for range 1 + r.IntN(2) { // as a pair of Alertmanagers does
			posting.Go(func() {
				d, life := current()
				if d == nil {
					return
				}
				one := next
				one.life, one.asked = life, time.Now()
				one.reply = d.Post(one.alert)
				one.answered = time.Now()
				c.mu.Lock()
				defer c.mu.Unlock()
				c.calls = append(c.calls, one)
				f.book.did(action{id: one.id, what: "alert", begun: one.asked, end: one.answered, told: one.alert.Labels["n"] + " " + one.reply.Text})
			})
		}
	}
}

// next is an alert about one of the containers that there are, or one of the last
// again.
func (c *callers) next(f *fleet, r *rand.Rand) (call, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.calls) > 0 && r.IntN(4) == 0 {
		back := c.calls[len(c.calls)-1-r.IntN(min(5, len(c.calls)))]
		return call{alert: back.alert, id: back.id, name: back.name}, true
	}
	ctx, cancel := context.WithTimeout(f.Context(), harness.Limit)
	defer cancel()
	all, err := f.List(ctx)
	if err != nil || len(all) == 0 {
		return call{}, false
	}
	one := all[r.IntN(len(all))]
	if r.IntN(3) == 0 { // one is complained about again and again
		for _, other := range all {
			if strings.HasPrefix(other.Names[0], "/"+f.Prefix+"app-0") {
				one = other
			}
		}
	}
	c.n++
	labels := []string{"heal", "restart", "n", strconv.Itoa(c.n)}
	name := strings.TrimPrefix(one.Names[0], "/")
	if r.IntN(4) == 0 {
		labels[1] = "start"
	}
	if r.IntN(3) == 0 {
		labels = append(labels, "container", name)
	} else {
		labels = append(labels, "container_id", one.ID)
	}
	return call{alert: harness.FiringAlert(labels...), id: one.ID, name: name}, true
}

// outcomes counts the answers.
func (c *callers) outcomes() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := map[string]int{}
	for _, one := range c.calls {
		n[one.reply.Outcome()]++
	}
	return n
}

// check judges the answers: law 7.
func (c *callers) check(j *judge, lives map[int]span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(c.calls, func(a, b call) int { return a.asked.Compare(b.asked) })
	restarted := map[string]call{}
	for _, one := range c.calls {
		outcome := one.reply.Outcome()
		if outcome == "no answer" {
			if to := lives[one.life].to; to.IsZero() || one.answered.Before(to) {
				j.violation(one.id, "law 7: no answer to %v: %d %s %v", one.alert, one.reply.Status, one.reply.Text, one.reply.Err)
			}
			continue
		}
		want := http.StatusOK
		if slices.Contains(again, outcome) {
			want = http.StatusServiceUnavailable
		}
		if one.reply.Status != want {
			j.violation(one.id, "law 7: %s was answered by %d, want %d", outcome, one.reply.Status, want)
		}
		if one.reply.Took > 9*time.Second+j.grace() {
			j.violation(one.id, "law 7: an answer took %v", one.reply.Took)
		}
		if (outcome == "restarted" || outcome == "started") && !j.carriedOut(one, outcome) {
			j.violation(one.id, "law 7: %v was answered %s at %s, and was not", one.alert, outcome, one.answered.Format("15:04:05.000"))
		}
		key := one.alert.Fingerprint
		if before, twice := restarted[key]; twice && one.asked.After(before.answered) && one.answered.Sub(before.asked) < cooldown && c.alone(j, one) {
			j.violation(one.id, "law 7: carried out twice for %v", one.alert)
		}
		if outcome == "restarted" {
			restarted[key] = one
		}
	}
}

// alone reports whether a restart was begun while this caller waited that nothing
// else had asked for.
func (c *callers) alone(j *judge, one call) bool {
	if r := j.book.owner(one.id); r == nil || isChecked(r) || r.parent != nil {
		return false
	}
	return slices.ContainsFunc(j.told[one.id], func(o harness.Mutation) bool {
		return o.Kind == "restart" && o.Begun.After(one.asked) && o.Begun.Before(one.answered) &&
			!slices.ContainsFunc(c.calls, func(other call) bool {
				return other.alert.Fingerprint != one.alert.Fingerprint && other.asked.Before(o.Begun) && other.answered.After(o.Begun)
			})
	})
}

// carriedOut reports whether an action of that kind was under way while the caller
// waited, and the engine announced a start since it began.
func (j *judge) carriedOut(one call, outcome string) bool {
	kind := map[string]string{"restarted": "restart", "started": "start"}[outcome]
	for id, orders := range j.told {
		if r := j.book.owner(id); id != one.id && (r == nil || !strings.HasSuffix(one.name, r.suffix) && !strings.HasSuffix(one.name, r.alias)) {
			continue // a name may have gone to another container meanwhile
		}
		for _, o := range orders {
			// Somebody else may have been a little quicker: then it is up all the same.
			_, started := j.first(id, "start", o.Begun.Add(-j.grace()), one.answered.Add(time.Second))
			joined := !o.Ended.Before(one.asked.Add(-j.grace())) // it is over once Defib has looked what came of it
			if o.Kind == kind && joined && o.Begun.Before(one.answered) && started {
				return true
			}
		}
	}
	return false
}
