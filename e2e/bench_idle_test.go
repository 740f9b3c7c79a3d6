package e2e

import (
	"fmt"
	"testing"
	"time"
)

const (
	idleCrowd   = 100
	idleChecked = 30 // of these have a health check every second
	idleFor     = time.Minute
)

// measureIdle is the processor time of Defib, and what the engine needs while
// Defib watches it: of containers where nothing happens, and of some that are
// checked all the time.
func measureIdle(b *testing.B, t *table) {
	s := newScene(b, sharedEngine(b))
	if s.engine.daemon == nil {
		unavailable(b, "measuring the engine's processor time takes one of one's own")
	}
	var crowd []*box
	for i := range idleCrowd {
		crowd = append(crowd, s.create(fmt.Sprintf("plain-%03d", i), spec{}))
		crowd[i].start()
	}
	s.measureIdle(b, t, "100 containers")
	for i, plain := range crowd[:idleChecked] {
		plain.remove()
		s.create(fmt.Sprintf("checked-%03d", i), checked()).start()
	}
	s.measureIdle(b, t, "100 containers, 30 of them checked every second")
}

// measureIdle watches the scene's containers as they are now.
func (s *scene) measureIdle(b *testing.B, t *table, crowd string) {
	b.Helper()
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
		row{what: "Defib idle, " + crowd, measured: watched[0], unit: "% of a core", budget: budget{"0.2 %", 0, 0.2}},
		row{"the engine meanwhile", watched[1], "% of a core", "without Defib", alone, budget{}},
	)
}
