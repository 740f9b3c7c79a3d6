package restarter

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"defib/engine"
	"defib/restarter/policy"
)

// Whatever happens to it.
func TestAContainerWhoseLabelIsNotUnderstoodIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := up("a1", "web")
		bad.Labels = map[string]string{policy.LabelEnable: "maybe"}
		w, h := webhookHarness(t, usual(), bad, up("b2", "batch-1"))
		if s := w.standing("web"); s.Reason != BadLabel || !s.Rule.Whitelisted {
			t.Errorf("while it runs it is held as %q", s.Reason)
		}
		heal := firing("container", "web")
		post(t, h, heal).want(200, Outcome(BadLabel))
		heal.Labels["heal"] = "start"
		post(t, h, heal).want(200, Outcome(BadLabel))
		w.dies("a1")
		w.dies("b2")
		pass(time.Hour)
		w.wantStarts("0s batch-1")
		if s := w.standing("web"); s.Reason != BadLabel {
			t.Errorf("while it is down it is held as %q", s.Reason)
		}
		if log := w.log.String(); strings.Count(log, "label not understood: the container is left alone") != 1 || !strings.Contains(log, "reason=bad_label") {
			t.Errorf("it is not said once:\n%s", log)
		}
	})
}

func TestAnUnknownLabelIsOnlyWarnedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, usual(), ended(engine.CauseSelf, labelled("defib.enabel", "true")))
		w.wantStarts("0s web")
		if log := w.log.String(); strings.Count(log, `msg="label not understood"`) != 1 || !strings.Contains(log, "did you mean defib.enable?") {
			t.Errorf("it is not said once:\n%s", log)
		}
	})
}
