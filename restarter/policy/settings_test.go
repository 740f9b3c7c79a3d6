package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"defib/engine"
)

func TestLabelsReplaceTheSettingsOfOneContainer(t *testing.T) {
	flags := usual().Settings
	for _, row := range []struct {
		label, value string
		want         func(*Settings)
	}{
		{LabelStoppedDelay, "0s", func(s *Settings) { s.StoppedDelay = 0 }},
		{LabelStoppedDelay, "24h", func(s *Settings) { s.StoppedDelay = engine.ProjectWindow }},
		{LabelUnhealthyFor, " 1M30S ", func(s *Settings) { s.UnhealthyFor = 90 * time.Second }},
		{LabelMaxAttempts, "1", func(s *Settings) { s.MaxAttempts = 1 }},
		{LabelCooldown, "1d", func(s *Settings) { s.Cooldown = 24 * time.Hour }},
	} {
		want := flags
		row.want(&want)
		c := ended("", labelled(row.label, row.value))
		if diff := cmp.Diff(want, usual().For(c).Settings); diff != "" {
			t.Errorf("%s=%s: %s", row.label, row.value, diff)
		}
		if wrong := ReadLabels(c, flags).Mislabelled(); wrong != nil {
			t.Errorf("%s=%s is not understood: %q", row.label, row.value, wrong)
		}
	}
}

func TestASettingThatIsNotUnderstoodMeansWhatTheFlagSays(t *testing.T) {
	for _, row := range []struct{ key, value, want string }{
		{LabelStoppedDelay, "-1s", "defib.stopped-delay: -1s is negative"},
		{LabelStoppedDelay, "25h", "defib.stopped-delay: 25h0m0s: must be at most 24h0m0s; see the policy unless-stopped"},
		{LabelStoppedDelay, "", `defib.stopped-delay: "": must be a duration, such as 90s or 5m`},
		{LabelUnhealthyFor, "5 minutes", `defib.unhealthy-for: "5 minutes": must be a duration, such as 90s or 5m`},
		{LabelUnhealthyFor, "30", `defib.unhealthy-for: "30": must be a duration, such as 90s or 5m`},
		{LabelUnhealthyFor, "-1m", "defib.unhealthy-for: -1m0s is negative"},
		{LabelMaxAttempts, "0", "defib.max-attempts: 0: must be at least 1"},
		{LabelMaxAttempts, "2.5", `defib.max-attempts: "2.5": must be a number`},
		{LabelCooldown, "0", "defib.cooldown: 0s: must be greater than 0, or an alert that is delivered twice is acted on twice"},
		{LabelRecreate, "maybe", `defib.recreate: "maybe": must be true or false`},
		{"Defib.Cooldown", "1h", "Defib.Cooldown: labels are case-sensitive: write defib.cooldown"},
		{"Defib.Recreate", "true", "Defib.Recreate: labels are case-sensitive: write defib.recreate"},
		{"defib.cooldwn", "1h", "defib.cooldwn: no such label: did you mean defib.cooldown?"},
	} {
		c := ended("", labelled(row.key, row.value))
		if diff := cmp.Diff([]string{row.want}, ReadLabels(c, usual().Settings).Mislabelled()); diff != "" {
			t.Errorf("%s=%s: %s", row.key, row.value, diff)
		}
		if diff := cmp.Diff(usual().For(ended("")), usual().For(c)); diff != "" {
			t.Errorf("%s=%s is not as if it were not there: %s", row.key, row.value, diff)
		}
	}
}

func TestAFlagMaySayWhatItsLabelMay(t *testing.T) {
	for _, row := range []struct{ label, value string }{
		{LabelStoppedDelay, "-1s"},
		{LabelStoppedDelay, "25h"},
		{LabelUnhealthyFor, "-1m"},
		{LabelMaxAttempts, "0"},
		{LabelCooldown, "0s"},
	} {
		for _, one := range settings {
			if one.label != row.label {
				continue
			}
			p := usual()
			if err := one.read(&p.Settings, row.value); err != nil {
				t.Fatal(err)
			}
			if err := p.Check(); err == nil || !strings.HasPrefix(err.Error(), one.flag+": ") {
				t.Errorf("%s of %s: error %v", one.flag, row.value, err)
			}
		}
	}
}

func TestOnlyTheLabelAllowsToCreateAnew(t *testing.T) {
	for value, want := range map[string]bool{"true": true, "Yes": true, "false": false, "": false, "maybe": false} {
		if got := usual().For(ended("", labelled(LabelRecreate, value))).Recreate; got != want {
			t.Errorf("defib.recreate=%s: %t, want %t", value, got, want)
		}
	}
}
