// Package engine says what a container engine is doing: its containers, and a snapshot
// of all of them at one moment. It is pure. Package docker below it watches an engine
// and acts on it.
package engine

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// State is what the engine says a container is doing, in Docker's words.
type State string

// The states of a container.
const (
	Created    State = "created"
	Running    State = "running"
	Paused     State = "paused"
	Restarting State = "restarting"
	Removing   State = "removing"
	Exited     State = "exited"
	Dead       State = "dead"
)

// States lists every state, in the order of a container's life.
var States = []State{Created, Running, Paused, Restarting, Removing, Exited, Dead}

// Health is the result of a container's own health check.
type Health string

// The health of a container. NoHealth is that of one without a health check.
const (
	NoHealth  Health = ""
	Starting  Health = "starting"
	Healthy   Health = "healthy"
	Unhealthy Health = "unhealthy"
)

// ParseHealth reads the result of a health check as an engine writes it.
func ParseHealth(s string) Health {
	switch h := Health(s); h {
	case Starting, Healthy, Unhealthy:
		return h
	}
	return NoHealth // "none", and "" as Podman has it
}

// Healths lists every result a health check can have.
var Healths = []Health{Starting, Healthy, Unhealthy}

// ExitCause tells how the last run of a container ended. It is judged by the
// events between start and death, since the engine's API does not say.
type ExitCause string

// The causes. CauseNone is that of a container that runs or never ran.
const (
	CauseNone    ExitCause = ""
	CauseSelf    ExitCause = "self"    // it died without having been told to
	CauseStopped ExitCause = "stopped" // somebody stopped or killed it
	CauseEngine  ExitCause = "engine"  // the engine shut down and stopped everything
	CauseUnknown ExitCause = "unknown" // nobody saw it
)

// StopWindow is how long a stopping signal that no death follows is remembered.
const StopWindow = 5 * time.Minute

// ProjectWindow is how long a compose project's last change is remembered.
const ProjectWindow = 24 * time.Hour

// Exit is what is known of a container's last exit.
type Exit struct {
	Known     bool
	Code      int
	OOMKilled bool
}

// Event names one kind of container event that is counted.
type Event int

// The counted events.
const (
	EventDie Event = iota
	EventOOM
	EventStart
	EventKill
	EventUnhealthy
	numEvents
)

// Events lists every counted event.
var Events = [numEvents]Event{EventDie, EventOOM, EventStart, EventKill, EventUnhealthy}

var eventNames = [numEvents]string{"die", "oom", "start", "kill", "unhealthy"}

// String returns the name of the event as Docker writes it.
func (e Event) String() string { return eventNames[e] }

// Counts holds a number of events, indexed by Event.
type Counts [numEvents]uint64

// Container is one container as the engine last told it. A published Container
// is never changed: an unchanged container keeps its pointer from snapshot to
// snapshot. Times of the engine's clock and of ours must not be compared.
type Container struct {
	ID      string // 64 hex digits
	Name    string // without the slash
	Image   string // the image name it was created from
	ImageID string
	Labels  map[string]string

	// Inspected is false while the engine does not answer an inspect: then ID,
	// Name, Image, ImageID, Labels, State and Created are known, and the rest is
	// what an earlier inspect said, if there was one.
	Inspected bool

	State         State
	HealthCheck   bool          // it has one
	Health        Health        // NoHealth unless it runs: the engine does not judge others
	HealthOutput  string        // while it is unhealthy: the last line that its health check wrote
	Error         string        // of the last start that failed
	RestartCount  int           // by the engine's own policy, since the last start through the API
	RestartPolicy string        // no, always, unless-stopped, on-failure
	AutoRemove    bool          // docker run --rm
	Parents       []Parent      // whose namespaces it shares
	HostNetwork   bool          // it uses the network of the host
	Links         []string      // docker run --link, as the engine has them: /NAME:/ITS NAME/ALIAS; in a network of its own NAME:ALIAS
	VolumesFrom   []string      // docker run --volumes-from: names or IDs, with :ro or :rw
	PID           int           // of its first process, as the host of the engine counts them; 0: it is down
	Updates       int           // how often its limits may have changed, as far as we saw
	StopTimeout   time.Duration // between SIGTERM and SIGKILL; negative: no limit

	Created, Started, Finished time.Time // on the engine's clock; zero: never

	Exit   Exit   // the last exit that we know of, kept while it runs again
	Events Counts // since Defib started, by all containers of this name

	CreatedSeenAt  time.Time // when it was created, on our clock
	StartSeenAt    time.Time // when we saw the current run begin, on our clock; zero: it is down
	ExitCause      ExitCause
	ExitSeenAt     time.Time // when we saw the last run end, on our clock; zero: it runs or never ran
	StopSeenAt     time.Time // when it was told to stop, on our clock; zero: it was not, or is down
	UnhealthySince time.Time // when we saw it turn unhealthy, on our clock; zero: it is not

	ImageStatus ImageStatus // of its image

	StopSignal int
	Command    []string // program and arguments
	ImageName  string   // canonical; "" unless inspected
}

// ShortID is an ID as Docker shows it, and as log lines do.
func ShortID(id string) string { return id[:min(len(id), 12)] }

// Up reports whether the container runs: not paused, not restarting.
func (c *Container) Up() bool { return c.State == Running }

// Alive reports whether its program is there, running or paused.
func (c *Container) Alive() bool { return c.Up() || c.State == Paused }

// AlwaysRestarts reports whether the engine's own restart policy brings the container
// back whatever its exit code, unless somebody stops it.
func (c *Container) AlwaysRestarts() bool {
	return c.RestartPolicy == "always" || c.RestartPolicy == "unless-stopped"
}

