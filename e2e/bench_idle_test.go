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
	s := newEnv(b, sharedEngine(b))
	if s.engine.daemon == nil {
		unavailable(b, "measuring the engine's processor time takes one of one's own")
	}
	var crowd []*testContainer
	for i := range idleCrowd {
		crowd = append(crowd, s.create(fmt.Sprintf("plain-%03d", i), spec{}))
		crowd[i].start()
	}
	own, watched, alone := s.idle(b)
	*t = append(*t, row{what: "idle, 100 containers, with what the engine does for Defib", measured: own + watched - alone, unit: "% of a core", budget: budget{text: "0.2 %", more: 0.2}})
	for i := range idleChecked {
		crowd[i].remove()
		crowd[i] = s.create(fmt.Sprintf("checked-%03d", i), checked())
		crowd[i].start()
	}
	for _, c := range crowd[:idleChecked] {
		c.awaitEvents("health_status: healthy", 1) // nothing else happens to them
	}
	own, watched, alone = s.idle(b)
	*t = append(*t,
		row{what: "Defib idle, 30 of 100 containers checked every second", measured: own, unit: "% of a core", budget: budget{text: "0.2 %", more: 0.2}},
		row{"the engine meanwhile", watched, "% of a core", "without Defib", alone, budget{}},
	)
}

// idle returns what Defib takes to watch the scene, and the engine meanwhile and
// without it, in percent of a core.
func (s *env) idle(b *testing.B) (own, watched, alone float64) {
	b.Helper()
	daemon := s.engine.daemon.cmd.Process.Pid
	share := func(pids ...int) []float64 {
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
	watch(b, 10*time.Second, "what a start brings with it is no idling")
	with := share(d.cmd.Process.Pid, daemon)
	d.terminate()
	return with[0], with[1], share(daemon)[0]
}
