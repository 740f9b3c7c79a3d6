package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"defib/alerts"
	"defib/restarter"
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
	app.Command(commandServe, "Watch, heal and serve metrics.").Default()
	app.Command(commandCheck, "Tell what Defib would find and do, given the flags that the Defib in question has. Changes nothing; exit code 0 if all that it needs works.")
	hold := app.Command(commandHold, "Keep Defib from acting on containers for a while. Writes --restart.hold-file.")
	hold.Arg("name", "Names, globs or project/service; none is all.").StringsVar(&f.nameTexts)
	hold.Flag("for", "How long, as in 90s, 30m or 2h. It always ends by itself.").NoEnvar().PlaceHolder("TIME").Required().DurationVar(&f.holdFor)
	release := app.Command(commandRelease, "End holds before their time.")
	release.Arg("name", "As given to hold; none is all.").StringsVar(&f.nameTexts)
	app.Command(commandRules, "Print the bundled alert rules.")
	app.Command(commandHealthcheck, "Ask the running Defib for a sign of life; exit code 0 if it gives one.")
}

// checkHold completes the flags of hold and release and returns every mistake, joined.
func (f *flags) checkHold() error {
	m := mistakes(slices.Clone(f.unreadOwn))
	if f.command == commandHold && len(m) == 0 {
		m.positive("--for", f.holdFor)
	}
	if f.policy.HoldFile == "" {
		m.of("--restart.hold-file", errors.New("name the file that the running Defib was given (or set DEFIB_RESTART_HOLD_FILE)"))
	}
	var err error
	f.names, err = restarter.ParsePatterns(f.nameTexts)
	if err == nil && len(f.nameTexts) > 0 && len(f.names) == 0 {
		err = errors.New("it is empty: leave it out if you mean all")
	}
	m.of("NAME", err)
	return errors.Join(m...)
}

// do carries out any command but serve.
func (f *flags) do(ctx context.Context, now time.Time, stdout io.Writer) error {
	switch f.command {
	case commandCheck:
		return f.tryOut(ctx, stdout)
	case commandHealthcheck:
		return f.healthcheck(ctx, stdout)
	case commandRules:
		_, err := io.WriteString(stdout, alerts.Rules())
		return err
	default:
		return f.changeHolds(now, stdout)
	}
}

// changeHolds writes the hold file and says what is on hold now, and what was not.
func (f *flags) changeHolds(now time.Time, stdout io.Writer) error {
	var unheld []restarter.Pattern // though it was to be released
	holds, err := restarter.ChangeHolds(f.policy.HoldFile, func(holds restarter.Holds) restarter.Holds {
		if f.command == commandHold {
			return holds.With(now, now.Add(f.holdFor), f.names)
		}
		for _, name := range f.names {
			if len(holds.Without(now, []restarter.Pattern{name})) == holds.Active(now) {
				unheld = append(unheld, name)
			}
		}
		return holds.Without(now, f.names)
	})
	if err != nil {
		return err
	}
	for _, name := range unheld {
		fmt.Fprintf(stdout, "%s was not on hold by that name.\n", name)
	}
	if len(holds) == 0 {
		fmt.Fprintln(stdout, "Nothing is on hold.")
	}
	for _, h := range holds {
		what := h.String()
		if what == restarter.Everything {
			what += " (everything)"
		}
		fmt.Fprintf(stdout, "%s is on hold until %s.\n", what, h.Until.UTC().Format(time.RFC3339))
	}
	return nil
}
