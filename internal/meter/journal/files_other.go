//go:build unix && !linux

package journal

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Allocate writes zeros: there is no call that reserves blocks everywhere.
func (f osFile) Allocate(size int64) error { return writeZeros(f, size) }

// Sync writes the mapping back, then the file.
func (f osFile) Sync(data []byte) error {
	if data != nil {
		if err := unix.Msync(data, unix.MS_SYNC); err != nil {
			return fmt.Errorf("sync the mapping of %s: %w", f.Name(), err)
		}
	}
	return f.File.Sync()
}

func touch([]byte) {}
