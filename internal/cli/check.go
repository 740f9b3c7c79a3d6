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

	"defib/engine"
	"defib/engine/docker"
	"defib/engine/docker/address"
	"defib/restarter"
	"defib/restarter/hold"
	"defib/restarter/policy"
	"defib/stats"
)

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
		for problem := range strings.SplitSeq(f.flagErrors.Error(), "\n") {
			s.line(fails, problem)
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
	probed, err := e.Probe(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s, "\nENGINE %s\n", plain(f.host))
	if probed.Version != "" {
		s.line(works, fmt.Sprintf("version %s, API %s, %s/%s, host %s", probed.Version, probed.APIVersion, probed.OS, probed.Arch, cmp.Or(probed.Host, "unknown")))
	}
	var snapshot *engine.Snapshot
	if sees(probed.Calls) && settled {
		snapshot, err = e.FirstSnapshot(ctx)
	}
	now := time.Now() // after the snapshot: what it shows began before
	planned := f.preview(now, snapshot)
	acts := !f.policy.DryRun && (len(f.policy.Whitelist) > 0 || slices.ContainsFunc(planned, func(p restarter.Planned) bool { return p.Whitelisted }))
	fmt.Fprintln(s, "\nCALLS")
	for _, result := range probed.Calls {
		s.call(result, acts)
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
		for _, p := range planned {
			s.container(now, p)
		}
		if len(planned) == 0 {
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

// preview puts the containers first that are whitelisted.
func (f *flags) preview(now time.Time, snapshot *engine.Snapshot) []restarter.Planned {
	if snapshot == nil {
		return nil
	}
	planned := restarter.Preview(now, f.policy, snapshot)
	slices.SortStableFunc(planned, func(a, b restarter.Planned) int {
		switch {
		case a.Whitelisted == b.Whitelisted:
			return 0
		case a.Whitelisted:
			return -1
		}
		return 1
	})
	return planned
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
