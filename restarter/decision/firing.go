package decision

import (
	"crypto/sha256"
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

// AlertID tells alerts apart: a digest of all their labels. The fingerprint of one that was
// written by hand may be missing, or be another one's.
type AlertID [sha256.Size]byte

// firingKey tells firings apart: one alert, since one moment, at one container. That is
// known by its name: whoever creates it anew answers the firing, as who restarts it does.
type firingKey struct {
	alert     AlertID
	since     int64 // Unix time in nanoseconds, on the sender's clock
	container string
}

// firing is what is remembered of one firing of an alert at one container. All times are
// on our clock: those of two machines must not be compared.
type firing struct {
	heard time.Time // when it first arrived
	last  time.Time // when it last did
	acted time.Time // when its container was last acted upon for it; zero: never
}

// firings are the firings that are remembered.
type firings map[firingKey]*firing

// hear returns what is remembered of an alert's firing at the container of this name. An
// alert that does not say since when it fires cannot be told from the next of the same
// labels: of such a one nothing is remembered.
func (fs firings) hear(now time.Time, a Alert, container string) *firing {
	if a.Since.IsZero() {
		return &firing{heard: a.Asked, last: now}
	}
	key := firingKey{a.ID, a.Since.UnixNano(), container}
	f := fs[key]
	if f == nil {
		f = &firing{heard: a.Asked}
		fs[key] = f
	}
	f.last = now
	return f
}

// forget drops what was last heard of too long ago, and what is too much.
func (fs firings) forget(now time.Time) {
	maps.DeleteFunc(fs, func(_ firingKey, f *firing) bool { return now.Sub(f.last) >= firingWindow })
	extra := len(fs) - maxFirings
	if extra <= 0 {
		return
	}
	type entry struct {
		key  firingKey
		last time.Time
	}
	entries := make([]entry, 0, len(fs))
	for key, f := range fs {
		entries = append(entries, entry{key, f.last})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.last.Compare(b.last) })
	for _, e := range entries[:extra] {
		delete(fs, e.key)
	}
}

// alreadyHandled reports whether the request's firing has been acted upon: by us within the
// cooldown, or by whoever started the container since the firing first arrived. What
// came up before this life of Defib began may have been started for it by
// the life before, which is forgotten: there the alert's own beginning must do, though
// it is of another clock.
func (e *evaluator) alreadyHandled(q *Request, c *engine.Container) bool {
	f := q.firing
	switch {
	case !c.Up():
		return false // whatever was done for it, it has ended since
	case !f.acted.IsZero() && e.now.Sub(f.acted) < e.policy.Cooldown:
		return true
	case e.now.Sub(c.StartSeenAt) >= e.policy.Cooldown:
		return false
	case c.StartSeenAt.Before(e.history.began):
		return !q.Since.IsZero() && c.StartSeenAt.After(q.Since)
	}
	return c.StartSeenAt.After(f.heard)
}
