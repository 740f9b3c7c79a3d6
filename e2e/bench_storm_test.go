package e2e

import (
	"sync"
	"testing"
	"time"
)

// measureStorm scrapes while nothing happens, and during a storm of events.
func measureStorm(b *testing.B, t *table) {
	r := newReplay(b, stormCrowd)
	d := startDefib(b, r.host(), "--restart.whitelist=*", "--dry-run", "--docker.resync-interval=1h", "--log.level=info")
	d.ready()
	var quiet, stormy times
	for range 200 {
		quiet.add(scrapeTime(b, d.base+"/metrics"))
		time.Sleep(10 * time.Millisecond)
	}
	memory := d.memory("VmRSS")
	for range 5 {
		var storm sync.WaitGroup
		over := make(chan struct{})
		storm.Go(func() {
			defer close(over)
			r.storm()
		})
		for raging := true; raging; {
			select {
			case <-over:
				raging = false
			case <-time.After(10 * time.Millisecond):
				stormy.add(scrapeTime(b, d.base+"/metrics"))
			}
		}
		storm.Wait()
	}
	*t = append(*t,
		row{"scrape in a storm of 1000 events a second over 200 containers, median", stormy.median(), "ms", "while it is quiet, median", quiet.median(), budget{}},
		row{"scrape in a storm of 1000 events a second over 200 containers, p99", stormy.quantile(0.99), "ms", "while it is quiet, p99", quiet.quantile(0.99), budget{text: "beside + 50 ms", factor: 1, more: 50}},
		row{"memory in the storm, at most", float64(d.memory("VmHWM")) / 1024, "MB", "before", float64(memory) / 1024, budget{text: "twice", factor: 2}},
	)
}
