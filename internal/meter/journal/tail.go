package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// Tail is a Reader of a lane that another, living process writes: the one that
// this process took over from. It asks that process nothing. How far the
// records reach it sees in the files, and it syncs them before it gives a record
// out, so that what a drainer takes outlasts a loss of power, as with a
// LiveReader.
//
// It gives no damage that may be a record on its way: before one that does not
// fit its checksum it stops, and whoever claims the lane when its process has
// ended finds out what it was.
type Tail struct {
	*Reader
	reach  Position // up to where whole records were seen
	buffer []byte
}

// Follow reads a lane of another process from a position on, up to what is
// there at each call of Next, which then gives io.EOF and may be called again
// later. That process must not Trim the lane meanwhile.
func Follow(files Files, root string, lane Found, from Position) *Tail {
	from = Position{max(from.Segment, 1), max(from.Offset, headerSize)}
	r := newReader(files, filepath.Join(root, lane.Node, lane.ID.String()), lane.ID, from)
	r.limit = from
	return &Tail{Reader: r, reach: from}
}

// Next is Reader.Next up to what is there.
func (t *Tail) Next() (Record, error) {
	if !t.pos.Before(t.limit) {
		if err := t.look(); err != nil {
			return Record{}, err
		}
	}
	if !t.pos.Before(t.limit) {
		return Record{}, io.EOF
	}
	return t.Reader.Next()
}

// look moves the limit up to behind the last whole record, and makes last what
// stands before it.
func (t *Tail) look() error {
	for {
		ended, err := t.lookInSegment()
		if err != nil || !ended {
			return err
		}
		t.reach = Position{t.reach.Segment + 1, headerSize}
	}
}

// lookInSegment looks at the segment in which reach stands; ended tells that it
// is full and has been read to its end.
func (t *Tail) lookInSegment() (ended bool, err error) {
	f, err := t.files.Open(filepath.Join(t.dir, segmentName(t.reach.Segment)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // not made yet
	}
	if err != nil {
		return false, fmt.Errorf("open a segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	seed, offset := seedOf(t.lane, t.reach.Segment), t.reach.Offset
	for {
		kind, length, whole, err := t.recordAt(f, seed, offset)
		if err != nil {
			return false, fmt.Errorf("read segment %d: %w", t.reach.Segment, err)
		}
		if !whole {
			break
		}
		offset += recordSize(length)
		if ended = kind == End; ended {
			break
		}
	}
	if offset == t.reach.Offset {
		return false, nil
	}
	if err := f.Sync(nil); err != nil {
		return false, syncFailed(err)
	}
	t.reach.Offset = offset
	t.limit = t.reach
	if ended { // the reader passes the End by itself, and stops at the next one's start
		t.limit = Position{t.reach.Segment + 1, headerSize}
	}
	return ended, nil
}

// recordAt tells whether a whole record stands at an offset.
func (t *Tail) recordAt(f File, seed uint32, offset int64) (kind Kind, length int, whole bool, err error) {
	var head [recordHead]byte
	if n, err := readAt(f, head[:], offset); err != nil || n < len(head) || binary.LittleEndian.Uint32(head[:])&committed == 0 {
		return 0, 0, false, err
	}
	size := recordSize(int(binary.LittleEndian.Uint32(head[:]) &^ committed))
	if size > recordSize(maxPayload) {
		return 0, 0, false, nil
	}
	if int64(cap(t.buffer)) < size {
		t.buffer = make([]byte, 2*size)
	}
	n, err := readAt(f, t.buffer[:size], offset)
	if err != nil {
		return 0, 0, false, err
	}
	kind, length, whole = validRecord(t.buffer[:n], 0, offset, seed, &t.head)
	return kind, length, whole, nil
}

// readAt reads what is there of p.
func readAt(f File, p []byte, offset int64) (int, error) {
	n, err := f.ReadAt(p, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
