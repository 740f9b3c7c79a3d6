package chaos

import (
	"math/rand/v2"
	"slices"
	"time"

	"defib/e2e/harness"
)

// calls of an engine that a fault may be confined to, beside all of them.
var faultyCalls = [][]string{
	nil, nil, {"events"}, {"inspect"}, {"list"}, {"start"}, {"restart"}, {"start", "restart"}, {"ping"}, {"inspect", "list"},
}

// weather lets one fault after the other loose until stop is closed. Sky is told
// of each as it begins and ends.
func weather(f *harness.Faults, seed uint64, stop <-chan struct{}, sky func() (lift func())) {
	r := rand.New(rand.NewPCG(seed, 2))
	deck := r.Perm(len(harness.FaultKinds))
	for n := 0; ; n++ {
		kind := harness.FaultKinds[deck[n%len(deck)]]
		calls := faultyCalls[r.IntN(len(faultyCalls))]
		if slices.Contains(harness.OfEvents, kind) {
			calls = []string{"events"}
		}
		lift := sky()
		end := f.Begin(kind, 0.3+0.7*r.Float64(), calls...)
		over := harness.Pause(stop, spell(r))
		end()
		lift()
		if over || harness.Pause(stop, time.Duration(r.IntN(500))*time.Millisecond) {
			return
		}
	}
}

// spell is how long a fault lasts: now and then longer than Defib waits for an
// answer.
func spell(r *rand.Rand) time.Duration {
	d := time.Duration(200+r.IntN(1300)) * time.Millisecond
	if r.IntN(8) == 0 {
		d += 3 * time.Second
	}
	return d
}
