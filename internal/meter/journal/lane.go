package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Sync says when records are made to outlast a loss of power. A kill of the
// process loses nothing either way.
type Sync struct {
	Always bool          // before Commit returns, many waiters sharing one sync
	Every  time.Duration // else in the background, so long after the first record at most; 0: 50 ms
}

// Options say how a lane is made. Root, Node and ID are needed.
type Options struct {
	Root        string    // DATA/journal
	Node        string    // this machine or replica: 1 to 64 of a-z A-Z 0-9 . _ -, not starting with a dot
	ID          toll.ULID // this process
	Sync        Sync
	SegmentSize int64      // bytes, a multiple of 4,096 from 4 KiB to 64 MiB; 0: 4 MiB
	Files       Files      // nil: OS
	Clock       toll.Clock // nil: toll.SystemClock
}

// Lane is the part of the journal that this process writes. It is safe for
// concurrent use.
type Lane struct {
	name, dir string
	id        toll.ULID
	files     Files
	clock     toll.Clock
	size      int64
	sync      Sync
	lock      io.Closer

	latched atomic.Pointer[latch] // set once: no record is taken any more

	mu       sync.Mutex
	current  *segment
	sealed   []*segment // full ones that still have a file, in order
	unsynced []*segment // full ones not synced since they were sealed
	next     *segment   // made ready; nil while it is being made
	nextErr  error      // why it cannot be made, while it cannot
	prepared sync.Cond  // next or nextErr changed, or the lane was closed
	taken    sync.Cond  // next was taken, or the lane was closed
	closed   bool
	scratch  [16]byte

	syncer   syncer
	trimming sync.Mutex
	damaged  map[uint64]bool // segments to keep aside; trimming guards it
	appended bell            // for whoever drains

	closing    chan struct{}
	background sync.WaitGroup
}

type latch struct{ err error }

const (
	defaultSegmentSize = 4 << 20
	minSegmentSize     = 4 << 10
	maxSegmentSize     = 64 << 20
	defaultSyncEvery   = 50 * time.Millisecond
	lockName           = "lock"
	newSuffix          = ".new" // of what is being made
	damagedSuffix      = ".damaged"
)

var nodeName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

// Create makes a new lane and its first segment, and starts to make the second
// ready. A full disk is ErrFull.
func Create(opts Options) (*Lane, error) {
	l := &Lane{
		name: opts.Node + "/" + opts.ID.String(), id: opts.ID,
		files: opts.Files, clock: opts.Clock, size: opts.SegmentSize, sync: opts.Sync,
		damaged: map[uint64]bool{}, appended: newBell(), closing: make(chan struct{}),
	}
	if l.files == nil {
		l.files = OS
	}
	if l.clock == nil {
		l.clock = toll.SystemClock
	}
	if l.size == 0 {
		l.size = defaultSegmentSize
	}
	if l.sync.Every <= 0 {
		l.sync.Every = defaultSyncEvery
	}
	switch {
	case !nodeName.MatchString(opts.Node):
		return nil, toll.FieldError("node", "The node name %q cannot name a directory: use 1 to 64 letters, digits, dots, dashes or underscores.", opts.Node)
	case opts.ID.IsZero():
		return nil, toll.FieldError("id", "A journal lane needs an identifier.")
	case l.size%minSegmentSize != 0 || l.size < minSegmentSize || l.size > maxSegmentSize:
		return nil, toll.FieldError("segment_size", "A journal segment of %d bytes is not possible: use a multiple of 4096 up to 64 MiB.", l.size)
	}
	l.prepared.L, l.taken.L = &l.mu, &l.mu
	l.syncer.init()
	if err := l.make(opts.Root, opts.Node); err != nil {
		return nil, fmt.Errorf("make the journal lane %s: %w", l.name, explain(err))
	}
	l.background.Go(l.prepareAhead)
	if !l.sync.Always {
		l.background.Go(l.syncInBackground)
	}
	return l, nil
}

// make puts the lane's directory together under a hidden name, locks it, and
// gives it its name when it is whole: nobody sees it unlocked or half made.
func (l *Lane) make(root, node string) (err error) {
	parent := filepath.Join(root, node)
	l.dir = filepath.Join(parent, l.id.String())
	hidden := filepath.Join(parent, "."+l.id.String()+newSuffix)
	if err := l.files.MakeDir(hidden); err != nil {
		return err
	}
	if l.lock, err = l.files.Lock(filepath.Join(hidden, lockName)); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.lock.Close())
		}
	}()
	first, err := l.makeSegment(hidden, 1)
	if err != nil {
		return err
	}
	if err := errors.Join(l.files.SyncDir(hidden), l.files.Rename(hidden, l.dir), l.files.SyncDir(parent), l.files.SyncDir(root), l.files.SyncDir(filepath.Dir(root))); err != nil {
		return errors.Join(err, first.close())
	}
	first.name = filepath.Join(l.dir, segmentName(1))
	l.current = first
	return nil
}

// Name returns "<node>/<ulid>".
func (l *Lane) Name() string { return l.name }

