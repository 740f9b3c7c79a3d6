package postmortem_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"defib/engine"
	"defib/restarter/internal/fixture"
	"defib/restarter/policy"
	"defib/restarter/postmortem"
)

// env is a Collector that runs in a bubble, over an engine whose logs say what log returns.
type env struct {
	*postmortem.Collector
	t    *testing.T
	stop func()

	mu    sync.Mutex // of all below
	log   func(ctx context.Context, c *engine.Container, until time.Time) ([]engine.LogLine, error)
	asked []time.Time // up to when logs were asked for
	saved [][]postmortem.Death
}

func begin(t *testing.T, edit func(*postmortem.Options)) *env {
	e := &env{t: t, log: func(_ context.Context, c *engine.Container, _ time.Time) ([]engine.LogLine, error) {
		return []engine.LogLine{{At: c.Finished, Stderr: true, Text: "panic"}}, nil
	}}
	o := postmortem.Options{
		Lines: 50,
		Logs: func(ctx context.Context, c *engine.Container, until time.Time, lines int) ([]engine.LogLine, error) {
			e.mu.Lock()
			e.asked = append(e.asked, until)
			log := e.log
			e.mu.Unlock()
			return log(ctx, c, until)
		},
		Save: func(all []postmortem.Death) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.saved = append(e.saved, all)
		},
	}
	edit(&o)
	e.Collector = postmortem.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	e.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return e
}

func noEdit(*postmortem.Options) {}

// only returns the one death that is kept.
func (e *env) only() postmortem.Death {
	e.t.Helper()
	synctest.Wait()
	all, _ := e.All()
	if len(all) != 1 {
		e.t.Fatalf("%d deaths are kept, want 1: %+v", len(all), all)
	}
	return all[0]
}

// started is what a container is that died and was started again, so long after its death.
func started(c *engine.Container, after time.Duration) *engine.Container {
	fresh := *c
	fresh.State, fresh.Started = engine.Running, c.Finished.Add(after)
	return &fresh
}

func TestWhatIsKeptOfADeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := begin(t, func(o *postmortem.Options) {
			o.Usage = func(string) (postmortem.Usage, time.Time) {
				return postmortem.Usage{Cores: new(0.5), Memory: 100, MemoryLimit: 200}, fixture.Ago(4 * time.Second)
			}
		})
		defer e.stop()
		c := fixture.Ended(engine.CauseSelf, fixture.Code(137), func(c *engine.Container) { c.Exit.OOMKilled = true })
		e.Begin(fixture.Noon, c, policy.TriggerExited)
		want := postmortem.Death{
			Container: "web", ID: "a1", Time: c.ExitSeenAt, Started: c.Started, Finished: c.Finished, Trigger: "exited",
			ExitCode: new(137), OOMKilled: true, Cause: engine.CauseSelf,
			Usage: &postmortem.Usage{Seconds: 3, Cores: new(0.5), Memory: 100, MemoryLimit: 200}, Pending: true,
		}
		sameDeath := cmpopts.IgnoreUnexported(postmortem.Death{})
		if diff := cmp.Diff(want, e.only(), sameDeath); diff != "" {
			t.Errorf("as soon as it is to be started (-want +got):\n%s", diff)
		}
		e.End(fixture.Noon, c, started(c, 300*time.Millisecond), policy.TriggerExited)
		want.Pending, want.Log = false, []postmortem.Line{{Time: c.Finished, Stderr: true, Text: "panic"}}
		if diff := cmp.Diff(want, e.only(), sameDeath); diff != "" {
			t.Errorf("after its start (-want +got):\n%s", diff)
		}
		text, err := json.Marshal(e.only())
		if err != nil {
			t.Fatal(err)
		}
		var again postmortem.Death
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, again, sameDeath); diff != "" {
			t.Errorf("read from a file (-want +got):\n%s", diff)
		}
	})
}

