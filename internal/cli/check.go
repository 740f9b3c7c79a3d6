package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"defib/engine"
	"defib/engine/docker"
	"defib/engine/docker/address"
	"defib/restarter"
	"defib/restarter/hold"
	"defib/restarter/outcome"
	"defib/restarter/policy"
	"defib/stats"
)

// The marks that begin a line of defib check.
const (
	works = "ok"
	fails = "FAIL" // and it is needed
	other = "-"
)

// report is what defib check prints, in columns, and whether all is well.
type report struct {
	*tabwriter.Writer
	faults int
}

func (s *report) line(mark string, cells ...string) {
	if mark == fails {
		s.faults++
	}
	for i, cell := range cells {
		cells[i] = plain(cell)
	}
	fmt.Fprintf(s, "  %s\t%s\n", mark, strings.Join(cells, "\t"))
}

// plain makes one line of a text, and nothing that a terminal obeys.
func plain(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

// runCheck tells what a Defib that started now with these flags would find, and
// what it would do. It changes nothing. An error says that something does not
// work which is needed.
func (f *flags) runCheck(ctx context.Context, stdout io.Writer) error {
	s := &report{Writer: tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)}
	f.checkSettings(ctx, s)
	settled := s.faults == 0
	if address.Check(f.host) == nil && f.timeout > 0 && f.resync > 0 {
		if err := f.checkEngine(ctx, s, settled); err != nil {
			s.line(fails, err.Error())
		}
	}
	if err := s.Flush(); err != nil {
		return err
	}
	if s.faults > 0 {
		return fmt.Errorf("%d checks failed: see the lines marked %s", s.faults, fails)
	}
	return nil
}

// checkSettings tells what is wrong with flags, environment and files.
func (f *flags) checkSettings(ctx context.Context, s *report) {
	fmt.Fprintln(s, "SETTINGS")
	if f.flagErrors != nil {
		for mistake := range strings.SplitSeq(f.flagErrors.Error(), "\n") {
			s.line(fails, mistake)
		}
		return
	}
	s.line(works, "flags and environment")
	reading, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	holds, err := hold.Read(reading, f.policy.HoldFile)
	switch {
	case err != nil:
		s.line(fails, "--restart.hold-file: "+err.Error())
		s.line(" ", "If Defib started now, it would hold everything until this is fixed.")
	case f.policy.HoldFile != "":
		s.line(works, fmt.Sprintf("--restart.hold-file: %d on hold", holds.Active(time.Now())))
	}
	f.policy.Holds = holds
	f.checkState(ctx, s)
}

// recreates reports whether a container may be re-created.
func (f *flags) recreates(c *engine.Container) bool {
	rule := f.policy.For(c)
	return rule.Whitelisted && rule.Recreate
}

// ends reports whether a container is a task of Swarm that may be ended.
func (f *flags) ends(c *engine.Container) bool {
	rule := f.policy.For(c)
	return rule.Whitelisted && rule.Ends && c.Task() != ""
}

// checkEngine asks the engine, and for its containers if the settings are right.
func (f *flags) checkEngine(ctx context.Context, s *report, settled bool) error {
	e, err := docker.New(docker.Options{
		Host: f.host, Timeout: f.timeout, ResyncInterval: f.resync, ReadsLogs: f.logLines > 0, Logger: slog.New(slog.DiscardHandler),
		Recreates: f.recreates, Ends: f.ends,
	})
	if err != nil {
		return err
	}
	survey, err := e.Probe(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s, "\nENGINE %s\n", plain(f.host))
	if survey.Version != "" {
		s.line(works, fmt.Sprintf("version %s, API %s, %s/%s, host %s", survey.Version, survey.APIVersion, survey.OS, survey.Arch, cmp.Or(survey.Host, "unknown")))
	}
	var snapshot *engine.Snapshot
	if sees(survey.Calls) && settled {
		snapshot, err = e.FirstSnapshot(ctx)
	}
	now := time.Now() // after the snapshot: what it shows began before
	prospects := f.preview(now, snapshot)
	acts := !f.policy.DryRun && (len(f.policy.Whitelist) > 0 || slices.ContainsFunc(prospects, func(p restarter.Planned) bool { return p.Whitelisted }))
	fmt.Fprintln(s, "\nCALLS")
	for _, finding := range survey.Calls {
		s.call(finding, acts)
	}
	if err != nil {
		return err // which the calls above may explain
	}
	if snapshot != nil {
		fmt.Fprintln(s, "\nWHITELIST")
		f.checkWhitelist(s, snapshot)
		f.tryHolds(now, s, snapshot)
		if f.resources {
			fmt.Fprintln(s, "\nRESOURCES")
			f.checkResources(now, s, snapshot)
		}
		fmt.Fprintln(s, "\nCONTAINERS, and what would be done if Defib started now")
		for _, p := range prospects {
			s.container(now, p)
		}
		if len(prospects) == 0 {
			s.line(other, "none")
		}
	}
	return nil
}

