// Package resources says what a container uses, or used shortly before its end, as the
// page and the status API show it.
package resources

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"defib/engine"
	"defib/stats"
)

const (
	// highShare is the share of a limit above which use is close to it, as by the bundled
	// alert rule.
	highShare = 0.9
	// busy is from how many processors on one that is not fine may be stuck in a loop.
	busy = 0.9
	// What was read longer before an end than this says nothing of it. Prometheus scrapes
	// once a minute by default.
	lately = 90 * time.Second
)

// Use is what a container uses, or used last. What is nil, or the zero value, is unknown.
type Use struct {
	Cores          *float64 // processors, on average since an earlier reading
	Memory         *uint64  // its working set, in bytes
	MemoryLimit    uint64   // 0: there is none
	Received, Sent *uint64  // bytes, through all its interfaces
	Last           Last     // of one that is down

	CPUAmount, MemoryAmount Amount

	// Sentence says what is much of what it uses, or how much memory it used before it
	// died, if that may be the cause; "": nothing is to be said.
	Sentence string
}

// Last is what a container used when it was read last before its end.
type Last struct {
	Seconds     float64 `json:"seconds_before_exit"`
	Memory      uint64  `json:"memory_bytes"`
	MemoryLimit uint64  `json:"memory_limit_bytes,omitempty"`
}

// Of returns what a container uses by this reading, which is nil if resources are off.
func Of(r *stats.Reading, c *engine.Container) Use {
	switch {
	case r == nil:
	case !c.Alive():
		return before(r.Last[c.ID], c)
	case r.Containers[c.ID] != nil:
		return now(r.Containers[c.ID], c)
	}
	return Use{}
}

// now is what one uses that is up or paused.
func now(u *stats.Usage, c *engine.Container) Use {
	use := Use{CPUAmount: cpuAmount(u), MemoryAmount: memoryAmount(u)}
	if knowsCores(u) {
		use.Cores = new(thousandth(u.Cores))
	}
	if u.Memory.Known {
		use.Memory, use.MemoryLimit = new(u.Memory.WorkingSet), u.Limits.Memory
	}
	if len(u.Interfaces) > 0 {
		var received, sent uint64
		for _, i := range u.Interfaces {
			received += i.Receive.Bytes
			sent += i.Transmit.Bytes
		}
		use.Received, use.Sent = &received, &sent
	}
	var much []string
	if memoryIsHigh(u) {
		much = append(much, memoryPhrase(u))
	}
	if cpuIsHigh(u) || knowsCores(u) && u.Cores >= busy {
		much = append(much, cpuPhrase(u))
	}
	if c.Up() && len(much) > 0 {
		use.Sentence = "It uses " + strings.Join(much, " and ") + "."
	}
	return use
}

// before is what one used that is down. What it used in an earlier run says nothing of
// how the last one ended.
func before(past stats.Past, c *engine.Container) Use {
	ago := c.ExitSeenAt.Sub(past.At)
	if u := past.Usage; u == nil || !u.Memory.Known || c.ExitSeenAt.IsZero() || ago < 0 || ago > c.Finished.Sub(c.Started) {
		return Use{}
	}
	m, limit := past.Usage.Memory.WorkingSet, past.Usage.Limits.Memory
	use := Use{Last: Last{Seconds: thousandth(ago.Seconds()), Memory: m, MemoryLimit: limit}}
	if ago > lately || !killed(c) && (!failed(c) || !memoryIsHigh(past.Usage)) {
		return use
	}
	end := "exited"
	if killed(c) && c.Exit.Code == 137 {
		end = "was killed"
	}
	when := "less than 1 s"
	if ago >= time.Second {
		when = strconv.Itoa(int(ago/time.Second)) + " s"
	}
	use.Sentence = fmt.Sprintf("It used %s %s before it %s.", memoryPhrase(past.Usage), when, end)
	return use
}

// killed reports whether the kernel killed a container, or somebody who did not ask the
// engine. If it was the whole host that lacked memory, the engine may not say so.
func killed(c *engine.Container) bool {
	return c.Exit.Known && (c.Exit.OOMKilled || c.Exit.Code == 137 && c.ExitCause == engine.CauseSelf)
}

// failed reports whether a container ended with an error, and nobody is known to have
// stopped it.
func failed(c *engine.Container) bool {
	succeeded := c.Exit.Known && c.Exit.Code == 0
	return !succeeded && c.ExitCause != engine.CauseStopped && c.ExitCause != engine.CauseEngine
}

func knowsCores(u *stats.Usage) bool { return u.CPU.Known && u.Cores >= 0 }

// maxCores is how many processors it may use; 0: as many as there are.
func maxCores(u *stats.Usage) float64 {
	if l := u.Limits; l.CPUKnown && l.CPUPeriod > 0 {
		return float64(l.CPUQuota) / float64(l.CPUPeriod)
	}
	return 0
}

func cpuIsHigh(u *stats.Usage) bool {
	most := maxCores(u)
	return knowsCores(u) && most > 0 && u.Cores > highShare*most
}

func memoryIsHigh(u *stats.Usage) bool {
	most := u.Limits.Memory
	return u.Memory.Known && most > 0 && float64(u.Memory.WorkingSet) > highShare*float64(most)
}

// thousandth rounds to what means something.
func thousandth(n float64) float64 { return math.Round(n*1000) / 1000 }
