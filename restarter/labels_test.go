package restarter_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	. "defib/restarter/internal/fixture"
	. "defib/restarter/internal/world"
	"defib/restarter/outcome"
	"defib/restarter/policy"
)

// Whatever happens to it.
func TestAContainerWhoseLabelIsNotUnderstoodIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := Up("a1", "web")
		bad.Labels = map[string]string{policy.LabelEnable: "maybe"}
		w, h := NewWebhook(t, Usual(), bad, Up("b2", "batch-1"))
		if s := w.Standing("web"); s.Reason != outcome.BadLabel || !s.Rule.Whitelisted {
			t.Errorf("while it runs it is held as %q", s.Reason)
		}
		heal := Firing("container", "web")
		Post(t, h, heal).Want(200, outcome.Outcome(outcome.BadLabel))
		heal.Labels["heal"] = "start"
		Post(t, h, heal).Want(200, outcome.Outcome(outcome.BadLabel))
		w.Dies("a1")
		w.Dies("b2")
		Pass(time.Hour)
		w.WantStarts("0s batch-1")
		if s := w.Standing("web"); s.Reason != outcome.BadLabel {
			t.Errorf("while it is down it is held as %q", s.Reason)
		}
		if log := w.Log.String(); strings.Count(log, "invalid label: the container is left alone") != 1 || !strings.Contains(log, "reason=bad_label") {
			t.Errorf("it is not said once:\n%s", log)
		}
	})
}

func TestASettingThatIsNotUnderstoodIsOnlyWarnedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Ended(engine.CauseSelf, Labelled(policy.LabelStoppedDelay, "soon")))
		w.WantStarts("0s web")
		if log := w.Log.String(); strings.Count(log, `msg="invalid label: it is ignored"`) != 1 || !strings.Contains(log, "must be a duration") {
			t.Errorf("it is not said once:\n%s", log)
		}
	})
}

func TestAnUnknownLabelIsOnlyWarnedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld(t, Usual(), Ended(engine.CauseSelf, Labelled("defib.enabel", "true")))
		w.WantStarts("0s web")
		if log := w.Log.String(); strings.Count(log, `msg="unknown label"`) != 1 || !strings.Contains(log, "did you mean defib.enable?") {
			t.Errorf("it is not said once:\n%s", log)
		}
	})
}
