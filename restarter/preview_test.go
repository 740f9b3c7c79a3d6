package restarter

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter/policy"
)

func TestForeseenIsWhatAFreshDefibWouldDo(t *testing.T) {
	p := &engine.Snapshot{Connected: true, First: noon, Containers: []*engine.Container{
		ended(engine.CauseSelf),
		running(named("b1", "batch-up")),
		running(named("b2", "batch-sick"), sickFor(time.Minute)),
		ended(engine.CauseStopped, named("c1", "batch-stopped"), labelled(policy.LabelPolicy, "sometimes")),
		ended(engine.CauseSelf, named("d1", "other")),
	}}
	var got []string
	for _, x := range Preview(noon, usual(), p) {
		got = append(got, fmt.Sprintf("%s %v %v %s %s %v %d", x.Container.Name, x.Whitelisted, x.Acts, x.Trigger, x.Reason, max(0, x.Until.Sub(noon)), len(x.Mislabelled)))
	}
	want := []string{
		"batch-sick true true unhealthy  0s 0",
		"batch-stopped true false  bad_label 0s 1",
		"batch-up true false   0s 0",
		"other false false   0s 0",
		"web true true exited  0s 0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
