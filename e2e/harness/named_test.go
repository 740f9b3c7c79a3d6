package harness

import (
	"testing"
	"time"
)

func TestDoubles(t *testing.T) {
	EngineIndependent(t)
	t.Parallel()
	zero := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const web, passing = "web", "web.defib-0123456789ab"
	for name, row := range map[string]struct {
		events []Event
		ends   []time.Time
		want   int
	}{
		"one after the other":                {events: []Event{{"a", "start", zero, web}, {"a", "rename", zero, passing}, {"a", "die", zero, passing}, {"b", "start", zero, web}}},
		"both, under either name":            {events: []Event{{"a", "start", zero, web}, {"a", "rename", zero, passing}, {"b", "start", zero, web}}, want: 1},
		"one that was given another name":    {events: []Event{{"a", "start", zero, web}, {"a", "rename", zero, "old"}, {"b", "start", zero, web}}},
		"one that was given back its name":   {events: []Event{{"a", "start", zero, "old"}, {"b", "start", zero, web}, {"a", "rename", zero, web}}, want: 1},
		"one that ended with the engine":     {events: []Event{{"a", "start", zero, web}, {"b", "start", zero.Add(2), web}}, ends: []time.Time{zero.Add(1)}},
		"one that began before the engine's": {events: []Event{{"a", "start", zero.Add(2), web}, {"b", "start", zero.Add(3), web}}, ends: []time.Time{zero.Add(1)}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Doubles(row.events, web, row.ends...); len(got) != row.want {
				t.Errorf("found %q, want %d", got, row.want)
			}
		})
	}
}
