package harness

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// FaultKind is one way in which what lies between Defib and the engine can fail.
type FaultKind string

// The faults that there are.
const (
	faultCut      FaultKind = "cut"      // the connection breaks before the engine hears of the call
	faultDeaf     FaultKind = "deaf"     // the engine does what it is asked, and its answer is lost
	FaultDelay    FaultKind = "delay"    // everything takes longer
	faultHang     FaultKind = "hang"     // the call is held for as long as the fault lasts, and lost
	faultRefuse   FaultKind = "refuse"   // 403, as a socket proxy has it
	faultFail     FaultKind = "fail"     // 500
	faultTruncate FaultKind = "truncate" // half an answer
	FaultDrop     FaultKind = "drop"     // events are lost
	faultReorder  FaultKind = "reorder"  // events come in another order
)

// FaultKinds are all of them.
var FaultKinds = []FaultKind{
	faultCut, faultDeaf, FaultDelay, faultHang, faultRefuse, faultFail, faultTruncate, FaultDrop, faultReorder,
}

// OfEvents are the faults of an open event stream; the others are of calls.
var OfEvents = []FaultKind{FaultDrop, faultReorder}

// fault lasts for a while and strikes some calls.
type fault struct {
	kind   FaultKind
	calls  []string // nil: all
	chance float64  // of each call to be struck
	over   chan struct{}
}

func (f *fault) strikes(call string, dice float64) bool {
	return f != nil && dice < f.chance && (f.calls == nil || slices.Contains(f.calls, call))
}

// Faults are those of one run: at most one at a time, from one seed.
type Faults struct {
	mu      sync.Mutex
	random  *rand.Rand
	current *fault
	cutters map[int]func() // of open event streams
	streams int
	hits    map[FaultKind]int
}

func newFaults(seed uint64) *Faults {
	return &Faults{random: rand.New(rand.NewPCG(seed, 1)), cutters: map[int]func(){}, hits: map[FaultKind]int{}}
}

// meet returns the fault that strikes this call, or nil.
func (f *Faults) meet(call string) *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current != nil && slices.Contains(OfEvents, f.current.kind) || !f.current.strikes(call, f.random.Float64()) {
		return nil
	}
	f.hits[f.current.kind]++
	return f.current
}

// meetEvent returns the fault that strikes one event of a stream, or nil. What
// cuts or refuses is no matter of a single event.
func (f *Faults) meetEvent() *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == nil || !slices.Contains(OfEvents, f.current.kind) && f.current.kind != FaultDelay && f.current.kind != faultHang ||
		!f.current.strikes("events", f.random.Float64()) {
		return nil
	}
	f.hits[f.current.kind]++
	return f.current
}

// Begin lets a fault loose until the returned function is called.
func (f *Faults) Begin(kind FaultKind, chance float64, calls ...string) (end func()) {
	fresh := &fault{kind: kind, calls: calls, chance: chance, over: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = fresh
	if kind == faultCut && (calls == nil || slices.Contains(calls, "events")) {
		for _, cut := range f.cutters {
			cut()
			f.hits[kind]++
		}
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		close(fresh.over)
		f.current = nil
	}
}

// stream makes an open event stream known to cuts until it is released.
func (f *Faults) stream(cut func()) (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams++
	n := f.streams
	f.cutters[n] = cut
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.cutters, n)
	}
}

// Counts says how often each kind has struck.
func (f *Faults) Counts() map[FaultKind]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[FaultKind]int{}
	for _, kind := range FaultKinds {
		all[kind] = f.hits[kind]
	}
	return all
}
