package heartbeat

import "time"

const (
	// Quarter is what a cell stands for. It begins at a full quarter of an hour.
	Quarter = 15 * time.Minute
	// Cells is how many cells a strip has: those of 24 hours.
	Cells = 96
)

// cell is one quarter of an hour.
type cell struct {
	worst   State
	up      uint32 // for how long, in milliseconds
	watched uint32 // the same, up or not
}

// quarterMs is how long a quarter is. A cell is never watched for longer, whatever the
// clock does.
const quarterMs = uint32(Quarter / time.Millisecond)

// see notes that a state was seen, and for how long.
func (c *cell) see(s State, d time.Duration) {
	c.worst = max(c.worst, s)
	if !s.counts() {
		return
	}
	ms := min(uint32(min(d, Quarter)/time.Millisecond), quarterMs-c.watched)
	c.watched += ms
	if s == Up {
		c.up += ms
	}
}

// merge adds another cell.
func (c *cell) merge(o cell) {
	c.worst = max(c.worst, o.worst)
	watched := min(o.watched, quarterMs-c.watched)
	c.watched += watched
	c.up += min(o.up, watched)
}

// Strip is how one container did in 24 hours, and how it does since. A published one
// never changes. Nil is that of one about which nothing is known.
type Strip struct {
	cells [Cells]cell // the newest is the last
	last  int64       // the quarter of that one, counted from 1970
	state State       // since then
	since time.Time   // up to which the cells say everything; zero: it has not been seen in this life of Defib
}

// advance counts the time until now, in which the state lasted.
func (s *Strip) advance(now time.Time) {
	lasted := time.Duration(0)
	if !s.since.IsZero() {
		// This goes by the monotonic clock, if there is one: when the clock is set
		// forward, or the host wakes up, nobody has looked all the while.
		lasted = now.Sub(s.since)
	}
	s.count(now, lasted)
}

// count is advance by a time that was measured otherwise than by the clock. If it is
// negative, that was set back: then nothing is counted.
func (s *Strip) count(now time.Time, lasted time.Duration) {
	begin := now.Truncate(Quarter)
	s.move(begin.Unix() / int64(Quarter/time.Second))
	s.since = now
	if s.state == Unknown {
		return
	}
	part := now.Sub(begin)
	for i := Cells - 1; i >= 0 && lasted > 0; i-- {
		d := min(lasted, part)
		if d > 0 {
			s.cells[i].see(s.state, d)
		}
		lasted, part = lasted-d, Quarter
	}
}

// move makes this quarter the last one. Those in between are unknown. If it lies before
// the last one, the clock was set back: then all cells keep their distance from now, so
// that none is lost. A clock that is corrected again and again at the edge of a quarter
// may not push them out: those two cells become one.
func (s *Strip) move(quarter int64) {
	switch ahead := quarter - s.last; {
	case ahead > 0:
		n := copy(s.cells[:], s.cells[min(ahead, Cells):])
		clear(s.cells[n:])
	case ahead == -1:
		newest := s.cells[Cells-1]
		copy(s.cells[1:], s.cells[:Cells-1])
		s.cells[0] = cell{}
		s.cells[Cells-1].merge(newest)
	}
	s.last = quarter
}

// at returns the strip as it is at this moment, with a new state from then on, and the
// worst that was seen meanwhile.
func (s *Strip) at(now time.Time, state, meanwhile State) *Strip {
	fresh := *s
	fresh.advance(now)
	fresh.state = state
	fresh.cells[Cells-1].see(max(state, meanwhile), 0)
	return &fresh
}

// Day is the strip of a container at one moment.
type Day struct {
	Since   time.Time // when the first cell begins, in UTC
	Cells   [Cells]State
	Up      time.Duration // for how long the container was up
	Watched time.Duration // for how long it was meant to run, and Defib looked
}

// Day returns the 24 hours that end with the quarter of this moment. It may be called
// from anywhere, as long as the snapshot that the strip was published with is current.
func (s *Strip) Day(now time.Time) Day {
	if s == nil {
		s = &Strip{}
	}
	fresh := s.at(now, s.state, s.state)
	d := Day{Since: now.UTC().Truncate(Quarter).Add(-(Cells - 1) * Quarter)}
	for i, c := range fresh.cells {
		d.Cells[i] = c.worst
		d.Up += time.Duration(c.up) * time.Millisecond
		d.Watched += time.Duration(c.watched) * time.Millisecond
	}
	return d
}

// Percent is the share of the watched time in which the container was up, rounded down
// to hundredths. It is 100 only if nothing else was seen. ok is false if none was watched.
func (d Day) Percent() (percent float64, ok bool) {
	if d.Watched <= 0 {
		return 0, false
	}
	hundredths := int64(d.Up * 10_000 / d.Watched)
	if d.Worst() > Up {
		hundredths = min(hundredths, 9_999)
	}
	return float64(hundredths) / 100, true
}

// Worst is the worst of all cells.
func (d Day) Worst() State {
	worst := Unknown
	for _, s := range d.Cells {
		worst = max(worst, s)
	}
	return worst
}
