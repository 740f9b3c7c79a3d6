package postmortem

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

const (
	maxJobs  = 256 // logs that wait to be read
	maxError = 300 // bytes of why a log cannot be read
	// grace is how much later than its end the last lines of a run may be stamped, as long as
	// no other run has begun: the engine takes them when it comes to it.
	grace = 2 * time.Second
)

// Options say what is kept, and where it comes from.
type Options struct {
	Lines int // of each log
	// Logs returns the last lines that are not later than a moment on the engine's clock.
	Logs func(ctx context.Context, c *engine.Container, until time.Time, lines int) ([]engine.LogLine, error)
	// Usage returns what a container was last seen to use, and when that was, on our clock;
	// zero: never. It does not wait. Nil: resources are off.
	Usage func(id string) (Usage, time.Time)
	// Save is told of all deaths after one was added, at most once a second; nil: they end
	// with the process. It may take its time.
	Save func([]Death)
}

// Collector collects evidence. It is told of what happens by one goroutine, which never
// waits for it, and may be read from anywhere.
type Collector struct {
	Options
	queue chan *job
	added chan struct{} // holds a token while something is not saved

	mu      sync.Mutex // of all below
	deaths  deaths
	jobs    map[run]*job      // of deaths whose log is still to come
	usage   map[string]*Usage // by ID: of containers that are being restarted
	version uint64
	all     []Death // nil: it is to be made anew
}

// job is a log that is to be read.
type job struct {
	death  *Death
	c      *engine.Container
	end    time.Time // of what belongs to the run
	next   time.Time // when the next run began; zero: it is not known to have
	acting bool      // the action has not ended, and with it end is known better

	read  bool
	upTo  time.Time // the end as it was known when it was read
	lines []engine.LogLine
	err   error
}

// late reports whether a line is of the next run. Podman stamps lines by the second: those of
// the second in which that began are, unless the run ended in it, too.
func (j *job) late(at time.Time) bool {
	return at.After(j.end) || at.Equal(j.next.Truncate(time.Second)) && at.After(j.death.Finished)
}

// stale reports whether lines of the next run may have taken the place of its own, since
// its end was not known as well as it is now.
func (j *job) stale() bool {
	return len(j.lines) > 0 && j.end.Before(j.upTo) && j.late(j.lines[len(j.lines)-1].At)
}

// New returns a Collector that reads no log until Run.
func New(o Options) *Collector {
	return &Collector{
		Options: o, queue: make(chan *job, maxJobs), added: make(chan struct{}, 1),
		deaths: deaths{byName: map[string][]*Death{}}, jobs: map[run]*job{}, usage: map[string]*Usage{},
	}
}

// Load takes what was saved in an earlier life. It comes before everything else.
func (c *Collector) Load(saved []Death) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortStableFunc(saved, func(a, b Death) int { return a.Time.Compare(b.Time) })
	for _, d := range saved {
		c.deaths.add(&d)
	}
	c.change()
}

// Forget drops all that was loaded, which is of another engine, and has that saved.
func (c *Collector) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaths = deaths{byName: map[string][]*Death{}}
	c.change()
	c.unsaved()
}

// unsaved has all deaths saved soon.
func (c *Collector) unsaved() {
	select {
	case c.added <- struct{}{}:
	default:
	}
}

// All returns the deaths, the newest last, and a number that changes with them. The slice
// must not be changed.
func (c *Collector) All() (all []Death, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = c.deaths.all()
	}
	return c.all, c.version
}

// Died takes note of a container that is down and that is to be started later. Of the same
// run it may be told any number of times.
func (c *Collector) Died(now time.Time, of *engine.Container, t policy.Trigger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.died(now, of, t)
}

// Begin takes note that a container is about to be started or, if it runs, restarted.
func (c *Collector) Begin(now time.Time, of *engine.Container, t policy.Trigger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of.Alive() {
		c.usage[of.ID] = c.lastUsage(of, now, now.Sub(of.StartSeenAt))
		return
	}
	if j := c.died(now, of, t); j != nil {
		j.acting = true
	}
}

