package bench

import (
	"sync"
	"testing"
	"time"

	"defib/e2e/harness"
)

// measureStorm scrapes while nothing happens, and during a storm of events.
func measureStorm(b *testing.B, t *table) {
	r := harness.NewReplay(b, harness.StormCrowd)
	d := harness.StartDefib(b, r.Host(), "--restart.whitelist=*", "--dry-run", "--docker.resync-interval=1h", "--log.level=info")
	d.Ready()
	var quiet, stormy times
	for range 200 {
		quiet.add(scrapeTime(b, d.URL+"/metrics"))
		time.Sleep(10 * time.Millisecond)
	}
	memory := d.Memory("VmRSS")
	for range 5 {
		var storm sync.WaitGroup
		over := make(chan struct{})
		storm.Go(func() {
			defer close(over)
			r.Storm()
		})
		for raging := true; raging; {
			select {
			case <-over:
				raging = false
			case <-time.After(10 * time.Millisecond):
				stormy.add(scrapeTime(b, d.URL+"/metrics"))
			}
		}
		storm.Wait()
	}
	*t = append(*t,
		row{"scrape in a storm of 1000 events a second over 200 containers, median", stormy.median(), "ms", "while it is quiet, median", quiet.median(), budget{}},
		row{"scrape in a storm of 1000 events a second over 200 containers, p99", stormy.quantile(0.99), "ms", "while it is quiet, p99", quiet.quantile(0.99), budget{text: "beside + 50 ms", factor: 1, more: 50}},
		row{"memory in the storm, at most", float64(d.Memory("VmHWM")) / 1024, "MB", "before", float64(memory) / 1024, budget{text: "twice", factor: 2}},
	)
}
