package web

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/version"

	"defib/engine"
	"defib/restarter"
	"defib/stats"
	"defib/web/heartbeat"
	"defib/web/postmortem"
	"defib/web/resources"
	"defib/web/text"
)

// Status is all that the page shows, and the answer of /api/v1/status.
type Status struct {
	Time       time.Time    `json:"time"` // on Defib's clock, as all others below unless said otherwise
	Version    string       `json:"version"`
	Since      time.Time    `json:"watching_since,omitzero"`
	Engine     Engine       `json:"engine"`
	Summary    string       `json:"summary"` // in one line
	Counts     map[Kind]int `json:"counts"`  // containers by kind; those that are missing count as needs_attention
	DryRun     bool         `json:"dry_run"`
	Holds      []Hold       `json:"holds"`
	HoldFault  string       `json:"hold_file_error,omitempty"` // why the hold file cannot be read
	HoldAll    bool         `json:"hold_all,omitempty"`        // everything is on hold until it can
	Whitelist  []Entry      `json:"whitelist"`
	Faults     []string     `json:"resource_faults,omitempty"` // what keeps resources from being read
	Containers []Container  `json:"containers"`                // by name; none while the engine is away
	Actions    []Action     `json:"actions"`                   // the newest first
	Alerts     []Alert      `json:"alerts"`                    // the newest first

	Deaths []postmortem.Death `json:"deaths,omitempty"` // the newest first

	Resources bool `json:"-"` // they are on
}

// Engine says which engine is watched, and whether it can be seen now.
type Engine struct {
	Up         bool   `json:"up"`
	Error      string `json:"error,omitempty"` // why it cannot be seen
	Host       string `json:"host,omitempty"`
	Version    string `json:"version,omitempty"`
	APIVersion string `json:"api_version,omitempty"`
	OS         string `json:"os,omitempty"`
	Arch       string `json:"arch,omitempty"`
}

// Hold is one line of the hold file.
type Hold struct {
	Entry string    `json:"entry"`
	Until time.Time `json:"until"`
}

// Entry is one of the whitelist.
type Entry struct {
	Entry   string `json:"entry"`
	Matches int    `json:"matches"`
	Missing bool   `json:"missing"` // it is a name or a service, and matches nothing
}

// Container is what is known and told of one container.
type Container struct {
	Name        string     `json:"name"`
	ID          string     `json:"id"`
	Image       string     `json:"image"`
	Kind        Kind       `json:"kind"`
	State       string     `json:"state"`
	Health      string     `json:"health,omitempty"`
	HealthCheck string     `json:"health_output,omitempty"` // while it is unhealthy: the last line of its health check
	Since       time.Time  `json:"since,omitzero"`          // when it came up, or went down
	ExitCode    *int       `json:"exit_code,omitempty"`     // of the last exit that is known
	OOMKilled   bool       `json:"oom_killed,omitempty"`    // by that exit
	Restarts    int        `json:"restarts"`                // since it last stayed up and well
	GaveUp      bool       `json:"gave_up,omitempty"`
	Whitelisted bool       `json:"whitelisted"`
	Reason      string     `json:"reason,omitempty"`  // why it is left alone
	Trigger     string     `json:"trigger,omitempty"` // what asks for an action
	Until       time.Time  `json:"until,omitzero"`    // when it is looked at again
	Created     time.Time  `json:"created,omitzero"`  // on the engine's clock
	Recreated   bool       `json:"recreated,omitempty"`
	Summary     []Sentence `json:"summary,omitempty"`  // what has happened, unless it is fine
	Next        Sentence   `json:"next,omitzero"`      // what will happen, or why nothing will
	Commands    []string   `json:"commands,omitempty"` // to copy into a shell

	Heartbeat heartbeat.Strip `json:"heartbeat,omitzero"` // how it did in the last 24 hours

	// What it uses, as far as that is known.
	CPUCores    *float64       `json:"cpu_cores,omitempty"`    // processors, on average since an earlier reading
	MemoryUsed  *uint64        `json:"memory_bytes,omitempty"` // its working set
	MemoryLimit uint64         `json:"memory_limit_bytes,omitempty"`
	Received    *uint64        `json:"network_receive_bytes,omitempty"` // since it was started
	Sent        *uint64        `json:"network_transmit_bytes,omitempty"`
	LastUsage   resources.Last `json:"last_usage,omitzero"` // of one that is down

	Exit        string             `json:"-"` // the exit code in words
	Deaths      []postmortem.Death `json:"-"` // of its name, the newest first
	Age         Part               `json:"-"`
	CPU, Memory resources.Amount   `json:"-"`
}

