package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"defib/e2e/harness"
)

// inspectEnv makes the test binary a program that lists the containers of the engine named
// there, inspects all, and ends: the least that a program of its own takes for a snapshot.
const inspectEnv = "DEFIB_E2E_INSPECT"

// inspectors are as many inspects as Defib has under way at a time.
const inspectors = 8

func inspectAll(host string) int {
	err := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), harness.Limit)
		defer cancel()
		e, err := harness.Connect(host)
		if err != nil {
			return err
		}
		all, err := e.ContainerList(ctx, container.ListOptions{All: true})
		if err != nil {
			return err
		}
		var g errgroup.Group
		g.SetLimit(inspectors)
		for _, c := range all {
			g.Go(func() error {
				_, err := e.ContainerInspect(ctx, c.ID)
				return err
			})
		}
		return g.Wait()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// measureSnapshot is how long Defib takes from its start to its first snapshot of 200
// containers that run.
func measureSnapshot(b *testing.B, t *table) {
	s := harness.NewEnv(b, harness.SharedEngine(b))
	firstSnapshots(s, b, t, startCrowd(s, crowdSize, harness.Spec{}), 9)
	s.CleanUp()
}

// firstSnapshots has Defib and the bare program know the crowd so many times in turn.
func firstSnapshots(s *harness.Env, b *testing.B, t *table, crowd []*harness.Container, rounds int) {
	b.Helper()
	var found, shown, bare, inspected, inOrder times
	for i := range rounds + 1 {
		whole, inspects, slowly := inspectBare(s, b), inspectHere(s, crowd, inspectors), inspectHere(s, crowd, 1)
		known, scraped := startToSnapshot(s, b, len(crowd))
		if i == 0 {
			continue // the first warms up
		}
		bare.add(whole)
		inspected.add(inspects)
		inOrder.add(slowly)
		found.add(known)
		shown.add(scraped)
	}
	what := fmt.Sprintf("from program start to the first snapshot of %d, median", len(crowd))
	*t = append(*t,
		row{what, found.median(), "ms", "a program that lists them and inspects all, 8 at a time", bare.median(), budget{text: "beside + 50 %", factor: 1.5}},
		row{what, found.median(), "ms", "the inspects alone, 8 at a time, by a client that is connected", inspected.median(), budget{}},
		row{what, found.median(), "ms", "the same, one after the other", inOrder.median(), budget{}},
		row{what: fmt.Sprintf("the same and a scrape that shows %d, median", len(crowd)), measured: shown.median(), unit: "ms"},
	)
}

// inspectBare is how long the bare program takes.
func inspectBare(s *harness.Env, b *testing.B) time.Duration {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(harness.CleanEnv(), inspectEnv+"="+s.Engine.Host)
	begun := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return time.Since(begun)
}

// inspectHere is how long the inspects take alone, so many at a time.
func inspectHere(s *harness.Env, crowd []*harness.Container, parallel int) time.Duration {
	s.Helper()
	begun := time.Now()
	each(s, crowd, parallel, func(ctx context.Context, c *harness.Container) error {
		_, err := s.Engine.ContainerInspect(ctx, c.ID)
		return err
	})
	return time.Since(begun)
}

// startToSnapshot is how long Defib takes from its start until its snapshot is whole, by the
// stamp of the log line that says so: whoever asked for it all the time would slow it down.
// To that, scraped adds a scrape that shows so many containers.
func startToSnapshot(s *harness.Env, b *testing.B, n int) (known, scraped time.Duration) {
	b.Helper()
	begun := time.Now()
	d := harness.Spawn(b, nil, "--docker.host="+s.Engine.Host, "--web.listen-address=127.0.0.1:0", "--log.format=json", "--restart.whitelist="+s.Prefix+"*")
	known = d.AwaitLine(1, "engine connected").Time().Sub(begun)
	d.Serving()
	d.Ready()
	asked := time.Now()
	text := d.Exposition()
	scraped = known + time.Since(asked)
	inspected, err := harness.Parse(string(text))
	if err != nil {
		b.Fatal(err)
	}
	if got := len(inspected.WithPrefix("docker_container_started_timestamp_seconds{")); got != n {
		b.Fatalf("the first snapshot has %d containers, want %d", got, n)
	}
	d.Terminate()
	return known, scraped
}
