package heartbeat

import (
	"slices"
	"strings"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter/internal/fixture"
)

// noon begins a quarter of an hour.
var noon = fixture.Noon

// look is what is seen at one moment.
type look struct {
	at     time.Duration     // after noon
	state  *engine.Container // of "web"; nil: there is none
	counts engine.Counts
	away   bool // the engine is unavailable
}

// snapshot is that of a look.
func (l look) snapshot() *engine.Snapshot {
	p := &engine.Snapshot{Connected: !l.away}
	if l.state != nil {
		c := *l.state
		c.Name, c.Events = "web", l.counts
		p.Containers = append(p.Containers, &c)
	}
	return p
}

func observed(s *Strips, looks []look) *Strips {
	for _, l := range looks {
		s.Observe(noon.Add(l.at), l.snapshot(), never)
	}
	return s
}

func never(*engine.Container) bool { return false }

// cellsOf writes a day without the cells before noon.
func cellsOf(d Day, now time.Time) string {
	var b strings.Builder
	for _, s := range d.Cells {
		b.WriteByte(s.Letter())
	}
	before := Cells - 1 - int(now.Sub(noon)/Quarter)
	return b.String()[before:]
}

func counts(dies, kills, unhealthy uint64) engine.Counts {
	var c engine.Counts
	c[engine.EventDie], c[engine.EventKill], c[engine.EventUnhealthy] = dies, kills, unhealthy
	return c
}

var (
	up      = &engine.Container{State: engine.Running}
	sick    = &engine.Container{State: engine.Running, HealthCheck: true, Health: engine.Unhealthy}
	crashed = &engine.Container{State: engine.Exited, ExitCause: engine.CauseSelf, Exit: engine.Exit{Known: true, Code: 1}}
	stopped = &engine.Container{State: engine.Exited, ExitCause: engine.CauseStopped, Exit: engine.Exit{Known: true, Code: 143}}
)

