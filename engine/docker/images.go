package docker

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/image"

	"defib/engine/docker/answer"
	"defib/engine/docker/call"
	"defib/engine/internal/refusal"
)

// listImages asks for all images.
func (c *connection) listImages(ctx context.Context) {
	c.wg.Go(func() {
		callCtx, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		var names map[string]string
		var forbidden error
		err := c.call(callCtx, call.Images, func(ctx context.Context) error {
			list, err := c.api.ImageList(ctx, image.ListOptions{})
			if refusal.Refused(err) {
				forbidden = call.WithHint(call.Images, err) // somebody wants it so: that is no failure
				return nil
			}
			if err == nil {
				names = answer.ImageNames(list)
			}
			return err
		})
		c.post(ctx, func(now time.Time) {
			c.store.ImagesAnswered(now, names, forbidden != nil)
			c.tellImages(err, forbidden)
		})
	})
}

// tellImages says once that images cannot be listed, and once that they can again.
func (c *connection) tellImages(err, forbidden error) {
	fault := ""
	for _, e := range []error{err, forbidden} {
		if e != nil {
			fault = refusal.Class(e)
		}
	}
	if !c.states.Changed(call.Images, fault) {
		return
	}
	switch {
	case forbidden != nil:
		c.Logger.Info("listing images is not allowed: docker_container_image_outdated is not exposed", "err", forbidden)
	case err != nil:
		c.Logger.Warn("cannot list images: docker_container_image_outdated is not exposed", "err", err)
	default:
		c.Logger.Info("listing images works again")
	}
}
