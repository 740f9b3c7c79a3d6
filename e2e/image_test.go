package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"defib/e2e/harness"
)

// finalStage is the image that the Dockerfile makes, of what its first stage would have
// built: no image to build in can be had here.
func finalStage(t *testing.T) io.Reader {
	t.Helper()
	dockerfile, err := os.ReadFile(harness.Repository("Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	_, final, found := strings.Cut(string(dockerfile), "\nFROM scratch\n")
	if !found {
		t.Fatal("the Dockerfile has no last stage from scratch")
	}
	var context bytes.Buffer
	w := tar.NewWriter(&context)
	add := func(name string, mode int64, kind byte, data []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data)), Typeflag: kind}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	add("Dockerfile", 0o644, tar.TypeReg, []byte("FROM scratch AS build\nCOPY . /\nFROM scratch\n"+final))
	add("src/LICENSE", 0o644, tar.TypeReg, []byte("a licence"))
	add("src/defib", 0o755, tar.TypeReg, harness.StaticDefib(t))
	add("root-of-image/var/lib/defib/", 0o1777, tar.TypeDir, nil)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &context
}

// TestImageRemembers runs the image as the examples do, also as a user that owns nothing
// in it, and without its volume having a name.
func TestImageRemembers(t *testing.T) {
	t.Parallel()
	harness.DockerOnly(t, harness.BuildsByOther)
	s := harness.NewEnv(t, harness.PrivateEngine(t))
	image := strings.ToLower(s.Prefix) + "image"
	s.Must("building the image", func(ctx context.Context) error {
		answer, err := s.Engine.ImageBuild(ctx, finalStage(t), build.ImageBuildOptions{Tags: []string{image}, Remove: true, ForceRemove: true})
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		if err == nil && !strings.Contains(string(said), "Successfully tagged") {
			t.Fatalf("%s", said)
		}
		return err
	})
	web := s.Run("web", harness.Spec{})
	for name, row := range map[string]struct {
		user   string
		volume bool
	}{
		"the image's user":               {user: "65534:65534"},
		"the image's user, named volume": {user: "65534:65534", volume: true},
		"another user":                   {user: "10911:10911", volume: true},
		"root without capabilities":      {user: "0:0", volume: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.TB = t
			d := s.ContainFrom(image, row.user, func(h *container.HostConfig) {
				if row.volume {
					h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeVolume, Source: s.Prefix + strings.ReplaceAll(row.user, ":", "-"), Target: "/var/lib/defib"})
				}
			}, harness.Whitelist(web), "--state.file=/var/lib/defib/state.json")
			harness.Eventually(t, "a save", func() bool { n, _ := d.Sample(saves); return n > 0 })
			d.Container.Restart()
			d.Attend()
			d.AwaitLine(1, "state recalled")
			d.Container.Remove()
		})
	}
}
