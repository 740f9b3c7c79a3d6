package web

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"defib/engine"
	"defib/restarter"
	"defib/restarter/decision"
	"defib/restarter/heartbeat"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/stats"
)

// night is when the tests are: no test may depend on how long it takes.
var night = time.Now()

// host is a fake one: what its page is made of, which a test may change.
type host struct {
	mu      sync.Mutex
	report  restarter.Report
	reading *stats.Reading // nil: resources are off
	away    error
}

func (h *host) handler() http.Handler {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "docker_up 1") })
	webhook := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "{}") })
	ready := func(*http.Request) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.away
	}
	report := func() restarter.Report {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.report
	}
	usage := func(*engine.Snapshot) *stats.Reading {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.reading
	}
	return New("/m", metrics, webhook, ready, report, usage)
}

// change makes another report of it, and a new revision.
func (h *host) change(f func(r *restarter.Report)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.report.Containers = slices.Clone(h.report.Containers)
	f(&h.report)
	h.report.Round++
}

func (h *host) goesAway(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = err
}

// standing finds one of a report by its name.
func standing(r *restarter.Report, name string) *restarter.ContainerStatus {
	i := slices.IndexFunc(r.Containers, func(s restarter.ContainerStatus) bool { return s.Container.Name == name })
	return &r.Containers[i]
}

// edit changes a container as the engine would: by a new value.
func edit(s *restarter.ContainerStatus, f func(c *engine.Container)) {
	c := *s.Container
	f(&c)
	s.Container = &c
}

// get asks once.
func (h *host) get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler().ServeHTTP(w, r)
	return w
}

// past is what was seen of a container so long before night; nil: the engine was
// unavailable, or Defib did not run.
type past struct {
	ago time.Duration
	c   *engine.Container
}

// lived is the strip of a container with such a past.
func lived(seen ...past) *heartbeat.Strip {
	strips := heartbeat.New(heartbeat.Saved{})
	for _, was := range seen {
		p := &engine.Snapshot{Connected: was.c != nil}
		if was.c != nil {
			c := *was.c
			c.Name = "it"
			p.Containers = append(p.Containers, &c)
		}
		strips.Observe(night.Add(-was.ago), p, func(*engine.Container) bool { return false })
	}
	return strips.Of("it")
}

// well and crashed are what containers were.
var (
	well    = &engine.Container{State: engine.Running}
	crashed = &engine.Container{State: engine.Exited, ExitCause: engine.CauseSelf, Exit: engine.Exit{Known: true, Code: 1}}
)

// usual is the past of a container on a host whose Defib was upgraded 7 hours ago.
func usual(c *engine.Container) []past {
	const day = 24 * time.Hour
	seen := []past{{day + 16*time.Minute, well}, {7*time.Hour + 20*time.Minute, nil}, {7*time.Hour - 20*time.Minute, well}}
	switch ended := night.Sub(c.ExitSeenAt); {
	case c.ExitSeenAt.IsZero():
		seen = append(seen, past{min(night.Sub(c.StartSeenAt), time.Hour), c})
	case ended < 6*time.Hour:
		seen = append(seen, past{ended, c})
	default:
		seen = []past{{day + 16*time.Minute, well}, {ended, c}}
	}
	return seen
}

// newHost has these containers, under their names.
func newHost(standings ...restarter.ContainerStatus) *host {
	now := night
	for i := range standings {
		if s := &standings[i]; s.Heartbeat == nil {
			s.Heartbeat = lived(usual(s.Container)...)
		}
	}
	p := &engine.Snapshot{Connected: true, First: now, Listed: now, Host: "harbor-3", Version: "29.1.2", APIVersion: "1.51", OS: "linux", Arch: "x86_64"}
	slices.SortFunc(standings, func(a, b restarter.ContainerStatus) int { return cmp.Compare(a.Container.Name, b.Container.Name) })
	for _, s := range standings {
		p.Containers = append(p.Containers, s.Container)
	}
	slices.SortFunc(p.Containers, func(a, b *engine.Container) int { return cmp.Compare(a.ID, b.ID) })
	return &host{report: restarter.Report{
		Round: 1, Began: now.Add(-9 * 24 * time.Hour), Snapshot: p, Containers: standings, Reset: 15 * time.Minute,
		Whitelist: patterns("*"), Matches: map[string]int{"*": len(standings)},
	}}
}

func patterns(s string) []policy.Pattern {
	ps, err := policy.ParsePatterns([]string{s})
	if err != nil {
		panic(err)
	}
	return ps
}

const mib = 1 << 20

// using is what a container uses whose memory is limited to so many bytes; 0: it is not.
func using(cores float64, memory, limit uint64) *stats.Usage {
	return &stats.Usage{
		CPU: stats.CPU{Known: true}, Cores: cores, Memory: stats.Memory{Known: true, WorkingSet: memory, Usage: 2 * memory},
		Limits: stats.Limits{Memory: limit, CPUKnown: true},
	}
}

