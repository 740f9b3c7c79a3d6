// Package state keeps what outlives the process in JSON files: read once, when Defib
// starts, and written beside all else, so that no disk stops healing.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"defib/internal/atomicfile"
)

// Version is that of the documents. One of a newer version is set aside.
const Version = 1

// maxSize is how much of a file is read: no document is so large.
const maxSize = 64 << 20

// permissions: what containers say may be in a file.
const permissions = 0o600

// ErrInUse says that another process has the file.
var ErrInUse = errors.New("another Defib uses it")

// ErrBroken says that a file was read and not understood.
var ErrBroken = errors.New("not understood")

// File is a JSON document on disk. It is for one caller at a time.
type File struct {
	path string
	lock *os.File // of the process; nil in what Beside returns
}

// Open locks a file for the life of the process, by a file beside it whose name ends with
// .lock, and removes what an earlier process left half written. The directory must be
// there and writable. On a file system that hangs it may never return.
func Open(path string) (*File, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, permissions)
	if err != nil {
		return nil, fmt.Errorf("its directory must exist, and it and the lock be writable: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrInUse
		}
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	f := &File{path: path, lock: lock}
	f.removeLeftovers()
	return f, nil
}

// At returns a file without its lock, to be read only.
func At(path string) *File { return &File{path: path} }

// Beside returns another document under the same lock: of state.json and this name,
// state-name.json.
func (f *File) Beside(name string) *File {
	ext := filepath.Ext(f.path)
	beside := &File{path: strings.TrimSuffix(f.path, ext) + "-" + name + ext}
	beside.removeLeftovers()
	return beside
}

// removeLeftovers removes what was written and did not take the file's place.
func (f *File) removeLeftovers() {
	dir, name := filepath.Split(f.path)
	all, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return // a write will tell
	}
	for _, one := range all {
		digits, ok := strings.CutPrefix(one.Name(), "."+name)
		if ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			_ = os.Remove(filepath.Join(dir, one.Name()))
		}
	}
}

// String is the path of the file.
func (f *File) String() string { return f.path }

// Close ends the lock.
func (f *File) Close() error { return f.lock.Close() }

// Read reads the document into v. Found is false if there is no file. An error says why it
// cannot be read, or, as ErrBroken, what is wrong with it; then v is not to be used.
func (f *File) Read(v any) (found bool, err error) {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s: not a regular file", f.path)
	case info.Size() > maxSize:
		return false, fmt.Errorf("%w: larger than %d MiB", ErrBroken, maxSize>>20)
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return false, err
	}
	var written struct{ Version int }
	if err := json.Unmarshal(data, &written); err != nil {
		return false, fmt.Errorf("%w: not a whole JSON document: %w", ErrBroken, err)
	}
	switch {
	case written.Version > Version:
		return false, fmt.Errorf("%w: of version %d: a newer Defib has written it, this one knows version %d", ErrBroken, written.Version, Version)
	case written.Version < 1:
		return false, fmt.Errorf("%w: it has no version: Defib has not written it", ErrBroken)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return true, nil
}

// Write replaces the document.
func (f *File) Write(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return cause(atomicfile.Replace(f.path, data, permissions))
}

// cause leaves the path out of an error, which is another one at each attempt.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// SetAside renames the file, so that a fresh one can be begun and nothing is lost, and logs
// why. What cannot be renamed will be replaced.
func (f *File) SetAside(now time.Time, why string, logger *slog.Logger) {
	name := f.path + "." + now.UTC().Format("20060102T150405Z")
	switch err := os.Rename(f.path, name); {
	case errors.Is(err, fs.ErrNotExist): // there is nothing to be kept
		return
	case err != nil:
		logger.Warn("state file not used, and it cannot be set aside", "file", f.path, "reason", why, "err", cause(err))
		return
	}
	logger.Warn("state file not used: set aside, and a new one begun", "file", f.path, "reason", why, "set_aside", name)
}
