package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"defib/e2e/harness"
)

// TestAStormOfEventsCostsNoMoreThanItsEvents: no scrape goes unanswered, no
// event is lost, nobody is inspected more often than something happened to him,
// and memory stays what it was.
func TestAStormOfEventsCostsNoMoreThanItsEvents(t *testing.T) {
	harness.EngineIndependent(t)
	t.Parallel()
	r := harness.NewReplay(t, harness.StormCrowd)
	d := harness.StartDefib(t, r.Host(), "--restart.whitelist=*", "--dry-run", "--docker.resync-interval=1h", "--log.level=info")
	harness.Eventually(t, "all of them to be inspected", func() bool {
		return strings.Count(string(d.Exposition()), "\ndocker_container_started_timestamp_seconds{") == harness.StormCrowd
	})
	before := map[string]int{}
	for _, id := range r.IDs {
		before[id] = r.Inspections(id)
	}
	for range 20 {
		d.Exposition() // memory is what it is after some scrapes
	}
	memory := d.Memory("VmRSS")

	var storm sync.WaitGroup
	over := make(chan struct{})
	storm.Go(func() {
		defer close(over)
		r.Storm()
	})
	scrapes := 0
	for stormy := true; stormy; scrapes++ {
		select {
		case <-over:
			stormy = false
		default:
		}
		if status, body, err := d.Get("/metrics"); err != nil || status != http.StatusOK {
			t.Fatalf("scrape in the storm: %d, %v\n%s", status, err, body)
		}
	}
	storm.Wait()

	deaths, starts := 0.0, 0.0
	harness.Eventually(t, "every event to be counted and every container to be shown as it is", func() bool {
		found, down := d.Scrape(), 0
		deaths, starts = 0, 0
		for _, id := range r.IDs {
			name := r.Name(id)
			deaths += found[fmt.Sprintf(`docker_container_events_total{event="die",name=%q}`, name)]
			starts += found[fmt.Sprintf(`docker_container_events_total{event="start",name=%q}`, name)]
			down += int(found[fmt.Sprintf(`docker_container_exited{name=%q}`, name)])
		}
		return deaths+starts == harness.StormEvents && down == harness.StormCrowd
	})
	for _, id := range r.IDs {
		if n := r.Inspections(id) - before[id]; n > harness.StormEvents/harness.StormCrowd {
			t.Errorf("%s was inspected %d times for %d events", r.Name(id), n, harness.StormEvents/harness.StormCrowd)
		}
	}
	if most := d.Memory("VmHWM"); most > 2*memory {
		t.Errorf("%d kB of memory in the storm, %d kB before", most, memory)
	}
	t.Logf("%d scrapes in the storm; %d kB of memory at most, %d kB before", scrapes, d.Memory("VmHWM"), memory)
}
