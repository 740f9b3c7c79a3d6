package store

import (
	"time"

	"defib/engine"
)

const (
	// ImagesEvery is how often images are listed without an event: builds with BuildKit
	// are announced by none on older engines.
	ImagesEvery = time.Hour
	// ImagesSettle is how long to wait after an event: one pull makes several.
	ImagesSettle = time.Second
	// ImagesRetry is the wait after a list that failed.
	ImagesRetry = time.Minute
)

// images is what the store knows of image names.
type images struct {
	names   map[string]string // image ID by canonical name; nil: not known
	asking  bool
	stale   bool          // something happened since they were asked for
	refused bool          // they may not be listed
	due     time.Time     // when to ask next; zero: not before there is a snapshot
	pause   time.Duration // before asking after an event: longer where there is one all the time
}

// imagesSoon has the images listed again after an event, or after a hint that
// the engine left one out.
func (s *Store) imagesSoon(now time.Time) {
	i := &s.images
	if i.refused || i.due.IsZero() && !i.asking {
		return
	}
	i.stale = true
	if soon := now.Add(max(i.pause, ImagesSettle)); !i.asking && soon.Before(i.due) {
		i.due = soon
	}
}

// ImagesDue reports whether to ask now. Then an answer has to follow.
func (s *Store) ImagesDue(now time.Time) bool {
	i := &s.images
	if i.asking || i.due.IsZero() || now.Before(i.due) {
		return false
	}
	i.asking, i.stale, i.due = true, false, time.Time{}
	return true
}

// sooner is next, or when to ask if that is sooner; zero: never.
func (i *images) sooner(next time.Time) time.Time {
	if next.IsZero() || !i.due.IsZero() && i.due.Before(next) {
		return i.due
	}
	return next
}

// ImagesAnswered takes the names that were asked for, nil if there was no answer.
// An answer that something has overtaken is asked for again: a new image
// would make its own container look outdated.
func (s *Store) ImagesAnswered(now time.Time, names map[string]string, refused bool) {
	i := &s.images
	i.asking, i.refused = false, refused
	switch {
	case names == nil && !refused:
		i.due = now.Add(ImagesRetry)
	case i.stale && !refused:
		i.pause = min(max(2*i.pause, ImagesSettle), ImagesRetry)
		i.due = now.Add(i.pause)
		return
	default:
		i.pause, i.due = 0, now.Add(ImagesEvery)
	}
	i.names = names
	for _, e := range s.entries {
		if e.c == nil {
			continue
		}
		if f := ImageStatusOf(i.names, e.c); f != e.c.ImageStatus {
			c := *e.c
			c.ImageStatus = f
			e.c, s.changed = &c, true
		}
	}
}

// ImageStatusOf is that of a container by names, image IDs by canonical name.
func ImageStatusOf(names map[string]string, c *engine.Container) engine.ImageStatus {
	id, known := names[c.ImageName]
	switch {
	case !known:
		return engine.ImageUnknown
	case id == c.ImageID:
		return engine.ImageCurrent
	}
	return engine.ImageOutdated
}

// imageStatus is that of a container as an inspect shows it. A new one that seems
// outdated may be of an image that was made without a word: the next list tells.
func (s *Store) imageStatus(now time.Time, before, c *engine.Container) engine.ImageStatus {
	if before != nil && before.ImageName == c.ImageName && before.ImageID == c.ImageID {
		return before.ImageStatus
	}
	f := ImageStatusOf(s.images.names, c)
	if f == engine.ImageOutdated {
		s.imagesSoon(now)
		return engine.ImageUnknown
	}
	return f
}
