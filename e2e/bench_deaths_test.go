package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

const (
	deaths      = 30 // measured for the time to the start request
	firstDeaths = 15 // measured for the time to running again
)

// measureDeaths lets containers die: healed by Defib, by the engine itself, and
// by nobody, turn by turn so that all meet the same machine.
func measureDeaths(b *testing.B, t *table) {
	s := newEnv(b, sharedEngine(b))
	p := newProxy(b, s.engine)
	d := startDefib(b, p.host(), "--restart.whitelist="+s.prefix+"healed-*", "--log.level=info")
	d.ready()
	var asked, healed, inspected, own times
	for i := range deaths + 1 {
		mortal := spec{args: []string{"-after=300ms", "-code=1"}}

		h := s.create(fmt.Sprint("healed-", i), mortal)
		h.start()
		back := h.awaitEvents("start", 2)[1]
		died, seen := p.deathPassed(h.id)
		starts := p.starts(h.id)
		if !seen || len(starts) == 0 {
			b.Fatal("the proxy did not see the death or the start request")
		}
		wait, again := starts[0].Sub(died), back.Sub(h.times("die")[0])
		h.remove()

		n := s.create(fmt.Sprint("nobody-", i), mortal)
		inspect := n.inspectOnDeath()
		n.remove()

		if i == 0 {
			continue // the first warms up
		}
		asked.add(wait)
		healed.add(again)
		inspected.add(inspect)
		if i <= firstDeaths {
			mortal.restart = container.RestartPolicyAlways
			o := s.create(fmt.Sprint("own-", i), mortal)
			o.start()
			o.awaitEvents("die", 1)
			own.add(o.awaitEvents("start", 2)[1].Sub(o.times("die")[0]))
			o.remove()
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
func (b *testContainer) inspectOnDeath() time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), limit)
	defer cancel()
	messages, errs := b.engine.Events(ctx, events.ListOptions{
		// A replay, so that a subscription that comes late does not wait in vain.
		Since:   stamp(time.Now()),
		Filters: filters.NewArgs(filters.Arg("container", b.id), filters.Arg("event", "die")),
	})
	b.start()
	select {
	case <-messages:
	case err := <-errs:
		b.Fatal("waiting for a death:", err)
	}
	begun := time.Now()
	if _, err := b.engine.ContainerInspect(ctx, b.id); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}
