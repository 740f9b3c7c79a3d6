// Package swarm tries Defib on a swarm of three nodes.
package swarm

import (
	"os"
	"testing"

	"defib/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Run(m)) }
