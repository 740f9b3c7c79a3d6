package e2e

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// faultKind is one way in which what lies between Defib and the engine can fail.
type faultKind string

const (
	faultCut      faultKind = "cut"      // the connection breaks before the engine hears of the call
	faultDeaf     faultKind = "deaf"     // the engine does what it is asked, and its answer is lost
	faultDelay    faultKind = "delay"    // everything takes longer
	faultHang     faultKind = "hang"     // the call is held for as long as the fault lasts, and lost
	faultRefuse   faultKind = "refuse"   // 403, as a socket proxy has it
	faultFail     faultKind = "fail"     // 500
	faultTruncate faultKind = "truncate" // half an answer
	faultDrop     faultKind = "drop"     // events are lost
	faultReorder  faultKind = "reorder"  // events come in another order
)

var faultKinds = []faultKind{
	faultCut, faultDeaf, faultDelay, faultHang, faultRefuse, faultFail, faultTruncate, faultDrop, faultReorder,
}

// ofEvents are the faults of an open event stream; the others are of calls.
var ofEvents = []faultKind{faultDrop, faultReorder}

// fault lasts for a while and strikes some calls.
type fault struct {
	kind   faultKind
	calls  []string // nil: all
	chance float64  // of each call to be struck
	over   chan struct{}
}

func (f *fault) strikes(call string, dice float64) bool {
	return f != nil && dice < f.chance && (f.calls == nil || slices.Contains(f.calls, call))
}

// span is a stretch of time; one that has not ended has no to.
type span struct{ from, to time.Time }

func (s span) overlaps(from, to time.Time) bool {
	return s.from.Before(to) && (s.to.IsZero() || from.Before(s.to))
}

// faults are those of one run: at most one at a time, from one seed.
type faults struct {
	mu      sync.Mutex
	random  *rand.Rand
	now     *fault
	cutters map[int]func() // of open event streams
	streams int
	hits    map[faultKind]int
}

func newFaults(seed uint64) *faults {
	return &faults{random: rand.New(rand.NewPCG(seed, 1)), cutters: map[int]func(){}, hits: map[faultKind]int{}}
}

// meet returns the fault that strikes this call, or nil.
func (f *faults) meet(call string) *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now != nil && slices.Contains(ofEvents, f.now.kind) || !f.now.strikes(call, f.random.Float64()) {
		return nil
	}
	f.hits[f.now.kind]++
	return f.now
}

// meetEvent returns the fault that strikes one event of a stream, or nil. What
// cuts or refuses is no matter of a single event.
func (f *faults) meetEvent() *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now == nil || !slices.Contains(ofEvents, f.now.kind) && f.now.kind != faultDelay && f.now.kind != faultHang ||
		!f.now.strikes("events", f.random.Float64()) {
		return nil
	}
	f.hits[f.now.kind]++
	return f.now
}

// begin lets a fault loose until the returned function is called.
func (f *faults) begin(kind faultKind, chance float64, calls ...string) (end func()) {
	fresh := &fault{kind: kind, calls: calls, chance: chance, over: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = fresh
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
		f.now = nil
	}
}

// stream makes an open event stream known to cuts until it is released.
func (f *faults) stream(cut func()) (release func()) {
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

// counted says how often each kind has struck.
func (f *faults) counted() map[faultKind]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[faultKind]int{}
	for _, kind := range faultKinds {
		all[kind] = f.hits[kind]
	}
	return all
}

// calls of an engine that a fault may be confined to, beside all of them.
var faultyCalls = [][]string{
	nil, nil, {"events"}, {"inspect"}, {"list"}, {"start"}, {"restart"}, {"start", "restart"}, {"ping"}, {"inspect", "list"},
}

// weather lets one fault after the other loose until stop is closed. Sky is told
// of each as it begins and ends.
func (f *faults) weather(seed uint64, stop <-chan struct{}, sky func() (lift func())) {
	r := rand.New(rand.NewPCG(seed, 2))
	deck := r.Perm(len(faultKinds))
	for n := 0; ; n++ {
		kind := faultKinds[deck[n%len(deck)]]
		calls := faultyCalls[r.IntN(len(faultyCalls))]
		if slices.Contains(ofEvents, kind) {
			calls = []string{"events"}
		}
		lift := sky()
		end := f.begin(kind, 0.3+0.7*r.Float64(), calls...)
		over := pause(stop, spell(r))
		end()
		lift()
		if over || pause(stop, time.Duration(r.IntN(500))*time.Millisecond) {
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

// pause waits, and reports whether stop was closed meanwhile.
func pause(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return true
	case <-time.After(d):
		return false
	}
}