func TestWhatIsKeptOfARestart(t *testing.T) {
	sick := fixture.Running(fixture.BegunAgo(time.Hour), fixture.UnhealthyFor(time.Minute), func(c *engine.Container) { c.HealthOutput = "HTTP 503" })
	ended := func(edit func(*engine.Container)) *engine.Container {
		c := fixture.Running(fixture.BegunAgo(0), func(c *engine.Container) {
			c.Started, c.Finished, c.Exit = fixture.Noon.Add(time.Second), fixture.Noon, engine.Exit{Known: true, Code: 143}
		})
		edit(c)
		return c
	}
	for _, tc := range []struct {
		name  string
		after *engine.Container
		want  int       // deaths
		until time.Time // up to when its log is asked for
	}{
		{name: "it runs again: its log goes up to the middle between the end and the start", after: ended(func(*engine.Container) {}), want: 1, until: fixture.Noon.Add(500 * time.Millisecond)},
		{name: "it could not be started again", after: ended(func(c *engine.Container) { c.State, c.Started = engine.Exited, sick.Started }), want: 1, until: fixture.Noon.Add(2 * time.Second)},
		{name: "it was not stopped", after: sick},
		{name: "it is gone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := begin(t, noEdit)
				defer e.stop()
				e.Begin(fixture.Noon, sick, policy.TriggerUnhealthy)
				synctest.Wait()
				if all, _ := e.All(); len(all) > 0 {
					t.Errorf("%+v is kept of one that runs", all)
				}
				e.End(fixture.Noon.Add(3*time.Second), sick, tc.after, policy.TriggerUnhealthy)
				synctest.Wait()
				all, _ := e.All()
				if len(all) != tc.want {
					t.Fatalf("%d deaths, want %d", len(all), tc.want)
				}
				if tc.want == 0 {
					return
				}
				d := all[0]
				if !d.Restarted || d.Health != "HTTP 503" || *d.ExitCode != 143 || d.Cause != "" || d.RanFor() != time.Hour || len(d.Log) == 0 || d.Pending {
					t.Errorf("%+v", d)
				}
				if !e.asked[0].Equal(tc.until) {
					t.Errorf("asked until %s, want %s", e.asked[0], tc.until)
				}
			})
		})
	}
}

// A death is kept once, however often it is looked at and its start is tried.
func TestADeathIsKeptOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := begin(t, noEdit)
		defer e.stop()
		c := fixture.Ended(engine.CauseSelf)
		for range 3 {
			e.Died(fixture.Noon, c, policy.TriggerExited)
			synctest.Wait()
		}
		if d := e.only(); d.Pending || len(d.Log) == 0 {
			t.Errorf("while it waits for its start: %+v", d)
		}
		for range 2 {
			e.Begin(fixture.Noon, c, policy.TriggerExited)
			e.End(fixture.Noon, c, c, policy.TriggerExited)
		}
		e.only()
		if len(e.asked) != 1 {
			t.Errorf("its log was read %d times", len(e.asked))
		}
		again := started(c, time.Second)
		again.State, again.Finished = engine.Exited, c.Finished.Add(time.Minute)
		e.Died(fixture.Noon, again, policy.TriggerExited)
		if all, _ := e.All(); len(all) != 2 {
			t.Errorf("%d deaths, want that of the next run too", len(all))
		}
		e.Died(fixture.Noon, fixture.Ended(engine.CauseSelf, func(c *engine.Container) { c.ID, c.Started = "b2", time.Time{} }), policy.TriggerExited)
		if all, _ := e.All(); len(all) != 2 {
			t.Error("one that never ran has died")
		}
	})
}

// What a new run writes while the log is read is not of the one that ended.
func TestLinesOfTheNextRunAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := begin(t, noEdit)
		defer e.stop()
		e.log = func(_ context.Context, c *engine.Container, until time.Time) ([]engine.LogLine, error) {
			all := []engine.LogLine{
				{At: c.Finished.Add(-time.Second), Text: "ready"},
				{At: c.Finished.Add(40 * time.Millisecond), Text: "panic"},    // stamped late
				{At: c.Finished.Add(290 * time.Millisecond), Text: "started"}, // before what the engine calls the start
			}
			for all[len(all)-1].At.After(until) {
				all = all[:len(all)-1]
			}
			return all[len(all)-2:], nil // two lines are to be kept
		}
		c := fixture.Ended(engine.CauseSelf)
		e.Begin(fixture.Noon, c, policy.TriggerExited)
		if d := e.only(); !d.Pending || d.Log != nil {
			t.Errorf("before the end of the start: %+v", d)
		}
		e.End(fixture.Noon, c, started(c, 300*time.Millisecond), policy.TriggerExited)
		if d := e.only(); len(d.Log) != 2 || d.Log[1].Text != "panic" {
			t.Errorf("%+v", d.Log)
		}
		if len(e.asked) != 2 {
			t.Errorf("its log was read %d times, want 2: the new line had taken the place of one", len(e.asked))
		}
	})
}

