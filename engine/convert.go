package engine

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sys/unix"
)

// Labels that compose sets on its containers.
// Source: https://github.com/docker/compose/blob/main/pkg/api/labels.go
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
)

// defaultStopTimeout is that of Linux containers that name none.
// Source: https://docs.docker.com/reference/cli/docker/container/stop/
const defaultStopTimeout = 10 * time.Second

// fromInspect makes a Container of an inspect's answer. What only events tell
// (ending, counts) is left to the book.
func fromInspect(in container.InspectResponse) *Container {
	c := &Container{Inspected: true, RestartPolicy: string(container.RestartPolicyDisabled), StopTimeout: defaultStopTimeout}
	if in.ContainerJSONBase != nil {
		c.ID = in.ID
		c.Name = strings.TrimPrefix(in.Name, "/")
		c.ImageID = in.Image
		c.RestartCount = in.RestartCount
		c.Created = parseTime(in.Created)
		c.command = append([]string{in.Path}, in.Args...)
	}
	if in.Config != nil {
		c.Image = in.Config.Image
		c.imageName = imageName(in.Config.Image)
		c.Labels = in.Config.Labels
		c.stopSignal = parseSignal(in.Config.StopSignal)
		if t := in.Config.StopTimeout; t != nil {
			c.StopTimeout = time.Duration(*t) * time.Second
		}
	}
	if in.ContainerJSONBase == nil {
		return c
	}
	if h := in.HostConfig; h != nil {
		if h.RestartPolicy.Name != "" {
			c.RestartPolicy = string(h.RestartPolicy.Name)
		}
		c.AutoRemove = h.AutoRemove
		c.Parents = parents(h)
	}
	if s := in.State; s != nil {
		c.State = parseState(s.Status)
		c.Error = s.Error
		c.Started = parseTime(s.StartedAt)
		c.Finished = parseTime(s.FinishedAt)
		if s.Health != nil {
			h := parseHealth(s.Health.Status)
			c.HealthCheck = h != NoHealth
			if c.State == Running {
				c.Health = h
			}
			if c.Health == Unhealthy {
				c.HealthOutput = lastLine(s.Health.Log)
			}
		}
		if !c.alive() && (!c.Finished.IsZero() || s.ExitCode != 0) {
			c.Exit = Exit{Known: true, Code: s.ExitCode, OOMKilled: s.OOMKilled}
		}
	}
	return c
}

// fromSummary makes a Container of one line of a list, which knows little.
func fromSummary(s container.Summary) *Container {
	return &Container{
		ID:      s.ID,
		Name:    summaryName(s.Names),
		Image:   s.Image,
		ImageID: s.ImageID,
		Labels:  s.Labels,
		State:   parseState(s.State),
		Created: time.Unix(s.Created, 0).UTC(),
	}
}

// summaryName picks the container's own name: aliases that links give it
// contain a second slash.
func summaryName(names []string) string {
	for _, n := range names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			return n
		}
	}
	return ""
}

var exitedText = regexp.MustCompile(`^Exited \((-?\d+)\)`)

// differs reports whether a line of a list contradicts what an inspect said:
// state, name, and what the status text tells of exit code and health
// ("Exited (137) 2 hours ago", "Up 3 minutes (unhealthy)"; Podman tells no health).
func differs(c *Container, s container.Summary) bool {
	if c.State != parseState(s.State) || c.Name != summaryName(s.Names) {
		return true
	}
	if m := exitedText.FindStringSubmatch(s.Status); m != nil && c.Exit.Known {
		return m[1] != strconv.Itoa(c.Exit.Code)
	}
	if _, text, ok := strings.Cut(s.Status, " ("); ok && c.State == Running {
		text = strings.TrimPrefix(strings.TrimSuffix(text, ")"), "health: ")
		if h := parseHealth(text); h != NoHealth {
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

// parseState reads Docker's seven states and the others that Podman has.
func parseState(s string) State {
	switch s {
	case "stopped":
		return Exited
	case "configured", "initialized":
		return Created
	case "stopping":
		return Running
	}
	return State(s)
}

func parseHealth(s string) Health {
	switch h := Health(s); h {
	case Starting, Healthy, Unhealthy:
		return h
	}
	return NoHealth // "none", and "" as Podman has it
}

// maxOutput is how much is kept of a line that a health check wrote, in bytes.
const maxOutput = 200

// lastLine is the last line that the newest run of a health check wrote.
func lastLine(log []*container.HealthcheckResult) string {
	if len(log) == 0 || log[len(log)-1] == nil {
		return ""
	}
	text := strings.TrimSpace(log[len(log)-1].Output)
	text = strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	return strings.ToValidUTF8(text[:min(len(text), maxOutput)], "")
}

// parseTime reads the engine's RFC 3339 times; year 1 and nonsense are never.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

// sigRTMin is the first real-time signal as Docker counts them (SIGRTMIN+3 is
// systemd's). Source: https://github.com/moby/sys/blob/main/signal/signal_linux.go
const sigRTMin = 34

// parseSignal reads a signal as Docker takes it: 15, TERM, SIGTERM, SIGRTMIN+3.
// 0 is none, or one that it does not know.
func parseSignal(s string) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	s = strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if offset, ok := strings.CutPrefix(s, "RTMIN"); ok {
		n, _ := strconv.Atoi(strings.TrimPrefix(offset, "+"))
		return sigRTMin + n
	}
	return int(unix.SignalNum("SIG" + s))
}

func parseCode(s string) (code int, ok bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil
}
