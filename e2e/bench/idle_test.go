package bench

import (
	"fmt"
	"testing"
	"time"

	"defib/e2e/harness"
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
	s := harness.NewEnv(b, harness.SharedEngine(b))
	if s.Engine.Daemon == nil {
		harness.Unavailable(b, "measuring the engine's processor time takes one of one's own")
	}
	var crowd []*harness.Container
	for i := range idleCrowd {
		crowd = append(crowd, s.Create(fmt.Sprintf("plain-%03d", i), harness.Spec{}))
		crowd[i].Start()
	}
	own, watched, alone := idle(s, b)
	*t = append(*t, row{what: "idle, 100 containers, with what the engine does for Defib", measured: own + watched - alone, unit: "% of a core", budget: budget{text: "0.2 %", more: 0.2}})
	for i := range idleChecked {
		crowd[i].Remove()
		crowd[i] = s.Create(fmt.Sprintf("checked-%03d", i), harness.Checked())
		crowd[i].Start()
	}
	for _, c := range crowd[:idleChecked] {
		c.AwaitEvents("health_status: healthy", 1) // nothing else happens to them
	}
	own, watched, alone = idle(s, b)
	*t = append(*t,
		row{what: "Defib idle, 30 of 100 containers checked every second", measured: own, unit: "% of a core", budget: budget{text: "0.2 %", more: 0.2}},
		row{"the engine meanwhile", watched, "% of a core", "without Defib", alone, budget{}},
	)
}

// idle returns what Defib takes to watch the containers, and the engine meanwhile and
// without it, in percent of a core.
func idle(s *harness.Env, b *testing.B) (own, watched, alone float64) {
	b.Helper()
	daemon := s.Engine.Daemon.Cmd.Process.Pid
	share := func(pids ...int) []float64 {
		var before, used []float64
		for _, pid := range pids {
			before = append(before, processorTime(b, pid).Seconds())
		}
		harness.Watch(b, idleFor, "what a minute of idling costs")
		for i, pid := range pids {
			used = append(used, 100*(processorTime(b, pid).Seconds()-before[i])/idleFor.Seconds())
		}
		return used
	}
	d := harness.StartDefib(b, s.Engine.Host, "--restart.whitelist="+s.Prefix+"*", "--log.level=info")
	d.Ready()
	harness.Watch(b, 10*time.Second, "what a start brings with it is no idling")
	with := share(d.Cmd.Process.Pid, daemon)
	d.Terminate()
	return with[0], with[1], share(daemon)[0]
}