// Action is a start or a restart that has ended.
type Action struct {
	Time      time.Time     `json:"time"`
	Container string        `json:"container"`
	ID        string        `json:"id"`
	Trigger   string        `json:"trigger"`
	Sources   []AlertSource `json:"alert_sources,omitempty"` // alerts that waited for it
	Attempt   int           `json:"attempt"`
	Outcome   string        `json:"outcome"`
	Error     string        `json:"error,omitempty"`
	Seconds   float64       `json:"seconds"`

	Age  Part   `json:"-"`
	Took string `json:"-"`
	Key  string `json:"-"` // no other of the list has it
}

// AlertSource is an alert, and who sent it.
type AlertSource struct {
	Alert string `json:"alert"`
	Peer  string `json:"peer"`
}

// Alert is one that was answered.
type Alert struct {
	Time      time.Time `json:"time"`
	Alert     string    `json:"alert"`
	Peer      string    `json:"peer"`
	Container string    `json:"container,omitempty"`
	Outcome   string    `json:"outcome"`
	Message   string    `json:"message"`
	Seconds   float64   `json:"seconds"`

	Age  Part   `json:"-"`
	Took string `json:"-"`
	Key  string `json:"-"` // no other of the list has it
}

// newStatus tells what a report says at this moment. An error says why the engine
// cannot be seen now: then nothing is said of its containers, which may be
// otherwise by now. The reading is nil if resources are off.
func newStatus(now time.Time, r restarter.Report, reading *stats.Reading, away error) *Status {
	s := &Status{
		Time: now, Version: version.Version, Since: r.Began, DryRun: r.DryRun, Counts: map[Kind]int{},
		HoldFault: text.Line(r.HoldFault), HoldAll: r.HoldAll,
		Holds: []Hold{}, Whitelist: []Entry{}, Containers: []Container{}, Actions: newActions(now, r.Actions), Alerts: newAlerts(now, r.Alerts),
		Deaths: postmortem.Of(now, r.Deaths),
	}
	for _, h := range r.Holds {
		if h.Until.After(now) {
			s.Holds = append(s.Holds, Hold{Entry: text.Printable(h.String()), Until: h.Until})
		}
	}
	if p := r.Snapshot; p != nil {
		s.Engine = Engine{Host: text.Printable(p.Host), Version: text.Printable(p.Version), APIVersion: p.APIVersion, OS: p.OS, Arch: p.Arch}
	}
	switch {
	case away != nil:
		s.Engine.Error = text.Line(away.Error())
	case r.Snapshot == nil:
		s.Engine.Error = "Defib has just started and has not listed the containers yet"
	default:
		s.Engine.Up = true
	}
	if !s.Engine.Up {
		s.Summary = "the engine is unavailable"
		return s
	}
	for _, e := range r.Whitelist {
		n := r.Matches[e.String()]
		entry := Entry{Entry: text.Printable(e.String()), Matches: n, Missing: n == 0 && !e.Glob()}
		if entry.Missing {
			s.Counts[NeedsAttention]++
		}
		s.Whitelist = append(s.Whitelist, entry)
	}
	if reading != nil {
		s.Resources = true
		for _, f := range reading.Faults {
			s.Faults = append(s.Faults, text.Line(string(f)))
		}
	}
	died := postmortem.ByName(s.Deaths)
	for _, standing := range r.Containers {
		c := newContainer(view{
			ContainerStatus: standing, now: now, reset: r.Reset, holdFile: r.HoldFile, holds: r.Holds, holdAll: r.HoldAll, self: ownName(r.Snapshot),
			use: resources.Of(reading, standing.Container),
		})
		if c.Deaths = died[c.Name]; c.Kind == NeedsAttention && len(c.Deaths) > 0 {
			c.Deaths[0].Open = true
		}
		s.Counts[c.Kind]++
		s.Containers = append(s.Containers, c)
	}
	s.Summary = summary(s.Counts)
	return s
}

// ownName is the name of Defib's own container on this engine; "": it runs in none.
func ownName(p *engine.Snapshot) string {
	if own := p.Get(p.Self); own != nil {
		return own.Name
	}
	return ""
}

