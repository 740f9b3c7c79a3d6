// Package bench measures what Defib promises, beside what it is compared with.
package bench

import (
	"os"
	"testing"

	"defib/e2e/harness"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(bareEnv); file != "" {
		os.Exit(serveBare(file))
	}
	if host := os.Getenv(inspectEnv); host != "" {
		os.Exit(inspectAll(host))
	}
	os.Exit(harness.Run(m))
}
