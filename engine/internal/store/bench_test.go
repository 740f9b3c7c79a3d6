package store

import (
	"encoding/json"
	"fmt"
	"testing"

	"defib/engine"
)

// sizes are the numbers of containers against which costs are measured: what
// takes ten times as long for ten times as many is linear.
var sizes = []int{10, 100, 1000, 5000}

func bySize(b *testing.B, run func(b *testing.B, ids []string)) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ids := make([]string, n)
			for i := range ids {
				ids[i] = fmt.Sprintf("%064x", i)
			}
			b.ReportAllocs()
			run(b, ids)
		})
	}
}

// BenchmarkEvent is a death or a start: heard, inspected, and shown in a new
// snapshot.
func BenchmarkEvent(b *testing.B) {
	bySize(b, func(b *testing.B, ids []string) {
		l := watching(b, ids...)
		for i := 0; b.Loop(); i++ {
			action := []string{"die", "start"}[i%2]
			l.happens(ids[i/2%len(ids)], action, "1")
			l.look()
			l.Snapshot()
			l.log, l.heard = l.log[:0], 0
		}
	})
}

// BenchmarkSnapshot is a new snapshot alone.
func BenchmarkSnapshot(b *testing.B) {
	bySize(b, func(b *testing.B, ids []string) {
		l := watching(b, ids...)
		for b.Loop() {
			l.Snapshot()
		}
	})
}

// BenchmarkMemory is what a life leaves behind, and how long that is as JSON.
func BenchmarkMemory(b *testing.B) {
	bySize(b, func(b *testing.B, ids []string) {
		l := watching(b, ids...)
		p, m := l.Snapshot(), engine.Memory{}
		for b.Loop() {
			m = p.Memory(l.now)
		}
		text, err := json.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(text)), "bytes")
	})
}

// BenchmarkNamed is the order by name that the first user of a snapshot makes.
func BenchmarkNamed(b *testing.B) {
	bySize(b, func(b *testing.B, ids []string) {
		l := watching(b, ids...)
		for b.Loop() {
			l.Snapshot().Named()
		}
	})
}

// BenchmarkResync is a list that says what is known already.
func BenchmarkResync(b *testing.B) {
	bySize(b, func(b *testing.B, ids []string) {
		l := watching(b, ids...)
		list := l.items()
		for b.Loop() {
			l.ListAsked()
			l.ListAnswered(l.now, l.now, list)
			l.look()
			l.Snapshot()
		}
	})
}

// BenchmarkFirstSnapshot is all of a start-up but the engine's part.
func BenchmarkFirstSnapshot(b *testing.B) {
	bySize(b, func(b *testing.B, ids []string) {
		for b.Loop() {
			watching(b, ids...)
		}
	})
}