// died returns the job of the newest run; nil: its log is there, or there is none.
func (c *Collector) died(now time.Time, of *engine.Container, t policy.Trigger) *job {
	if of.Started.IsZero() {
		return nil // it never ran
	}
	this := runOf(of.ID, of.Started)
	if c.deaths.find(of.Name, this) != nil {
		return c.jobs[this]
	}
	d := newDeath(now, of, of, t)
	if !of.ExitSeenAt.IsZero() {
		d.Time = of.ExitSeenAt
	}
	d.Usage, d.Cause = c.lastUsage(of, of.ExitSeenAt, d.RanFor()), of.ExitCause
	return c.add(&job{death: d, c: of, end: d.Finished.Add(grace)})
}

// End takes note of what came of an action on a container: what it is after that, nil if
// it is gone.
func (c *Collector) End(now time.Time, of, after *engine.Container, t policy.Trigger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	this := runOf(of.ID, of.Started)
	if of.Alive() {
		usage := c.usage[of.ID]
		delete(c.usage, of.ID)
		if after == nil || after.Alive() && after.Started.Equal(of.Started) || c.deaths.find(of.Name, this) != nil {
			return
		}
		d := newDeath(now, of, after, t)
		d.Restarted, d.Usage = true, usage
		j := &job{death: d, c: of}
		j.endsBefore(after)
		c.add(j)
		return
	}
	if j := c.jobs[this]; j != nil {
		j.acting = false
		if after != nil && !after.Started.Equal(of.Started) {
			j.endsBefore(after)
		}
		c.settle(j)
	}
}

// endsBefore says up to when lines belong to the run: until the middle of the time until the
// next began, if it has. Engines stamp the last lines some milliseconds after the end, and
// the first ones before what they call the start.
func (j *job) endsBefore(next *engine.Container) {
	j.end = j.death.Finished.Add(grace)
	if gap := next.Started.Sub(j.death.Finished); gap > 0 {
		j.end, j.next = j.death.Finished.Add(min(gap/2, grace)), next.Started
	}
}

// newDeath tells of the end of the run that a container was in, by what the engine says of
// it after that.
func newDeath(now time.Time, of, after *engine.Container, t policy.Trigger) *Death {
	d := &Death{
		Container: of.Name, ID: of.ID, Time: now, Started: of.Started, Finished: after.Finished, Trigger: string(t),
		OOMKilled: after.Exit.OOMKilled, Health: of.HealthOutput,
	}
	if after.Exit.Known {
		d.ExitCode = new(after.Exit.Code)
	}
	return d
}

// lastUsage is what a container used in the run that ended, or ends, at this moment on our
// clock; nil: it was not read in that run.
func (c *Collector) lastUsage(of *engine.Container, ended time.Time, ran time.Duration) *Usage {
	if c.Usage == nil || ended.IsZero() {
		return nil
	}
	u, at := c.Usage(of.ID)
	ago := ended.Sub(at)
	if at.IsZero() || ago < 0 || ago > ran {
		return nil
	}
	u.Seconds = ago.Round(time.Millisecond).Seconds()
	return &u
}

// add keeps a death, and has its log read.
func (c *Collector) add(j *job) *job {
	j.death.Pending = true
	c.deaths.add(j.death)
	c.jobs[runOf(j.c.ID, j.c.Started)] = j
	if !c.enqueue(j) {
		j.read, j.err = true, errors.New("too many containers died at once to read the logs of all")
		c.settle(j)
	}
	c.change()
	return j
}

// enqueue has a log read, unless there are too many to be read already.
func (c *Collector) enqueue(j *job) bool {
	select {
	case c.queue <- j:
		return true
	default:
		return false
	}
}

// settle completes a death once its log has been read and the action has ended.
func (c *Collector) settle(j *job) {
	if !j.read || j.acting {
		return
	}
	if j.stale() && c.enqueue(j) {
		j.read = false
		return
	}
	d := *j.death
	d.Pending = false
	if j.err != nil {
		text := j.err.Error()
		d.LogError = strings.ToValidUTF8(text[:min(len(text), maxError)], "")
	}
	d.setLog(j.lines, j.late)
	if this := runOf(d.ID, d.Started); c.jobs[this] == j {
		delete(c.jobs, this)
	}
	c.deaths.replace(j.death, &d)
	c.change()
	c.unsaved()
}

// change has readers see what has changed.
func (c *Collector) change() {
	c.version++
	c.all = nil
}
