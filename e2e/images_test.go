package e2e

import (
	"context"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"defib/e2e/harness"
)

// named makes a new image and gives it the name, which another may have had. It
// returns the image's ID.
func named(s *harness.Env, name, revision string) (id string) {
	s.Helper()
	s.Must("importing "+name, func(ctx context.Context) error {
		if err := s.Engine.ImportAs(ctx, name, "LABEL revision="+revision); err != nil {
			return err
		}
		answer, err := s.Engine.ImageInspect(ctx, name)
		id = answer.ID
		return err
	})
	s.Cleanup(func() {
		s.CleanUp()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), harness.Limit)
		defer cancel()
		if _, err := s.Engine.ImageRemove(ctx, id, image.RemoveOptions{Force: true}); err != nil && !errdefs.IsNotFound(err) {
			s.Error("removing an image:", err)
		}
	})
	return id
}

func TestImageThatItsNameDoesNotMeanAnyMoreIsOutdated(t *testing.T) {
	harness.DockerOnly(t, harness.NamesByID)
	t.Parallel()
	imageIsOutdated(t, harness.SharedEngine(t))
}

func imageIsOutdated(t *testing.T, e *harness.Engine) {
	s := harness.NewEnv(t, e)
	name := s.Prefix + "web"
	first := named(s, name, "1")
	old, pinned := s.Run("old", harness.Spec{Image: name}), s.Run("pinned", harness.Spec{Image: first})
	outdated := func(b *harness.Container) string {
		return harness.Series("docker_container_image_outdated", "name", b.Name)
	}

	d := s.Defib()
	d.AwaitValue(outdated(old), 0)
	d.AwaitAbsent(outdated(pinned))

	named(s, name, "2")
	d.AwaitValue(outdated(old), 1)

	old.Remove()
	renewed := s.Run("old", harness.Spec{Image: name})
	d.AwaitValue(outdated(renewed), 0)

	s.Must("untagging "+name, func(ctx context.Context) error {
		_, err := s.Engine.ImageRemove(ctx, name, image.RemoveOptions{Force: true})
		return err
	})
	d.AwaitAbsent(outdated(renewed))

	err := s.Engine.ImageTag(t.Context(), first, name)
	if errdefs.IsNotFound(err) {
		return // Docker 26 with containerd's image store forgets an image that has no name, in spite of its containers
	}
	if err != nil {
		t.Fatal(err)
	}
	d.AwaitValue(outdated(renewed), 1)
	d.AwaitAbsent(outdated(pinned))
	d.Shows(harness.Series("defib_engine_request_failures_total", "call", "images"), 0)
}
