// Package answer reads the answers of an engine: inspects, lists and events.
package answer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"

	"defib/engine"
	"defib/engine/internal/listing"
	"defib/engine/internal/notation"
	"defib/engine/internal/store"
)

// DefaultStopTimeout is that of Linux containers that name none.
// Source: https://docs.docker.com/reference/cli/docker/container/stop/
const DefaultStopTimeout = 10 * time.Second

// Container makes one of an inspect's answer. What only events tell (how it ended, how
// often) is left to the store.
func Container(in container.InspectResponse) *engine.Container {
	c := &engine.Container{Inspected: true, RestartPolicy: string(container.RestartPolicyDisabled), StopTimeout: DefaultStopTimeout}
	if in.ContainerJSONBase != nil {
		c.ID = in.ID
		c.Name = strings.TrimPrefix(in.Name, "/")
		c.ImageID = in.Image
		c.RestartCount = in.RestartCount
		c.Created = notation.Time(in.Created)
		c.Command = append([]string{in.Path}, in.Args...)
	}
	if in.Config != nil {
		c.Image = in.Config.Image
		c.ImageName = notation.Image(in.Config.Image)
		c.Labels = in.Config.Labels
		c.StopSignal = notation.Signal(in.Config.StopSignal)
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
		c.Links, c.VolumesFrom = h.Links, h.VolumesFrom
	}
	c.Links = append(slices.Clone(c.Links), networkLinks(in.NetworkSettings)...)
	if s := in.State; s != nil {
		c.State = notation.State(s.Status)
		c.Error = s.Error
		c.PID = s.Pid
		c.Started = notation.Time(s.StartedAt)
		c.Finished = notation.Time(s.FinishedAt)
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

// networkLinks returns the links of a container in networks that users have made, as
// compose asks for them: the engine keeps them with each network, NAME:ALIAS, and not with
// the others.
func networkLinks(settings *container.NetworkSettings) []string {
	if settings == nil {
		return nil
	}
	var links []string
	for _, name := range slices.Sorted(maps.Keys(settings.Networks)) {
		if at := settings.Networks[name]; at != nil {
			links = append(links, at.Links...)
		}
	}
	return links
}

// ListItem reads one line of a list.
func ListItem(s container.Summary) listing.Item {
	return listing.Item{
		ID: s.ID, Name: notation.Name(s.Names), Image: s.Image, ImageID: s.ImageID, Labels: s.Labels,
		State: notation.State(s.State), Created: time.Unix(s.Created, 0).UTC(), Status: s.Status,
	}
}

// ListItems reads a list.
func ListItems(list []container.Summary) []listing.Item {
	items := make([]listing.Item, len(list))
	for i, s := range list {
		items[i] = ListItem(s)
	}
	return items
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

// ImageNames turns a list of images into IDs by canonical name.
func ImageNames(list []image.Summary) map[string]string {
	names := map[string]string{}
	for _, s := range list {
		for _, tag := range s.RepoTags {
			names[notation.Image(tag)] = s.ID
		}
		for _, digest := range s.RepoDigests {
			names[notation.Image(digest)] = s.ID
		}
	}
	delete(names, "") // <none>:<none>
	return names
}

// Event reads one event.
func Event(m events.Message) store.Event {
	return store.Event{
		Kind:    string(m.Type),
		Action:  string(m.Action),
		ID:      m.Actor.ID,
		Name:    m.Actor.Attributes["name"],
		Project: m.Actor.Attributes[engine.LabelProject],
		Signal:  notation.Signal(m.Actor.Attributes["signal"]),
		Exit:    m.Actor.Attributes["exitCode"],
		At:      time.Unix(0, m.TimeNano),
	}
}
