package journal

import (
	"errors"
	"runtime"
	"sync/atomic"
)

// segment is one mapped file of a live lane.
type segment struct {
	number uint64
	seed   uint32
	name   string // path of its file
	file   File
	data   []byte // the mapping
	end    int64  // bytes in use; the lane's mu guards it

	undone atomic.Int64 // records followed that were not finished yet
	pins   atomic.Int32 // users of the mapping at this moment; below zero: unmapped
}

// unmapped is what close takes off pins.
const unmapped = 1 << 30

// pin keeps the mapping and the file for the caller until unpin. It says no
// when they are gone; unpin is called all the same.
func (s *segment) pin() bool { return s.pins.Add(1) > 0 }
func (s *segment) unpin()    { s.pins.Add(-1) }

// close unmaps the segment, after whoever uses it at this moment. It is called once.
func (s *segment) close() error {
	s.pins.Add(-unmapped)
	for s.pins.Load() != -unmapped {
		runtime.Gosched()
	}
	return errors.Join(s.file.Unmap(s.data), s.file.Close())
}

// sync makes the segment last; one that is gone needs it no more.
func (s *segment) sync() error {
	defer s.unpin()
	if !s.pin() {
		return nil
	}
	return s.file.Sync(s.data)
}

// Ref names a record of a live lane that its caller follows. The zero Ref is
// none. It is small and copied freely.
type Ref struct {
	segment *segment
	offset  int64
}

// IsZero tells whether the Ref names no record.
func (r Ref) IsZero() bool { return r.segment == nil }

// Finish says what became of the record, once: a second call changes nothing.
// It is a store into mapped memory. On the zero Ref, or after the lane was
// closed, it does nothing.
func (r Ref) Finish(state State) {
	s := r.segment
	if s == nil {
		return
	}
	if s.pin() && word(s.data, r.offset+12).CompareAndSwap(little(uint32(Recorded)), little(uint32(state))) {
		s.undone.Add(-1)
	}
	s.unpin()
}