func newContainer(v view) Container {
	c := v.Container
	since := v.since()
	t := Container{
		Name: text.Printable(c.Name), ID: c.ID, Image: text.Brief(c.Image), Kind: v.kind(), State: string(c.State), Health: string(c.Health), HealthCheck: text.Brief(c.HealthOutput),
		Since: since, Restarts: v.Streak, GaveUp: v.GaveUp, Whitelisted: v.Rule.Whitelisted,
		Reason: string(v.Reason), Trigger: string(v.Trigger), Until: v.Until, Created: c.Created, Recreated: v.Predecessor != nil,
		Summary: v.summary(), Next: v.nextAction(), Commands: v.commands(), Age: age(v.now, since),
		CPUCores: v.use.Cores, MemoryUsed: v.use.Memory, MemoryLimit: v.use.MemoryLimit, Received: v.use.Received, Sent: v.use.Sent,
		Heartbeat: heartbeat.Of(v.Heartbeat, v.now), LastUsage: v.use.Last, CPU: v.use.CPUAmount, Memory: v.use.MemoryAmount,
	}
	if c.Exit.Known {
		t.ExitCode, t.OOMKilled, t.Exit = &c.Exit.Code, c.Exit.OOMKilled, text.ExitWords(c.Exit)
	}
	return t
}

func newActions(now time.Time, actions []restarter.ActionRecord) []Action {
	told := make([]Action, 0, len(actions))
	for _, a := range slices.Backward(actions) {
		t := Action{
			Time: a.Began, Container: text.Printable(a.Container), ID: a.ID, Trigger: string(a.Trigger), Attempt: a.Attempt,
			Outcome: string(a.Outcome), Error: text.Brief(a.Err), Seconds: a.Took.Seconds(), Age: ago(now, a.Began), Took: text.Took(a.Took),
			Key: key(a.Began, a.ID),
		}
		for _, s := range a.Sources {
			t.Sources = append(t.Sources, newAlertSource(s))
		}
		told = append(told, t)
	}
	return told
}

func newAlertSource(a restarter.AlertSource) AlertSource {
	return AlertSource{Alert: cmp.Or(text.Brief(a.Alert), "an alert without a name"), Peer: a.Peer}
}

func newAlerts(now time.Time, alerts []restarter.AlertRecord) []Alert {
	told := make([]Alert, 0, len(alerts))
	for i, a := range slices.Backward(alerts) {
		same := 0 // that came in the same request
		for same < i && alerts[i-1-same].ReceivedAt.Equal(a.ReceivedAt) {
			same++
		}
		source := newAlertSource(a.AlertSource)
		told = append(told, Alert{
			Time: a.ReceivedAt, Alert: source.Alert, Peer: source.Peer, Container: text.Printable(a.Container), Outcome: string(a.Outcome),
			Message: text.Brief(a.Message), Seconds: a.Took.Seconds(), Age: ago(now, a.ReceivedAt), Took: text.Took(a.Took), Key: key(a.ReceivedAt, strconv.Itoa(same)),
		})
	}
	return told
}

func key(at time.Time, which string) string {
	return strconv.FormatInt(at.UnixNano(), 36) + "-" + which
}

// Short is the beginning of the ID, as docker ps shows it.
func (c Container) Short() string { return engine.ShortID(c.ID) }

// Missing lists the entries of the whitelist that no container matches.
func (s *Status) Missing() []Entry {
	return slices.DeleteFunc(slices.Clone(s.Whitelist), func(e Entry) bool { return !e.Missing })
}

// Of returns the containers of these kinds.
func (s *Status) Of(kinds ...Kind) []Container {
	return slices.DeleteFunc(slices.Clone(s.Containers), func(c Container) bool { return !slices.Contains(kinds, c.Kind) })
}

// Count is how many containers there are of the kind.
func (s *Status) Count(k Kind) int { return s.Counts[k] }

// OtherDeaths has the deaths of names without a card for another reason: of what is fine
// again, or gone, or cannot be seen.
func (s *Status) OtherDeaths() []postmortem.Card {
	kinds := map[string]Kind{}
	for _, c := range s.Containers {
		kinds[c.Name] = c.Kind
	}
	return postmortem.Cards(s.Deaths, func(name string) bool { return kinds[name] != "" && kinds[name] != Fine })
}
