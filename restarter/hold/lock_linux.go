package hold

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lockByte locks a byte of a directory until it is closed; any number of readers can. The
// lock is of an open file description (F_OFD_SETLK), which no other descriptor of the
// process can end by being closed, and does not exclude flock(2), by which changes take
// turns. For a directory it is local to this host, on NFS too.
// Sources: https://man7.org/linux/man-pages/man2/fcntl_locking.2.html,
// https://github.com/torvalds/linux/blob/master/fs/nfs/dir.c (no lock in nfs_dir_operations)
func lockByte(folder *os.File, offset int64) error {
	return unix.FcntlFlock(folder.Fd(), unix.F_OFD_SETLK, lockOf(unix.F_RDLCK, offset))
}

// isByteLocked reports whether a byte of a directory is locked by lockByte.
func isByteLocked(folder *os.File, offset int64) (bool, error) {
	l := lockOf(unix.F_WRLCK, offset) // which any lock would refuse
	err := unix.FcntlFlock(folder.Fd(), unix.F_OFD_GETLK, l)
	return l.Type != unix.F_UNLCK, err
}

func lockOf(kind int16, offset int64) *unix.Flock_t {
	return &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: offset, Len: 1}
}
