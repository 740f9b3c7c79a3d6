// Package listing reads the lines of an engine's list of containers, whose status is a text
// for people. It is pure.
package listing

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"defib/engine"
)

// Item is what the engine's list tells of one container.
type Item struct {
	ID, Name, Image, ImageID string
	Labels                   map[string]string
	State                    engine.State
	Created                  time.Time // on the engine's clock
	// Status is a text for people, such as "Exited (137) 2 hours ago" and "Up 3 minutes
	// (unhealthy)". Podman's has no health.
	Status string
}

// Container is what is known of a container that has not been inspected.
func (i Item) Container() *engine.Container {
	return &engine.Container{ID: i.ID, Name: i.Name, Image: i.Image, ImageID: i.ImageID, Labels: i.Labels, State: i.State, Created: i.Created}
}

// Differs reports whether a line of a list contradicts what an inspect said:
// state, name, and what the status text tells of exit code and health.
func (i Item) Differs(c *engine.Container) bool {
	if c.State != i.State || c.Name != i.Name {
		return true
	}
	if code, told := exitCode(i.Status); told && c.Exit.Known {
		return code != c.Exit.Code
	}
	h := health(i.Status)
	return c.State == engine.Running && h != engine.NoHealth && h != c.Health
}

var exited = regexp.MustCompile(`^Exited \((-?\d+)\)`)

// exitCode is that of a container that exited.
func exitCode(text string) (code int, told bool) {
	m := exited.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	code, err := strconv.Atoi(m[1])
	return code, err == nil
}

// health is that of a container that runs; NoHealth: it is not told. Podman never tells.
func health(text string) engine.Health {
	_, text, _ = strings.Cut(text, " (")
	return engine.ParseHealth(strings.TrimPrefix(strings.TrimSuffix(text, ")"), "health: "))
}

var lasting = regexp.MustCompile(`^(?:Up|Exited \(-?\d+\)) (Less than a|About an?|\d+) (second|minute|hour)`)

// Lasting is how long at least the container has been up or down: "Exited (0) About an hour
// ago", "Up Less than a second". Hours are rounded. Of days, and in texts of another kind,
// it is not told. Source: https://github.com/docker/go-units/blob/master/duration.go
func (i Item) Lasting() (least time.Duration, told bool) {
	m := lasting.FindStringSubmatch(i.Status)
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
