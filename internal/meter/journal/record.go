package journal

import (
	"encoding/binary"
	"hash/crc32"
	"sync/atomic"
	"unsafe"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Kind says what a record holds. The journal itself knows End only.
type Kind uint8

// End is the kind of a full segment's last record. Other kinds are the
// caller's, from 1 up.
const End Kind = 0xff

// State is what became of a record after it was written.
type State uint32

// The states of a record.
const (
	Recorded     State = 0 // nothing more is known: after a crash, in doubt
	Done         State = 1 // finished, the client has it
	NotDelivered State = 2 // finished, and known not to have reached the client
)

const (
	recordHead = 16        // bytes before the payload
	committed  = 1 << 31   // in the length word
	maxPayload = 64 * 1024 // bytes, in any segment
)

// MaxPayload is the longest payload of a record, in bytes; with small segments
// it is less (Options.SegmentSize).
const MaxPayload = maxPayload

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordSize returns how many bytes a record with n bytes of payload takes.
func recordSize(n int) int64 { return (recordHead + int64(n) + 7) &^ 7 }

// seedOf returns the seed of a segment's checksums.
func seedOf(lane toll.ULID, segment uint64) uint32 {
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], segment)
	return crc32.Update(crc32.Checksum(lane[:], castagnoli), castagnoli, number[:])
}

// checksum finishes a payload's CRC with where the record stands and what it is.
// scratch is the caller's, so that nothing is allocated.
func checksum(payload uint32, scratch *[16]byte, seed uint32, offset int64, length int, kind Kind) uint32 {
	binary.LittleEndian.PutUint32(scratch[0:], seed)
	binary.LittleEndian.PutUint32(scratch[4:], uint32(offset))
	binary.LittleEndian.PutUint32(scratch[8:], uint32(length))
	binary.LittleEndian.PutUint32(scratch[12:], uint32(kind))
	return crc32.Update(payload, castagnoli, scratch[:])
}

// word returns the 32-bit word at an offset of mapped memory, for atomic use.
// Mappings start on a page and offsets are multiples of 4.
func word(data []byte, offset int64) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&data[offset : offset+4][0]))
}

// little turns a number into the word that has its little-endian bytes, and back.
func little(v uint32) uint32 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	return binary.NativeEndian.Uint32(b[:])
}