// Well reports whether the container runs and its health check, if it has
// one, does not say that it is unhealthy.
func (c *Container) Well() bool { return c.Up() && c.Health != Unhealthy }

// Ready reports whether the container runs and is healthy, if it has a health check.
func (c *Container) Ready() bool { return c.Up() && (!c.HealthCheck || c.Health == Healthy) }

// FailedStart reports whether the container was never up because its first
// start failed. The engine announces that by no event.
func (c *Container) FailedStart() bool { return c.State == Created && c.Error != "" }

// Untouched reports whether nobody has ever tried to start the container.
func (c *Container) Untouched() bool { return c.State == Created && c.Error == "" }

// Labels that compose sets on its containers.
// Source: https://github.com/docker/compose/blob/main/pkg/api/labels.go
const (
	LabelProject = "com.docker.compose.project"
	LabelService = "com.docker.compose.service"
)

// Project is the compose project of the container, "" if it has none.
func (c *Container) Project() string { return c.Labels[LabelProject] }

// Service is the compose service of the container, "" if it has none.
func (c *Container) Service() string { return c.Labels[LabelService] }

// Departed is a name that no container has any more, with what its containers
// had counted. It is kept for a few minutes so that the last scrape gets it.
type Departed struct {
	Name   string
	Events Counts
}

// Snapshot is an immutable snapshot of all containers of an engine.
type Snapshot struct {
	// Connected is true while the event stream is open and the snapshot
	// complete. Otherwise the snapshot is the last one known.
	Connected bool
	Lost      time.Time // when the stream ended, on our clock; zero while connected
	Listed    time.Time // when the last list was asked for, on our clock
	First     time.Time // when the first snapshot was made, on the engine's clock

	Host, Version, APIVersion, OS, Arch string

	Self       string               // ID of the container that Defib itself runs in, on this engine or another; "": it seems to be in none
	Containers []*Container         // sorted by ID
	Departed   []Departed           // sorted by name
	Projects   map[string]time.Time // by compose project: when it last changed, on our clock
	Stops      map[string]time.Time // by compose project: when others last told one of it to stop, on our clock; nil: the engine does not say

	// For Memory.
	EngineID   string                // "": it has none that lasts, or does not tell
	BootID     string                // of the engine's host; "": not known
	LastEvent  LastEvent             // the newest of those that the snapshot rests on
	ClockAhead time.Duration         // how far the engine's clock is ahead of ours
	Shutdown   time.Time             // while the stream is down: before it, on the engine's clock, no shutdown told a container to stop; zero: nobody knows
	Heard      map[string]Remembered // by ID: what events told and no inspect has shown yet
	Earlier    *Memory               // nil unless this snapshot is not whole: what is to be remembered instead

	once  sync.Once // for Named
	named []*Container
}

// NewSnapshot returns a snapshot of these containers, sorted by ID. Named are the same
// as Snapshot.Named has them; nil: they are still to be sorted.
func NewSnapshot(byID, named []*Container) *Snapshot {
	return &Snapshot{Containers: byID, named: named}
}

// Get returns the container with this full ID, or nil.
func (s *Snapshot) Get(id string) *Container {
	i, ok := slices.BinarySearchFunc(s.Containers, id, func(c *Container, id string) int { return cmp.Compare(c.ID, id) })
	if !ok {
		return nil
	}
	return s.Containers[i]
}

// Find returns the container with this ID or name, or nil.
func (s *Snapshot) Find(idOrName string) *Container {
	if c := s.Get(idOrName); c != nil {
		return c
	}
	i, ok := slices.BinarySearchFunc(s.Named(), idOrName, func(c *Container, name string) int { return cmp.Compare(c.Name, name) })
	if !ok {
		return nil
	}
	return s.Named()[i]
}

// Named returns each container that has a name, one per name, sorted by it. A
// snapshot is made of answers from different moments, so that two containers may
// have the same name in it for a moment: then the younger one counts. The slice is
// shared and must not be changed.
func (s *Snapshot) Named() []*Container {
	s.once.Do(func() {
		if s.named != nil {
			return
		}
		s.named = OnePerName(s.Containers, func(c *Container) *Container { return c })
	})
	return s.named
}

// Names holds every name that the snapshot knows, of containers and of departed
// ones.
func (s *Snapshot) Names() map[string]bool {
	names := make(map[string]bool, len(s.Containers)+len(s.Departed))
	for _, c := range s.Containers {
		names[c.Name] = true
	}
	for _, d := range s.Departed {
		names[d.Name] = true
	}
	return names
}

// OnePerName returns those whose containers have a name, one per name, sorted by it: of
// several the one whose container is the youngest.
func OnePerName[E any](all []E, container func(E) *Container) []E {
	named := slices.DeleteFunc(slices.Clone(all), func(e E) bool { return container(e).Name == "" })
	slices.SortStableFunc(named, func(a, b E) int {
		x, y := container(a), container(b)
		return cmp.Or(cmp.Compare(x.Name, y.Name), y.Created.Compare(x.Created))
	})
	return slices.CompactFunc(named, func(a, b E) bool { return container(a).Name == container(b).Name })
}

// ImageStatus tells whether the image name that a container was created from still
// means the image that it runs, on this host.
type ImageStatus int

// The statuses. ImageUnknown is that of a container whose image name is gone, or was none,
// or of an engine that may not list its images.
const (
	ImageUnknown ImageStatus = iota
	ImageCurrent
	ImageOutdated
)
