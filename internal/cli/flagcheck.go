package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"defib/collector"
	"defib/engine/docker/address"
	"defib/internal/webconfig"
	"defib/restarter/policy"
	"defib/restarter/webhook"
	"defib/stats"
	"defib/web"
)

// flagErrors are what is wrong with flags.
type flagErrors []error

// of adds those of one flag, which may be joined; nil adds none.
func (m *flagErrors) of(flag string, err error) {
	if err == nil {
		return
	}
	for mistake := range strings.SplitSeq(err.Error(), "\n") {
		*m = append(*m, fmt.Errorf("%s: %s", flag, mistake))
	}
}

// positive complains of a time that is not.
func (m *flagErrors) positive(flag string, d time.Duration) {
	if d <= 0 {
		m.of(flag, fmt.Errorf("%s: must be greater than 0", d))
	}
}

// check completes the flags and returns every mistake, joined.
func (f *flags) check(ctx context.Context) error {
	m := flagErrors(slices.Clone(f.unread))
	m.of("--docker.host", address.Check(f.host))
	m.positive("--docker.timeout", f.timeout)
	m.positive("--docker.resync-interval", f.resync)

	var err error
	if f.policy.Mode, err = policy.ParseMode(f.mode); err != nil {
		f.policy.Mode = policy.Mode(f.mode) // of which the policy's own check complains
	}
	f.policy.Whitelist, err = policy.ParsePatterns(f.whitelist)
	m.of("--restart.whitelist", err)
	f.policy.Exclude, err = policy.ParsePatterns(f.exclude)
	m.of("--restart.exclude", err)
	f.policy.Triggers, err = policy.ParseTriggers(f.triggers)
	m.of("--restart.triggers", err)
	m = append(m, f.policy.Check())

	f.guard = webhook.Guard{TokenFile: f.tokenFile, WebConfig: *f.web.WebConfigFile}
	m.of("--webhook.token-file", f.guard.Check(ctx))
	for _, text := range f.matchTexts {
		match, err := webhook.ParseMatch(text)
		m.of("--webhook.match", err)
		f.matches = append(f.matches, match)
	}

	f.labels = split(f.labelLists)
	var usage collector.Stats
	if f.resources { // there are more labels then that these may equal
		usage = (*stats.Reader)(nil)
	}
	_, err = collector.New(nil, usage, f.labels)
	m.of("--collector.container-labels", err)
	if f.stateFile != "" && f.stateFile == f.policy.HoldFile {
		m.of("--state.file", fmt.Errorf("%q: must not be the file of --restart.hold-file", f.stateFile))
	}
	m.of("--path.procfs", checkDirectory(f.procFS, procFS))
	m.of("--path.cgroupfs", checkDirectory(f.cgroupFS, cgroupFS))
	if f.logLines < 0 || f.logLines > maxLogLines {
		m.of("--postmortem.log-lines", fmt.Errorf("%d: must be from 0 to %d", f.logLines, maxLogLines))
	}
	m.of("--web.telemetry-path", checkPath(f.metricsPath))
	for _, address := range *f.web.WebListenAddresses {
		m.of("--web.listen-address", checkListen(address))
	}
	m.of("--web.config.file", webconfig.Validate(ctx, *f.web.WebConfigFile))
	return errors.Join(m...)
}

// checkDirectory refuses what is no absolute path of a directory. The usual one need not
// be there: not every host has it, and not everybody wants what is read from it.
func checkDirectory(given, usual string) error {
	if given == usual {
		return nil
	}
	if !path.IsAbs(given) {
		return fmt.Errorf("%q: must be an absolute path", given)
	}
	info, err := os.Stat(given)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%q: must be a directory", given)
	}
	return err
}

// checkPath refuses what is no path, what another page has, and what the mux
// would take for a pattern, with a panic, or never match.
func checkPath(p string) error {
	if !strings.HasPrefix(p, "/") || strings.Contains(p, "//") || path.Clean(p) != strings.TrimSuffix(p, "/") ||
		strings.ContainsAny(p, "{} \t?#%") || web.Reserved(p) {
		return fmt.Errorf("%q: must be a plain path that begins with / and that no other page has", p)
	}
	return nil
}

// checkListen refuses an address on which nothing can ever listen.
func checkListen(address string) error {
	if strings.HasPrefix(address, "vsock://") {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.ResolveTCPAddr("tcp", ":"+port) // the host may be unknown yet
	}
	if err != nil {
		return fmt.Errorf("%q: must be host:port or :port: %w", address, err)
	}
	return nil
}
