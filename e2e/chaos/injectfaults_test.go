package chaos

import (
	"math/rand/v2"
	"slices"
	"time"

	"defib/e2e/harness"
)

// faultyCalls are those of an engine that a fault may be confined to, beside all of them.
var faultyCalls = [][]string{
	nil, nil,
	{"events"},
	{"inspect"},
	{"list"},
	{"start"},
	{"restart"},
	{"start", "restart"},
	{"ping"},
	{"inspect", "list"},
	{"create"},
	{"rename"},
	{"update", "stop", "remove"},
	{"create", "rename", "update", "stop", "start", "remove"},
}

// injectFaults lets one fault after the other loose until stop is closed. blind is told
// of each as it begins and ends.
func injectFaults(f *harness.Faults, seed uint64, stop <-chan struct{}, blind func() (unblind func())) {
	r := rand.New(rand.NewPCG(seed, 2))
	deck := r.Perm(len(harness.FaultKinds))
	for n := 0; ; n++ {
		kind := harness.FaultKinds[deck[n%len(deck)]]
		calls := faultyCalls[r.IntN(len(faultyCalls))]
		if slices.Contains(harness.OfEvents, kind) {
			calls = []string{"events"}
		}
		unblind := blind()
		end := f.Begin(kind, 0.3+0.7*r.Float64(), calls...)
		over := harness.Pause(stop, faultLength(r))
		end()
		unblind()
		if over || harness.Pause(stop, time.Duration(r.IntN(500))*time.Millisecond) {
			return
		}
	}
}

// faultLength is how long a fault lasts: now and then longer than Defib waits for an
// answer.
func faultLength(r *rand.Rand) time.Duration {
	d := time.Duration(200+r.IntN(1300)) * time.Millisecond
	if r.IntN(8) == 0 {
		d += 3 * time.Second
	}
	return d
}
