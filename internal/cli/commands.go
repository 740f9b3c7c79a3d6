package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"defib/alerts"
	"defib/engine"
	"defib/engine/docker"
	"defib/engine/docker/address"
	"defib/restarter/hold"
	"defib/restarter/policy"
)

// The commands.
const (
	commandServe       = "serve"
	commandCheck       = "check"
	commandHealthcheck = "healthcheck"
	commandHold        = "hold"
	commandRelease     = "release"
	commandRules       = "rules"
)

func addCommands(app *kingpin.Application, f *flags) {
	app.Command(commandServe, "Watch and heal containers, and serve metrics.").Default()
	app.Command(commandCheck, "Report what Defib would find and do if it started now with these flags. Changes nothing; exit code 0 if everything that it needs works.")
	hold := app.Command(commandHold, "Keep Defib from acting on containers for a while. Writes --restart.hold-file.")
	hold.Arg("name", "Names, globs, project/service or label:KEY=VALUE; all containers if omitted.").StringsVar(&f.nameTexts)
	hold.Flag("for", "Duration of the hold, such as 90s, 30m or 2h. It then expires.").NoEnvar().PlaceHolder("TIME").Required().DurationVar(&f.holdFor)
	release := app.Command(commandRelease, "End holds before they expire.")
	release.Arg("name", "As given to hold; all holds if omitted.").StringsVar(&f.nameTexts)
	app.Command(commandRules, "Print the bundled alert rules.")
	app.Command(commandHealthcheck, "Check that the running Defib responds; exit code 0 if it does.")
}

// checkHold completes the flags of hold and release and returns every mistake, joined.
func (f *flags) checkHold() error {
	m := flagErrors(slices.Clone(f.unreadOwn))
	if f.command == commandHold && len(m) == 0 {
		m.positive("--for", f.holdFor)
	}
	if f.policy.HoldFile == "" {
		m.of("--restart.hold-file", errors.New("required: the file that the running Defib uses (or set DEFIB_RESTART_HOLD_FILE)"))
	}
	var err error
	f.names, err = policy.ParsePatterns(f.nameTexts)
	if err == nil && len(f.nameTexts) > 0 && len(f.names) == 0 {
		err = errors.New("must not be empty: omit it for all containers")
	}
	m.of("NAME", err)
	return errors.Join(m...)
}

// do carries out any command but serve.
func (f *flags) do(ctx context.Context, now time.Time, stdout io.Writer) error {
	switch f.command {
	case commandCheck:
		return f.runCheck(ctx, stdout)
	case commandHealthcheck:
		return f.healthcheck(ctx, stdout)
	case commandRules:
		_, err := io.WriteString(stdout, alerts.Rules())
		return err
	default:
		return f.changeHolds(ctx, now, stdout)
	}
}

const (
	// holdTimeout is how long the file system of the hold file may take. Whoever
	// has locked its folder is given up on before.
	holdTimeout = 8 * time.Second
	// lookupTimeout is how long the engine may take to list its containers, only to
	// say which holds match none, and the file system to say whether Defib reads the file.
	lookupTimeout = 3 * time.Second
)

// changeHolds writes the hold file and says what is on hold now, and what was not.
// Closing works beside a line that is not understood, opening does not: the Defib
// that reads the file would not open either.
func (f *flags) changeHolds(ctx context.Context, now time.Time, stdout io.Writer) error {
	var unheld []policy.Pattern // though it was to be released
	var broken error
	writing, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	holds, err := hold.Change(writing, f.policy.HoldFile, func(holds policy.Holds, fault error) (policy.Holds, error) {
		if f.command == commandHold {
			broken = fault
			return holds.With(now, now.Add(f.holdFor), f.names), nil
		}
		if fault != nil {
			return nil, fmt.Errorf("nothing was released: %w. Fix or delete that line first: until then, Defib releases nothing", fault)
		}
		for _, name := range f.names {
			if len(holds.Without(now, []policy.Pattern{name})) == holds.Active(now) {
				unheld = append(unheld, name)
			}
		}
		return holds.Without(now, f.names), nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no response within %s, so the hold file may or may not have been changed: %w", holdTimeout, err)
	}
	if err != nil {
		return err
	}
	for _, name := range unheld {
		fmt.Fprintf(stdout, "No hold is called %s.\n", name)
	}
	tellHolds(holds, stdout)
	if f.command == commandHold {
		f.tellUnmatched(ctx, now, holds, stdout)
		f.tellUnread(ctx, stdout)
	}
	if broken != nil {
		return fmt.Errorf("the hold is set, but %w. Fix or delete that line: until then, Defib releases nothing, and holds everything if it is restarted", broken)
	}
	return nil
}

func tellHolds(holds policy.Holds, stdout io.Writer) {
	if len(holds) == 0 {
		fmt.Fprintln(stdout, "Nothing is on hold.")
	}
	for _, h := range holds {
		what := h.String()
		if what == policy.Everything {
			what += " (everything)"
		}
		fmt.Fprintf(stdout, "%s is on hold until %s.\n", what, h.Until.UTC().Format(time.RFC3339))
	}
}

// tellUnmatched says which of the names just put on hold match no container now. The
// hold stands in any case: the container may be about to be created.
func (f *flags) tellUnmatched(ctx context.Context, now time.Time, holds policy.Holds, stdout io.Writer) {
	if len(f.names) == 0 {
		return
	}
	containers, err := f.list(ctx)
	if err != nil {
		fmt.Fprintf(stdout, "Could not check whether such containers exist: %s.\n", plain(err.Error()))
		return
	}
	for _, h := range holds.Unmatched(now, containers) {
		if slices.Contains(f.names, h.Pattern) {
			fmt.Fprintf(stdout, "%s matches no container on this host: is the name correct?\n", h)
		}
	}
}

// tellUnread says so if no running Defib reads the hold file: its path may be that of the
// host instead of that in the container, or on another volume. The hold stands in any
// case: Defib may be about to be started.
func (f *flags) tellUnread(ctx context.Context, stdout io.Writer) {
	file, err := filepath.Abs(f.policy.HoldFile)
	if err != nil {
		file = f.policy.HoldFile
	}
	asking, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	switch read, err := hold.IsRead(asking, file); {
	case err != nil:
		fmt.Fprintf(stdout, "Could not check whether a running Defib reads %s: %s.\n", file, plain(err.Error()))
	case !read:
		fmt.Fprintf(stdout, "No running Defib on this host reads %s: is it the file of its --restart.hold-file?\n", file)
	}
}

func (f *flags) list(ctx context.Context) ([]*engine.Container, error) {
	if err := address.Check(f.host); err != nil {
		return nil, err
	}
	e, err := docker.New(docker.Options{Host: f.host, Timeout: lookupTimeout, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return e.List(ctx)
}
