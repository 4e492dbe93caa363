package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Version is the format version that this program writes, and the newest that
// it reads.
const Version = 1

const (
	magic      = "TOLLJRNL"
	headerSize = 64
	suffix     = ".thj"
)

// header is the first 64 bytes of a segment.
type header struct {
	version uint32
	number  uint64
	lane    toll.ULID
	created time.Time
	size    int64
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], h.version)
	binary.LittleEndian.PutUint64(b[16:], h.number)
	copy(b[24:], h.lane[:])
	binary.LittleEndian.PutUint64(b[40:], uint64(h.created.UnixMicro()))
	binary.LittleEndian.PutUint64(b[48:], uint64(h.size))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// errHeader says that a segment's header cannot be read.
var errHeader = errors.New("the segment's header is damaged")

// decodeHeader reads a header. Magic, version and checksum keep their places in
// every format to come, so that a newer one is known for what it is.
func decodeHeader(b []byte) (header, error) {
	if len(b) < headerSize || string(b[:8]) != magic ||
		binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return header{}, errHeader
	}
	h := header{
		version: binary.LittleEndian.Uint32(b[8:]),
		number:  binary.LittleEndian.Uint64(b[16:]),
		lane:    toll.ULID(b[24:40]),
		created: time.UnixMicro(int64(binary.LittleEndian.Uint64(b[40:]))).UTC(),
		size:    int64(binary.LittleEndian.Uint64(b[48:])),
	}
	if h.version > Version {
		return h, ErrNewer
	}
	return h, nil
}

// segmentName returns the name of a segment's file in its lane.
func segmentName(number uint64) string { return fmt.Sprintf("%08d%s", number, suffix) }

// segmentNumber reads the name of a segment's file; 0: it is none.
func segmentNumber(name string) uint64 {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) < 8 {
		return 0
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || segmentName(n) != name {
		return 0
	}
	return n
}
