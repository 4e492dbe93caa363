package journaltest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
)

// file is an open file of Files.
type file struct {
	files *Files
	node  *node
	name  string
}

func (o *file) enter(op string) error {
	o.files.mu.Lock()
	if o.files.fault != nil {
		if err := o.files.fault(op, o.name); err != nil {
			return fmt.Errorf("%s %s: %w", op, o.name, err)
		}
	}
	return nil
}

// Size implements journal.File.
func (o *file) Size() (int64, error) {
	o.files.mu.Lock()
	defer o.files.mu.Unlock()
	return int64(len(o.node.data)), nil
}

// Allocate implements journal.File.
func (o *file) Allocate(size int64) error {
	err := o.enter("allocate")
	defer o.files.mu.Unlock()
	if err != nil {
		return err
	}
	grow := size - int64(len(o.node.data))
	if o.files.capacity > 0 && o.files.used+grow > o.files.capacity {
		return fmt.Errorf("allocate %s: %w", o.name, syscall.ENOSPC)
	}
	o.files.used += grow
	data := o.files.memory(size)
	copy(data, o.node.data)
	o.node.data = data
	return nil
}

// Map implements journal.File.
func (o *file) Map(size int64) ([]byte, error) {
	err := o.enter("map")
	defer o.files.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if size > int64(len(o.node.data)) {
		return nil, fmt.Errorf("map %s: %w", o.name, syscall.EINVAL)
	}
	return o.node.data[:size], nil
}

// Unmap implements journal.File. The memory stays until the test ends.
func (o *file) Unmap([]byte) error { return nil }

// Sync implements journal.File.
func (o *file) Sync([]byte) error {
	err := o.enter("sync")
	defer o.files.mu.Unlock()
	if err != nil {
		return err
	}
	o.node.durable = slices.Clone(o.node.data)
	return nil
}

// ReadAt implements io.ReaderAt.
func (o *file) ReadAt(p []byte, off int64) (int, error) {
	err := o.enter("read")
	defer o.files.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(o.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, o.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt, within what is allocated.
func (o *file) WriteAt(p []byte, off int64) (int, error) {
	err := o.enter("write")
	defer o.files.mu.Unlock()
	switch {
	case errors.Is(err, ErrShortWrite):
		return copy(o.node.data[off:], p[:len(p)/2]), err
	case err != nil:
		return 0, err
	case off+int64(len(p)) > int64(len(o.node.data)):
		return 0, fmt.Errorf("write %s: %w", o.name, syscall.ENOSPC)
	}
	return copy(o.node.data[off:], p), nil
}

// Close implements io.Closer.
func (o *file) Close() error { return nil }
