package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	buildDefib = sync.OnceValues(func() (string, error) {
		if Race {
			return build("defib", "-race")
		}
		return build("defib")
	})
	// buildStatic is Defib as its image has it.
	buildStatic = sync.OnceValues(func() (string, error) { return build("defib") })
	// BuildTestapp returns the path of the program that the containers run.
	BuildTestapp = sync.OnceValues(func() (string, error) { return build("defib/e2e/testapp") })
)

// StaticDefib returns Defib as its image has it.
func StaticDefib(tb testing.TB) []byte {
	tb.Helper()
	path, err := buildStatic()
	if err != nil {
		tb.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return program
}

// build compiles a program of this module into workdir. Only what runs under the
// race detector is not static: the testapp and a contained Defib stand alone in
// their images.
func build(pkg string, flags ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp(workdir, "build-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(pkg))
	args := append([]string{"build", "-o", path}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	if len(flags) == 0 {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// Repository returns the absolute path of a file of this repository, wherever in it
// the test stands.
func Repository(path string) string {
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return filepath.Join(dir, path)
}
