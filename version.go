package main

import (
	"cmp"
	_ "embed"
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/common/version"
)

//go:embed VERSION
var release string

// setVersion has the log, the metrics and --version say which build this is, however it
// was built. The revision needs no help: package version finds it as well.
func setVersion() {
	info, _ := debug.ReadBuildInfo()
	version.Version = cmp.Or(version.Version, strings.TrimSpace(release))
	version.Branch = cmp.Or(version.Branch, "unknown") // Go does not record it
	version.BuildDate = cmp.Or(version.BuildDate, commitDate(info))
}

// commitDate returns when the commit was made that a program was built from. The time of
// the build would make each build another one.
func commitDate(info *debug.BuildInfo) string {
	if info != nil {
		for _, s := range info.Settings {
			if s.Key != "vcs.time" {
				continue
			}
			if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return t.UTC().Format("20060102-15:04:05") // as Prometheus writes it
			}
		}
	}
	return "unknown"
}
