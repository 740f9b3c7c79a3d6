package heartbeat

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/heartbeat"
)

// now is in the middle of a quarter of an hour.
var now = time.Date(2026, 1, 2, 15, 7, 30, 0, time.UTC)

// seen is what was seen of a container so long ago; nil: nothing could be.
type seen struct {
	ago time.Duration
	c   *engine.Container
}

func lived(t *testing.T, all ...seen) *heartbeat.Strip {
	t.Helper()
	s := heartbeat.New(heartbeat.Saved{})
	for _, one := range all {
		p := &engine.Snapshot{Connected: one.c != nil}
		if one.c != nil {
			c := *one.c
			c.Name = "web"
			p.Containers = append(p.Containers, &c)
		}
		s.Observe(now.Add(-one.ago), p, func(*engine.Container) bool { return false })
	}
	return s.Of("web")
}

var (
	well    = &engine.Container{State: engine.Running}
	sick    = &engine.Container{State: engine.Running, Health: engine.Unhealthy}
	died    = &engine.Container{State: engine.Exited, ExitCause: engine.CauseSelf, Exit: engine.Exit{Known: true, Code: 1}}
	stopped = &engine.Container{State: engine.Exited, ExitCause: engine.CauseStopped}
)

func TestWhatIsSaidOfAStrip(t *testing.T) {
	const m, day = time.Minute, 25 * time.Hour
	for name, row := range map[string]struct {
		past               []seen
		percent, up, title string
	}{
		"up all day": {
			[]seen{{day, well}}, "100\u00a0%", "up 100\u00a0% of 24 h", "Last 24 hours: up 100\u00a0% of 24 h",
		},
		"two deaths": {
			[]seen{{day, well}, {10 * time.Hour, died}, {10*time.Hour - time.Second, well}, {3 * time.Hour, died}, {3*time.Hour - 2*m, well}},
			"99.85\u00a0%", "up 99.85\u00a0% of 24 h", "Last 24 hours: up 99.85\u00a0% of 24 h, down in 2 quarters of an hour, the last from 12:00 UTC",
		},
		"a death of no time is no 100 %": {
			[]seen{{day, well}, {m, died}, {m, well}},
			"99.99\u00a0%", "up 99.99\u00a0% of 24 h", "Last 24 hours: up 99.99\u00a0% of 24 h, down in the quarter of an hour from 15:00 UTC",
		},
		"unhealthy for half an hour": {
			[]seen{{day, well}, {30 * m, sick}},
			"97.9\u00a0%", "up 97.9\u00a0% of 24 h", "Last 24 hours: up 97.9\u00a0% of 24 h, unhealthy in 3 quarters of an hour, the last from 15:00 UTC",
		},
		"new": {
			[]seen{{20 * m, well}}, "100\u00a0%", "up 100\u00a0% of 20 min", "Last 24 hours: up 100\u00a0% of 20 min, unknown for 23 h 30 min",
		},
		"a gap, and stopped since": {
			[]seen{{day, well}, {8 * time.Hour, nil}, {7 * time.Hour, well}, {5 * time.Hour, stopped}},
			"100\u00a0%", "up 100\u00a0% of 18 h", "Last 24 hours: up 100\u00a0% of 18 h, meant to be down for 5 h, unknown for 45 min",
		},
		"never up": {[]seen{{day, stopped}}, "", "", "Last 24 hours: meant to be down for 24 h"},
		"down":     {[]seen{{day, died}}, "0\u00a0%", "up 0\u00a0% of 24 h", "Last 24 hours: up 0\u00a0% of 24 h, down in 96 quarters of an hour, the last from 15:00 UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Of(lived(t, row.past...), now)
			if d := cmp.Diff([]string{row.percent, row.up, row.title}, []string{s.Percent, s.Up, s.Title}); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWhatIsDrawn(t *testing.T) {
	const h = time.Hour
	s := Of(lived(t, seen{23 * h, well}, seen{10 * h, died}, seen{10*h - 1, well}, seen{8 * h, nil}, seen{7 * h, sick}, seen{6 * h, well}, seen{3 * h, stopped}, seen{2 * h, died}), now)
	want := []Bars{
		{"down", "M55 6h1M87 6h9"},
		{"unhealthy", "M67 8h5"},
		{"up", "M3 10h52M56 10h8M72 10h12"},
		{"off", "M84 11.5h3"},
		{"gap", "M0 11.5h3M64 11.5h3"},
	}
	if d := cmp.Diff(want, s.Bars); d != "" {
		t.Error(d)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const fields = `{"since":"2026-01-01T15:15:00Z","cells":"???uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuduuuuuuuu???hhhhhuuuuuuuuuuuuoooddddddddd","up_percent":85.71}`
	if d := cmp.Diff(fields, string(text)); d != "" {
		t.Error(d)
	}
}

func TestOfWhatIsNotKnownNothingIsShown(t *testing.T) {
	if s := Of(nil, now); s.Cells != "" || s.Title != "" || s.Bars != nil || s.UpPercent != nil {
		t.Errorf("%+v", s)
	}
	text, err := json.Marshal(struct {
		Heartbeat Strip `json:"heartbeat,omitzero"`
	}{Of(nil, now)})
	if err != nil || string(text) != "{}" {
		t.Errorf("%s, %v", text, err)
	}
	if got := Of(lived(t, seen{time.Hour, stopped}), now); got.UpPercent != nil || len(got.Cells) != Width {
		t.Errorf("%+v", got)
	}
}

// All states are in the legend, each as high as its bars.
func TestTheLegendExplainsEveryBar(t *testing.T) {
	keys := Legend()
	if len(keys) != int(heartbeat.Down)+1 {
		t.Errorf("%d keys", len(keys))
	}
	for _, key := range keys {
		if key.Words == "" || !strings.HasSuffix(key.Path, "h3") {
			t.Errorf("%+v", key)
		}
	}
}
