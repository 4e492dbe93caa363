package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Record is what a Reader gives.
type Record struct {
	Kind    Kind
	State   State    // when it was read
	Payload []byte   // the Reader's: valid until its next call
	At      Position // of the record
	Next    Position // behind it
}

// Reader walks over a lane's records. It belongs to one goroutine. It reads
// files, not mappings: what it meets there cannot fault.
type Reader struct {
	files Files
	dir   string
	lane  toll.ULID
	pos   Position
	limit Position // zero: a lane that nobody writes any more, to its end

	file   File
	number uint64 // of the open segment
	seed   uint32
	size   int64  // of its file
	whole  int64  // as its header says; 0 when that cannot be read
	buf    []byte // the file from its start, as far as it was read
	head   [16]byte
}

func newReader(files Files, dir string, lane toll.ULID, from Position) *Reader {
	return &Reader{files: files, dir: dir, lane: lane, pos: from}
}

// Reader reads a live lane from a position up to what is durable at each call
// of Next, which then gives io.EOF and may be called again later. What Trim
// deletes must lie behind the reader.
func (l *Lane) Reader(from Position) *LiveReader {
	return &LiveReader{newReader(l.files, l.dir, l.id, from), l}
}

// LiveReader is a Reader of a lane that is being written.
type LiveReader struct {
	*Reader
	of *Lane
}

// Next is Reader.Next up to the lane's durable end.
func (r *LiveReader) Next() (Record, error) {
	if !r.pos.Before(r.limit) {
		r.limit = r.of.Durable()
	}
	if !r.pos.Before(r.limit) {
		return Record{}, io.EOF
	}
	return r.Reader.Next()
}

// Position returns the place behind what was read last.
func (r *Reader) Position() Position { return r.pos }

// Close closes the file that is being read.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// Next returns the next record, io.EOF at the end, *Damage for what cannot be
// read (and goes on behind it when called again), an error that is ErrNewer for
// a segment of a newer format, or why a file could not be read.
func (r *Reader) Next() (Record, error) {
	for {
		if r.file == nil {
			if err := r.open(); err != nil {
				return Record{}, err
			}
		}
		available := r.size
		if r.limit.Segment == r.number {
			available = min(available, r.limit.Offset)
		}
		if err := r.fill(available); err != nil {
			return Record{}, err
		}
		at := r.pos
		kind, length, ok := r.valid(at.Offset)
		switch {
		case ok && kind == End:
			if err := r.leave(); err != nil {
				return Record{}, err
			}
		case ok:
			r.pos.Offset += recordSize(length)
			start := at.Offset + recordHead
			return Record{
				Kind: kind, State: r.state(at.Offset), At: at, Next: r.pos,
				Payload: r.buf[start : start+int64(length) : start+int64(length)],
			}, nil
		default:
			if err := r.stuck(available); err != nil {
				return Record{}, err
			}
		}
	}
}

// open opens the segment at pos, or the next one that has a file.
func (r *Reader) open() error {
	numbers, err := segmentsIn(r.files, r.dir)
	if err != nil {
		return err
	}
	wanted := max(r.pos.Segment, 1)
	i, _ := slices.BinarySearch(numbers, wanted)
	if i == len(numbers) || !r.limit.IsZero() && numbers[i] > r.limit.Segment {
		return io.EOF
	}
	if numbers[i] > wanted {
		damage := &Damage{At: r.pos, Missing: numbers[i] - wanted}
		r.pos = Position{numbers[i], 0}
		return damage
	}
	f, err := r.files.Open(filepath.Join(r.dir, segmentName(wanted)))
	if err != nil {
		return fmt.Errorf("open a segment: %w", err)
	}
	size, err := f.Size()
	if err != nil {
		return errors.Join(fmt.Errorf("size of a segment: %w", err), f.Close())
	}
	r.file, r.number, r.seed, r.whole = f, wanted, seedOf(r.lane, wanted), 0
	r.size, r.buf = min(size, maxSegmentSize), r.buf[:0]
	r.pos = Position{wanted, max(r.pos.Offset, headerSize)}
	return r.readHeader()
}

// readHeader checks the header of a segment just opened. When only the header
// is damaged the records are read all the same.
func (r *Reader) readHeader() error {
	if err := r.fill(min(r.size, headerSize)); err != nil {
		return errors.Join(err, r.Close())
	}
	h, err := decodeHeader(r.buf)
	start := Position{Segment: r.number}
	switch {
	case errors.Is(err, ErrNewer):
		return errors.Join(newer(h.version, filepath.Join(r.dir, segmentName(r.number))), r.Close())
	case r.size == 0:
		return &Damage{At: start, Reason: "the file is empty"}
	case err != nil:
		return &Damage{At: start, Bytes: min(r.size, headerSize), Reason: "the header cannot be read"}
	case h.lane != r.lane || h.number != r.number:
		r.pos.Offset = r.size
		return &Damage{At: start, Bytes: r.size, Reason: "the file holds another segment"}
	}
	r.whole = h.size
	return nil
}

