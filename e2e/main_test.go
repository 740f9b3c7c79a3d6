// Package e2e tests the built program against a real Docker Engine or Podman, and
// beside real servers: package harness has what that takes.
package e2e

import (
	"os"
	"testing"

	"defib/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Run(m)) }
