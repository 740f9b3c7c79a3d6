package stats

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// file is one that is read again and again.
type file struct {
	path    []byte // as cPath makes it
	fd      int    // -1: closed
	missing bool   // it does not exist, or may not be read
}

// cPath is a path as the kernel takes it.
func cPath(path string) []byte { return append([]byte(path), 0) }

// files reads files into one buffer, and keeps descriptors of some.
type files struct {
	buffer []byte
	kept   int // descriptors
	limit  int // of these
}

// newFiles may keep a quarter of the descriptors that this process may have.
func newFiles() files {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		limit.Cur = 0
	}
	return files{buffer: make([]byte, 16<<10), limit: int(min(limit.Cur/4, math.MaxInt32))}
}

// read returns what a file of a cgroup holds, until the next call. Its descriptor is
// kept for the next time if there is one to spare.
func (fs *files) read(f *file) ([]byte, error) {
	fd := f.fd
	if fd < 0 {
		var err error
		if fd, err = open(f.path); err != nil {
			return nil, err
		}
		if fs.kept < fs.limit {
			f.fd = fd
			fs.kept++
		} else {
			defer unix.Close(fd)
		}
	}
	for {
		// The kernel writes such a file as a whole, as far as there is room.
		n, err := unix.Pread(fd, fs.buffer, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n < len(fs.buffer) {
			return fs.buffer[:max(n, 0)], err
		}
		fs.buffer = make([]byte, 2*len(fs.buffer))
	}
}

// readOnce returns what a file holds that is never kept open, until the next call.
func (fs *files) readOnce(path []byte) ([]byte, error) {
	fd, err := open(path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	for n := 0; ; {
		m, err := unix.Read(fd, fs.buffer[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || m == 0 {
			return fs.buffer[:n], err
		}
		if n += m; n == len(fs.buffer) {
			fs.buffer = append(fs.buffer, make([]byte, n)...)
		}
	}
}

// close gives a kept descriptor back.
func (fs *files) close(f *file) {
	if f.fd >= 0 {
		_ = unix.Close(f.fd)
		f.fd = -1
		fs.kept--
	}
}

// open does what unix.Open does without allocating: a path is opened again and again
// where no descriptor is kept.
func open(path []byte) (fd int, err error) {
	for {
		r, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(atCWD), uintptr(unsafe.Pointer(unsafe.SliceData(path))),
			unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

var atCWD = unix.AT_FDCWD // a variable, as a negative constant is no uintptr
