package cli

import (
	"time"

	"defib/engine/docker"
	"defib/restarter/postmortem"
	"defib/stats"
)

// maxLogLines is how many lines can be kept of a log. Of longer ones than usual, less fit.
const maxLogLines = 1000

// newEvidence returns what collects evidence of deaths; nil: that is off. The reader is nil
// if resources are off.
func (f *flags) newEvidence(watch *docker.Engine, reader *stats.Reader) *postmortem.Collector {
	if f.logLines == 0 {
		return nil
	}
	o := postmortem.Options{Lines: f.logLines, Logs: watch.Logs}
	if reader != nil {
		o.Usage = func(id string) (postmortem.Usage, time.Time) { return lastUsage(reader.Latest(id)) }
	}
	return postmortem.New(o)
}

// lastUsage is what is kept of a reading, and when that was; zero: it says nothing.
func lastUsage(past stats.Past) (u postmortem.Usage, at time.Time) {
	if past.Usage == nil || !past.Usage.Memory.Known {
		return u, at
	}
	u.Memory, u.MemoryLimit = past.Usage.Memory.WorkingSet, past.Usage.Limits.Memory
	if past.Usage.CPU.Known && past.Usage.Cores >= 0 {
		u.Cores = new(past.Usage.Cores)
	}
	return u, past.At
}