func TestStrips(t *testing.T) {
	const m = time.Minute
	for name, row := range map[string]struct {
		looks   []look
		now     time.Duration // after noon
		cells   string        // from noon on
		percent float64       // negative: none
	}{
		"nothing happens for an hour after the first look": {[]look{{state: up}}, 60 * m, "uuuuu", 100},
		"at the first moment of a quarter it is shown":     {[]look{{state: up}}, 0, "u", -1},
		"what came before the first look is unknown":       {[]look{{at: 20 * m, state: up}}, 30 * m, "?uu", 100},
		"the worst of a quarter is shown":                  {[]look{{state: up}, {at: 1 * m, state: sick}, {at: 2 * m, state: crashed}, {at: 3 * m, state: up}}, 20 * m, "du", 90},
		"an unhealthy container is not up":                 {[]look{{state: up}, {at: 15 * m, state: sick}}, 60 * m, "uhhhh", 25},
		"a death over a boundary is in both quarters":      {[]look{{state: up}, {at: 14 * m, state: crashed}, {at: 16 * m, state: up}}, 20 * m, "dd", 90},
		"a death until a boundary is not beyond it":        {[]look{{state: up}, {at: 12 * m, state: crashed}, {at: 15 * m, state: up}}, 30 * m, "duu", 90},
		"what lasted no time was seen all the same":        {[]look{{state: up}, {at: 20 * m, state: crashed}, {at: 20 * m, state: up}}, 40 * m, "udu", 99.99},
		"a death between two looks is known by its count":  {[]look{{state: up}, {at: 20 * m, state: up, counts: counts(1, 0, 0)}}, 40 * m, "udu", 99.99},
		"so is one before the first look":                  {[]look{{state: up, counts: counts(1, 0, 0)}}, 20 * m, "du", 99.99},
		"a restart by somebody between two looks is no death": {
			[]look{{state: up}, {at: 20 * m, state: up, counts: counts(1, 1, 0)}}, 40 * m, "uuu", 100,
		},
		"a stop that was announced by no kill is no death": {
			[]look{{state: up}, {at: 20 * m, state: stopped, counts: counts(1, 0, 0)}}, 40 * m, "uuo", 100,
		},
		"a death and a stop that was announced by no kill are one": {
			[]look{{state: up}, {at: 20 * m, state: stopped, counts: counts(2, 0, 0)}}, 40 * m, "udo", 99.99,
		},
		"a death and a restart by somebody are one": {
			[]look{{state: up}, {at: 20 * m, state: up, counts: counts(2, 1, 0)}}, 40 * m, "udu", 99.99,
		},
		"one that was unhealthy between two looks": {
			[]look{{state: up}, {at: 20 * m, state: up, counts: counts(0, 0, 1)}}, 40 * m, "uhu", 99.99,
		},
		"a name that was forgotten counts from 0 again": {
			[]look{{state: up, counts: counts(0, 9, 0)}, {at: 16 * m, state: up, counts: counts(5, 9, 0)}, {at: 31 * m, state: up, counts: counts(1, 0, 0)}}, 46 * m, "uddu", 99.99,
		},
		"counts that stay say nothing": {
			[]look{{state: up, counts: counts(1, 0, 0)}, {at: 20 * m, state: sick, counts: counts(1, 0, 0)}, {at: 25 * m, state: up, counts: counts(1, 0, 0)}}, 40 * m, "dhu", 87.5,
		},
		"stopped by somebody is neither up nor down": {[]look{{state: up}, {at: 15 * m, state: stopped}}, 60 * m, "uoooo", 100},
		"never up: there is no percentage":           {[]look{{state: stopped}}, 60 * m, "ooooo", -1},
		"down all along":                             {[]look{{state: crashed}}, 60 * m, "ddddd", 0},
		"no engine, no knowledge":                    {[]look{{state: up}, {at: 10 * m, away: true}, {at: 40 * m, away: true}, {at: 46 * m, state: up}}, 60 * m, "u??uu", 100},
		"as before the engine went away, but unknown in between": {
			[]look{{state: crashed}, {at: 10 * m, away: true}, {at: 46 * m, state: crashed}}, 60 * m, "d??dd", 0,
		},
		"an engine that is away from the beginning": {[]look{{away: true}, {at: 20 * m, state: up}}, 40 * m, "?uu", 100},
		"a container created anew goes on":          {[]look{{state: up}, {at: 16 * m}, {at: 17 * m, state: up}}, 40 * m, "uuu", 100},
		"one that was away for a quarter": {
			[]look{{state: up}, {at: 14 * m}, {at: 23 * m, state: up}}, 40 * m, "uuu", 100,
		},
		"a name that nobody had for long begins anew": {[]look{{state: crashed}, {at: 5 * m}, {at: 16 * m}, {at: 17 * m, state: up}}, 40 * m, "?uu", 100},
		"that the engine is away makes no name go": {
			[]look{{state: crashed}, {at: 5 * m}, {at: 6 * m, away: true}, {at: 40 * m, away: true}, {at: 41 * m}, {at: 46 * m, state: up}}, 60 * m, "d??uu", 73.68,
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon.Add(row.now)
			d := observed(New(Saved{}), row.looks).Of("web").Day(now)
			if got := cellsOf(d, now); got != row.cells {
				t.Errorf("cells %s, want %s", got, row.cells)
			}
			if got, ok := d.Percent(); ok != (row.percent >= 0) || ok && got != row.percent {
				t.Errorf("%v %%, %t, want %v", got, ok, row.percent)
			}
			if want := noon.Truncate(Quarter).Add(row.now.Truncate(Quarter) - 95*Quarter); !d.Since.Equal(want) || d.Since.Location() != time.UTC {
				t.Errorf("since %s, want %s", d.Since, want)
			}
		})
	}
}

