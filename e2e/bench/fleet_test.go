package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"defib/e2e/harness"
)

// fleetEnv says how many containers the fleet has, fleetSize otherwise.
const (
	fleetEnv  = "DEFIB_E2E_FLEET"
	fleetSize = 500
	// fleetLimit is the longest that all may take to be back.
	fleetLimit = 20 * time.Minute
)

// measureFleet runs as many containers as the machine bears, for real: what knowing,
// watching and scraping them costs, and how long all are gone after the host has lost its
// power, healed by Defib, and by the engine's own policy.
func measureFleet(b *testing.B, t *table) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv(fleetEnv), strconv.Itoa(fleetSize)))
	if err != nil {
		b.Fatal(err)
	}
	s := harness.NewEnv(b, harness.PrivateEngine(b))
	defer s.EndHost() // takes all away at once
	begun := time.Now()
	fleet := startCrowd(s, n, harness.Spec{})
	b.Logf("%d containers made and started in %v", n, time.Since(begun))
	firstSnapshots(s, b, t, fleet, 5)
	own, watched, alone := idle(s, b)
	*t = append(*t,
		row{what: fmt.Sprintf("idle, %d containers: Defib", n), measured: own, unit: "% of a core"},
		row{fmt.Sprintf("idle, %d containers: the engine, with Defib", n), watched, "% of a core", "without", alone, budget{}},
	)

	args := []string{"--restart.whitelist=" + s.Prefix + "*", "--state.file=" + filepath.Join(b.TempDir(), "state.json"), "--log.level=info"}
	d := harness.StartDefib(b, s.Engine.Host, args...)
	d.Ready()
	var scrapes times
	for range 20 {
		scrapes.add(scrapeTime(b, d.URL+"/metrics"))
	}
	*t = append(*t, row{what: fmt.Sprintf("a scrape of %d containers, median", n), measured: scrapes.median(), unit: "ms"})
	harness.Watch(b, 10*time.Second, "it keeps what it knows once a second")
	d.Kill()
	healed := losePower(s, n, func() { d = harness.StartDefib(b, s.Engine.Host, args...) })
	*t = append(*t, row{what: fmt.Sprintf("memory with %d containers, at most, all their starts included", n), measured: float64(d.Memory("VmHWM")) / 1024, unit: "MB"})
	d.Terminate()
	each(s, fleet, concurrency, func(ctx context.Context, c *harness.Container) error {
		_, err := s.Engine.ContainerUpdate(ctx, c.ID, container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyAlways}})
		return err
	})
	policy := losePower(s, n, func() {})
	*t = append(*t,
		row{fmt.Sprintf("%d containers after their host lost its power: from the engine's start until all are back", n), healed.Seconds(), "s", "by the engine's own --restart always", policy.Seconds(), budget{}},
	)
}

// losePower ends the engine and all that it runs, starts it again with what else starts
// with the host, and returns how long from then it took until all ran.
func losePower(s *harness.Env, n int, boot func()) time.Duration {
	s.Helper()
	s.EndHost()
	begun := time.Now()
	boot()
	s.Boot()
	s.Logf("the engine answers after %v", time.Since(begun))
	harness.EventuallyWithin(s, fleetLimit, "all to run again", func() bool {
		running := 0
		s.Must("counting", func(ctx context.Context) error {
			all, err := s.List(ctx)
			for _, c := range all {
				if c.State == container.StateRunning {
					running++
				}
			}
			return err
		})
		time.Sleep(time.Second) // a list of so many costs the engine, too
		return running == n
	})
	return time.Since(begun)
}
