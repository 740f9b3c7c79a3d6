package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"defib/e2e/harness"
)

func TestLaw8ContainersThatSwapNamesNeverFailAScrape(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	left, right := s.Run("left", harness.Spec{}), s.Run("right", harness.Spec{})
	d := s.Defib(harness.Whitelist(left, right))

	swapped := make(chan struct{})
	var scraping sync.WaitGroup
	scraping.Go(func() {
		for {
			select {
			case <-swapped:
				return
			default:
			}
			if status, body, err := d.Get("/metrics"); err != nil || status != http.StatusOK {
				t.Errorf("a scrape while names were swapped: %d, %v\n%s", status, err, body)
				return
			}
		}
	})
	for range 10 {
		l, r := left.Name, right.Name
		left.Rename(s.Prefix + "between")
		right.Rename(l)
		left.Rename(r)
	}
	close(swapped)
	scraping.Wait()

	want := map[string]string{left.Name: left.ID + " running", right.Name: right.ID + " running"}
	harness.Eventually(t, "the snapshot to show the names as they are", func() bool {
		return maps.Equal(d.Shown(s.Prefix), want)
	})
	d.LeftAlone(left)
	d.LeftAlone(right)
}

// TestLaw5SnapshotEqualsTheEnginesListAfterABurst is law 5: whatever happens, and in
// whatever order, once it is quiet the snapshot is right, without a drift.
func TestLaw5SnapshotEqualsTheEnginesListAfterABurst(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	d := s.Defib()
	connected := d.Scrape()["defib_engine_reconnects_total"]
	seed := rand.Uint64()
	t.Log("seed", seed)
	var burst sync.WaitGroup
	for worker := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, worker))
		burst.Go(func() { rage(s, r, fmt.Sprintf("%s%d-", s.Prefix, worker), 25) })
	}
	burst.Wait()

	ctx, cancel := context.WithTimeout(t.Context(), harness.Limit)
	defer cancel()
	var diff string
	for !t.Failed() && ctx.Err() == nil {
		all, err := s.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for _, c := range all {
			want[strings.TrimPrefix(c.Names[0], "/")] = c.ID + " " + c.State
		}
		if diff = cmp.Diff(want, d.Shown(s.Prefix)); diff == "" {
			break
		}
	}
	if diff != "" {
		t.Errorf("the snapshot (+) never equalled the engine's list (-):\n%s", diff)
	}
	d.Shows("defib_engine_drift_total", 0)
	d.Shows("defib_engine_reconnects_total", connected)
}

// rage does n random things to two containers. Conflicts are part of it, so
// errors are not looked at.
func rage(s *harness.Env, r *rand.Rand, prefix string, n int) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Duration(n)*harness.Limit)
	defer cancel()
	fresh := func(name string) string {
		config := &container.Config{Image: harness.TestappImage, Cmd: []string{"-code=1"}}
		c, err := s.Engine.ContainerCreate(ctx, config, &container.HostConfig{NetworkMode: "host"}, nil, nil, name)
		if err != nil {
			s.Error(err)
		}
		return c.ID
	}
	e, soon := s.Engine, 1
	ids := []string{fresh(prefix + "a"), fresh(prefix + "b")}
	for i := range n {
		which := r.IntN(len(ids))
		id := ids[which]
		switch r.IntN(9) {
		case 0, 1, 2:
			_ = e.ContainerStart(ctx, id, container.StartOptions{})
		case 3:
			_ = e.ContainerStop(ctx, id, container.StopOptions{Timeout: &soon})
		case 4:
			_ = e.ContainerKill(ctx, id, "KILL")
		case 5:
			_ = e.ContainerRestart(ctx, id, container.StopOptions{Timeout: &soon})
		case 6:
			if e.ContainerPause(ctx, id) == nil && r.IntN(2) == 0 {
				_ = e.ContainerUnpause(ctx, id)
			}
		case 7:
			_ = e.ContainerRename(ctx, id, fmt.Sprintf("%sr%d", prefix, i))
		case 8:
			_ = e.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
			ids[which] = fresh(fmt.Sprintf("%sn%d", prefix, i))
		}
	}
}

func TestFactsOfAContainerAreShown(t *testing.T) {
	t.Parallel()
	s := harness.NewEnv(t, harness.SharedEngine(t))
	b := s.Run("fact", harness.Spec{Args: []string{"-code=7"}, Labels: map[string]string{
		"com.docker.compose.project": "shop",
		"com.docker.compose.service": "fact",
		"odd.läbel":                  "with \"quotes\"\nand lines",
	}})
	d := s.Defib()
	name := []string{"name", b.Name}
	states := []string{"created", "running", "paused", "restarting", "removing", "exited", "dead"}
	oneHot := func(want string) {
		t.Helper()
		found := d.Current()
		for _, state := range states {
			key := harness.Series("docker_container_state", append(name, "state", state)...)
			if got, there := found[key]; !there || (got == 1) != (state == want) {
				t.Errorf("%s is %s while %s", key, harness.Written(got, there), want)
			}
		}
	}
	oneHot("running")
	found := d.Current()
	for _, absent := range []string{"docker_container_exit_code", "docker_container_finished_timestamp_seconds"} {
		if got, there := found[harness.Series(absent, name...)]; there {
			t.Errorf("%s is %v before any exit, want none", absent, got)
		}
	}
	if health := found.WithPrefix("docker_container_health{name=\"" + b.Name); len(health) > 0 {
		t.Errorf("health of a container without a health check: %v", health)
	}
	for _, key := range []string{"docker_container_created_timestamp_seconds", "docker_container_started_timestamp_seconds"} {
		if found[harness.Series(key, name...)] < 1e9 {
			t.Errorf("%s is %v", key, found[harness.Series(key, name...)])
		}
	}
	b.Crash()
	d.AwaitValue(harness.Series("docker_container_exited", name...), 1)
	oneHot("exited")
	d.Shows(harness.Series("docker_container_up", name...), 0)
	d.Shows(harness.Series("docker_container_exit_code", name...), 7)
	if found := d.Current(); len(found.WithPrefix("docker_engine_info{")) != 1 {
		t.Errorf("docker_engine_info: %v", found.WithPrefix("docker_engine_info{"))
	}
	b.Remove()
	d.AwaitAbsent(harness.Series("docker_container_up", name...))
}