func TestWhatIsSeenOfAContainer(t *testing.T) {
	exited := func(cause engine.ExitCause, code int, edits ...func(*engine.Container)) *engine.Container {
		c := &engine.Container{State: engine.Exited, ExitCause: cause, Exit: engine.Exit{Known: true, Code: code}}
		for _, edit := range edits {
			edit(c)
		}
		return c
	}
	always := fixture.RestartPolicy("always")
	kept := func(c *engine.Container) { c.AutoRemove = true } // by this the test tells them
	for name, row := range map[string]struct {
		c    *engine.Container
		want State
	}{
		"it runs":                                  {up, Up},
		"its health check has not spoken yet":      {&engine.Container{State: engine.Running, Health: engine.Starting}, Up},
		"it is healthy":                            {&engine.Container{State: engine.Running, Health: engine.Healthy}, Up},
		"it is unhealthy":                          {sick, Unhealthy},
		"it is paused":                             {&engine.Container{State: engine.Paused}, Off},
		"it was never started":                     {&engine.Container{State: engine.Created}, Off},
		"it failed to start":                       {&engine.Container{State: engine.Created, Error: "port taken"}, Down},
		"the engine restarts it":                   {&engine.Container{State: engine.Restarting, ExitCause: engine.CauseSelf, Exit: engine.Exit{Known: true}}, Down},
		"it crashed":                               {crashed, Down},
		"it could not be removed after a crash":    {exited(engine.CauseSelf, 1, fixture.State(engine.Dead), func(c *engine.Container) { c.ExitCause = engine.CauseSelf }), Down},
		"somebody stopped it":                      {stopped, Off},
		"somebody is removing it":                  {&engine.Container{State: engine.Removing, ExitCause: engine.CauseStopped}, Off},
		"a job is done":                            {exited(engine.CauseSelf, 0), Off},
		"what ended without an error is kept":      {exited(engine.CauseSelf, 0, kept), Down},
		"its own policy keeps it":                  {exited(engine.CauseSelf, 0, always), Down},
		"a kept one that somebody stopped":         {exited(engine.CauseStopped, 0, kept), Off},
		"the engine was shut down":                 {exited(engine.CauseEngine, 0), Down},
		"a start failed after a run without error": {exited(engine.CauseSelf, 0, func(c *engine.Container) { c.Error = "port taken" }), Down},
		"nobody saw a job's end":                   {exited(engine.CauseUnknown, 0), Off},
		"nobody saw a crash":                       {exited(engine.CauseUnknown, 1), Down},
		"nobody saw what looks like a stop":        {exited(engine.CauseUnknown, 143), Off},
		"nobody saw what looks like a kill":        {exited(engine.CauseUnknown, 137), Off},
		"nobody saw it, but it lacked memory":      {exited(engine.CauseUnknown, 137, func(c *engine.Container) { c.Exit.OOMKilled = true }), Down},
		"its engine would have brought it back":    {exited(engine.CauseUnknown, 1, always), Off},
		"its engine could not bring it back":       {exited(engine.CauseUnknown, 1, always, func(c *engine.Container) { c.Error = "port taken" }), Down},
		"the engine has not said how it ended":     {&engine.Container{State: engine.Exited}, Down},
		"the same, never seen in this life, died":  {exited(engine.CauseSelf, 0, func(c *engine.Container) { c.Events = counts(1, 0, 0) }), Off},
	} {
		t.Run(name, func(t *testing.T) {
			c := *row.c
			c.Name = "web"
			s := New(Saved{})
			s.Observe(noon, &engine.Snapshot{Connected: true, Containers: []*engine.Container{&c}}, func(c *engine.Container) bool { return c.AutoRemove })
			if got := s.Of("web").Day(noon).Worst(); got != row.want {
				t.Errorf("got %c, want %c", got.Letter(), row.want.Letter())
			}
		})
	}
}