// checkResources reads what the containers use, once.
func (f *flags) checkResources(now time.Time, s *report, snapshot *engine.Snapshot) {
	reader := stats.New(f.statsOptions(slog.New(slog.DiscardHandler)))
	defer reader.Close()
	s.resources(reader.Read(now, snapshot), fmt.Sprintf("under %s and %s (cgroup %s)", f.procFS, f.cgroupFS, reader))
}

// resources tells of how many containers can be read what they use, and what keeps others
// from it.
func (s *report) resources(r *stats.Reading, where string) {
	switch n := len(r.Containers); {
	case n+r.Unreadable == 0:
		s.line(other, "no container runs: nothing to read "+where)
	case n == 0:
		s.line(fails, fmt.Sprintf("none of %d running containers can be read %s", r.Unreadable, where))
	case r.Unreadable > 0:
		s.line(other, fmt.Sprintf("%d of %d running containers can be read %s", n, n+r.Unreadable, where))
	default:
		s.line(works, fmt.Sprintf("%d running containers can be read %s", n, where))
	}
	for _, fault := range r.Faults {
		s.line(other, string(fault))
	}
}

// preview puts the containers first that are whitelisted.
func (f *flags) preview(now time.Time, snapshot *engine.Snapshot) []restarter.Planned {
	if snapshot == nil {
		return nil
	}
	prospects := restarter.Preview(now, f.policy, snapshot)
	slices.SortStableFunc(prospects, func(a, b restarter.Planned) int {
		switch {
		case a.Whitelisted == b.Whitelisted:
			return 0
		case a.Whitelisted:
			return -1
		}
		return 1
	})
	return prospects
}

// notAnew says what does not work without one of the calls of a re-creation.
const notAnew = "containers that lost the one whose network they share are not re-created"

// notEnded says what does not work without one of the calls for a task of Swarm.
const notEnded = "tasks of Swarm are not ended for alerts"

// without says what does not work if a call does not; need is for what.
var without = map[string]struct {
	need  int
	lacks string
}{
	"ping":           {toSee, "Defib cannot see any container"},
	"version":        {toSee, "Defib cannot see any container"},
	"list":           {toSee, "Defib cannot see any container"},
	"events":         {toSee, "Defib cannot see any container"},
	"inspect":        {toSee, "exit codes and health are unknown, and nothing is healed"},
	"info":           {forMore, "docker_engine_info has no host, and the engine's clock is assumed to be that of this host"},
	"images":         {forMore, "docker_container_image_outdated is not exposed"},
	"inspect_libpod": {forMore, "whether Podman's containers crashed or were stopped is not known"},
	"logs":           {forMore, "what containers wrote before they died is not shown"},
	"start":          {toAct, "containers that are down are not started"},
	"restart":        {toAct, "unhealthy containers are not restarted, nor those that an alert asks for"},
	"create":         {toAct, notAnew},
	"rename":         {toAct, notAnew},
	"update":         {toAct, notAnew},
	"stop":           {toAct, notAnew + ", " + notEnded},
	"remove":         {toAct, "containers that were re-created leave the old ones behind"},

	"services": {toAct, notEnded},
	"tasks":    {toAct, notEnded},
}

// What a call is needed for.
const (
	toSee = iota
	toAct
	forMore
)

// sees reports whether there can be a snapshot.
func sees(findings []docker.CallResult) bool {
	return !slices.ContainsFunc(findings, func(f docker.CallResult) bool {
		return f.Err != nil && without[f.Call].need == toSee && f.Call != "inspect"
	})
}

