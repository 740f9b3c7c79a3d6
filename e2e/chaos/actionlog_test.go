package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"defib/e2e/harness"
)

// blindAfter is how long after a fault Defib may still not see clearly: it opens
// its stream anew after 7.5 s at most, and then lists.
const blindAfter = 12 * time.Second

// actionLog is what a test of chaos did, and when: beside the engine's events and
// the calls on the wire, all that its judge goes by.
type actionLog struct {
	mu       sync.Mutex
	actions  []action
	blinds   []*span            // while a fault, or somebody's absence, keeps Defib from seeing
	gaps     []*span            // from the end of an engine until its successor answers
	away     []*span            // while there surely was no engine
	terms    map[int]time.Time  // when each life was told to end, by SIGTERM
	saved    map[int]time.Time  // when each life that was killed had last written its state file
	owners   map[string]*role   // of every container that ever was, by id
	names    map[string]*role   // by the names that they are made with
	logs     []*harness.Journal // of each life of Defib
	found    []string
	heads    map[string]bool // first lines of these
	reported int             // of these, how many have been told
}

// action is one thing that the test did to a container.
type action struct {
	id, what   string
	begun, end time.Time
	told       string // by Defib, of an alert
	err        error
}

func newActionLog() *actionLog {
	return &actionLog{terms: map[int]time.Time{}, saved: map[int]time.Time{}, owners: map[string]*role{}, names: map[string]*role{}, heads: map[string]bool{}}
}

func (c *actionLog) did(d action) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.actions = append(c.actions, d)
}

// faultAt reports whether a fault, or somebody's absence, may have kept an event from Defib.
func (c *actionLog) faultAt(at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.blinds, func(s *span) bool { return s.overlaps(at, at) })
}

// blind begins a time in which Defib may not see, until the returned function is
// called.
func (c *actionLog) blind() (end func()) { return c.open(&c.blinds) }

// gap begins a time in which the engine may go, and announce no deaths.
func (c *actionLog) gap() (end func()) { return c.open(&c.gaps) }

// absence begins a time without an engine.
func (c *actionLog) absence() (end func()) { return c.open(&c.away) }

func (c *actionLog) open(where *[]*span) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &span{from: time.Now()}
	*where = append(*where, s)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		s.to = time.Now()
	}
}

// reads notes the log of a Defib, for timelines.
func (c *actionLog) reads(j *harness.Journal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logs = append(c.logs, j)
}

// triggers counts what Defib says that it acted for.
func (c *actionLog) triggers() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := map[string]int{}
	for _, j := range c.logs {
		for _, msg := range []string{"container started", "container restarted", "start failed", "restart failed"} {
			for _, l := range j.Find(msg) {
				n[l.Str("trigger")]++
			}
		}
	}
	return n
}

// recreations counts what became of re-creations, as Defib says.
func (c *actionLog) recreations() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := map[string]int{}
	for _, j := range c.logs {
		for what, msg := range map[string]string{
			"done": "container re-created", "failed": "re-creation failed", "cut short by SIGTERM": "re-creation left to the next start of Defib",
			"undone for a change": "container not re-created, since somebody changed it or its parent", "over": "container removed: another one has its place",
		} {
			n[what] += len(j.Find(msg))
		}
	}
	return n
}

// terminated notes when a Defib was told to end.
func (c *actionLog) terminated(life int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.terms[life] = time.Now()
}

// killed notes that a Defib was killed, and when it had last written its state file.
func (c *actionLog) killed(life int, saved time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved[life] = saved
}

func (c *actionLog) owns(id string, r *role) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owners[id] = r
}

func (c *actionLog) owner(id string) *role {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owners[id]
}

// named returns the role whose containers are made with a name.
func (c *actionLog) named(name string) *role {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[name]
}

// clear reports whether Defib could see all the time in between.
func (c *actionLog) clear(from, to time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(c.blinds, func(s *span) bool {
		late := *s
		if !late.to.IsZero() {
			late.to = late.to.Add(blindAfter)
		}
		return late.overlaps(from, to)
	})
}

// announced reports whether there was an engine all the time in between, to
// announce what happened.
func (c *actionLog) announced(from, to time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(c.gaps, func(s *span) bool { return s.overlaps(from, to) })
}

// absent reports whether there was no engine at all in this time.
func (c *actionLog) absent(from, to time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.away, func(s *span) bool {
		return s.from.Before(from) && (s.to.IsZero() || s.to.After(to))
	})
}

// violation notes that a law was broken.
func (c *actionLog) violation(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The judge finds again what it found before; timelines grow.
	text := fmt.Sprintf(format, args...)
	head, _, _ := strings.Cut(text, "\n")
	if !c.heads[head] {
		c.heads[head] = true
		c.found = append(c.found, text)
	}
}

// violations are all laws broken so far.
func (c *actionLog) violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.found)
}

// unreported are the violations that it has not returned before.
func (c *actionLog) unreported() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.found[c.reported:]
	c.reported = len(c.found)
	return slices.Clone(fresh)
}

// timeline tells all that happened to a container, in order.
func (c *actionLog) timeline(id string, events []harness.Event, orders []harness.Mutation) string {
	type entry struct {
		at   time.Time
		text string
	}
	var all []entry
	add := func(at time.Time, format string, args ...any) {
		all = append(all, entry{at, fmt.Sprintf(format, args...)})
	}
	for _, e := range events {
		if e.ID == id && !strings.HasPrefix(e.Action, "exec_") {
			add(e.At, "engine: %s", e.Action)
		}
	}
	for _, o := range orders {
		if o.ID == id {
			add(o.Begun, "defib %d: %s %s, took %v, heard %v, answered %d", o.Life, o.Kind, o.Name, o.Ended.Sub(o.Begun), o.Heard, o.Status)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.actions {
		if d.id == id {
			add(d.begun, "test: %s, took %v: %s%v", d.what, d.end.Sub(d.begun), d.told, d.err)
		}
	}
	for _, j := range c.logs {
		for _, l := range j.About(id) {
			add(l.Time(), "log: %s", l.Text)
		}
	}
	for _, s := range c.blinds {
		add(s.from, "---- a fault or an absence begins")
		add(s.to, "---- it is over")
	}
	slices.SortStableFunc(all, func(a, b entry) int { return a.at.Compare(b.at) })
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s\n", cmp.Or(c.owners[id], &role{suffix: "nobody"}).suffix, id)
	for _, e := range all[max(0, len(all)-80):] {
		fmt.Fprintf(&out, "  %s %s\n", e.at.Format("15:04:05.000"), e.text)
	}
	return out.String()
}

// span is a stretch of time; one that has not ended has no to.
type span struct{ from, to time.Time }

func (s span) overlaps(from, to time.Time) bool {
	return s.from.Before(to) && (s.to.IsZero() || from.Before(s.to))
}
