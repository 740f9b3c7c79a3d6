package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Trigger says what asked for an action: a value of a metric's label.
type Trigger string

// The triggers.
const (
	TriggerExited     Trigger = "exited"     // a container died, or its first start failed
	TriggerUnhealthy  Trigger = "unhealthy"  // its health check says so
	TriggerAlert      Trigger = "alert"      // an alert asks for it
	TriggerDependency Trigger = "dependency" // it lost what it shares with another, or died with it
	TriggerDependsOn  Trigger = "depends_on" // what compose has it depend on was restarted, or is ready at last
)

// AllTriggers lists every trigger.
var AllTriggers = []Trigger{TriggerExited, TriggerUnhealthy, TriggerAlert, TriggerDependency, TriggerDependsOn}

// ParseTriggers reads triggers as users write them, comma-separated. Every
// mistake is returned, joined.
func ParseTriggers(s string) ([]Trigger, error) {
	var ts []Trigger
	var errs []error
	for name := range strings.SplitSeq(s, ",") {
		t := Trigger(strings.ToLower(strings.TrimSpace(name)))
		switch {
		case t == "":
		case !slices.Contains(AllTriggers, t):
			errs = append(errs, fmt.Errorf("unknown trigger %q: must be one of %v", t, AllTriggers))
		case !slices.Contains(ts, t):
			ts = append(ts, t)
		}
	}
	return ts, errors.Join(errs...)
}

// Counts reports whether an attempt for it counts for the limits of restarts and for the
// streak. What a child needs because its parent was restarted does not: that happens once
// per run of the parent, and says nothing of the child.
func (t Trigger) Counts() bool { return t != TriggerDependency }
