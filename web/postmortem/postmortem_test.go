package postmortem_test

import (
	"testing"
	"time"

	"defib/engine"
	kept "defib/restarter/postmortem"
	"defib/web/postmortem"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestWhatIsSaidOfADeath(t *testing.T) {
	for _, tc := range []struct {
		name                string
		edit                func(*kept.Death)
		summary, used, note string
	}{
		{name: "it crashed", edit: func(*kept.Death) {}, summary: "exited with exit code 3 after 2 min", note: "Its log is empty."},
		{name: "it was killed for its memory", edit: func(d *kept.Death) {
			d.ExitCode, d.OOMKilled = new(137), true
			d.Usage = &kept.Usage{Seconds: 14.9, Memory: 256 << 20, MemoryLimit: 256 << 20}
		}, summary: "exited with exit code 137 (out of memory) after 2 min", used: "It used 256 of 256 MiB of memory 14 s before that.", note: "Its log is empty."},
		{name: "it lived for a moment", edit: func(d *kept.Death) { d.Finished = d.Started.Add(time.Millisecond) }, summary: "exited with exit code 3 after less than 1 s", note: "Its log is empty."},
		{name: "somebody stopped it", edit: func(d *kept.Death) { d.Cause, d.ExitCode = engine.CauseStopped, new(0) }, summary: "stopped with exit code 0 (no error) after 2 min", note: "Its log is empty."},
		{name: "it went down with the engine", edit: func(d *kept.Death) { d.Cause, d.ExitCode = engine.CauseEngine, nil }, summary: "stopped with the engine after 2 min", note: "Its log is empty."},
		{name: "Defib restarted it, and it is not known how long it ran", edit: func(d *kept.Death) {
			d.Cause, d.Restarted, d.Trigger, d.ExitCode, d.Finished = "", true, "alert", new(143), time.Time{}
		}, summary: "restarted by Defib (alert) with exit code 143 (terminated)", note: "Its log is empty."},
		{name: "its log is still to come", edit: func(d *kept.Death) { d.Pending = true }, summary: "exited with exit code 3 after 2 min", note: "Its log is being read."},
		{name: "its log cannot be read", edit: func(d *kept.Death) { d.LogError = "not today." }, summary: "exited with exit code 3 after 2 min", note: "Its log could not be read: not today."},
		{name: "its log is there", edit: func(d *kept.Death) { d.Log = []kept.Line{{Text: "panic"}} }, summary: "exited with exit code 3 after 2 min"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := kept.Death{Container: "web", ID: "a1", Time: noon, Started: noon.Add(-2 * time.Minute), Finished: noon, Trigger: "exited", Cause: engine.CauseSelf, ExitCode: new(3)}
			tc.edit(&d)
			if got := postmortem.Of(noon, []kept.Death{d})[0]; got.Summary != tc.summary || got.Used != tc.used || got.Note != tc.note {
				t.Errorf("%q, %q, %q", got.Summary, got.Used, got.Note)
			}
		})
	}
}
