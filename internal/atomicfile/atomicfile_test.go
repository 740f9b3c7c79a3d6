package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestFileIsReplacedWithItsPermissions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"first", "second, and longer"} {
		if err := Replace(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != text {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if all, _ := os.ReadDir(filepath.Dir(file)); len(all) != 1 {
		t.Errorf("more is left than the file: %v", all)
	}
}

func TestFileThatCannotBeReplacedStaysAsItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.Mkdir(file, 0o700); err != nil { // what no file can take the place of
		t.Fatal(err)
	}
	if err := Replace(file, []byte("text"), 0o600); err == nil {
		t.Error("it has been replaced")
	}
	if all, _ := os.ReadDir(filepath.Dir(file)); len(all) != 1 {
		t.Errorf("more is left than was there: %v", all)
	}
	if err := Replace(filepath.Join(filepath.Dir(file), "missing", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that does not exist: %v", err)
	}
}

// A reader that opens the file at any moment gets one text or the other, whole.
func TestNobodyReadsHalfOfIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	texts := [][]byte{bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<19)}
	if err := Replace(file, texts[0], 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		for i := range 30 {
			if err := Replace(file, texts[i%2], 0o600); err != nil {
				done <- err
			}
		}
		close(done)
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, texts[0]) && !bytes.Equal(got, texts[1]) {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
	}
}
