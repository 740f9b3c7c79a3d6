package compose

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

func TestDependenciesAreReadAsComposeWritesThem(t *testing.T) {
	for label, want := range map[string][]Dependency{
		"":                          nil,
		"db:service_healthy:true":   {{"db", "service_healthy", true}},
		"db:service_started:false,": {{"db", "service_started", false}},
		"db:service_started:true,job:service_completed_successfully:false": {
			{"db", "service_started", true}, {"job", "service_completed_successfully", false},
		},
		"db:service_healthy": {{"db", "service_healthy", false}}, // of an old release of compose
		"db":                 {{"db", "", false}},                // of an older one
		",:x:true":           nil,
	} {
		c := &engine.Container{Labels: map[string]string{LabelDependsOn: label}}
		if diff := cmp.Diff(want, Dependencies(c)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", label, diff)
		}
	}
}