// quota limits the processors that it may use.
func quota(u *stats.Usage, cores float64) *stats.Usage {
	u.Limits.CPUPeriod, u.Limits.CPUQuota = 100_000, uint64(cores*100_000)
	return u
}

// read has the host's resources read: those of each container that is up, or of one by
// one by their names.
func (h *host) read(named map[string]*stats.Usage) {
	h.reading = &stats.Reading{At: night, Containers: map[string]*stats.Usage{}, Last: map[string]stats.Past{}}
	for i, s := range h.report.Containers {
		if u := named[s.Container.Name]; u != nil {
			h.reading.Containers[s.Container.ID] = u
		} else if s.Container.Alive() {
			h.reading.Containers[s.Container.ID] = using(float64(i%7)/50, uint64(i*37+9)*mib, uint64(i%2)*4096*mib)
		}
	}
}

// runs is a whitelisted container that has run for this long.
func runs(name string, d time.Duration) restarter.ContainerStatus {
	began := night.Add(-d)
	return restarter.ContainerStatus{
		Rule: policy.Rule{Whitelisted: true, Mode: policy.Always, Triggers: policy.AllTriggers},
		Container: &engine.Container{
			ID: fmt.Sprintf("%x", sha256.Sum256([]byte(name))), Name: name, Image: "registry.example/" + name + ":1.4", Inspected: true, State: engine.Running,
			Created: began, Started: began, StartSeenAt: began, RestartPolicy: "no",
		},
	}
}

// died is one that exited by itself this long ago, after an hour.
func died(name string, ago time.Duration, code int, edits ...func(s *restarter.ContainerStatus)) restarter.ContainerStatus {
	s := runs(name, ago+time.Hour)
	c := s.Container
	c.State, c.StartSeenAt, c.Finished, c.ExitSeenAt = engine.Exited, time.Time{}, night.Add(-ago), night.Add(-ago)
	c.ExitCause, c.Exit = engine.CauseSelf, engine.Exit{Known: true, Code: code}
	for _, f := range edits {
		f(&s)
	}
	return s
}

// held says why it is left alone, and for how much longer.
func held(reason outcome.Reason, d time.Duration) func(s *restarter.ContainerStatus) {
	return func(s *restarter.ContainerStatus) {
		s.Reason, s.Trigger = reason, policy.TriggerExited
		if d > 0 {
			s.Until = night.Add(d)
		}
	}
}

func unlist(s *restarter.ContainerStatus) { s.Rule.Whitelisted = false }

// as edits its container.
func as(f func(c *engine.Container)) func(s *restarter.ContainerStatus) {
	return func(s *restarter.ContainerStatus) { f(s.Container) }
}

