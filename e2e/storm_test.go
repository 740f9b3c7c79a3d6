package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
)

const (
	stormCrowd  = 200  // containers
	stormEvents = 1000 // of all of them, in a second
)

// storm has the containers die and start in turn, all of them, as fast as an
// engine could announce it. It ends with every one down.
func (r *replay) storm() {
	tick := time.NewTicker(time.Second / stormEvents)
	defer tick.Stop()
	for i := range stormEvents {
		action := events.ActionDie
		if i/stormCrowd%2 == 1 {
			action = events.ActionStart
		}
		r.happen(r.ids[i%stormCrowd], action)
		<-tick.C
	}
}

// TestAStormOfEventsCostsNoMoreThanItsEvents: no scrape goes unanswered, no
// event is lost, nobody is inspected more often than something happened to him,
// and memory stays what it was.
func TestAStormOfEventsCostsNoMoreThanItsEvents(t *testing.T) {
	engineIndependent(t)
	t.Parallel()
	r := newReplay(t, stormCrowd)
	d := startDefib(t, r.host(), "--restart.whitelist=*", "--dry-run", "--docker.resync-interval=1h", "--log.level=info")
	eventually(t, "all of them to be inspected", func() bool {
		return len(d.scrape().with("docker_container_started_timestamp_seconds{")) == stormCrowd
	})
	before := map[string]int{}
	for _, id := range r.ids {
		before[id] = r.inspections(id)
	}
	for range 20 {
		d.scrape() // memory is what it is after some scrapes
	}
	memory := d.memory("VmRSS")

	var storm sync.WaitGroup
	over := make(chan struct{})
	storm.Go(func() {
		defer close(over)
		r.storm()
	})
	scrapes := 0
	for stormy := true; stormy; scrapes++ {
		select {
		case <-over:
			stormy = false
		default:
		}
		if status, body, err := d.get("/metrics"); err != nil || status != http.StatusOK {
			t.Fatalf("scrape in the storm: %d, %v\n%s", status, err, body)
		}
	}
	storm.Wait()

	deaths, starts := 0.0, 0.0
	eventually(t, "every event to be counted and every container to be shown as it is", func() bool {
		found, down := d.scrape(), 0
		deaths, starts = 0, 0
		for _, id := range r.ids {
			name := r.name(id)
			deaths += found[fmt.Sprintf(`docker_container_events_total{event="die",name=%q}`, name)]
			starts += found[fmt.Sprintf(`docker_container_events_total{event="start",name=%q}`, name)]
			down += int(found[fmt.Sprintf(`docker_container_exited{name=%q}`, name)])
		}
		return deaths+starts == stormEvents && down == stormCrowd
	})
	for _, id := range r.ids {
		if n := r.inspections(id) - before[id]; n > stormEvents/stormCrowd {
			t.Errorf("%s was inspected %d times for %d events", r.name(id), n, stormEvents/stormCrowd)
		}
	}
	if most := d.memory("VmHWM"); most > 2*memory {
		t.Errorf("%d kB of memory in the storm, %d kB before", most, memory)
	}
	t.Logf("%d scrapes in the storm; %d kB of memory at most, %d kB before", scrapes, d.memory("VmHWM"), memory)
}

// memory is what the kernel says of the process's memory, in kB: VmRSS now,
// VmHWM at most so far.
func (d *defib) memory(what string) int {
	d.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == what+":" {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				d.Fatal(err)
			}
			return n
		}
	}
	d.Fatalf("the kernel does not tell %s", what)
	return 0
}
