package restarter

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"defib/engine"
)

// still is an engine whose picture is what it was last given.
type still struct{ picture *engine.Picture }

func (s *still) Picture() *engine.Picture                         { return s.picture }
func (s *still) News() <-chan struct{}                            { return nil }
func (s *still) Start(context.Context, *engine.Container) error   { return nil }
func (s *still) Restart(context.Context, *engine.Container) error { return nil }

// BenchmarkRound is what one event costs the restarter: it looks at all
// containers, decides, and tells what it found. One in ten is down and held.
func BenchmarkRound(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := &still{pictureOf()}
			for i := range n {
				c := ended(engine.EndedSelf, named(fmt.Sprintf("%064x", i), fmt.Sprintf("batch-%d", i)), in("shop", fmt.Sprint(i)))
				if i%10 != 0 {
					state(engine.Running)(c)
				}
				s.picture.Containers = append(s.picture.Containers, c)
			}
			policy := usual()
			policy.DryRun = true
			r := New(s, policy, slog.New(slog.DiscardHandler))
			status := prometheus.NewRegistry()
			status.MustRegister(Status{r})
			r.round(b.Context(), noon)
			b.Run("round", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r.round(b.Context(), noon.Add(time.Minute))
				}
			})
			// What the next scrape has to gather anew.
			b.Run("gather", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := status.Gather(); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkPrune is what it costs that all names are gone at once.
func BenchmarkPrune(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				m := newMetrics(usual())
				for i := range n {
					m.expect(fmt.Sprint(i), AllTriggers)
				}
				b.StartTimer()
				m.prune(&engine.Picture{})
			}
		})
	}
}
