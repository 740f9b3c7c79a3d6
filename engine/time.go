package engine

import "time"

// Later returns the later of two times.
func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Earlier returns the earlier of two moments.
func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// onWall is a moment as the wall clock has it. The monotonic clock does not know of a wall
// clock that was set since, as that of a host without a clock of its own is once it has a
// network.
func onWall(t time.Time) time.Time { return t.Round(0).UTC() }
