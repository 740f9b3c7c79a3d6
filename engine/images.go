package engine

import (
	"context"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
)

const (
	// Builds with BuildKit are announced by no event on older engines.
	imagesEvery = time.Hour
	// One pull makes several events.
	imagesSettle = time.Second
	imagesRetry  = time.Minute
)

const imageType = string(events.ImageEventType)

// Freshness tells whether the image name that a container was created from still
// means the image that it runs, on this host.
type Freshness int

// The freshness of a container. FreshnessUnknown is that of one whose image
// name is gone, or was none, or of an engine that may not list its images.
const (
	FreshnessUnknown Freshness = iota
	Fresh
	Outdated
)

// images is what the book knows of image names.
type images struct {
	names   map[string]string // image ID by canonical name; nil: not known
	asking  bool
	stale   bool          // something happened since they were asked for
	refused bool          // they may not be listed
	due     time.Time     // when to ask next; zero: not before there is a picture
	pause   time.Duration // before asking after an event: longer where there is one all the time
}

// imageNames turns a list of images into IDs by canonical name.
func imageNames(list []image.Summary) map[string]string {
	names := map[string]string{}
	for _, s := range list {
		for _, tag := range s.RepoTags {
			names[imageName(tag)] = s.ID
		}
		for _, digest := range s.RepoDigests {
			names[imageName(digest)] = s.ID
		}
	}
	delete(names, "") // <none>:<none>
	return names
}

// imageName writes a name in the one way that all its spellings come to: with
// registry and tag, or with the digest alone, which decides. It is "" for what is
// no name, a full ID for example. A short ID looks like a name that nobody has.
func imageName(s string) string {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return ""
	}
	if d, ok := named.(reference.Digested); ok {
		return named.Name() + "@" + d.Digest().String()
	}
	return reference.TagNameOnly(named).String()
}

// imagesSoon has the images listed again after an event, or after a hint that
// the engine left one out.
func (b *book) imagesSoon(now time.Time) {
	i := &b.images
	if i.refused || i.due.IsZero() && !i.asking {
		return
	}
	i.stale = true
	if soon := now.Add(max(i.pause, imagesSettle)); !i.asking && soon.Before(i.due) {
		i.due = soon
	}
}

// imagesDue reports whether to ask now. Then an answer has to follow.
func (b *book) imagesDue(now time.Time) bool {
	i := &b.images
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

// imagesAnswered takes the names that were asked for, nil if there was no answer.
// An answer that something has overtaken is asked for again: a new image
// would make its own container look outdated.
func (b *book) imagesAnswered(now time.Time, names map[string]string, refused bool) {
	i := &b.images
	i.asking, i.refused = false, refused
	switch {
	case names == nil && !refused:
		i.due = now.Add(imagesRetry)
	case i.stale && !refused:
		i.pause = min(max(2*i.pause, imagesSettle), imagesRetry)
		i.due = now.Add(i.pause)
		return
	default:
		i.pause, i.due = 0, now.Add(imagesEvery)
	}
	i.names = names
	for _, e := range b.entries {
		if e.c == nil {
			continue
		}
		if f := i.freshness(e.c); f != e.c.Freshness {
			c := *e.c
			c.Freshness = f
			e.c, b.changed = &c, true
		}
	}
}

func (i *images) freshness(c *Container) Freshness {
	id, known := i.names[c.imageName]
	switch {
	case !known:
		return FreshnessUnknown
	case id == c.ImageID:
		return Fresh
	}
	return Outdated
}

// freshness is that of a container as an inspect shows it. A new one that seems
// outdated may be of an image that was made without a word: the next list tells.
func (b *book) freshness(now time.Time, before, c *Container) Freshness {
	if before != nil && before.imageName == c.imageName && before.ImageID == c.ImageID {
		return before.Freshness
	}
	f := b.images.freshness(c)
	if f == Outdated {
		b.imagesSoon(now)
		return FreshnessUnknown
	}
	return f
}

// listImages asks for all images.
func (c *connection) listImages(ctx context.Context) {
	c.wg.Go(func() {
		callCtx, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		var names map[string]string
		var refusal error
		err := c.call(callCtx, callImages, func(ctx context.Context) error {
			list, err := c.api.ImageList(ctx, image.ListOptions{})
			if refused(err) {
				refusal = explained(callImages, err) // somebody wants it so: that is no failure
				return nil
			}
			if err == nil {
				names = imageNames(list)
			}
			return err
		})
		c.post(ctx, func(now time.Time) {
			c.book.imagesAnswered(now, names, refusal != nil)
			c.tellImages(err, refusal)
		})
	})
}

// tellImages says once that images cannot be listed, and once that they can again.
func (c *connection) tellImages(err, refusal error) {
	fault := ""
	for _, e := range []error{err, refusal} {
		if e != nil {
			fault = e.Error()
		}
	}
	if fault == c.imagesFault {
		return
	}
	c.imagesFault = fault
	switch {
	case refusal != nil:
		c.Logger.Info("images may not be listed: docker_container_image_outdated is left out", "err", refusal)
	case err != nil:
		c.Logger.Warn("the engine does not list its images: docker_container_image_outdated is left out", "err", err)
	default:
		c.Logger.Info("the engine lists its images again")
	}
}
