package e2e

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"
)

const (
	crowdSize   = 200
	concurrency = 4 // Defib's own, and that of the starts it is compared with
)

// measureCrowd starts 200 containers, has Defib find them, and lets all of them
// die at once.
func measureCrowd(b *testing.B, t *table) {
	s := newScene(b, sharedEngine(b))
	crowd := make([]*box, crowdSize)
	for i := range crowd {
		crowd[i] = s.create(fmt.Sprintf("crowd-%03d", i), spec{args: []string{"-code=1"}})
	}
	s.startAll(crowd)
	s.killAll(crowd, 1)
	own := s.startAll(crowd)

	begun := time.Now()
	d := startDefib(b, s.engine.host, "--restart.whitelist="+s.prefix+"*", "--log.level=info")
	for status := 0; status != http.StatusOK; status, _, _ = d.get("/-/ready") {
		time.Sleep(time.Millisecond)
	}
	up := time.Since(begun)
	if n := len(d.shown(s.prefix)); n != crowdSize {
		b.Fatalf("the first picture has %d containers", n)
	}
	inspect := s.inspectAll(crowd)

	s.killAll(crowd, 2)
	var first, last time.Time
	for _, c := range crowd {
		back := c.awaitEvents("start", 3)[2]
		if died := c.times("die")[1]; first.IsZero() || died.Before(first) {
			first = died
		}
		if back.After(last) {
			last = back
		}
	}
	healed := last.Sub(first).Seconds()
	*t = append(*t,
		row{"200 deaths at once, all back", healed, "s", "200 starts by the engine, 4 at a time", own.Seconds(), "beside + 10 %", own.Seconds() * 1.1},
		row{"from program start to the first picture of 200", float64(up) / 1e6, "ms", "200 inspects, 8 at a time", float64(inspect) / 1e6, "", 0},
	)
}

// startAll starts all, a few at a time, and tells how long it took.
func (s *scene) startAll(crowd []*box) time.Duration {
	s.Helper()
	begun := time.Now()
	s.each(crowd, concurrency, func(ctx context.Context, c *box) error {
		return s.engine.ContainerStart(ctx, c.id, container.StartOptions{})
	})
	return time.Since(begun)
}

func (s *scene) inspectAll(crowd []*box) time.Duration {
	s.Helper()
	begun := time.Now()
	s.each(crowd, 8, func(ctx context.Context, c *box) error {
		_, err := s.engine.ContainerInspect(ctx, c.id)
		return err
	})
	return time.Since(begun)
}

// each calls the engine for every container, so many at a time.
func (s *scene) each(crowd []*box, atOnce int, call func(context.Context, *box) error) {
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

// killAll ends the first process of each behind the engine's back, and waits
// until each has died for the nth time.
func (s *scene) killAll(crowd []*box, nth int) {
	s.Helper()
	if s.engine.daemon == nil {
		unavailable(s.TB, "killing a container's process takes an engine of one's own")
	}
	var pids []int
	for _, c := range crowd {
		pids = append(pids, c.inspect().Pid)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			s.Fatal(err)
		}
	}
	for _, c := range crowd {
		c.awaitEvents("die", nth)
	}
}
