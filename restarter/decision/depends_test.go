package decision

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

func TestDependenciesAreReadAsComposeWritesThem(t *testing.T) {
	for label, want := range map[string][]dependency{
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
		c := &engine.Container{Labels: map[string]string{labelDependsOn: label}}
		if diff := cmp.Diff(want, dependencies(c), cmp.AllowUnexported(dependency{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", label, diff)
		}
	}
}
