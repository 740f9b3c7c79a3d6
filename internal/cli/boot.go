package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// boot returns which boot of the engine's host this is, and when it began; the zero values
// if that cannot be read, and of an engine that may be on another host.
func (f *flags) boot() (id string, at time.Time) {
	if !strings.HasPrefix(f.host, "unix://") {
		return "", time.Time{}
	}
	// What cannot be read is not known, and costs no more than that.
	text, _ := os.ReadFile(filepath.Join(f.procFS, "sys/kernel/random/boot_id"))
	stat, _ := os.ReadFile(filepath.Join(f.procFS, "stat"))
	for line := range strings.Lines(string(stat)) {
		if seconds, ok := strings.CutPrefix(line, "btime "); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64); err == nil {
				at = time.Unix(n, 0)
			}
		}
	}
	return strings.TrimSpace(string(text)), at
}
