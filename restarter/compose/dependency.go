package compose

import (
	"strings"

	"defib/engine"
)

// Conditions of depends_on.
// Source: https://github.com/compose-spec/compose-go/blob/main/types/types.go
const (
	Started   = "service_started"
	Healthy   = "service_healthy"
	Completed = "service_completed_successfully"
)

// Dependency is one entry of the depends_on of a service.
type Dependency struct {
	Service   string // of the same project
	Condition string // that it must satisfy before the container is started
	Restart   bool   // the container is to be restarted after it
}

// Dependencies returns what the container depends on, as compose has written it into its
// label: service:condition:restart,….
// Source: https://github.com/docker/compose/blob/main/pkg/compose/create.go
func Dependencies(c *engine.Container) []Dependency {
	label := c.Labels[LabelDependsOn]
	if label == "" {
		return nil
	}
	var ds []Dependency
	for entry := range strings.SplitSeq(label, ",") {
		service, rest, _ := strings.Cut(entry, ":")
		condition, restart, _ := strings.Cut(rest, ":")
		if service != "" {
			ds = append(ds, Dependency{service, condition, restart == "true"})
		}
	}
	return ds
}
