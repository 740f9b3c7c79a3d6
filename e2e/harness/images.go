package harness

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/docker/docker/api/types/image"
)

// ImportDefib makes an image of Defib as its Dockerfile does, FROM nothing.
func (s *Env) ImportDefib(name string, changes ...string) {
	s.Helper()
	path, err := buildStatic()
	if err != nil {
		s.Fatal(err)
	}
	s.Must("importing Defib's image", func(ctx context.Context) error {
		return s.Engine.importProgram(ctx, path, name, append(changes, `ENTRYPOINT ["/defib"]`))
	})
}

// importProgram makes an image of one program and nothing else.
func (e *Engine) importProgram(ctx context.Context, path, tag string, changes []string) error {
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: filepath.Base(path), Mode: 0o755, Size: int64(len(program))}); err != nil {
		return err
	}
	if _, err := w.Write(program); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	source := image.ImportSource{Source: &layer, SourceName: "-"}
	answer, err := e.ImageImport(ctx, source, tag, image.ImportOptions{Changes: changes})
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(io.Discard, answer)
	return err
}

func (e *Engine) importTestapp(ctx context.Context) error {
	if _, err := e.ImageInspect(ctx, TestappImage); err == nil && e.Daemon != nil {
		return nil
	}
	return e.ImportAs(ctx, TestappImage)
}

// ImportAs makes a new image of the testapp and gives it this name.
func (e *Engine) ImportAs(ctx context.Context, name string, changes ...string) error {
	path, err := BuildTestapp()
	if err != nil {
		return err
	}
	return e.importProgram(ctx, path, name, append(changes, `ENTRYPOINT ["/testapp"]`))
}
