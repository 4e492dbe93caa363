package toll

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// ULID is a 128-bit identifier that sorts by time: 48 bits of Unix
// milliseconds and 80 random bits (https://github.com/ulid/spec).
type ULID [16]byte

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Time returns the moment that is coded in the identifier, to the millisecond.
func (u ULID) Time() time.Time {
	ms := uint64(u[0])<<40 | uint64(u[1])<<32 | uint64(u[2])<<24 | uint64(u[3])<<16 | uint64(u[4])<<8 | uint64(u[5])
	return time.UnixMilli(int64(ms)).UTC()
}

// IsZero tells whether the identifier was never set.
func (u ULID) IsZero() bool { return u == ULID{} }

// Compare orders identifiers as their bytes and their text do.
func (u ULID) Compare(v ULID) int {
	for i := range u {
		if u[i] != v[i] {
			if u[i] < v[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// AppendText appends the 26 characters of Crockford's base 32 (upper case) to b.
func (u ULID) AppendText(b []byte) ([]byte, error) {
	hi := binary.BigEndian.Uint64(u[:8])
	lo := binary.BigEndian.Uint64(u[8:])
	var out [26]byte
	for i := 25; i >= 0; i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return append(b, out[:]...), nil
}

// String returns the 26 characters of Crockford's base 32.
func (u ULID) String() string {
	b, _ := u.AppendText(make([]byte, 0, 26))
	return string(b)
}

// ErrULID is what ParseULID answers for a text that is no ULID.
var ErrULID = errors.New("not a ULID: it takes 26 characters of Crockford's base 32")

// ParseULID reads 26 characters of Crockford's base 32; lower case is accepted.
func ParseULID(s string) (ULID, error) {
	var u ULID
	if len(s) != 26 || s[0] > '7' {
		return u, ErrULID
	}
	var hi, lo uint64
	for i := 0; i < 26; i++ {
		v := crockfordValue(s[i])
		if v > 31 {
			return u, ErrULID
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	binary.BigEndian.PutUint64(u[:8], hi)
	binary.BigEndian.PutUint64(u[8:], lo)
	return u, nil
}

func crockfordValue(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	for i := 0; i < len(crockford); i++ {
		if crockford[i] == c {
			return byte(i)
		}
	}
	return 0xff
}

// IDs makes identifiers. It is safe for concurrent use. Identifiers of the same
// millisecond come in no order: what they need is to be unique, and nobody may
// take a ULID for a secret.
type IDs struct {
	mu      sync.Mutex // only with entropy of its own
	entropy io.Reader
}

// NewIDs returns a source of identifiers that reads its randomness from
// entropy, which a test gives. nil is the runtime's own generator (ChaCha8,
// seeded by the system): it has a state for each thread, so that requests do
// not meet at a lock.
func NewIDs(entropy io.Reader) *IDs { return &IDs{entropy: entropy} }

// New makes the identifier for a moment. It panics when entropy fails, because
// nothing safe can follow.
func (s *IDs) New(now time.Time) ULID {
	ms := uint64(now.UnixMilli())
	var u ULID
	u[0], u[1], u[2], u[3], u[4], u[5] = byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)
	if s.entropy == nil {
		binary.BigEndian.PutUint64(u[6:14], rand.Uint64())
		binary.BigEndian.PutUint16(u[14:16], uint16(rand.Uint32()))
		return u
	}
	random := s.read()
	copy(u[6:], random[:])
	return u
}

// read takes the random part from entropy of its own.
func (s *IDs) read() (random [10]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.entropy, random[:]); err != nil {
		panic("toll: no randomness: " + err.Error())
	}
	return random
}

// NewID makes a prefixed text identifier such as "cus_01J9…". The prefixes in
// use: cus (customer), key, mem (member), op (operator), ses (session), tok (API token),
// mail, tic (ticket).
func (s *IDs) NewID(prefix string, now time.Time) string {
	b := make([]byte, 0, len(prefix)+27)
	b = append(append(b, prefix...), '_')
	b, _ = s.New(now).AppendText(b)
	return string(b)
}