// Podman stamps lines by the second.
func TestLinesOfTheSecondInWhichTheNextRunBeganAreItsOwn(t *testing.T) {
	whole := fixture.Ago(time.Minute)
	for name, tc := range map[string]struct {
		finished, started time.Duration // after a whole second
		want              int
	}{
		"it began in a later second":                {900 * time.Millisecond, 1950 * time.Millisecond, 1},
		"it began in the second of the end":         {100 * time.Millisecond, 900 * time.Millisecond, 1},
		"it began at once in the next second":       {990 * time.Millisecond, 1010 * time.Millisecond, 1},
		"it began long after, and said nothing yet": {100 * time.Millisecond, 10 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := begin(t, noEdit)
				defer e.stop()
				e.log = func(context.Context, *engine.Container, time.Time) ([]engine.LogLine, error) {
					return []engine.LogLine{{At: whole, Text: "panic"}, {At: whole.Add(time.Second), Text: "started"}}, nil
				}
				c := fixture.Ended(engine.CauseSelf, func(c *engine.Container) { c.Finished = whole.Add(tc.finished) })
				e.Begin(fixture.Noon, c, policy.TriggerExited)
				e.End(fixture.Noon, c, started(c, tc.started-tc.finished), policy.TriggerExited)
				if d := e.only(); len(d.Log) != tc.want {
					t.Errorf("%+v", d.Log)
				}
			})
		})
	}
}

func TestWithoutALogTheRestIsKept(t *testing.T) {
	for name, err := range map[string]error{"it is gone": engine.ErrGone, "its driver cannot be read": engine.ErrNoLog, "a text without an end": errors.New(strings.Repeat("é", 1000))} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := begin(t, noEdit)
				defer e.stop()
				e.log = func(context.Context, *engine.Container, time.Time) ([]engine.LogLine, error) { return nil, err }
				e.Died(fixture.Noon, fixture.Ended(engine.CauseSelf), policy.TriggerExited)
				if d := e.only(); d.Pending || *d.ExitCode != 1 || d.LogError == "" || !strings.HasPrefix(err.Error(), d.LogError) || len(d.LogError) > 300 {
					t.Errorf("%+v", d)
				}
			})
		})
	}
}

// However many die, four logs are read at a time, and nobody waits.
func TestFewLogsAreReadAtATimeAndNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := begin(t, noEdit)
		defer e.stop()
		reading, most := 0, 0
		e.log = func(_ context.Context, c *engine.Container, _ time.Time) ([]engine.LogLine, error) {
			e.mu.Lock()
			reading++
			most = max(most, reading)
			e.mu.Unlock()
			time.Sleep(time.Second)
			e.mu.Lock()
			reading--
			e.mu.Unlock()
			return nil, nil
		}
		before := time.Now()
		for i := range 400 {
			e.Died(fixture.Noon, fixture.Ended(engine.CauseSelf, fixture.Named(fmt.Sprint(i), fmt.Sprint(i))), policy.TriggerExited)
		}
		if time.Since(before) > 0 {
			t.Error("somebody waited")
		}
		time.Sleep(5 * time.Minute)
		all, _ := e.All()
		without := 0
		for _, d := range all {
			if d.Pending {
				t.Errorf("%s is still to be read", d.Container)
			}
			if strings.Contains(d.LogError, "too many containers died at once") {
				without++
			}
		}
		if len(all) != 400 || most != 4 || without == 0 || without > 400-256 {
			t.Errorf("%d deaths, %d read at a time, %d without a log", len(all), most, without)
		}
	})
}

func TestNewestDeathsAreKeptWithinTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := begin(t, noEdit)
		defer e.stop()
		e.log = func(_ context.Context, c *engine.Container, _ time.Time) ([]engine.LogLine, error) {
			lines := make([]engine.LogLine, 20)
			for i := range lines {
				lines[i] = engine.LogLine{At: c.Finished, Text: fmt.Sprintf("%-1000d", i)}
			}
			return lines, nil
		}
		next := fixture.Ended(engine.CauseSelf)
		die := func(name string) {
			c := *next
			c.ID, c.Name, c.Started = name, name, next.Started.Add(time.Nanosecond)
			next = &c
			e.Died(fixture.Noon, &c, policy.TriggerExited)
			synctest.Wait()
		}
		for range 7 {
			die("web")
		}
		all, _ := e.All()
		if len(all) != 5 || !all[4].Started.Equal(next.Started) {
			t.Errorf("%d deaths of one name, want the newest 5", len(all))
		}
		if d := all[4]; len(d.Log) != 16 || !d.LogCut || !strings.HasPrefix(d.Log[15].Text, "19 ") {
			t.Errorf("%d lines of a death, want the last 16 KiB", len(d.Log))
		}
		for i := range 1000 { // names that never come again
			die(fmt.Sprint("gone-", i))
		}
		all, _ = e.All()
		size := 0
		for _, d := range all {
			for _, l := range d.Log {
				size += len(l.Text)
			}
		}
		if size > 8<<20 || size < 7<<20 || all[0].Container == "web" || all[len(all)-1].Container != "gone-999" {
			t.Errorf("%d deaths with %d bytes of logs, from %s to %s", len(all), size, all[0].Container, all[len(all)-1].Container)
		}
	})
}

// A file takes what was added: at once, then once a second, and nothing while nothing dies.
func TestDeathsAreSavedAsTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := begin(t, noEdit)
		saves := func() int {
			synctest.Wait()
			e.mu.Lock()
			defer e.mu.Unlock()
			return len(e.saved)
		}
		for i := range 10 {
			e.Died(fixture.Noon, fixture.Ended(engine.CauseSelf, fixture.Named(fmt.Sprint(i), fmt.Sprint(i))), policy.TriggerExited)
			synctest.Wait()
		}
		if n := saves(); n != 1 {
			t.Errorf("%d saves at once, want 1", n)
		}
		time.Sleep(time.Second)
		if n := saves(); n != 2 || len(e.saved[1]) != 10 {
			t.Errorf("%d saves after a second, want 2", n)
		}
		time.Sleep(time.Hour)
		if n := saves(); n != 2 {
			t.Errorf("%d saves after a quiet hour, want 2", n)
		}

		later := begin(t, noEdit)
		later.Load(e.saved[1])
		if all, _ := later.All(); len(all) != 10 {
			t.Errorf("%d deaths in the next life, want 10", len(all))
		}
		later.Begin(fixture.Noon, fixture.Ended(engine.CauseSelf, fixture.Named("3", "3")), policy.TriggerExited)
		if all, _ := later.All(); len(all) != 10 {
			t.Error("a death of an earlier life is kept twice")
		}
		e.stop()
		later.stop()
		if len(later.saved) > 0 {
			t.Error("what was loaded is saved")
		}
	})
}

// Whatever is under way when Defib ends, it ends at once, and keeps what it knows.
func TestEndWaitsForNoLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := begin(t, noEdit)
		e.log = func(ctx context.Context, _ *engine.Container, _ time.Time) ([]engine.LogLine, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for i := range 10 {
			e.Begin(fixture.Noon, fixture.Ended(engine.CauseSelf, fixture.Named(fmt.Sprint(i), fmt.Sprint(i))), policy.TriggerExited)
		}
		synctest.Wait()
		before := time.Now()
		e.stop()
		if time.Since(before) > 0 {
			t.Error("the end waited")
		}
		last := e.saved[len(e.saved)-1]
		if len(last) != 10 || last[0].LogError != "not read before Defib ended" || last[9].Pending {
			t.Errorf("saved: %+v", last)
		}
	})
}

func TestReadingsOfAnotherRunAreNotItsUsage(t *testing.T) {
	for name, tc := range map[string]struct {
		at   time.Time
		want bool
	}{
		"read in this run":           {fixture.Ago(time.Minute), true},
		"read before this run":       {fixture.Ago(3 * time.Hour), false},
		"read after the end":         {fixture.Noon, false},
		"never read":                 {time.Time{}, false},
		"read the moment it started": {fixture.Ago(time.Hour), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := begin(t, func(o *postmortem.Options) {
					o.Usage = func(string) (postmortem.Usage, time.Time) { return postmortem.Usage{Memory: 1}, tc.at }
				})
				defer e.stop()
				e.Died(fixture.Noon, fixture.Ended(engine.CauseSelf), policy.TriggerExited)
				if got := e.only().Usage != nil; got != tc.want {
					t.Errorf("known: %v, want %v", got, tc.want)
				}
			})
		})
	}
}
