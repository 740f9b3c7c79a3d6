package restarter

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"defib/engine"
)

const (
	// firingWindow is how long after it was last heard of a firing is remembered:
	// longer than any repeat_interval that Alertmanager's own memory bears (120 h,
	// its --data.retention).
	firingWindow = 120 * time.Hour
	// maxFirings is how many are remembered: those last heard of.
	maxFirings = 10_000
)

// firingKey tells firings apart: one alert, since one moment, at one container. That is
// known by its name: whoever creates it anew answers the firing, as who restarts it does.
type firingKey [sha256.Size]byte

// firingRecord is what is remembered of one firing of an alert at one container. All times
// are on our clock: those of two machines must not be compared.
type firingRecord struct {
	heard time.Time // when it first arrived
	last  time.Time // when it last did
	acted time.Time // when its container was last acted upon for it; zero: never
}

// firings are the firings that are remembered.
type firings map[firingKey]*firingRecord

// key is the same for each repeat of one firing of the alert at a container of this name. All
// labels tell alerts apart: the fingerprint of one written by hand may be missing, or
// be another one's.
func (a Alert) key(container string) firingKey {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		fmt.Fprintf(h, "%q=%q,", name, a.Labels[name])
	}
	fmt.Fprintf(h, "%d@%s", a.since().UnixNano(), container)
	return firingKey(h.Sum(nil))
}

// since is when the alert began to fire, on its sender's clock; zero: it does not say.
func (a Alert) since() time.Time {
	if a.StartsAt.Year() <= 1 {
		return time.Time{}
	}
	return a.StartsAt
}

// hear returns what is remembered of the request's firing. An alert that does not say
// since when it fires cannot be told from the next of the same labels: of such a one
// nothing is remembered.
func (fs firings) hear(now time.Time, q *request) *firingRecord {
	if q.since.IsZero() {
		return &firingRecord{heard: q.asked, last: now}
	}
	f := fs[q.key]
	if f == nil {
		f = &firingRecord{heard: q.asked}
		fs[q.key] = f
	}
	f.last = now
	return f
}

// forget drops what was last heard of too long ago, and what is too much.
func (fs firings) forget(now time.Time) {
	maps.DeleteFunc(fs, func(_ firingKey, f *firingRecord) bool { return now.Sub(f.last) >= firingWindow })
	extra := len(fs) - maxFirings
	if extra <= 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(fs), func(a, b firingKey) int {
		return cmp.Or(fs[a].last.Compare(fs[b].last), slices.Compare(a[:], b[:]))
	})
	for _, key := range keys[:extra] {
		delete(fs, key)
	}
}

// alreadyHandled reports whether the request's firing has been acted upon: by us within the
// cooldown, or by whoever started the container since the firing first arrived. What
// came up before began, when this life of Defib did, may have been started for it by
// the life before, which is forgotten: there the alert's own beginning must do, though
// it is of another clock.
func (q *request) alreadyHandled(now, began time.Time, cooldown time.Duration, c *engine.Container) bool {
	f := q.firing
	switch {
	case !c.Up():
		return false // whatever was done for it, it has ended since
	case !f.acted.IsZero() && now.Sub(f.acted) < cooldown:
		return true
	case now.Sub(c.StartSeenAt) >= cooldown:
		return false
	case c.StartSeenAt.Before(began):
		return !q.since.IsZero() && c.StartSeenAt.After(q.since)
	}
	return c.StartSeenAt.After(f.heard)
}