// ill is a host on a bad night.
func ill() *host {
	now := night
	standings := []restarter.ContainerStatus{
		died("explorer", 40*time.Second, 137, held(outcome.BackOff, 134*time.Second), as(func(c *engine.Container) {
			c.Exit.OOMKilled = true
			c.Started = c.Finished.Add(-31 * time.Second)
		}), func(s *restarter.ContainerStatus) {
			s.Streak = 12
			before := *s.Container
			before.ID, before.Image = "0ld", "registry.example/explorer:1.3"
			s.Predecessor = &before
			s.Container.Created = now.Add(-26 * time.Minute)
		}),
		died("ledger", 11*time.Minute, 128, held(outcome.ParentGone, 0), as(func(c *engine.Container) {
			c.Error = "cannot join network of a non running container: 5b1d"
			c.Labels = map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "ledger", "com.docker.compose.project.config_files": "/srv/shop/compose.yaml"}
		}), tied(decision.Tie{Namespace: engine.Network, Reason: outcome.ParentGone})),
		died("importer", 3*time.Hour, 1, unlist),
		died("token", 4*time.Second, 1, held(outcome.StoppedDelay, 6*time.Second), as(func(c *engine.Container) { c.ExitCause = engine.CauseStopped })),
		died("reports", 2*time.Hour, 0, held(outcome.Finished, 0)),
		died("backup", 9*time.Hour, 143, unlist, as(func(c *engine.Container) { c.ExitCause = engine.CauseStopped })),
	}
	gateway := runs("gateway", 50*time.Minute)
	gateway.Container.HealthCheck, gateway.Container.Health, gateway.Rule.Whitelisted = true, engine.Unhealthy, false
	gateway.Container.HealthOutput, gateway.Container.UnhealthySince = "GET /ready: 503 upstream ledger is gone", now.Add(-12*time.Minute)
	standings = append(standings, gateway)
	for name := range strings.FieldsSeq("auth billing broker cache cart catalog checkout db grafana indexer jobs loki mail media minio nats prometheus queue redis search session shipping web-1 web-2 web-3 worker-1 worker-2") {
		s := runs(name, time.Duration(3+len(name))*26*time.Hour)
		if len(name) > 4 {
			s.Container.HealthCheck, s.Container.Health = true, engine.Healthy
		}
		standings = append(standings, s)
	}
	eventful(standings)
	h := newHost(standings...)
	h.report.Whitelist, h.report.Matches = patterns("*,payments"), map[string]int{"*": len(standings)}
	h.report.HoldFile = "/var/lib/defib/holds"
	h.report.Holds = policy.Holds{{Pattern: patterns("worker-*")[0], Until: now.Add(47 * time.Minute)}}
	h.read(map[string]*stats.Usage{"gateway": quota(using(0.49, 503*mib, 512*mib), 0.5), "worker-1": using(3.4, 5*1024*mib, 0)})
	h.reading.Last[standing(&h.report, "explorer").Container.ID] = stats.Past{At: now.Add(-43 * time.Second), Usage: using(0.3, 512*mib, 512*mib)}
	h.report.Actions = []restarter.ActionRecord{
		{Began: now.Add(-3 * time.Hour), Container: "db", ID: "d", Trigger: policy.TriggerExited, Attempt: 1, Took: 312 * time.Millisecond, Outcome: outcome.Started},
		{Began: now.Add(-14 * time.Minute), Container: "search", ID: "s", Trigger: policy.TriggerAlert, Attempt: 1, Took: 10840 * time.Millisecond, Outcome: outcome.Restarted, Sources: []restarter.AlertSource{{Alert: "SearchIsSlow", Peer: "10.0.4.17"}}},
		{Began: now.Add(-2 * time.Minute), Container: "ledger", ID: "l", Trigger: policy.TriggerExited, Attempt: 1, Took: 40 * time.Millisecond, Outcome: outcome.Failed, Err: "cannot join network of a non running container: 5b1d"},
		{Began: now.Add(-71 * time.Second), Container: "explorer", ID: "e", Trigger: policy.TriggerExited, Attempt: 12, Took: 287 * time.Millisecond, Outcome: outcome.Started},
	}
	h.report.Alerts = []restarter.AlertRecord{
		{AlertSource: restarter.AlertSource{Alert: "SearchIsSlow", Peer: "10.0.4.17"}, ReceivedAt: now.Add(-14 * time.Minute), Container: "search", Took: 8900 * time.Millisecond, Outcome: outcome.Restarted, Message: outcome.Outcomes[outcome.Restarted]},
		{AlertSource: restarter.AlertSource{Alert: "ApiErrors", Peer: "10.0.4.17"}, ReceivedAt: now.Add(-6 * time.Minute), Took: time.Millisecond, Outcome: outcome.NotFound, Message: outcome.Outcomes[outcome.NotFound]},
	}
	return h
}

// inQuarter is about so long ago, well within one quarter of an hour.
func inQuarter(ago time.Duration) time.Duration {
	return night.Sub(night.Add(-ago).Truncate(15 * time.Minute).Add(5 * time.Minute))
}

// eventful gives some containers of a bad night their pasts.
func eventful(standings []restarter.ContainerStatus) {
	for i := range standings {
		s := &standings[i]
		seen := usual(s.Container)
		switch s.Container.Name {
		case "explorer": // a crash loop
			for ago := 26 * time.Minute; ago > time.Minute; ago -= 2 * time.Minute {
				seen = slices.Insert(seen, len(seen)-1, past{ago, crashed}, past{ago - time.Minute, well})
			}
		case "gateway":
			seen = append(seen[:len(seen)-1], past{12 * time.Minute, s.Container})
		case "search": // two deaths
			first, second := inQuarter(15*time.Hour), inQuarter(3*time.Hour)
			seen = slices.Insert(seen, 1, past{first, crashed}, past{first - 3*time.Second, well})
			seen = append(seen, past{second, crashed}, past{second - 40*time.Second, well})
		case "session": // a new one
			seen = []past{{100 * time.Minute, well}}
		default:
			continue
		}
		s.Heartbeat = lived(seen...)
	}
}

// many is a host with n containers, one in fifty of them ill.
func many(n int) *host {
	var standings []restarter.ContainerStatus
	for i := range n {
		name := fmt.Sprintf("node-%04d", i)
		if i%50 == 7 {
			standings = append(standings, died(name, time.Duration(i)*time.Second, 1, held(outcome.BackOff, time.Minute)))
			continue
		}
		s := runs(name, time.Duration(i)*time.Hour)
		s.Container.HealthCheck, s.Container.Health = true, engine.Healthy
		standings = append(standings, s)
	}
	h := newHost(standings...)
	h.read(nil)
	return h
}
