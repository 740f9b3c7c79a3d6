package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
)

func TestLaw8ContainersThatSwapNamesNeverFailAScrape(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	left, right := s.run("left", spec{}), s.run("right", spec{})
	d := s.defib(whitelist(left, right))

	swapped := make(chan struct{})
	var scraping sync.WaitGroup
	scraping.Go(func() {
		for {
			select {
			case <-swapped:
				return
			default:
			}
			if status, body, err := d.get("/metrics"); err != nil || status != http.StatusOK {
				t.Errorf("a scrape while names were swapped: %d, %v\n%s", status, err, body)
				return
			}
		}
	})
	for range 10 {
		l, r := left.name, right.name
		left.rename(s.prefix + "between")
		right.rename(l)
		left.rename(r)
	}
	close(swapped)
	scraping.Wait()

	want := map[string]string{left.name: left.id + " running", right.name: right.id + " running"}
	eventually(t, "the snapshot to show the names as they are", func() bool {
		return maps.Equal(d.shown(s.prefix), want)
	})
	d.leftAlone(left)
	d.leftAlone(right)
}

// TestLaw5SnapshotEqualsTheEnginesListAfterABurst is law 5: whatever happens, and in
// whatever order, once it is quiet the snapshot is right, without a drift.
func TestLaw5SnapshotEqualsTheEnginesListAfterABurst(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	d := s.defib()
	connected := d.scrape()["defib_engine_reconnects_total"]
	seed := rand.Uint64()
	t.Log("seed", seed)
	var burst sync.WaitGroup
	for worker := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, worker))
		burst.Go(func() { s.rage(r, fmt.Sprintf("%s%d-", s.prefix, worker), 25) })
	}
	burst.Wait()

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var diff string
	for !t.Failed() && ctx.Err() == nil {
		all, err := s.list(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for _, c := range all {
			want[strings.TrimPrefix(c.Names[0], "/")] = c.ID + " " + c.State
		}
		if diff = cmp.Diff(want, d.shown(s.prefix)); diff == "" {
			break
		}
	}
	if diff != "" {
		t.Errorf("the snapshot (+) never equalled the engine's list (-):\n%s", diff)
	}
	d.shows("defib_engine_drift_total", 0)
	d.shows("defib_engine_reconnects_total", connected)
}

// rage does n random things to two containers. Conflicts are part of it, so
// errors are not looked at.
func (s *env) rage(r *rand.Rand, prefix string, n int) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Duration(n)*limit)
	defer cancel()
	fresh := func(name string) string {
		config := &container.Config{Image: testappImage, Cmd: []string{"-code=1"}}
		c, err := s.engine.ContainerCreate(ctx, config, &container.HostConfig{NetworkMode: "none"}, nil, nil, name)
		if err != nil {
			s.Error(err)
		}
		return c.ID
	}
	e, soon := s.engine, 1
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

var (
	infoOf  = regexp.MustCompile(`[{,]id="([^"]*)".*[{,]name="([^"]*)"`)
	stateOf = regexp.MustCompile(`[{,]name="([^"]*)",state="([^"]*)"`)
)

// shown is what a scrape says of the containers under a prefix, by name: id and
// state.
func (d *defib) shown(prefix string) map[string]string {
	d.Helper()
	found := d.current()
	out := map[string]string{}
	for _, key := range found.with("docker_container_info{") {
		if m := infoOf.FindStringSubmatch(key); m != nil && strings.HasPrefix(m[2], prefix) {
			out[m[2]] = m[1]
		}
	}
	for _, key := range found.with("docker_container_state{") {
		m := stateOf.FindStringSubmatch(key)
		if m != nil && found[key] == 1 && strings.HasPrefix(m[1], prefix) {
			out[m[1]] += " " + m[2]
		}
	}
	return out
}

func TestFactsOfAContainerAreShown(t *testing.T) {
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	b := s.run("fact", spec{args: []string{"-code=7"}, labels: map[string]string{
		"com.docker.compose.project": "shop",
		"com.docker.compose.service": "fact",
		"odd.läbel":                  "with \"quotes\"\nand lines",
	}})
	d := s.defib()
	name := []string{"name", b.name}
	states := []string{"created", "running", "paused", "restarting", "removing", "exited", "dead"}
	oneHot := func(want string) {
		t.Helper()
		found := d.current()
		for _, state := range states {
			key := series("docker_container_state", append(name, "state", state)...)
			if got, there := found[key]; !there || (got == 1) != (state == want) {
				t.Errorf("%s is %s while %s", key, written(got, there), want)
			}
		}
	}
	oneHot("running")
	found := d.current()
	for _, absent := range []string{"docker_container_exit_code", "docker_container_finished_timestamp_seconds"} {
		if got, there := found[series(absent, name...)]; there {
			t.Errorf("%s is %v before any exit, want none", absent, got)
		}
	}
	if health := found.with("docker_container_health{name=\"" + b.name); len(health) > 0 {
		t.Errorf("health of a container without a health check: %v", health)
	}
	for _, key := range []string{"docker_container_created_timestamp_seconds", "docker_container_started_timestamp_seconds"} {
		if found[series(key, name...)] < 1e9 {
			t.Errorf("%s is %v", key, found[series(key, name...)])
		}
	}
	b.crash()
	d.awaitValue(series("docker_container_exited", name...), 1)
	oneHot("exited")
	d.shows(series("docker_container_up", name...), 0)
	d.shows(series("docker_container_exit_code", name...), 7)
	if found := d.current(); len(found.with("docker_engine_info{")) != 1 {
		t.Errorf("docker_engine_info: %v", found.with("docker_engine_info{"))
	}
	b.remove()
	d.awaitAbsent(series("docker_container_up", name...))
}
