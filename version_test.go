package main

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/common/version"
)

func TestDateIsTheCommits(t *testing.T) {
	of := func(value string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.time", Value: value}}}
	}
	for name, row := range map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"a commit":         {of("2023-11-14T22:13:20Z"), "20231114-22:13:20"},
		"another zone":     {of("2023-11-15T00:13:20+02:00"), "20231114-22:13:20"},
		"no time":          {of("yesterday"), "unknown"},
		"not built in git": {&debug.BuildInfo{}, "unknown"},
		"not built by Go":  {nil, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := commitDate(row.info); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestWhatTheLinkerWasToldCounts(t *testing.T) {
	before := [...]string{version.Version, version.Branch, version.BuildDate}
	t.Cleanup(func() { version.Version, version.Branch, version.BuildDate = before[0], before[1], before[2] })
	version.Version, version.Branch, version.BuildDate = "", "", ""
	setVersion()
	if want := strings.TrimSpace(release); version.Version != want || want == "" {
		t.Errorf("version %q, want that of the file VERSION, %q", version.Version, want)
	}
	version.Version, version.Branch, version.BuildDate = "1.2.3+packager", "packages", "20300101-00:00:00"
	setVersion()
	if got := version.Version + " " + version.Branch + " " + version.BuildDate; got != "1.2.3+packager packages 20300101-00:00:00" {
		t.Errorf("got %q", got)
	}
}
