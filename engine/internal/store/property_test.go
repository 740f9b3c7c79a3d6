package store

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "play this seed only in the property tests of the snapshot")
	randomFlag = flag.Int("random", 0, "how many random seeds to play beside the fixed ones")
)

// seeds are the same in each run, but for the random ones that were asked for.
func seeds() []uint64 {
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	var all []uint64
	for i := range uint64(50) {
		all = append(all, i+1)
	}
	for range *randomFlag {
		all = append(all, rand.Uint64())
	}
	return all
}

// Law 5: two seconds after the engine went quiet the snapshot equals its list,
// except for what the engine changes without an event.
func TestLaw5SnapshotEqualsTruthTwoSecondsAfterQuiet(t *testing.T) {
	for _, seed := range seeds() {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			w := newWorld(t, seed, false)
			for range 20 {
				for range 1 + w.IntN(30) {
					w.something()
					w.turn(w.upTo(time.Second))
				}
				w.turn(2 * time.Second)
				w.compare("after two seconds")
				w.turn(w.upTo(time.Minute))
			}
		})
	}
}

// Law 5: after any fault the snapshot heals itself.
func TestLaw5SnapshotHealsAfterFaults(t *testing.T) {
	for _, seed := range seeds() {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			w := newWorld(t, seed, true)
			for range 4 {
				w.faults = true
				for range 1 + w.IntN(100) {
					w.something()
					w.fault()
					w.turn(w.upTo(2 * time.Second))
				}
				w.faults = false
				if !w.on {
					w.connect()
				}
				for range 80 { // a hung inspect, the longest pause after it, a resync
					w.turn(time.Second)
				}
				w.compare("after quiet")
			}
		})
	}
}
