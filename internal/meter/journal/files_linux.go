package journal

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Allocate reserves the blocks with fallocate, which says ENOSPC before a byte
// is written. A file system without it gets zeros.
func (f osFile) Allocate(size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return writeZeros(f, size)
		default:
			return fmt.Errorf("allocate %d bytes for %s: %w", size, f.Name(), err)
		}
	}
}

// Sync writes dirty pages, also those dirtied through the mapping: on Linux
// both are the same pages.
func (f osFile) Sync([]byte) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("sync %s: %w", f.Name(), err)
		}
	}
}

// touch takes the page faults of a new mapping now, in the background, and not
// on the way of a request. Kernels before 5.14 do not know how; nothing is lost.
func touch(data []byte) { _ = unix.Madvise(data, unix.MADV_POPULATE_WRITE) }
