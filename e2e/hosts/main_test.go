// Package hosts tests several hosts with a Defib each, which share two Prometheus servers
// and a cluster of two Alertmanagers, as docs/hosts.md has it.
package hosts

import (
	"os"
	"testing"

	"defib/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Run(m)) }
