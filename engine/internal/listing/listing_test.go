package listing

import (
	"testing"
	"time"

	"github.com/docker/go-units"

	"defib/engine"
)

func TestDiffers(t *testing.T) {
	up := engine.Container{Name: "web", State: engine.Running, HealthCheck: true, Health: engine.Healthy}
	down := engine.Container{Name: "web", State: engine.Exited, Exit: engine.Exit{Known: true, Code: 137}}
	for _, tc := range []struct {
		name   string
		c      engine.Container
		state  engine.State
		status string
		listed string
		want   bool
	}{
		{"the same", up, "running", "Up 3 minutes (healthy)", "web", false},
		{"another state", up, "exited", "Exited (1) 1 second ago", "web", true},
		{"another name", up, "running", "Up 3 minutes (healthy)", "shop-web", true},
		{"another health", up, "running", "Up 3 minutes (unhealthy)", "web", true},
		{"its health starts anew", up, "running", "Up 1 second (health: starting)", "web", true},
		{"a list without health, as Podman's", up, "running", "Up 3 minutes", "web", false},
		{"a health that it does not know yet", engine.Container{Name: "web", State: engine.Running}, "running", "Up 1 second (healthy)", "web", true},
		{"paused", engine.Container{Name: "web", State: engine.Paused}, "paused", "Up 3 minutes (Paused)", "web", false},
		{"the same exit code", down, "exited", "Exited (137) 2 hours ago", "web", false},
		{"another exit code", down, "exited", "Exited (0) 1 second ago", "web", true},
		{"a negative exit code", down, "exited", "Exited (-1) 1 second ago", "web", true},
		{"an exit code that is not known", engine.Container{Name: "web", State: engine.Exited}, "exited", "Exited (0) 1 second ago", "web", false},
		{"Podman's word for exited", down, "exited", "", "web", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := Item{State: tc.state, Status: tc.status, Name: tc.listed}
			if got := s.Differs(&tc.c); got != tc.want {
				t.Errorf("differs: %v, want %v", got, tc.want)
			}
		})
	}
}

// The texts are made by the engine's own code.
func TestLasting(t *testing.T) {
	step := 333 * time.Millisecond
	for d := time.Duration(0); d < 47*time.Hour; d += step {
		if d > 2*time.Minute {
			step = 7 * time.Second
		}
		text := units.HumanDuration(d)
		exact := time.Second
		switch {
		case d >= time.Hour:
			exact = time.Hour
		case d >= time.Minute:
			exact = time.Minute
		}
		for _, status := range []string{"Up " + text, "Up " + text + " (health: starting)", "Exited (-1) " + text + " ago"} {
			if least, told := (Item{Status: status}).Lasting(); !told || least > d || least <= d-exact {
				t.Fatalf("%q of %v: %v, %v", status, d, least, told)
			}
		}
	}
	for _, status := range []string{"", "Created", "Dead", "Removal In Progress", "Restarting (1) 3 seconds ago", "Up 3 days", "Up since noon", "Up for 3 hours"} {
		if least, told := (Item{Status: status}).Lasting(); told {
			t.Errorf("%q: %v, want that it tells nothing", status, least)
		}
	}
}
