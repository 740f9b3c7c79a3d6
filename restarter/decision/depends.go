package decision

import (
	"strings"

	"defib/engine"
)

// A condition of compose's depends_on.
// Source: https://github.com/compose-spec/compose-go/blob/main/types/types.go
const conditionCompleted = "service_completed_successfully"

// dependency is one entry of the depends_on of a compose service.
type dependency struct {
	service   string // of the same project
	condition string // that it must satisfy before the container is started
	restart   bool   // the container is to be restarted after it
}

// dependencies returns what the container depends on, as compose has written it into its
// label: service:condition:restart,….
// Source: https://github.com/docker/compose/blob/main/pkg/compose/create.go
func dependencies(c *engine.Container) []dependency {
	label := c.Labels[labelDependsOn]
	if label == "" {
		return nil
	}
	var ds []dependency
	for entry := range strings.SplitSeq(label, ",") {
		service, rest, _ := strings.Cut(entry, ":")
		condition, restart, _ := strings.Cut(rest, ":")
		if service != "" {
			ds = append(ds, dependency{service, condition, restart == "true"})
		}
	}
	return ds
}
