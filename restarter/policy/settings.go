package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xhit/go-str2duration/v2"

	"defib/engine"
)

// Settings are what a flag sets for all containers, and a label for one of them.
type Settings struct {
	StoppedDelay time.Duration // a container that was stopped, or whose end nobody saw, is left alone for so long
	UnhealthyFor time.Duration // a container must be unhealthy for so long to be restarted for it
	MaxAttempts  int           // restarts of a running container that do not help, before giving up on them
	Cooldown     time.Duration // what was done for an alert is not done again for so long
}

// setting is one of Settings. What its flag may say, its label may.
type setting struct {
	flag, label string
	read        func(*Settings, string) error
	check       func(Settings) error
}

var settings = []setting{
	{
		"--restart.stopped-delay", LabelStoppedDelay,
		func(s *Settings, text string) error { return readDuration(&s.StoppedDelay, text) },
		func(s Settings) error {
			if s.StoppedDelay > engine.ProjectWindow {
				return fmt.Errorf("%s: must be at most %s; see the policy %s", s.StoppedDelay, engine.ProjectWindow, UnlessStopped)
			}
			return notNegative(s.StoppedDelay)
		},
	},
	{
		"--restart.unhealthy-for", LabelUnhealthyFor,
		func(s *Settings, text string) error { return readDuration(&s.UnhealthyFor, text) },
		func(s Settings) error { return notNegative(s.UnhealthyFor) },
	},
	{
		"--restart.max-attempts", LabelMaxAttempts,
		func(s *Settings, text string) (err error) {
			if s.MaxAttempts, err = strconv.Atoi(text); err != nil {
				return fmt.Errorf("%q: must be a number", text)
			}
			return nil
		},
		func(s Settings) error { return atLeastOne(s.MaxAttempts) },
	},
	{
		"--webhook.cooldown", LabelCooldown,
		func(s *Settings, text string) error { return readDuration(&s.Cooldown, text) },
		func(s Settings) error {
			if s.Cooldown <= 0 {
				return fmt.Errorf("%s: must be greater than 0, or an alert that is delivered twice is acted on twice", s.Cooldown)
			}
			return nil
		},
	},
}

// set takes in what one of these labels says, unless it is not understood.
func (s *Settings) set(label, value string) error {
	i := slices.IndexFunc(settings, func(one setting) bool { return one.label == label })
	changed := *s
	err := settings[i].read(&changed, strings.ToLower(strings.TrimSpace(value)))
	if err = cmp.Or(err, settings[i].check(changed)); err == nil {
		*s = changed
	}
	return err
}

// readDuration reads what the flags take: 1h30m, and 1d.
func readDuration(d *time.Duration, text string) error {
	var err error
	if *d, err = str2duration.ParseDuration(text); err != nil {
		return fmt.Errorf("%q: must be a duration, such as 90s or 5m", text)
	}
	return nil
}

func notNegative(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s is negative", d)
	}
	return nil
}

func atLeastOne(n int) error {
	if n < 1 {
		return fmt.Errorf("%d: must be at least 1", n)
	}
	return nil
}