// Append writes a record. When it returns without an error the record survives
// the end of the process; Commit says when it survives a loss of power. With
// follow, the record is in doubt until Finish is called on its Ref; without,
// the Ref only serves Commit. The payload is copied, not kept, and may be
// empty. Append allocates nothing and makes no system call, unless the next
// segment is not ready when it is needed.
//
// Errors are *toll.Error: ErrFull, ErrTooLong, ErrClosed, or that a sync
// failed, which stays until the process starts anew.
func (l *Lane) Append(kind Kind, payload []byte, follow bool) (Ref, error) {
	if failed := l.latched.Load(); failed != nil {
		return Ref{}, failed.err
	}
	size := recordSize(len(payload))
	if len(payload) > maxPayload || headerSize+size+recordHead > l.size {
		return Ref{}, ErrTooLong
	}
	if kind == 0 || kind == End {
		return Ref{}, toll.Errorf(toll.Internal, "A journal record cannot have the kind %d.", kind)
	}
	l.mu.Lock()
	if l.closed || l.current.end+size > l.size-recordHead {
		if err := l.makeRoom(size); err != nil {
			l.mu.Unlock()
			return Ref{}, err
		}
	}
	s, offset := l.current, l.current.end
	state := Done
	if follow {
		state = Recorded
		s.undone.Add(1)
	}
	l.write(s, kind, state, payload)
	l.mu.Unlock()

	l.syncer.appended.ring()
	l.appended.ring()
	return Ref{s, offset}, nil
}

// write puts a record at the end of a segment in which it fits. The caller
// holds mu. The checksum is taken of the copy, so that the payload may be on
// the caller's stack: crc32.Update lets its argument escape.
func (l *Lane) write(s *segment, kind Kind, state State, payload []byte) {
	head := s.data[s.end : s.end+recordHead]
	n := copy(s.data[s.end+recordHead:], payload)
	sum := crc32.Update(0, castagnoli, s.data[s.end+recordHead:s.end+recordHead+int64(n)])
	binary.LittleEndian.PutUint32(head[4:], checksum(sum, &l.scratch, s.seed, s.end, len(payload), kind))
	head[8] = byte(kind)
	binary.LittleEndian.PutUint32(head[12:], uint32(state))
	word(s.data, s.end).Store(little(committed | uint32(len(payload))))
	s.end += recordSize(len(payload))
}

// makeRoom seals the current segment and goes on in the next, waiting for it
// when it is being made. The caller holds mu.
func (l *Lane) makeRoom(size int64) error {
	for {
		switch {
		case l.closed:
			return ErrClosed
		case l.current.end+size <= l.size-recordHead:
			return nil
		case l.next != nil:
			l.write(l.current, End, Done, nil)
			l.sealed = append(l.sealed, l.current)
			l.unsynced = append(l.unsynced, l.current)
			l.current, l.next = l.next, nil
			l.taken.Signal()
		case l.nextErr != nil:
			return l.nextErr
		default:
			l.prepared.Wait()
		}
	}
}

// end returns where the next record goes. The caller holds mu.
func (l *Lane) end() Position { return Position{l.current.number, l.current.end} }

// End returns the committed end of the lane: what stands before it can be read.
func (l *Lane) End() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end()
}

// Beyond returns how many bytes of segments lie between a position and the
// lane's end.
func (l *Lane) Beyond(from Position) int64 {
	end := l.End()
	from.Segment = max(from.Segment, 1)
	return int64(end.Segment-from.Segment)*l.size + end.Offset - max(from.Offset, headerSize)
}

// Wait returns when a record was appended at or after a position, when ctx is
// over (its error) or when the lane was closed (ErrClosed). One goroutine at a
// time waits: whoever drains.
func (l *Lane) Wait(ctx context.Context, from Position) error {
	for {
		l.appended.arm()
		if from.Before(l.End()) {
			return nil
		}
		select {
		case <-l.appended.rung:
		case <-l.closing:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Err returns why the lane takes no records: nil, ErrFull and the like while
// the next segment cannot be made, or for good ErrClosed or a failed sync.
func (l *Lane) Err() error {
	if failed := l.latched.Load(); failed != nil {
		return failed.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nextErr
}

// latch makes every later Append fail; the first error stays.
func (l *Lane) latch(err error) { l.latched.CompareAndSwap(nil, &latch{err}) }

// Close syncs what was appended and ends the lane: records that nobody
// finished are then in doubt, as after a crash. Its files stay for the drainer.
// A second call does nothing.
func (l *Lane) Close() error {
	_, err := l.Sync()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	return errors.Join(err, l.shut(true))
}

// Abandon lets go of the lane as a kill of the process would: nothing is
// synced and no file is touched. Tests use it.
func (l *Lane) Abandon() { _ = l.shut(false) }

// shut stops the background, unmaps every segment and frees the lock.
func (l *Lane) shut(tidy bool) error {
	l.latch(ErrClosed)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.closing)
	l.prepared.Broadcast()
	l.taken.Broadcast()
	l.mu.Unlock()
	l.background.Wait()

	l.trimming.Lock()
	defer l.trimming.Unlock()
	l.mu.Lock()
	open := append(l.sealed, l.current)
	spare := l.next
	l.sealed, l.unsynced, l.next = nil, nil, nil
	l.mu.Unlock()
	var errs []error
	for _, s := range open {
		errs = append(errs, s.close())
	}
	if spare != nil {
		errs = append(errs, spare.close())
		if tidy {
			errs = append(errs, l.files.Remove(spare.name))
		}
	}
	return errors.Join(append(errs, l.lock.Close())...)
}
