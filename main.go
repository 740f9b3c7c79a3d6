// Defib is a Prometheus exporter for Docker that also brings containers back to
// life.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"defib/internal/cli"
)

func main() {
	setVersion()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
