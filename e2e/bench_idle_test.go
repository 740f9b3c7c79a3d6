package e2e

import (
	"fmt"
	"testing"
	"time"
)

const (
	idleCrowd = 100
	idleSick  = 30 // of these have a health check every second
	idleFor   = time.Minute
)

// measureIdle is the processor time of Defib, and what the engine needs more
// while Defib watches it.
func measureIdle(b *testing.B, t *table) {
	s := newScene(b, sharedEngine(b))
	if s.engine.daemon == nil {
		unavailable(b, "measuring the engine's processor time takes one of one's own")
	}
	for i := range idleCrowd {
		p := spec{}
		if i < idleSick {
			p = checked()
		}
		s.create(fmt.Sprintf("idle-%03d", i), p).start()
	}
	daemon := s.engine.daemon.cmd.Process.Pid
	share := func(pids ...int) []float64 { // percent of a core
		var before, used []float64
		for _, pid := range pids {
			before = append(before, processorTime(b, pid).Seconds())
		}
		watch(b, idleFor, "what a minute of idling costs")
		for i, pid := range pids {
			used = append(used, 100*(processorTime(b, pid).Seconds()-before[i])/idleFor.Seconds())
		}
		return used
	}
	d := startDefib(b, s.engine.host, "--restart.whitelist="+s.prefix+"*", "--log.level=info")
	d.ready()
	watched := share(d.cmd.Process.Pid, daemon)
	d.terminate()
	alone := share(daemon)[0]
	*t = append(*t,
		row{what: "Defib idle, 100 containers, 30 of them checked every second", measured: watched[0], unit: "% of a core", budget: "0.2 %", bound: 0.2},
		row{"the engine meanwhile", watched[1], "% of a core", "without Defib", alone, "", 0},
	)
}
