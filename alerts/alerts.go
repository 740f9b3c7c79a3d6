// Package alerts holds the alert rules that come with Defib, as files that
// Prometheus reads.
package alerts

import (
	_ "embed"
	"strings"
)

var (
	//go:embed containers.yml
	containers string
	//go:embed healing.yml
	healing string
)

// Rules returns all bundled rules as one rules file in YAML: containers.yml with
// the groups of healing.yml after its own.
func Rules() string {
	return containers + "\n" + strings.Replace(healing, "\ngroups:\n", "\n", 1)
}
