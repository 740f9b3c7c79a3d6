package restarter_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
	"defib/restarter"
	. "defib/restarter/internal/fixture"
	"defib/restarter/policy"
)

func TestForeseenIsWhatAFreshDefibWouldDo(t *testing.T) {
	p := &engine.Snapshot{Connected: true, First: Noon, Containers: []*engine.Container{
		Ended(engine.CauseSelf),
		Running(Named("b1", "batch-up")),
		Running(Named("b2", "batch-sick"), UnhealthyFor(time.Minute)),
		Ended(engine.CauseStopped, Named("c1", "batch-stopped"), Labelled(policy.LabelPolicy, "sometimes")),
		Ended(engine.CauseSelf, Named("d1", "other")),
		Running(Named("e1", "batch-patient"), UnhealthyFor(time.Minute), Labelled(policy.LabelUnhealthyFor, "90s")),
	}}
	var got []string
	for _, x := range restarter.Preview(Noon, Usual(), p) {
		got = append(got, fmt.Sprintf("%s %v %v %s %s %v %v %d", x.Container.Name, x.Whitelisted, x.Acts, x.Trigger, x.Reason, max(0, x.Until.Sub(Noon)), max(0, x.HealthDue.Sub(Noon)), len(x.Mislabelled)))
	}
	want := []string{
		"batch-patient true false   0s 30s 0",
		"batch-sick true true unhealthy  0s 0s 0",
		"batch-stopped true false  bad_label 0s 0s 1",
		"batch-up true false   0s 0s 0",
		"other false false   0s 0s 0",
		"web true true exited  0s 0s 0",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
