package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"defib/e2e/harness"
)

const (
	saves    = "defib_state_saves_total"
	failures = "defib_state_save_failures_total"
)

// stateIn is the flag of a state file in this directory.
func stateIn(dir string) string { return "--state.file=" + filepath.Join(dir, "state.json") }

func TestLaw4CrashLoopOutlivesDefib(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	for name, end := range map[string]func(d *harness.Defib){
		"killed":     (*harness.Defib).Kill,
		"terminated": func(d *harness.Defib) { d.Terminate() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			b := s.Create("loop", harness.Spec{Args: []string{"-after=200ms", "-code=1"}})
			flags := []string{harness.Whitelist(b), harness.Never, "--restart.backoff-initial=1s", stateIn(t.TempDir())}
			d := s.Defib(flags...)
			b.Start()
			d.AwaitLine(1, "container started", "container", b.Name, "attempt", 4)
			deaths := b.AwaitEvents("die", 5)
			last := deaths[len(deaths)-1]
			time.Sleep(1500 * time.Millisecond) // what happened a second ago has been saved
			end(d)
			d = s.Defib(flags...)
			l := d.AwaitLine(1, "container started", "container", b.Name)
			if !l.Has("attempt", 5) || l.Duration("next_wait") != 16*time.Second {
				t.Errorf("the next life goes on with %s", l.Text)
			}
			starts := b.AwaitEvents("start", 6)
			if gap := starts[5].Sub(last); gap < 8*time.Second {
				t.Errorf("the fifth attempt came %v after the death, want 8 s at least", gap)
			}
		})
	}
}

func TestThePageGoesBackOverRestartsOfDefib(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	flags := []string{harness.Whitelist(b), harness.Never, stateIn(t.TempDir())}
	d := s.Defib(flags...)
	b.Crash()
	d.AwaitLine(1, "container started", "container", b.Name)
	d.Terminate()
	d = s.Defib(flags...)
	d.AwaitLine(1, "state recalled")
	harness.Eventually(t, "the action of the earlier life to be in the status", func() bool {
		_, body, err := d.Get("/api/v1/status")
		_, actions, _ := strings.Cut(body, `"actions":`)
		return err == nil && strings.Contains(actions, b.ID)
	})
}

func TestSecondDefibGoesOnWithoutTheStateFile(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	state := stateIn(t.TempDir())
	s.Defib(harness.Whitelist(), harness.Never, state)
	d := s.Defib(harness.Whitelist(b), harness.Never, state)
	d.AwaitLine(1, "state file not used: what Defib learns ends with this process", "err", "another Defib uses it")
	b.Crash()
	d.AwaitLine(1, "container started", "container", b.Name)
}

func TestLaw12DiskThatIsFullStopsNoHealing(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	disk := harness.SmallDisk(t)
	d := s.Defib(harness.Whitelist(b), harness.Never, stateIn(disk))
	d.AwaitValue(failures, 0)
	free := harness.Fill(t, disk)
	b.Crash()
	d.AwaitLine(1, "container started", "container", b.Name)
	d.AwaitLine(1, "cannot write the state file: what Defib learns is lost if it ends before that is fixed", "err", "no space left on device")
	before, _ := d.Sample(saves)
	free()
	d.AwaitLine(1, "state file is written again")
	if after, _ := d.Sample(saves); after <= before {
		t.Errorf("%v saves before there was room, %v after", before, after)
	}
	left, err := os.ReadDir(disk)
	if err != nil || len(left) != 2 {
		t.Errorf("there are %v, %v; want the file and its lock", left, err)
	}
}

func TestLaw12DiskThatHangsStopsNoHealing(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("web", harness.Spec{})
	disk := harness.NewSlowDisk(t)
	flags := []string{harness.Whitelist(b), harness.Never, stateIn(disk.Dir)}
	d := s.Defib(flags...)
	harness.Eventually(t, "a save", func() bool { n, _ := d.Sample(saves); return n > 0 })
	disk.Hangs()
	for n := range 2 {
		b.Crash()
		d.AwaitLine(n+1, "container started", "container", b.Name)
	}
	d.AwaitLine(1, "cannot write the state file: what Defib learns is lost if it ends before that is fixed", "err", "its file system does not respond")
	if code := d.Terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	d = s.Defib(flags...) // which cannot read it either
	d.AwaitLine(1, "state file not used: what Defib learns ends with this process", "err", "its file system does not respond")
	b.Crash()
	d.AwaitLine(1, "container started", "container", b.Name)
}
