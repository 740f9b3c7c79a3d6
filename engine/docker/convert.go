package docker

import (
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sys/unix"

	"defib/engine"
	"defib/engine/internal/store"
)

// defaultStopTimeout is that of Linux containers that name none.
// Source: https://docs.docker.com/reference/cli/docker/container/stop/
const defaultStopTimeout = 10 * time.Second

// fromInspect makes a Container of an inspect's answer. What only events tell
// (ending, counts) is left to the store.
func fromInspect(in container.InspectResponse) *engine.Container {
	c := &engine.Container{Inspected: true, RestartPolicy: string(container.RestartPolicyDisabled), StopTimeout: defaultStopTimeout}
	if in.ContainerJSONBase != nil {
		c.ID = in.ID
		c.Name = strings.TrimPrefix(in.Name, "/")
		c.ImageID = in.Image
		c.RestartCount = in.RestartCount
		c.Created = parseTime(in.Created)
		c.Command = append([]string{in.Path}, in.Args...)
	}
	if in.Config != nil {
		c.Image = in.Config.Image
		c.ImageName = imageName(in.Config.Image)
		c.Labels = in.Config.Labels
		c.StopSignal = parseSignal(in.Config.StopSignal)
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
		c.HostNetwork = h.NetworkMode.IsHost()
	}
	if s := in.State; s != nil {
		c.State = parseState(s.Status)
		c.Error = s.Error
		c.PID = s.Pid
		c.Started = parseTime(s.StartedAt)
		c.Finished = parseTime(s.FinishedAt)
		if s.Health != nil {
			h := engine.ParseHealth(s.Health.Status)
			c.HealthCheck = h != engine.NoHealth
			if c.State == engine.Running {
				c.Health = h
			}
			if c.Health == engine.Unhealthy {
				c.HealthOutput = lastLine(s.Health.Log)
			}
		}
		if !c.Alive() && (!c.Finished.IsZero() || s.ExitCode != 0) {
			c.Exit = engine.Exit{Known: true, Code: s.ExitCode, OOMKilled: s.OOMKilled}
		}
	}
	return c
}

// parents reads the modes of a container, in the order of the constants.
func parents(h *container.HostConfig) []engine.Parent {
	var ps []engine.Parent
	for _, p := range []engine.Parent{
		{Namespace: engine.Network, Container: h.NetworkMode.ConnectedContainer()},
		{Namespace: engine.PID, Container: h.PidMode.Container()},
		{Namespace: engine.IPC, Container: h.IpcMode.Container()},
	} {
		if p.Container != "" {
			ps = append(ps, p)
		}
	}
	return ps
}

// toListItem reads one line of a list.
func toListItem(s container.Summary) store.ListItem {
	return store.ListItem{
		ID: s.ID, Name: summaryName(s.Names), Image: s.Image, ImageID: s.ImageID, Labels: s.Labels,
		State: parseState(s.State), Created: time.Unix(s.Created, 0).UTC(), Status: s.Status,
	}
}

func toListItems(list []container.Summary) []store.ListItem {
	items := make([]store.ListItem, len(list))
	for i, s := range list {
		items[i] = toListItem(s)
	}
	return items
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

// parseState reads Docker's seven states and the others that Podman has.
func parseState(s string) engine.State {
	switch s {
	case "stopped":
		return engine.Exited
	case "configured", "initialized":
		return engine.Created
	case "stopping":
		return engine.Running
	}
	return engine.State(s)
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
