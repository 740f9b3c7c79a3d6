package chaos

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"defib/e2e/harness"
)

// usage is what a Defib takes at rest.
type usage struct{ goroutines, files, memory, series float64 }

// meter keeps what Defib takes, by life, and how quick it is.
type meter struct {
	mu          sync.Mutex
	first, last map[int]usage
	scrape      time.Duration // the slowest
	match       time.Duration // the longest until the snapshot equalled the list
}

// What a Defib may take more than at first: idle connections to the engine, each
// with two goroutines, and what becomes known in the course of time. Memory is
// a garbage collector's, and the race detector's where there is one.
var slack = usage{goroutines: 16, files: 10, series: 100, memory: 24 << 20}

func taken(s harness.Samples) usage {
	u := usage{goroutines: s["go_goroutines"], files: s["process_open_fds"], memory: s["process_resident_memory_bytes"]}
	for key := range s {
		if !nameOf.MatchString(key) {
			u.series++
		}
	}
	return u
}

// take notes what a life takes now.
func (m *meter) take(life int, s harness.Samples) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first == nil {
		m.first, m.last = map[int]usage{}, map[int]usage{}
	}
	u := taken(s)
	if _, old := m.first[life]; !old {
		m.first[life] = u
	}
	m.last[life] = u
}

// within reports whether a life takes no more now than it may.
func (m *meter) within(life int, s harness.Samples) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, old := m.first[life]
	now := taken(s)
	memory := 1.5*was.memory + slack.memory
	if harness.Race {
		memory *= 3
	}
	return !old || now.goroutines <= was.goroutines+slack.goroutines && now.files <= was.files+slack.files &&
		now.series <= was.series+slack.series && now.memory <= memory
}

func (m *meter) scraped(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scrape = max(m.scrape, took)
}

func (m *meter) matched(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.match = max(m.match, took)
}

// String tells it to people.
func (m *meter) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	for life := 1; life <= len(m.first); life++ {
		a, z := m.first[life], m.last[life]
		fmt.Fprintf(&out, "life %d: memory %.1f to %.1f MiB, goroutines %v to %v, descriptors %v to %v, series %v to %v\n",
			life, a.memory/(1<<20), z.memory/(1<<20), a.goroutines, z.goroutines, a.files, z.files, a.series, z.series)
	}
	fmt.Fprintf(&out, "slowest scrape: %v; snapshot equal after %v at most\n", m.scrape.Round(time.Millisecond), m.match.Round(time.Millisecond))
	return out.String()
}
