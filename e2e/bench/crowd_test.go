package bench

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"defib/e2e/harness"
)

const (
	crowdSize   = 200
	concurrency = 4 // Defib's own, and that of the starts it is compared with
)

// measureCrowd has 200 containers die at once, again and again: healed by nothing
// but starts, and by Defib, which each time has to find them first.
func measureCrowd(b *testing.B, t *table) {
	s := harness.NewEnv(b, harness.SharedEngine(b))
	if s.Engine.Daemon == nil {
		harness.Unavailable(b, "killing a container's process takes an engine of one's own")
	}
	crowd := startCrowd(s, crowdSize, harness.Spec{Args: []string{"-code=1"}, Network: "none"})
	var own, healed times
	for range 3 {
		own.add(dieAtOnce(s, crowd, true))

		d := harness.StartDefib(b, s.Engine.Host, "--restart.whitelist="+s.Prefix+"*", "--log.level=info")
		d.Ready()
		healed.add(dieAtOnce(s, crowd, false))
		d.Terminate()
	}
	*t = append(*t,
		row{"200 deaths at once, all back, median of 3", healed.median() / 1e3, "s", "nothing but a start on each death, 4 at a time", own.median() / 1e3, budget{text: "beside + 10 %", factor: 1.1}},
	)
}

// startCrowd starts so many of a kind.
func startCrowd(s *harness.Env, n int, of harness.Spec) []*harness.Container {
	s.Helper()
	crowd := make([]*harness.Container, n)
	for i := range crowd {
		crowd[i] = s.Create(fmt.Sprintf("crowd-%03d", i), of)
	}
	each(s, crowd, concurrency, func(ctx context.Context, c *harness.Container) error {
		return s.Engine.ContainerStart(ctx, c.ID, container.StartOptions{})
	})
	return crowd
}

// dieAtOnce ends the first process of each behind the engine's back, and returns
// the time from the first death to the last start. If there is no Defib to start
// them, they are started here.
func dieAtOnce(s *harness.Env, crowd []*harness.Container, here bool) time.Duration {
	s.Helper()
	nth := len(crowd[0].Times("start"))
	var pids []int
	for _, c := range crowd {
		pids = append(pids, c.Inspect().Pid)
	}
	var healing sync.WaitGroup
	defer healing.Wait()
	if since := time.Now(); here {
		healing.Go(func() { startOnDeath(s, len(crowd), since) })
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			s.Fatal(err)
		}
	}
	deadline := time.Now().Add(10 * harness.Limit)
	var first, last time.Time
	for _, c := range crowd {
		for len(c.Times("start")) <= nth {
			if time.Now().After(deadline) {
				s.Fatalf("%s did not come back within %v", c.Name, 10*harness.Limit)
			}
			time.Sleep(50 * time.Millisecond)
		}
		died, back := c.Times("die")[nth-1], c.Times("start")[nth]
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
func startOnDeath(s *harness.Env, n int, since time.Time) {
	ctx, cancel := context.WithTimeout(s.Context(), 10*harness.Limit)
	defer cancel()
	messages, errs := s.Engine.Events(ctx, events.ListOptions{
		Since:   harness.Stamp(since),
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
			g.Go(func() error { return s.Engine.ContainerStart(ctx, m.Actor.ID, container.StartOptions{}) })
		case err := <-errs:
			s.Error("waiting for deaths:", err)
			return
		}
	}
}

// each calls the engine for every container, so many at a time.
func each(s *harness.Env, crowd []*harness.Container, atOnce int, call func(context.Context, *harness.Container) error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*harness.Limit)
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
