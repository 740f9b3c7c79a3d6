// Package debian tests the Debian package where it is meant to live: it is installed, upgraded,
// removed and purged in a bare Debian that runs with a systemd of its own.
package debian

import (
	"os"
	"testing"

	"defib/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Run(m)) }
