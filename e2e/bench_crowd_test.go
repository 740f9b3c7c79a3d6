package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"
)

const (
	crowdSize   = 200
	concurrency = 4 // Defib's own, and that of the starts it is compared with
)

// measureCrowd has 200 containers die at once, again and again: healed by nothing
// but starts, and by Defib, which each time has to find them first.
func measureCrowd(b *testing.B, t *table) {
	s := newEnv(b, sharedEngine(b))
	if s.engine.daemon == nil {
		unavailable(b, "killing a container's process takes an engine of one's own")
	}
	crowd := make([]*testContainer, crowdSize)
	for i := range crowd {
		crowd[i] = s.create(fmt.Sprintf("crowd-%03d", i), spec{args: []string{"-code=1"}})
	}
	s.each(crowd, concurrency, func(ctx context.Context, c *testContainer) error {
		return s.engine.ContainerStart(ctx, c.id, container.StartOptions{})
	})
	var own, healed, found, inspected times
	for range 3 {
		own.add(s.dieAtOnce(crowd, true))

		begun := time.Now()
		d := startDefib(b, s.engine.host, "--restart.whitelist="+s.prefix+"*", "--log.level=info")
		for status := 0; status != http.StatusOK; status, _, _ = d.get("/-/ready") {
			time.Sleep(time.Millisecond)
		}
		found.add(time.Since(begun))
		if n := len(d.shown(s.prefix)); n != crowdSize {
			b.Fatalf("the first snapshot has %d containers", n)
		}
		begun = time.Now()
		s.each(crowd, 8, func(ctx context.Context, c *testContainer) error {
			_, err := s.engine.ContainerInspect(ctx, c.id)
			return err
		})
		inspected.add(time.Since(begun))

		healed.add(s.dieAtOnce(crowd, false))
		d.terminate()
	}
	*t = append(*t,
		row{"200 deaths at once, all back, median of 3", healed.median() / 1e3, "s", "nothing but a start on each death, 4 at a time", own.median() / 1e3, budget{text: "beside + 10 %", factor: 1.1}},
		row{"from program start to the first snapshot of 200, median of 3", found.median(), "ms", "200 inspects, 8 at a time", inspected.median(), budget{}},
	)
}

// dieAtOnce ends the first process of each behind the engine's back, and returns
// the time from the first death to the last start. If there is no Defib to start
// them, they are started here.
func (s *env) dieAtOnce(crowd []*testContainer, here bool) time.Duration {
	s.Helper()
	nth := len(crowd[0].times("start"))
	var pids []int
	for _, c := range crowd {
		pids = append(pids, c.inspect().Pid)
	}
	var healing sync.WaitGroup
	defer healing.Wait()
	if since := time.Now(); here {
		healing.Go(func() { s.startOnDeath(len(crowd), since) })
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			s.Fatal(err)
		}
	}
	deadline := time.Now().Add(10 * limit)
	var first, last time.Time
	for _, c := range crowd {
		for len(c.times("start")) <= nth {
			if time.Now().After(deadline) {
				s.Fatalf("%s did not come back within %v", c.name, 10*limit)
			}
			time.Sleep(50 * time.Millisecond)
		}
		died, back := c.times("die")[nth-1], c.times("start")[nth]
		if first.IsZero() || died.Before(first) {
			first = died
		}
		if back.After(last) {
			last = back
		}
	}
	return last.Sub(first)
}

// startOnDeath starts the next n containers that die when that is announced, a few
// at a time: the least that healing takes.
func (s *env) startOnDeath(n int, since time.Time) {
	ctx, cancel := context.WithTimeout(s.Context(), 10*limit)
	defer cancel()
	messages, errs := s.engine.Events(ctx, events.ListOptions{
		Since:   stamp(since),
		Filters: filters.NewArgs(filters.Arg("event", "die")),
	})
	var g errgroup.Group
	g.SetLimit(concurrency)
	defer func() {
		if err := g.Wait(); err != nil {
			s.Error(err)
		}
	}()
	for range n {
		select {
		case m := <-messages:
			g.Go(func() error { return s.engine.ContainerStart(ctx, m.Actor.ID, container.StartOptions{}) })
		case err := <-errs:
			s.Error("waiting for deaths:", err)
			return
		}
	}
}

// each calls the engine for every container, so many at a time.
func (s *env) each(crowd []*testContainer, atOnce int, call func(context.Context, *testContainer) error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*limit)
	defer cancel()
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, c := range crowd {
		g.Go(func() error { return call(ctx, c) })
	}
	if err := g.Wait(); err != nil {
		s.Fatal(err)
	}
}
