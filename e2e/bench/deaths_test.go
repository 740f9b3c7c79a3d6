package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"defib/e2e/harness"
)

const (
	deaths      = 30 // measured for the time to the start request
	firstDeaths = 15 // measured for the time to running again
)

// measureDeaths lets containers die: healed by Defib, by the engine itself, and
// by nobody, turn by turn so that all meet the same machine.
func measureDeaths(b *testing.B, t *table) {
	s := harness.NewEnv(b, harness.SharedEngine(b))
	p := harness.NewProxy(b, s.Engine)
	d := harness.StartDefib(b, p.Host(), "--restart.whitelist="+s.Prefix+"healed-*", "--log.level=info")
	d.Ready()
	var asked, healed, inspected, own times
	for i := range deaths + 1 {
		mortal := harness.Spec{Args: []string{"-after=300ms", "-code=1"}, Network: "none"}

		h := s.Create(fmt.Sprint("healed-", i), mortal)
		h.Start()
		back := h.AwaitEvents("start", 2)[1]
		died, seen := p.DeathPassed(h.ID)
		starts := p.Starts(h.ID)
		if !seen || len(starts) == 0 {
			b.Fatal("the proxy did not see the death or the start request")
		}
		wait, again := starts[0].Sub(died), back.Sub(h.Times("die")[0])
		h.Remove()

		n := s.Create(fmt.Sprint("nobody-", i), mortal)
		inspect := inspectOnDeath(n)
		n.Remove()

		if i == 0 {
			continue // the first warms up
		}
		asked.add(wait)
		healed.add(again)
		inspected.add(inspect)
		if i <= firstDeaths {
			mortal.Restart = container.RestartPolicyAlways
			o := s.Create(fmt.Sprint("own-", i), mortal)
			o.Start()
			o.AwaitEvents("die", 1)
			own.add(o.AwaitEvents("start", 2)[1].Sub(o.Times("die")[0]))
			o.Remove()
		}
	}
	healed = healed[:firstDeaths]
	*t = append(*t,
		row{"die received to start request, median", asked.median(), "ms", "an inspect asked on die, median", inspected.median(), budget{text: "inspect + 2 ms", factor: 1, more: 2}},
		row{"die received to start request, p90", asked.quantile(0.9), "ms", "an inspect asked on die, p90", inspected.quantile(0.9), budget{text: "inspect + 2 ms", factor: 1, more: 2}},
		row{"first death to running again, median", healed.median(), "ms", "the engine's own --restart always, median", own.median(), budget{text: "sooner", factor: 1}},
	)
}

// inspectOnDeath starts the container and times an inspect that is asked the
// moment its death is announced, when the engine still holds its lock.
func inspectOnDeath(b *harness.Container) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), harness.Limit)
	defer cancel()
	messages, errs := b.Engine.Events(ctx, events.ListOptions{
		// A replay, so that a subscription that comes late does not wait in vain.
		Since:   harness.Stamp(time.Now()),
		Filters: filters.NewArgs(filters.Arg("container", b.ID), filters.Arg("event", "die")),
	})
	b.Start()
	select {
	case <-messages:
	case err := <-errs:
		b.Fatal("waiting for a death:", err)
	}
	begun := time.Now()
	if _, err := b.Engine.ContainerInspect(ctx, b.ID); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}
