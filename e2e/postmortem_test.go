package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
)

// TestWhatAContainerSaidBeforeItDied: both streams in order up to the end, and nothing of
// the next run, which says the same again.
func TestWhatAContainerSaidBeforeItDied(t *testing.T) {
	t.Parallel()
	const said = "stdout one|stderr two|stdout three|stdout testapp: alive|stdout testapp: got user defined signal 1|stderr last words"
	for _, tc := range []struct {
		name string
		spec harness.Spec
		want string // lines, of which the first is not kept
	}{
		{name: "streams", spec: harness.Spec{}, want: said},
		{name: "terminal", spec: harness.Spec{TTY: true}, want: strings.ReplaceAll(said, "stderr", "stdout")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := harness.NewEnv(t, harness.SharedEngine(t))
			tc.spec.Args = []string{"-say=one !two three", "-last=last words", "-code=3"}
			b := s.Run(tc.name, tc.spec)
			d := s.Defib(harness.Whitelist(b), hasty, harness.Never, "--postmortem.log-lines=6")
			want := strings.Split(tc.want, "|")
			for n := range 2 {
				b.Crash()
				b.AwaitEvents("start", n+2)
				death := d.AwaitDeaths(b, n+1)[0]
				if diff := cmp.Diff(want, death.Lines()); diff != "" {
					t.Errorf("death %d (-want +got):\n%s", n+1, diff)
				}
				if death.ExitCode == nil || *death.ExitCode != 3 || death.Trigger != "exited" || death.Restarted || death.LogError != "" || death.Ran <= 0 {
					t.Errorf("%+v", death)
				}
			}
		})
	}
}

// TestANewRunThatFloodsItsLogHidesNoLastWords: the engine counts lines from the end of the
// whole log.
func TestANewRunThatFloodsItsLogHidesNoLastWords(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("flood", harness.Spec{Args: []string{"-flood=2000", "-last=last words", "-code=1"}})
	d := s.Defib(harness.Whitelist(b), hasty, harness.Never, "--postmortem.log-lines=3")
	b.Crash()
	want := []string{"stdout testapp: alive", "stdout testapp: got user defined signal 1", "stderr last words"}
	if diff := cmp.Diff(want, d.AwaitDeaths(b, 1)[0].Lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestANewRunThatFloodsItsLogHidesNoLastWordsOfARestart: its log is read after the new run
// has begun.
func TestANewRunThatFloodsItsLogHidesNoLastWordsOfARestart(t *testing.T) {
	harness.DockerOnly(t, harness.StampsSeconds)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("flood", harness.Spec{Args: []string{"-flood=2000"}})
	d := s.Defib(harness.Whitelist(b), hasty, harness.Never, "--postmortem.log-lines=3")
	b.AwaitAlive()
	d.Heals(b.Alert())
	if restart := d.AwaitDeaths(b, 1)[0]; !restart.Restarted || restart.Trigger != "alert" || len(restart.Log) != 3 || restart.Log[2].Text != "testapp: got terminated" {
		t.Errorf("%+v", restart)
	}
}

func TestALogOfGarbageIsShortAndHarmless(t *testing.T) {
	harness.DockerOnly(t, harness.MixesParts)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("garbage", harness.Spec{Args: []string{"-garbage", "-code=1"}})
	d := s.Defib(harness.Whitelist(b), hasty, harness.Never, "--postmortem.log-lines=50")
	b.Crash()
	want := []string{
		"stdout " + strings.Repeat("x", 1<<10-len("…")) + "…", "stdout red \uFFFD\uFFFD end",
		"stdout testapp: alive", "stdout testapp: got user defined signal 1",
	}
	if diff := cmp.Diff(want, d.AwaitDeaths(b, 1)[0].Lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestALoggingDriverThatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	silent := func(h *container.HostConfig) { h.LogConfig = container.LogConfig{Type: "none"} }
	b := s.Create("silent", harness.Spec{Args: []string{"-after=2s", "-code=7"}, Host: silent})
	b.Start()
	d := s.Defib(harness.Whitelist(b), hasty, harness.Never, "--postmortem.log-lines=5")
	death := d.AwaitDeaths(b, 1)[0]
	if len(death.Log) > 0 || death.LogError != "its logging driver cannot be read" || *death.ExitCode != 7 {
		t.Errorf("%+v", death)
	}
	if n, _ := d.Exposition().Value(harness.Series("defib_engine_request_failures_total", "call", "logs")); n != 0 {
		t.Error("that counts as a failed request")
	}
}

// TestEvidenceOfARestartForItsHealth: what the check said, what it used, and the log up to
// the end that Defib made.
func TestEvidenceOfARestartForItsHealth(t *testing.T) {
	harness.DockerOnly(t, harness.NoHealthTimer)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	spec := harness.Checked()
	spec.Args = []string{"-say=one !two"}
	b := s.Run("sick", spec)
	d := s.Defib(harness.Whitelist(b), hasty, "--restart.triggers=unhealthy", "--postmortem.log-lines=50", harness.Resources)
	harness.Eventually(t, "what it uses to be read", func() bool {
		return len(d.Usage(b).Values) > 0
	})
	b.MakeUnhealthy()
	b.AwaitEvents("start", 2)
	death := d.AwaitDeaths(b, 1)[0]
	want := []string{"stdout one", "stderr two", "stdout testapp: alive", "stdout testapp: got terminated"}
	if diff := cmp.Diff(want, death.Lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !death.Restarted || death.Trigger != "unhealthy" || death.ExitCode == nil || *death.ExitCode != 0 || death.HealthOutput != "testapp: sick" || death.LastUsage == nil || death.LastUsage.Memory == 0 {
		t.Errorf("%+v", death)
	}
}

// TestWithoutTheFlagNoLogIsRead, and nothing is kept.
func TestWithoutTheFlagNoLogIsRead(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("private", harness.Spec{Args: []string{"-code=1"}})
	d := s.Defib(harness.Whitelist(b), hasty, harness.Never)
	b.Crash()
	b.AwaitEvents("start", 2)
	d.AwaitLine(1, "container started", "container", b.Name)
	harness.Watch(t, time.Second, "so that a log that is read would show")
	if n, _ := d.Exposition().Value(harness.Series("defib_engine_request_duration_seconds_count", "call", "logs")); n != 0 || len(d.Deaths(b)) > 0 {
		t.Errorf("%v logs were read", n)
	}
}

// TestEvidenceIsKeptOverRestartsOfDefib, also if it is killed.
func TestEvidenceIsKeptOverRestartsOfDefib(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("kept", harness.Spec{Args: []string{"-last=last words", "-code=1"}})
	file := filepath.Join(t.TempDir(), "state.json")
	args := []string{harness.Whitelist(b), hasty, harness.Never, "--postmortem.log-lines=5", "--state.file=" + file}
	d := s.Defib(args...)
	b.Crash()
	want := d.AwaitDeaths(b, 1)
	harness.Eventually(t, "it to be saved", func() bool {
		text, err := os.ReadFile(strings.TrimSuffix(file, ".json") + "-postmortem.json")
		return err == nil && strings.Contains(string(text), "last words")
	})
	d.Kill()
	for range 2 {
		d = s.Defib(args...)
		if diff := cmp.Diff(want, d.AwaitDeaths(b, 1)); diff != "" {
			t.Errorf("in the next life (-want +got):\n%s", diff)
		}
		if code := d.Terminate(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	d = s.Defib(harness.Whitelist(b), "--state.file="+file)
	if got := d.Deaths(b); len(got) > 0 {
		t.Errorf("with the flag off: %+v", got)
	}
}
