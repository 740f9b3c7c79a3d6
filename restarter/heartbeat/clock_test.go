package heartbeat

import (
	"math/rand/v2"
	"testing"
	"time"

	"defib/engine"
)

// written are the cells of a strip at a moment, without the unknown ones at its beginning.
func written(s *Strip, now time.Time) string {
	d, known := s.Day(now), false
	var b []byte
	for _, state := range d.Cells {
		if known = known || state != Unknown; known {
			b = append(b, state.Letter())
		}
	}
	return string(b)
}

// No test can make a moment whose monotonic clock goes another way than its wall clock:
// so it says how much time has passed.
func TestAClockThatIsSetLosesNothing(t *testing.T) {
	const m = time.Minute
	for name, row := range map[string]struct {
		jump  time.Duration // of the wall clock, while 5 minutes pass
		cells string
		up    time.Duration
	}{
		"it is not set": {5 * m, "duuuu", 64 * m},
		"forward, or the host slept: nobody looked":   {4*time.Hour + 7*m, "duuu????????????????u", 64 * m},
		"forward by years":                            {20 * 365 * 24 * time.Hour, "uu", 5 * m},
		"back within the quarter":                     {-time.Second, "duuu", 59 * m},
		"back by an hour: all is as far away as ever": {-53 * m, "duuuu", 64 * m},
		"back by years":                               {-20*365*24*time.Hour + 7*m, "duuuu", 64 * m},
	} {
		t.Run(name, func(t *testing.T) {
			strip := *observed(New(Saved{}), []look{{state: crashed}, {at: m, state: up}, {at: 60 * m, state: up, counts: counts(0, 1, 0)}}).Of("web")
			strip.advance(noon.Add(60 * m))
			now := noon.Add(60*m + row.jump)
			strip.count(now, 5*m)
			if got := written(&strip, now); got != row.cells {
				t.Errorf("cells %s, want %s", got, row.cells)
			}
			if got := strip.Day(now).Up; got != row.up {
				t.Errorf("up for %s, want %s", got, row.up)
			}
		})
	}
}

// One that is corrected again and again must not age what it knows.
func TestAClockThatIsSetToAndFroAtTheEdgeOfAQuarterLosesNothing(t *testing.T) {
	strip := *observed(New(Saved{}), []look{{state: crashed}, {at: time.Minute, state: up}}).Of("web")
	strip.advance(noon.Add(Quarter - time.Second))
	for range 1000 {
		strip.count(noon.Add(Quarter+time.Second), 2*time.Second)
		strip.count(noon.Add(Quarter-time.Second), 0)
	}
	if got := written(&strip, noon.Add(Quarter)); got != "du" {
		t.Errorf("cells %s, want du", got)
	}
}

// TestStripsAgreeWithTheSeconds compares strips with what was in each second.
func TestStripsAgreeWithTheSeconds(t *testing.T) {
	states := []*engine.Container{up, up, up, up, sick, crashed, stopped}
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 0))
		s := New(Saved{})
		const span = 30 * 3600
		var seconds [span]State
		state := Unknown
		for i := range seconds {
			if i == 0 || random.IntN(1200) == 0 {
				l := look{at: time.Duration(i) * time.Second, state: states[random.IntN(len(states))], away: random.IntN(8) == 0}
				observed(s, []look{l})
				state = Unknown
				if !l.away {
					state = stateOf(l.state, false)
				}
			}
			seconds[i] = state
			if i%4321 == 0 {
				s = life(t, s, noon.Add(time.Duration(i)*time.Second), states[0], &state)
				seconds[i] = state
			}
		}
		now := noon.Add(span*time.Second - time.Nanosecond)
		got, want := s.Of("web").Day(now), Day{}
		for i, state := range seconds {
			if cell := Cells - 1 - (span-1)/900 + i/900; cell >= 0 {
				want.Cells[cell] = max(want.Cells[cell], state)
				if state.counts() {
					want.Watched += time.Second
				}
				if state == Up {
					want.Up += time.Second
				}
			}
		}
		if got.Cells != want.Cells || (got.Up-want.Up).Abs() > time.Second || (got.Watched-want.Watched).Abs() > time.Second {
			t.Errorf("seed %d:\n%v up %s of %s, want\n%v up %s of %s", seed, got.Cells, got.Up, got.Watched, want.Cells, want.Up, want.Watched)
		}
	}
}

// life ends one life of Defib, and begins the next at once.
func life(t *testing.T, s *Strips, now time.Time, c *engine.Container, state *State) *Strips {
	t.Helper()
	s = again(t, s, now)
	observed(s, []look{{at: now.Sub(noon), state: c}})
	*state = Up
	return s
}

// TestAnyClockKeepsStripsWhole has no clock, no order and no life that would spoil them.
func TestAnyClockKeepsStripsWhole(t *testing.T) {
	states := []*engine.Container{up, sick, crashed, stopped, nil}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		s, now := New(Saved{}), noon
		for range 100 {
			switch random.IntN(10) {
			case 0:
				now = noon.Add(time.Duration(random.Int64()))
			case 1:
				now = noon.Add(-time.Duration(random.Int64()))
			case 2:
				s = again(t, s, now)
			case 3:
				now = time.Unix(random.Int64N(1<<40)-1<<39, 0)
			default:
				now = now.Add(time.Duration(random.Int64N(int64(time.Hour))) - 20*time.Minute)
			}
			s.Observe(now, look{state: states[random.IntN(len(states))], away: random.IntN(5) == 0, counts: counts(random.Uint64N(3), random.Uint64N(3), 0)}.snapshot(), never)
			d := s.Of("web").Day(now)
			percent, ok := d.Percent()
			if d.Up < 0 || d.Up > d.Watched || d.Watched > 24*time.Hour || percent < 0 || percent > 100 || ok != (d.Watched > 0) || percent == 100 && d.Worst() > Up {
				t.Fatalf("seed %d: %+v, %v %%, %t", seed, d, percent, ok)
			}
		}
	}
}
