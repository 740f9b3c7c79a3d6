package docscheck

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxLines is how long a package may be, without its tests.
const maxLines = 1500

func TestNoPackageIsTooLong(t *testing.T) {
	lines := map[string]int{} // by folder
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		lines[strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), filepath.ToSlash(root)+"/")] += bytes.Count(text, []byte("\n"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if lines["internal/cli"] == 0 {
		t.Error("no package is found: this test tests nothing")
	}
	for folder, n := range lines {
		if n > maxLines && folder != "e2e/harness" { // which is tests, too
			t.Errorf("package %s has %d lines without its tests, want at most %d: split off what can be a package of its own", folder, n, maxLines)
		}
	}
}
