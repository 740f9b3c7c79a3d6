// Package chaos lets a fleet of containers live under faults, and judges what Defib
// does by the laws of docs/architecture.md.
package chaos

import (
	"os"
	"testing"

	"defib/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Run(m)) }
