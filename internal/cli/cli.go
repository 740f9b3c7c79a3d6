// Package cli is the command line of Defib: flags and their environment, the
// commands, and the wiring of the packages that serve.
package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/common/version"
)

// Exit codes.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

// Run is the program: it carries out the command that args name, which serves until
// the context ends unless told otherwise, and returns the exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	// To be told to end meanwhile is no mistake in a flag.
	f, done, err := parse(context.WithoutCancel(ctx), args, stdout)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "defib: %s\nTry 'defib --help' or 'defib COMMAND --help'.\n", strings.ReplaceAll(err.Error(), "\n", "\ndefib: "))
		return exitUsage
	case done:
		return exitOK
	}
	f.log.Writer = stderr
	if f.command != commandServe {
		if err := f.do(ctx, time.Now(), stdout); err != nil {
			fmt.Fprintf(stderr, "defib: %s: %s\n", f.command, err)
			return exitFailure
		}
		return exitOK
	}
	logger := promslog.New(f.log)
	logger.Info("starting defib", "version", version.Info(), "build", version.BuildContext())
	if err := serve(ctx, f, logger); err != nil {
		logger.Error("defib failed", "err", err)
		return exitFailure
	}
	logger.Info("defib stopped")
	return exitOK
}
