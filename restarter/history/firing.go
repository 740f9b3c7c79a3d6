package history

import (
	"crypto/sha256"
	"maps"
	"slices"
	"time"
)

const (
	// firingWindow is how long after it was last heard of a firing is remembered:
	// longer than any repeat_interval that Alertmanager's own memory bears (120 h,
	// its --data.retention).
	firingWindow = 120 * time.Hour
	// maxFirings is how many are remembered: those last heard of.
	maxFirings = 10_000
)

// AlertID tells alerts apart: a digest of all their labels. The fingerprint of one that was
// written by hand may be missing, or be another one's.
type AlertID [sha256.Size]byte

// FiringKey tells firings apart: one alert, since one moment, at one container. That is
// known by its name, or a task of Swarm by its slot: whoever creates it anew answers the
// firing, as who restarts it does.
type FiringKey struct {
	alert     AlertID
	since     int64 // Unix time in nanoseconds, on the sender's clock
	container string
}

// Firing is what is remembered of one firing of an alert at one container. All times are
// on our clock: those of two machines must not be compared.
type Firing struct {
	Heard time.Time // when it first arrived
	Last  time.Time // when it last did
	Acted time.Time // when its container was last acted upon for it; zero: never
}

// Firings are the firings that are remembered.
type Firings map[FiringKey]*Firing

// Hear returns what is remembered of an alert's firing at the container of this name, or slot. An
// alert that does not say since when it fires cannot be told from the next of the same
// labels: of such a one nothing is remembered.
func (fs Firings) Hear(now, asked time.Time, alert AlertID, since time.Time, container string) *Firing {
	if since.IsZero() {
		return &Firing{Heard: asked, Last: now}
	}
	key := FiringKey{alert, since.UnixNano(), container}
	f := fs[key]
	if f == nil {
		f = &Firing{Heard: asked}
		fs[key] = f
	}
	f.Last = now
	return f
}

// Forget drops what was last heard of too long ago, and what is too much.
func (fs Firings) Forget(now time.Time) {
	maps.DeleteFunc(fs, func(_ FiringKey, f *Firing) bool { return now.Sub(f.Last) >= firingWindow })
	extra := len(fs) - maxFirings
	if extra <= 0 {
		return
	}
	type entry struct {
		key  FiringKey
		last time.Time
	}
	entries := make([]entry, 0, len(fs))
	for key, f := range fs {
		entries = append(entries, entry{key, f.Last})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.last.Compare(b.last) })
	for _, e := range entries[:extra] {
		delete(fs, e.key)
	}
}
