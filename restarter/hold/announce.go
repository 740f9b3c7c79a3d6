package hold

import (
	"context"
	"errors"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"defib/internal/beside"
	"defib/internal/transition"
)

// announceInterval is how soon Announce notices a directory that was made or replaced.
const announceInterval = 10 * time.Second

// Announce has IsRead find, until the context ends, that this process reads a hold file.
// It holds a lock on the file's directory, since a change replaces the file itself. The
// kernel takes the lock away when the process ends, however it ends. No file at all is
// not announced. A file system that hangs costs the announcement and no more.
func Announce(ctx context.Context, file string, logger *slog.Logger) {
	if file == "" {
		return
	}
	released := make(chan struct{})
	go func() {
		defer close(released)
		announce(ctx, file, logger)
	}()
	<-ctx.Done()
	select {
	case <-released:
	case <-time.After(ReadTimeout): // it hangs
	}
}

func announce(ctx context.Context, file string, logger *slog.Logger) {
	var held *os.File // nil before the first lock
	defer func() { _ = held.Close() }()
	var faults transition.States
	for {
		// Always anew: the path may lead to another directory by now.
		switch fresh, err := lockForReading(file); {
		case err == nil:
			_ = held.Close()
			held = fresh
			if faults.Changed(file, "") {
				logger.Info("directory of the hold file is locked: defib hold finds this Defib again")
			}
		case !errors.Is(err, fs.ErrNotExist) && faults.Changed(file, err.Error()):
			logger.Warn("cannot lock the directory of the hold file: defib hold may report that no running Defib reads it", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(announceInterval):
		}
	}
}

// lockForReading returns the directory of a hold file, locked until it is closed.
func lockForReading(file string) (*os.File, error) {
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	if err := lockByte(folder, lockOffset(file)); err != nil {
		_ = folder.Close()
		return nil, &fs.PathError{Op: "lock", Path: folder.Name(), Err: err}
	}
	return folder, nil
}

// IsRead reports whether a process on this host announces that it reads a hold file,
// under whatever path: mounts of one directory share its locks. A file system that hangs
// is waited for as long as the context lasts.
func IsRead(ctx context.Context, file string) (bool, error) {
	return beside.Run(ctx, func() (bool, error) {
		folder, err := os.Open(filepath.Dir(file))
		if err != nil {
			return false, err
		}
		defer folder.Close()
		locked, err := isByteLocked(folder, lockOffset(file))
		if err != nil {
			return false, &fs.PathError{Op: "find locks of", Path: folder.Name(), Err: err}
		}
		return locked, nil
	}, hangs)
}

// lockOffset tells the hold files in one directory apart. It is the same in each
// release: two may run beside each other.
func lockOffset(file string) int64 {
	return int64(crc32.ChecksumIEEE([]byte(filepath.Base(file))))
}
