package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// retryEvery is how often the next segment is asked for again while it cannot
// be made.
const retryEvery = 250 * time.Millisecond

// prepareAhead keeps one segment ready beyond the current one.
func (l *Lane) prepareAhead() {
	for number := uint64(2); ; number++ {
		s := l.makeUntilDone(number)
		l.mu.Lock()
		l.next = s
		l.prepared.Broadcast()
		for l.next != nil && !l.closed {
			l.taken.Wait()
		}
		closed := l.closed
		l.mu.Unlock()
		if closed {
			return
		}
	}
}

// makeUntilDone makes a segment, trying again while it cannot; nil when the
// lane was closed meanwhile.
func (l *Lane) makeUntilDone(number uint64) *segment {
	for {
		s, err := l.makeSegment(l.dir, number)
		l.mu.Lock()
		l.nextErr = nil
		if err != nil {
			l.nextErr = explain(err)
			l.prepared.Broadcast()
		}
		l.mu.Unlock()
		if err == nil {
			return s
		}
		select {
		case <-l.closing:
			return nil
		case <-time.After(retryEvery):
		}
	}
}

// explain puts a failure to make a segment into words.
func explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ErrFull
	}
	return unallocated(err)
}

// makeSegment makes a segment's file, whole and durable, and maps it. It has
// its name only once its header is on disk.
func (l *Lane) makeSegment(dir string, number uint64) (_ *segment, err error) {
	name := filepath.Join(dir, segmentName(number))
	hidden := name + newSuffix
	if err := l.files.Remove(hidden); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove what an earlier try left: %w", err)
	}
	f, err := l.files.Create(hidden)
	if err != nil {
		return nil, fmt.Errorf("create a segment: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), l.files.Remove(hidden))
		}
	}()
	h := header{version: Version, number: number, lane: l.id, created: l.clock(), size: l.size}
	if err := f.Allocate(l.size); err != nil {
		return nil, fmt.Errorf("allocate a segment: %w", err)
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, fmt.Errorf("write a segment's header: %w", err)
	}
	if err := f.Sync(nil); err != nil {
		return nil, fmt.Errorf("sync a new segment: %w", err)
	}
	data, err := f.Map(l.size)
	if err != nil {
		return nil, fmt.Errorf("map a segment: %w", err)
	}
	if err := l.files.Rename(hidden, name); err != nil {
		return nil, errors.Join(fmt.Errorf("name a segment: %w", err), f.Unmap(data))
	}
	if err := l.files.SyncDir(dir); err != nil {
		hidden = name // what is to be removed
		return nil, errors.Join(fmt.Errorf("sync the lane's directory: %w", err), f.Unmap(data))
	}
	return &segment{number: number, seed: seedOf(l.id, number), name: name, file: f, data: data, end: headerSize}, nil
}
