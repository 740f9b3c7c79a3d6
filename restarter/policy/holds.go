package policy

import (
	"slices"
	"time"

	"defib/engine"
)

// Everything is the entry of a hold that names nobody.
const Everything = "*"

// Hold keeps containers from being acted upon until it ends, which it always
// does by itself.
type Hold struct {
	Pattern
	Until time.Time
}

// Holds are the holds of a file, one a line: an entry as in a whitelist and the
// moment when it ends, as RFC 3339 has it.
type Holds []Hold

// Until is when the last hold of the container ends; zero if there is none.
func (hs Holds) Until(c *engine.Container) time.Time {
	var until time.Time
	for _, h := range hs {
		if h.Matches(c) && h.Until.After(until) {
			until = h.Until
		}
	}
	return until
}

// Active counts the holds that have not ended.
func (hs Holds) Active(now time.Time) int {
	return len(hs.Current(now))
}

// Current returns the holds that have not ended.
func (hs Holds) Current(now time.Time) Holds {
	return slices.DeleteFunc(slices.Clone(hs), func(h Hold) bool { return !h.Until.After(now) })
}

// With returns the holds that have not ended, and one for each of these names
// until the given moment; none means everything. A name has one hold, the newest.
// The file knows whole seconds: a hold does not end before its time.
func (hs Holds) With(now, until time.Time, names []Pattern) Holds {
	if len(names) == 0 {
		names = []Pattern{{text: Everything, name: Everything, glob: true}}
	}
	hs = hs.Without(now, names)
	until = until.Add(time.Second - 1).Truncate(time.Second).UTC()
	for _, name := range names {
		hs = append(hs, Hold{Pattern: name, Until: until})
	}
	return hs
}

// Merge returns these holds and others. A name has one hold, that which ends last.
func (hs Holds) Merge(others Holds) Holds {
	hs = slices.Clone(hs)
	for _, h := range others {
		if i := slices.IndexFunc(hs, func(own Hold) bool { return own.text == h.text }); i < 0 {
			hs = append(hs, h)
		} else if h.Until.After(hs[i].Until) {
			hs[i].Until = h.Until
		}
	}
	return hs
}

// Unmatched returns the holds that have not ended and match none of the containers.
// A hold on everything is none of these.
func (hs Holds) Unmatched(now time.Time, containers []*engine.Container) Holds {
	return slices.DeleteFunc(hs.Current(now), func(h Hold) bool {
		return h.text == Everything || slices.ContainsFunc(containers, h.Matches)
	})
}

// Without returns the holds that have not ended and are not of these names; none
// means everything.
func (hs Holds) Without(now time.Time, names []Pattern) Holds {
	if len(names) == 0 {
		return nil
	}
	return slices.DeleteFunc(hs.Current(now), func(h Hold) bool {
		return slices.ContainsFunc(names, func(n Pattern) bool { return n.text == h.text })
	})
}
