package e2e

import (
	"context"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// named makes a new image and gives it the name, which another may have had. It
// returns the image's ID.
func (s *env) named(name, revision string) (id string) {
	s.Helper()
	s.must("importing "+name, func(ctx context.Context) error {
		if err := s.engine.importAs(ctx, name, "LABEL revision="+revision); err != nil {
			return err
		}
		answer, err := s.engine.ImageInspect(ctx, name)
		id = answer.ID
		return err
	})
	s.Cleanup(func() {
		s.cleanUp()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), limit)
		defer cancel()
		if _, err := s.engine.ImageRemove(ctx, id, image.RemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
			s.Error("removing an image:", err)
		}
	})
	return id
}

func TestImageThatItsNameDoesNotMeanAnyMoreIsOutdated(t *testing.T) {
	dockerOnly(t, namesByID)
	t.Parallel()
	s := newEnv(t, sharedEngine(t))
	name := s.prefix + "web"
	first := s.named(name, "1")
	old, pinned := s.run("old", spec{image: name}), s.run("pinned", spec{image: first})
	outdated := func(b *testContainer) string { return series("docker_container_image_outdated", "name", b.name) }

	d := s.defib()
	d.awaitValue(outdated(old), 0)
	d.awaitAbsent(outdated(pinned))

	s.named(name, "2")
	d.awaitValue(outdated(old), 1)

	old.remove()
	renewed := s.run("old", spec{image: name})
	d.awaitValue(outdated(renewed), 0)

	s.must("untagging "+name, func(ctx context.Context) error {
		_, err := s.engine.ImageRemove(ctx, name, image.RemoveOptions{Force: true})
		return err
	})
	d.awaitAbsent(outdated(renewed))

	s.must("tagging", func(ctx context.Context) error { return s.engine.ImageTag(ctx, first, name) })
	d.awaitValue(outdated(renewed), 1)
	d.awaitAbsent(outdated(pinned))
	d.shows(series("defib_engine_request_failures_total", "call", "images"), 0)
}
