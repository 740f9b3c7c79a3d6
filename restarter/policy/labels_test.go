package policy

import (
	"slices"
	"strings"
	"testing"

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
			l := ReadLabels(ended("", labelled(LabelEnable, word)), Settings{})
			if l.enable != want || (len(l.Bad) > 0) != (want == unclear) {
				t.Errorf("defib.enable=%q: %v, bad %q", word, l.enable, l.Bad)
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
	l := ReadLabels(ended("", labelled(
		"defib.enabel", "true", "defib.postmortem", "on", "defib.policy", "never", "defib.enable", "yes please",
		"DEFIB.policy", "always", " defib.triggers", "", "other", "x")), Settings{})
	want := []string{
		" defib.triggers: labels are case-sensitive: write defib.triggers",
		"DEFIB.policy: labels are case-sensitive: write defib.policy",
		`defib.enable: "yes please": must be true or false`,
		`defib.policy: unknown policy "never": must be always, unless-stopped or on-failure`,
		"defib.enabel: no such label: did you mean defib.enable?",
		"defib.postmortem: no such label",
	}
	if diff := cmp.Diff(want, l.Mislabelled()); diff != "" {
		t.Error(diff)
	}
	if got := ReadLabels(ended("", labelled(LabelEnable, "1", LabelPolicy, "on-failure")), Settings{}).Mislabelled(); got != nil {
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

func TestLabelThatEnablesInAnotherCaseIsNotOverlooked(t *testing.T) {
	rule := Policy{}.For(ended(engine.CauseSelf, labelled("Defib.Enable", "true")))
	if !rule.Whitelisted || len(rule.BadLabels) != 1 {
		t.Errorf("whitelisted: %t; bad labels %q: nobody would hear of it", rule.Whitelisted, rule.BadLabels)
	}
}
