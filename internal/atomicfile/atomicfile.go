// Package atomicfile replaces a file so that nobody ever reads half of it, and that a loss
// of power does not undo it.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
)

// Replace has the file contain data, with these permissions. The directory must be
// writable: it holds a file beside this one until that takes its place, whose name begins
// with a dot and that of the file, and ends with digits.
func Replace(file string, data []byte, perm fs.FileMode) error {
	fresh, err := renameio.NewPendingFile(file, renameio.WithTempDir(filepath.Dir(file)), renameio.WithStaticPermissions(perm))
	if err != nil {
		return err
	}
	defer fresh.Cleanup() //nolint:errcheck // it does nothing once the file has been replaced
	if _, err := fresh.Write(data); err != nil {
		return err
	}
	if err := fresh.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(file))
}

// syncDirectory makes a rename last. Some network file systems know no such thing, and a
// directory may be writable and not readable: the file is replaced then, too.
func syncDirectory(path string) error {
	folder, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
