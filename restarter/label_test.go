package restarter

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

func TestLabelsAreReadAsPeopleAndComposeWriteThem(t *testing.T) {
	for want, words := range map[answerWord][]string{
		yes:     {"true", "yes", "y", "on", "1", "t", "T", "True", "YES", " on "},
		no:      {"false", "no", "n", "off", "0", "f", "F", "False", "NO", "\tOff\n"},
		unclear: {"", " ", "si", "2", "yes please", "null", "~", "enabled"},
	} {
		for _, word := range words {
			l := readLabels(ended("", labelled(LabelEnable, word)))
			if l.enable != want || (len(l.bad) > 0) != (want == unclear) {
				t.Errorf("defib.enable=%q: %v, bad %q", word, l.enable, l.bad)
			}
		}
	}
	for word, want := range map[string]Mode{
		"always": Always, " Unless-Stopped ": UnlessStopped, "ON-FAILURE": OnFailure, "on-failure:3": OnFailure, "on-failure:0": OnFailure,
		"": "", "no": "", "on-failure:": "", "on-failure:x": "", "on-failure:-1": "", "always:3": "", "on-failure:3:3": "",
	} {
		got, err := ParseMode(word)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("the policy %q is read as %q, %v, want %q", word, got, err, want)
		}
	}
	for word, want := range map[string][]Trigger{
		"": nil, " ": nil, " Exited , ALERT,exited": {TriggerExited, TriggerAlert},
	} {
		if got, err := ParseTriggers(word); err != nil || !slices.Equal(got, want) {
			t.Errorf("the triggers %q are read as %v, %v, want %v", word, got, err, want)
		}
	}
	if r := usual().For(ended("", labelled(LabelTriggers, ""))); len(r.Triggers) > 0 || r.BadLabels != nil {
		t.Errorf("no triggers: %+v", r)
	}
}

func TestLabelsNotUnderstoodAreNamed(t *testing.T) {
	l := readLabels(ended("", labelled(
		"defib.enabel", "true", "defib.postmortem", "on", "defib.policy", "never", "defib.enable", "yes please",
		"DEFIB.policy", "always", " defib.triggers", "", "other", "x")))
	want := []string{
		" defib.triggers: labels are case-sensitive: write defib.triggers",
		"DEFIB.policy: labels are case-sensitive: write defib.policy",
		`defib.enable: "yes please" is neither true nor false`,
		`defib.policy: "never" is not a policy: want always, unless-stopped or on-failure`,
		"defib.enabel: there is no such label: did you mean defib.enable?",
		"defib.postmortem: there is no such label",
	}
	if diff := cmp.Diff(want, l.mislabelled()); diff != "" {
		t.Error(diff)
	}
	if got := readLabels(ended("", labelled(LabelEnable, "1", LabelPolicy, "on-failure"))).mislabelled(); got != nil {
		t.Errorf("good labels: %v", got)
	}
}

func TestTheNearestLabelIsSuggested(t *testing.T) {
	for key, want := range map[string]string{
		"defib.enabled": LabelEnable, "defib.trigger": LabelTriggers, "defib.polcy": LabelPolicy, "defib.plicyy": LabelPolicy,
		"defib.restart": "", "defib.x": "", "defib.": "",
	} {
		if got := nearestLabel(key); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("for %s it suggests %q, want %q", key, got, want)
		}
	}
}

// Whatever happens to it.
func TestAContainerWhoseLabelIsNotUnderstoodIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := up("a1", "web")
		bad.Labels = map[string]string{LabelEnable: "maybe"}
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