func TestADayIsForgottenAfterADay(t *testing.T) {
	s := observed(New(Saved{}), []look{{state: crashed}, {at: time.Minute, state: up}})
	for after, want := range map[time.Duration]State{
		0: Down, 24*time.Hour - time.Second - Quarter: Down, 24*time.Hour - time.Second: Down, 24 * time.Hour: Up, 100 * 24 * time.Hour: Up,
	} {
		d := s.Of("web").Day(noon.Add(after))
		if got := d.Worst(); got != want {
			t.Errorf("after %s the worst is %c, want %c", after, got.Letter(), want.Letter())
		}
		if after >= 24*time.Hour && (slices.Contains(d.Cells[:], Unknown) || d.Watched > 24*time.Hour || d.Watched < 24*time.Hour-Quarter) {
			t.Errorf("after %s: %+v", after, d)
		}
	}
}

func TestWhatIsPublishedDoesNotChange(t *testing.T) {
	s := observed(New(Saved{}), []look{{state: up}})
	before := s.Of("web")
	copied := *before
	observed(s, []look{{at: time.Minute, state: crashed}, {at: time.Hour, state: up}})
	before.Day(noon.Add(2 * time.Hour))
	if *before != copied {
		t.Error("a strip that was given away has changed")
	}
	if d := (*Strip)(nil).Day(noon); d.Worst() != Unknown || d.Watched != 0 {
		t.Errorf("of what is not known: %+v", d)
	}
}

func TestAContainerIsLookedAtOnlyWhenItChanges(t *testing.T) {
	p := look{state: up}.snapshot()
	s, asked := New(Saved{}), 0
	kept := func(*engine.Container) bool { asked++; return false }
	s.Observe(noon, p, kept)
	if got := testing.AllocsPerRun(10, func() { s.Observe(noon.Add(time.Minute), p, kept) }); got > 0 || asked != 1 {
		t.Errorf("%v allocations, asked %d times", got, asked)
	}
}

// Containers that are unchanged keep their pointers, also while the engine was away.
func TestAnUnchangedContainerIsSeenAgainAfterTheEngineWasAway(t *testing.T) {
	p := look{state: up}.snapshot()
	s := New(Saved{})
	s.Observe(noon, p, never)
	s.Observe(noon.Add(time.Minute), &engine.Snapshot{Containers: p.Containers}, never)
	s.Observe(noon.Add(2*time.Minute), p, never)
	if got := s.Of("web").Day(noon.Add(5 * time.Minute)).Up; got != 4*time.Minute {
		t.Errorf("up for %s, want 4 minutes", got)
	}
}

func TestLaw10NoNameIsKeptThatNoContainerHas(t *testing.T) {
	saved := observed(New(Saved{}), []look{{state: up}}).Saved(noon)
	for name, s := range map[string]*Strips{"of this life": observed(New(Saved{}), []look{{state: up}}), "of an earlier one": New(saved)} {
		observed(s, []look{{at: time.Hour}, {at: time.Hour + keepAbsent}})
		if s.Of("web") == nil {
			t.Errorf("a name %s is dropped too soon", name)
		}
		if observed(s, []look{{at: time.Hour + keepAbsent + time.Second}}); s.Of("web") != nil || len(s.tracks) > 0 {
			t.Errorf("a name %s is kept", name)
		}
	}
}

// BenchmarkObserve is what a look costs when nothing has changed, and when everything has.
func BenchmarkObserve(b *testing.B) {
	one, other := crowd(up), crowd(crashed)
	b.Run("nothing new", func(b *testing.B) {
		s := New(Saved{})
		b.ReportAllocs()
		for b.Loop() {
			s.Observe(noon, one, never)
		}
	})
	b.Run("all new", func(b *testing.B) {
		s := New(Saved{})
		b.ReportAllocs()
		for b.Loop() {
			one, other = other, one
			s.Observe(noon, one, never)
		}
	})
}

// crowd is a snapshot of 1,000 such containers.
func crowd(like *engine.Container) *engine.Snapshot {
	p := &engine.Snapshot{Connected: true}
	for i := range 1000 {
		c := *like
		c.ID, c.Name = strings.Repeat(string(rune('a'+i%26)), 60)+string(rune('a'+i/26)), "a-service-of-some-project-"+string(rune('a'+i%26))+string(rune('a'+i/26))
		p.Containers = append(p.Containers, &c)
	}
	return p
}
