package notation

import (
	"testing"
	"time"

	"defib/engine"
)

func TestNameIsNoAlias(t *testing.T) {
	for _, tc := range []struct {
		names []string
		want  string
	}{
		{[]string{"/web"}, "web"},
		{[]string{"/shop/db", "/db"}, "db"}, // an alias by a link
		{[]string{"/shop/db"}, ""},
		{nil, ""},
	} {
		if got := Name(tc.names); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.names, got, tc.want)
		}
	}
}

func TestSignalsAreReadAsDockerTakesThem(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "15": 15, "TERM": 15, "SIGTERM": 15, "sigterm": 15, "Int": 2, "SIGQUIT": 3, "KILL": 9, "USR1": 10,
		"RTMIN": 34, "SIGRTMIN+3": 37, "rtmin+15": 49, "37": 37, "nonsense": 0,
	} {
		if got := Signal(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestYearOneIsNever(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                               {},
		"0001-01-01T00:00:00Z":           {},
		"nonsense":                       {},
		"2026-11-23T04:54:37.828045761Z": time.Date(2026, 11, 23, 4, 54, 37, 828045761, time.UTC),
		"2026-11-23T06:54:37.5+02:00":    time.Date(2026, 11, 23, 4, 54, 37, 500_000_000, time.UTC),
	} {
		if got := Time(text); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestStatesOfBothEnginesAreRead(t *testing.T) {
	for _, s := range engine.States {
		if got := State(string(s)); got != s {
			t.Errorf("%s: %s", s, got)
		}
	}
	for text, want := range map[string]engine.State{"stopped": engine.Exited, "configured": engine.Created, "initialized": engine.Created, "stopping": engine.Running} {
		if got := State(text); got != want {
			t.Errorf("Podman's %s: %s, want %s", text, got, want)
		}
	}
}