// call tells of one call, and what it means if it does not work.
func (s *report) call(f docker.CallResult, acts bool) {
	if f.Err == nil {
		s.line(works, f.Call, f.Request)
		return
	}
	mark, what := other, without[f.Call]
	if what.need == toSee || what.need == toAct && acts {
		mark = fails
	}
	because := f.Err.Error()
	if f.Refused {
		because = "refused by " + refuser(f.Err) + ": " + because
	}
	s.line(mark, f.Call, f.Request, because)
	s.line(" ", "", "", "Without it "+what.lacks+".")
}

// refuser tells who forbids a call: the engine itself only by a plugin.
// Source: https://github.com/moby/moby/blob/master/pkg/authorization/response.go
func refuser(err error) string {
	if strings.Contains(err.Error(), "authorization denied by plugin") {
		return "an authorization plugin of the engine"
	}
	return "a socket proxy in front of the engine"
}

// checkWhitelist tells what each entry matches.
func (f *flags) checkWhitelist(s *report, snapshot *engine.Snapshot) {
	if len(f.policy.Whitelist) == 0 {
		s.line(other, "--restart.whitelist is empty: only containers with the label "+policy.LabelEnable+"=true are healed")
	}
	for _, entry := range f.policy.Whitelist {
		s.entry(entry, snapshot)
	}
}

// tryHolds tells what each hold matches.
func (f *flags) tryHolds(now time.Time, s *report, snapshot *engine.Snapshot) {
	if f.policy.Holds.Active(now) == 0 {
		return
	}
	fmt.Fprintln(s, "\nHOLDS")
	for _, h := range f.policy.Holds {
		if h.Until.After(now) {
			s.entry(h.Pattern, snapshot)
		}
	}
}

// entry tells what an entry of a list matches.
func (s *report) entry(entry policy.Pattern, snapshot *engine.Snapshot) {
	var names []string
	for _, c := range snapshot.Named() {
		if entry.Matches(c) {
			names = append(names, c.Name)
		}
	}
	switch n := len(names); {
	case n == 0:
		s.line(other, entry.String(), "matches no container: is the name correct?")
	case n > 5:
		s.line(works, entry.String(), fmt.Sprintf("matches %d: %s, …", n, strings.Join(names[:5], ", ")))
	default:
		s.line(works, entry.String(), fmt.Sprintf("matches %d: %s", n, strings.Join(names, ", ")))
	}
}

// wants says what asks for an action.
var wants = map[policy.Trigger]string{
	policy.TriggerExited:     "it is down",
	policy.TriggerUnhealthy:  "its health check fails",
	policy.TriggerDependency: "it has lost the network, processes or IPC of another container",
	policy.TriggerDependsOn:  "another container that it depends on was restarted, or is ready at last",
}

// fate says what would become of a container, after a mark.
func fate(now time.Time, p restarter.Planned) (mark, then string) {
	switch {
	case !p.Whitelisted:
		return other, "not whitelisted"
	case p.Removes:
		return other, "would be removed: it was re-created, and another one has its place"
	case p.Acts && p.Recreates:
		return other, "would be re-created: the container whose network it shares was"
	case p.Acts && p.Container.Up():
		return other, "would be restarted: " + wants[p.Trigger]
	case p.Acts:
		return other, "would be started: " + wants[p.Trigger]
	case p.Reason == "" && !p.HealthDue.IsZero():
		return other, fmt.Sprintf("would be restarted in %s, if it is still unhealthy then", p.HealthDue.Sub(now).Round(time.Second))
	case p.Reason == "":
		return works, "nothing to do"
	}
	then = fmt.Sprintf("left alone (%s): %s", p.Reason, outcome.Reasons[p.Reason])
	if p.Reason == outcome.TriggerDisabled {
		then += ": " + string(p.Trigger)
	}
	if p.Detail != "" {
		then += "; not re-created: " + p.Detail
	}
	return other, then
}

// container tells what would become of one.
func (s *report) container(now time.Time, p restarter.Planned) {
	c := p.Container
	state := string(c.State)
	switch {
	case c.State == engine.Exited && c.Exit.Known:
		state += fmt.Sprintf(" (%d)", c.Exit.Code)
	case c.Health != engine.NoHealth:
		state += ", " + string(c.Health)
	}
	mark, then := fate(now, p)
	if p.Until.After(now) {
		then += fmt.Sprintf("; next check in %s", p.Until.Sub(now).Round(time.Second))
	}
	s.line(mark, c.Name, state, then)
	for _, mistake := range p.Mislabelled {
		s.line(" ", "", "", "label: "+mistake)
	}
}
