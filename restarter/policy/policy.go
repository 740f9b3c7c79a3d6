// Package policy is what the user wants: which containers to heal, of what, and how
// often, by flags, container labels and holds. It is pure.
package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"defib/engine"
)

// Mode says which deaths are healed, in the words of Docker's restart policies.
type Mode string

// The modes.
const (
	Always        Mode = "always"
	UnlessStopped Mode = "unless-stopped"
	OnFailure     Mode = "on-failure"
)

// ParseMode reads a mode as users write it. Docker's on-failure:3 is on-failure: how
// often it is tried is not for the mode to say.
func ParseMode(s string) (Mode, error) {
	word := strings.ToLower(strings.TrimSpace(s))
	if name, tries, ok := strings.Cut(word, ":"); ok && name == string(OnFailure) && tries != "" && strings.Trim(tries, "0123456789") == "" {
		word = name
	}
	switch m := Mode(word); m {
	case Always, UnlessStopped, OnFailure:
		return m, nil
	}
	return "", fmt.Errorf("unknown policy %q: must be %s, %s or %s", s, Always, UnlessStopped, OnFailure)
}

// Backoff spaces the attempts to bring back one container: the first comes at
// once, the next after Initial, then twice as long each time, up to Max. It
// starts over once the container has stayed up and well for Reset.
type Backoff struct {
	Initial, Max, Reset time.Duration
}

// After returns the wait before the next attempt, after so many.
func (b Backoff) After(attempts int) time.Duration {
	if attempts == 0 {
		return 0
	}
	wait := b.Initial
	for range attempts - 1 {
		if wait >= b.Max/2 {
			return b.Max
		}
		wait *= 2
	}
	return min(wait, b.Max)
}

// Policy is what the user wants. Nothing in it changes but Holds and HoldAll.
type Policy struct {
	Whitelist, Exclude []Pattern
	Triggers           []Trigger
	Mode               Mode
	Settings
	Backoff      Backoff
	Concurrency  int           // starts, and apart from them restarts, at a time
	MaxPerMinute int           // restarts of running containers on this host
	MinUptime    time.Duration // a container younger than this is not restarted for an alert
	HoldFile     string        // "": there is none
	Holds        Holds         // what the file says, and what it said before if it cannot be read
	HoldAll      bool          // everything is on hold: the file has never been understood
	DryRun       bool
}

// Check returns every mistake of the policy, joined, in the words of the flags.
func (p Policy) Check() error {
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	is := func(flag string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", flag, err))
		}
	}
	_, err := ParseMode(string(p.Mode))
	is("--restart.policy", err)
	want(p.Backoff.Initial > 0, "--restart.backoff-initial: %s: must be greater than 0, or a container that dies at once is started in a hot loop", p.Backoff.Initial)
	want(p.Backoff.Max >= p.Backoff.Initial, "--restart.backoff-max: %s is less than --restart.backoff-initial %s", p.Backoff.Max, p.Backoff.Initial)
	want(p.Backoff.Reset > 0, "--restart.backoff-reset: %s: must be greater than 0, or every start resets the back-off", p.Backoff.Reset)
	is("--restart.concurrency", atLeastOne(p.Concurrency))
	is("--restart.max-per-minute", atLeastOne(p.MaxPerMinute))
	is("--webhook.min-uptime", notNegative(p.MinUptime))
	for _, one := range settings {
		is(one.flag, one.check(p.Settings))
	}
	return errors.Join(errs...)
}

// Rule is what a policy means for one container.
type Rule struct {
	Whitelisted bool
	GlobOnly    bool // no entry and no label names it
	Mode        Mode
	Triggers    []Trigger
	Settings              // what its labels say, else the policy's
	Recreate    bool      // it may be re-created when the container whose network it shares was
	Ends        bool      // if it is a task of Swarm, it may be ended for an alert: Swarm replaces it
	Matches     []int     // entries of the whitelist that match it, whatever it means
	HeldUntil   time.Time // when the last hold of it ends; zero: there is none
	BadLabels   []string  // of a whitelisted one: its labels that are not understood, for which it is left alone
}

// Heals reports whether the trigger may have the container acted upon.
func (r Rule) Heals(t Trigger) bool { return slices.Contains(r.Triggers, t) }

// For returns the rule of a container. An exclusion wins over all else, then the
// container's own label, then the whitelist. Who writes a label wants something: if it
// is not understood what, the container is left alone.
func (p Policy) For(c *engine.Container) Rule {
	labels := ReadLabels(c, p.Settings)
	r := Rule{Mode: cmp.Or(labels.mode, p.Mode), Triggers: p.Triggers, Settings: labels.Settings, Recreate: labels.recreate, Ends: labels.ends}
	if labels.own {
		r.Triggers = labels.triggers
	}
	matches := func(e Pattern) bool { return e.Matches(c) }
	globs := true
	for i, e := range p.Whitelist {
		if e.Matches(c) {
			r.Matches = append(r.Matches, i)
			globs = globs && e.glob
		}
	}
	switch {
	case labels.enable == no || slices.ContainsFunc(p.Exclude, matches):
		return r
	case labels.enable == unsaid:
		r.Whitelisted, r.GlobOnly = len(r.Matches) > 0, globs
	default:
		r.Whitelisted = true
	}
	if r.Whitelisted {
		r.BadLabels, r.HeldUntil = labels.Bad, p.Holds.Until(c)
	}
	return r
}