// fill reads the open file up to available.
func (r *Reader) fill(available int64) error {
	have := int64(len(r.buf))
	if have >= available {
		return nil
	}
	r.buf = slices.Grow(r.buf, int(available-have))
	n, err := r.file.ReadAt(r.buf[have:available], have)
	r.buf = r.buf[:have+int64(n)]
	if err != nil && (!errors.Is(err, io.EOF) || int64(len(r.buf)) < available) {
		return fmt.Errorf("read segment %d: %w", r.number, err)
	}
	return nil
}

// valid tells whether a whole record stands at an offset of what was read.
func (r *Reader) valid(offset int64) (Kind, int, bool) {
	if offset < headerSize {
		return 0, 0, false
	}
	return validRecord(r.buf, offset, offset, r.seed, &r.head)
}

// validRecord tells whether a whole record stands in buf at an offset, which in
// its segment is the offset at.
func validRecord(buf []byte, offset, at int64, seed uint32, scratch *[16]byte) (Kind, int, bool) {
	if offset+recordHead > int64(len(buf)) {
		return 0, 0, false
	}
	head := buf[offset : offset+recordHead]
	word := binary.LittleEndian.Uint32(head)
	length := int64(word &^ committed)
	if word&committed == 0 || length > maxPayload || offset+recordHead+length > int64(len(buf)) ||
		head[8] == 0 || head[9]|head[10]|head[11] != 0 {
		return 0, 0, false
	}
	payload := crc32.Update(0, castagnoli, buf[offset+recordHead:offset+recordHead+length])
	sum := checksum(payload, scratch, seed, at, int(length), Kind(head[8]))
	return Kind(head[8]), int(length), sum == binary.LittleEndian.Uint32(head[4:])
}

func (r *Reader) state(offset int64) State {
	s := State(binary.LittleEndian.Uint32(r.buf[offset+12:]))
	if s > NotDelivered {
		return Recorded // flipped bits: in doubt
	}
	return s
}

// stuck decides what it means that no record stands at pos: the end of the
// lane (io.EOF), the end of the segment (nil, and the next one is next), or
// damage, behind which pos then stands.
func (r *Reader) stuck(available int64) error {
	at := r.pos
	atLimit := r.limit.Segment == r.number
	if atLimit && at.Offset >= available {
		return io.EOF
	}
	for offset := at.Offset + 8; offset+recordHead <= int64(len(r.buf)); offset += 8 {
		if _, _, ok := r.valid(offset); ok {
			r.pos.Offset = offset
			return &Damage{At: at, Bytes: offset - at.Offset, Reason: "a record does not fit its checksum"}
		}
	}
	rest := r.buf[min(at.Offset, int64(len(r.buf))):]
	used := len(rest)
	for used > 0 && rest[used-1] == 0 {
		used--
	}
	begun := len(rest) >= 4 && binary.LittleEndian.Uint32(rest) != 0 || len(rest) > 0 && len(rest) < 4 && used > 0
	follows, err := r.recordsFollow()
	if err != nil {
		return err
	}
	r.pos.Offset = available
	switch {
	case begun:
		return &Damage{At: at, Bytes: int64(used), Torn: true, Reason: "the last record is not whole"}
	case r.whole > r.size && at.Offset <= r.whole:
		r.pos.Offset = r.whole + 1 // said once
		return &Damage{At: at, Bytes: r.whole - r.size, Torn: true, Reason: "the file is cut short"}
	case atLimit:
		return &Damage{At: at, Bytes: available - at.Offset, Reason: "committed records are gone"}
	case follows && at.Offset+recordHead <= r.size:
		return &Damage{At: at, Bytes: r.size - at.Offset, Torn: true, Reason: "the end of a full segment is gone"}
	case follows:
		return r.leave()
	}
	r.pos = at
	return io.EOF
}

// leave closes the open segment and goes to the next one.
func (r *Reader) leave() error {
	err := r.Close()
	r.pos = Position{Segment: r.number + 1}
	return err
}

// recordsFollow tells whether a later segment holds records, or this is a
// segment before the limit: its own end must then be there.
func (r *Reader) recordsFollow() (bool, error) {
	if !r.limit.IsZero() {
		return r.number < r.limit.Segment, nil
	}
	numbers, err := segmentsIn(r.files, r.dir)
	if err != nil {
		return false, err
	}
	for _, n := range numbers {
		if n <= r.number {
			continue
		}
		used, err := inUse(r.files, filepath.Join(r.dir, segmentName(n)))
		if used || err != nil {
			return used, err
		}
	}
	return false, nil
}

// inUse tells whether anything was ever written behind a segment's header.
func inUse(files Files, name string) (bool, error) {
	f, err := files.Open(name)
	if err != nil {
		return false, fmt.Errorf("open a segment: %w", err)
	}
	var first [recordHead]byte
	n, err := f.ReadAt(first[:], headerSize)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("read a segment: %w", err)
	}
	return slices.ContainsFunc(first[:n], func(b byte) bool { return b != 0 }), nil
}

// segmentsIn returns the numbers of a lane's segments that have a file, in order.
func segmentsIn(files Files, dir string) ([]uint64, error) {
	names, err := files.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list a lane's segments: %w", err)
	}
	var numbers []uint64
	for _, name := range names {
		if n := segmentNumber(name); n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
