package store

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"defib/engine"
)

// ListItem is what the engine's list tells of one container.
type ListItem struct {
	ID, Name, Image, ImageID string
	Labels                   map[string]string
	State                    engine.State
	Created                  time.Time // on the engine's clock
	// Status is a text for people, such as "Exited (137) 2 hours ago" and "Up 3 minutes
	// (unhealthy)". Podman's has no health.
	Status string
}

// Container is what is known of a container that has not been inspected.
func (s ListItem) Container() *engine.Container {
	return &engine.Container{ID: s.ID, Name: s.Name, Image: s.Image, ImageID: s.ImageID, Labels: s.Labels, State: s.State, Created: s.Created}
}

var exitedText = regexp.MustCompile(`^Exited \((-?\d+)\)`)

// Differs reports whether a line of a list contradicts what an inspect said:
// state, name, and what the status text tells of exit code and health.
func (s ListItem) Differs(c *engine.Container) bool {
	if c.State != s.State || c.Name != s.Name {
		return true
	}
	if m := exitedText.FindStringSubmatch(s.Status); m != nil && c.Exit.Known {
		return m[1] != strconv.Itoa(c.Exit.Code)
	}
	if _, text, ok := strings.Cut(s.Status, " ("); ok && c.State == engine.Running {
		text = strings.TrimPrefix(strings.TrimSuffix(text, ")"), "health: ")
		if h := engine.ParseHealth(text); h != engine.NoHealth {
			return h != c.Health
		}
	}
	return false
}

var lastingText = regexp.MustCompile(`^(?:Up|Exited \(-?\d+\)) (Less than a|About an?|\d+) (second|minute|hour)`)

// lasting is how long at least a container has been up or down, by the status
// text of a list ("Up 3 minutes (unhealthy)", "Exited (0) About an hour ago", "Up
// Less than a second"). Hours are rounded. Of days, and in texts of another kind,
// it is not told. Source: https://github.com/docker/go-units/blob/master/duration.go
func lasting(status string) (least time.Duration, told bool) {
	m := lastingText.FindStringSubmatch(status)
	if m == nil {
		return 0, false
	}
	n, _ := strconv.Atoi(m[1]) // 0: less than a second
	if strings.HasPrefix(m[1], "About") {
		n = 1
	}
	switch least = time.Duration(n); m[2] {
	case "second":
		return least * time.Second, true
	case "minute":
		return least * time.Minute, true
	}
	return least*time.Hour - 30*time.Minute, true
}

func parseCode(s string) (code int, ok bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil
}
